from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from cerradata.core.errors import DatasetError, OutputError, RunError
from cerradata.data.picture import stretch
from cerradata.evaluation.plots import (
    PanelRow,
    plot_class_distribution,
    plot_confusion,
    plot_panels,
    plot_training_curves,
    save_figure,
)
from cerradata.legend import LandCoverClass, Level

LEVEL = Level(
    1,
    (
        LandCoverClass(0, "Pasture", "Pa", (206, 239, 98)),
        LandCoverClass(1, "Forest", "Fo", (22, 152, 13)),
        LandCoverClass(2, "Mining", "Mg", (176, 176, 176)),
    ),
)
CORRECT = (190, 205, 192)
WRONG = (200, 30, 45)


def words(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def panel_row(title: str = "Patch 7") -> PanelRow:
    reference = np.array([[0, 0], [1, 255]], np.uint8)
    return PanelRow(title, np.full((2, 2, 3), 0.5), reference, np.array([[0, 1], [1, 1]], np.uint8))


def history(epochs: int = 4) -> pd.DataFrame:
    epoch = np.arange(epochs)
    losses = {"train_loss": 2.0 - 0.1 * epoch, "val_loss": 2.5 - 0.1 * epoch}
    return pd.DataFrame({"epoch": epoch, **losses, "val_macro_f1": 10.0 * epoch, "val_mean_iou": 8.0 * epoch})


def test_cells_of_a_confusion_matrix_hold_shares_of_the_true_class() -> None:
    matrix = np.array([[3000, 1000, 0], [1, 99_999, 0], [0, 0, 5]])
    (axes,) = plot_confusion(matrix, LEVEL.names, percent=True).axes
    assert words(axes) == ["75.0", "25.0", "0", "<0.1", "99.9", "0", "0", "0", "100"]


def test_cells_of_a_confusion_matrix_hold_short_counts() -> None:
    matrix = np.array([[999, 1000, 9949], [9950, 999_499, 999_500], [1_250_000, 12_345_678, 2_000_000_000]])
    (axes,) = plot_confusion(matrix, LEVEL.names, percent=False).axes
    assert words(axes) == ["999", "1.0k", "9.9k", "10k", "999k", "1.0M", "1.2M", "12M", "2.0G"]


def test_rows_of_a_confusion_matrix_are_the_truth_from_top_to_bottom() -> None:
    (axes,) = plot_confusion(np.array([[1, 2], [3, 4]]), ["Pasture", "Forest"], percent=False).axes
    places = {text.get_text(): text.get_position() for text in axes.texts}
    assert places == {"1": (0, 0), "2": (1, 0), "3": (0, 1), "4": (1, 1)}
    assert axes.yaxis_inverted()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Pasture  (3)", "Forest  (7)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Pasture", "Forest"]


def test_a_class_without_support_is_shown_as_absent() -> None:
    matrix = np.array([[4, 0, 1], [0, 0, 0], [0, 0, 2]])
    (axes,) = plot_confusion(matrix, LEVEL.names, percent=True).axes
    assert words(axes).count("absent from the truth") == 1
    assert len(words(axes)) == 7
    absent = next(text for text in axes.texts if text.get_text() == "absent from the truth")
    assert absent.get_position() == (1, 1)


def test_a_confusion_matrix_needs_a_name_for_each_class() -> None:
    with pytest.raises(DatasetError, match="2 class names"):
        plot_confusion(np.eye(3, dtype=np.int64), ["Pasture", "Forest"], percent=True)


def test_training_curves_draw_losses_and_scores() -> None:
    figure = plot_training_curves(history())
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss", "Validation score (%)"]
    losses, scores = (
        {line.get_label(): list(line.get_ydata()) for line in axes.lines if not line.get_label().startswith("_")}
        for axes in figure.axes
    )
    assert list(losses) == ["training", "validation"]
    assert losses["training"] == pytest.approx([2.0, 1.9, 1.8, 1.7])
    assert scores == {"macro F1 (best 30.0)": [0, 10, 20, 30], "mean IoU": [0, 8, 16, 24]}


def test_the_best_epoch_is_marked_where_it_is() -> None:
    table = history()
    table["val_macro_f1"] = [1.0, 5.0, np.nan, 3.0]
    scores = plot_training_curves(table).axes[1]
    (mark,) = (line for line in scores.lines if line.get_marker() == "o")
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([1], [5.0])


def test_columns_that_are_missing_or_empty_are_not_drawn() -> None:
    table = history().drop(columns="val_loss").assign(val_macro_f1=np.nan, val_mean_iou=np.nan)
    (axes,) = plot_training_curves(table).axes
    assert [line.get_label() for line in axes.lines] == ["training"]


def test_a_loss_that_became_infinite_leaves_the_finite_part() -> None:
    table = history().assign(train_loss=[2.0, 1.0, np.inf, np.nan], val_macro_f1=0.0, val_mean_iou=0.0)
    losses, scores = plot_training_curves(table).axes
    assert list(losses.lines[0].get_ydata()) == [2.0, 1.0]
    assert losses.get_ylim() == pytest.approx((0, 1.08 * 2.5))
    assert scores.get_ylim() == (0, 1)


@pytest.mark.parametrize("columns", [["epoch"], ["train_loss"], []])
def test_a_history_without_anything_to_draw_is_refused(columns: list[str]) -> None:
    with pytest.raises(RunError, match=f"columns {', '.join(columns) or 'none'} and nothing to draw"):
        plot_training_curves(history()[columns])


def test_class_distribution_has_one_panel_a_split_and_a_bar_a_class_in_its_colour() -> None:
    figure = plot_class_distribution(LEVEL, {"train": [60, 30, 10], "test": [50, 50, 0]})
    train, test = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["train: 100 pixels", "test: 100 pixels"]
    assert [bar.get_width() for bar in train.patches] == [60, 30, 10]
    colours = [tuple(round(255 * part) for part in bar.get_facecolor()[:3]) for bar in train.patches]
    assert colours == [c.colour for c in LEVEL.classes]
    assert words(train) == ["60  ·  60.0 %", "30  ·  30.0 %", "10  ·  10.0 %"]
    assert words(test)[2] == "absent"
    assert train.get_xscale() == "linear"


def test_class_distribution_is_logarithmic_where_the_range_is_wide() -> None:
    (axes,) = plot_class_distribution(LEVEL, {"train": [20_000_000, 3_000_000, 900]}).axes
    assert axes.get_xscale() == "log"
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]
    assert ends == pytest.approx([20_000_000, 3_000_000, 900])
    assert words(axes) == ["20M  ·  87.0 %", "3.0M  ·  13.0 %", "900  ·  0.004 %"]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"train": [1, 2]}, "2 classes, not of 3"),
        ({"train": [0, 0, 0]}, "no labelled pixel"),
        ({}, "no labelled pixel"),
    ],
)
def test_a_distribution_that_cannot_be_drawn_is_refused(counts: dict[str, list[int]], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        plot_class_distribution(LEVEL, counts)


def test_panels_show_classes_in_their_colours_and_errors() -> None:
    figure = plot_panels([panel_row()], LEVEL)
    pictures = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert [axes.get_title() for axes in figure.axes] == ["Picture", "Reference", "Prediction", "Error"]
    pasture, forest, _ = (c.colour for c in LEVEL.classes)
    white = (255, 255, 255)
    np.testing.assert_array_equal(pictures[1], [[pasture, pasture], [forest, white]])
    np.testing.assert_array_equal(pictures[2], [[pasture, forest], [forest, forest]])
    np.testing.assert_array_equal(pictures[3], [[CORRECT, WRONG], [CORRECT, white]])
    assert figure.axes[0].get_ylabel() == "Patch 7"
    assert figure.axes[3].get_xlabel() == "67 % correct"
    keys = [text.get_text() for text in figure.legends[0].get_texts()]
    assert keys == ["Pasture", "Forest", "Unlabelled", "Correct", "Wrong"]


def test_a_place_without_reference_has_no_share_of_correct_pixels() -> None:
    nothing = np.full((2, 2), 255, np.uint8)
    figure = plot_panels([PanelRow("Patch 8", np.zeros((2, 2, 3)), nothing, np.zeros((2, 2), np.uint8))], LEVEL)
    assert figure.axes[3].get_xlabel() == "unlabelled"


def test_panels_refuse_no_rows_and_rows_of_different_sizes() -> None:
    with pytest.raises(DatasetError, match="at least one row"):
        plot_panels([], LEVEL)
    labels = np.zeros((2, 2), np.uint8)
    with pytest.raises(DatasetError, match=r"'Patch 9': picture \(3, 2, 2\)"):
        PanelRow("Patch 9", np.zeros((3, 2, 2)), labels, labels)
    with pytest.raises(DatasetError, match=r"prediction \(2, 3\)"):
        PanelRow("Patch 9", np.zeros((2, 2, 3)), labels, np.zeros((2, 3), np.uint8))


def test_stretch_takes_each_band_between_its_percentiles() -> None:
    ramp = np.arange(101.0).reshape(1, 1, 101)
    picture = stretch(np.concatenate([ramp, 1000 * ramp, 5 - ramp]))
    assert picture.shape == (1, 101, 3)
    assert picture[0, [0, 2, 50, 98, 100], 0] == pytest.approx([0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(picture[..., 0], picture[..., 1], atol=1e-6)
    np.testing.assert_allclose(picture[..., 0], 1 - picture[..., 2], atol=1e-6)


def test_stretch_leaves_pixels_without_data_white_and_out_of_the_percentiles() -> None:
    image = np.tile(np.arange(6.0).reshape(1, 2, 3), (3, 1, 1))
    image[0, 0, 0] = np.nan
    picture = stretch(image, low=0, high=100)
    np.testing.assert_array_equal(picture[0, 0], [1, 1, 1])
    assert picture[0, 1, 0] == 0  # the least value of the first band that is a number
    np.testing.assert_array_equal(stretch(np.full((3, 2, 2), np.nan)), np.ones((2, 2, 3)))


def test_stretch_of_a_flat_band_is_grey() -> None:
    np.testing.assert_array_equal(stretch(np.full((3, 2, 2), 7.0)), np.full((2, 2, 3), 0.5))


def every_figure() -> dict[str, Figure]:
    matrix = np.array([[30, 1, 0], [2, 70, 0], [0, 0, 0]])
    return {
        "shares": plot_confusion(matrix, LEVEL.names, percent=True),
        "counts": plot_confusion(matrix, LEVEL.names, percent=False),
        "curves": plot_training_curves(history()),
        "one-epoch": plot_training_curves(history(1)),
        "distribution": plot_class_distribution(LEVEL, {"train": [10_000, 10, 0], "val": [0, 0, 0]}),
        "panels": plot_panels([panel_row("Patch 1"), panel_row("Patch 2")], LEVEL),
    }


def test_every_figure_is_written_as_a_picture_and_always_the_same(tmp_path: Path) -> None:
    for name, figure in every_figure().items():
        save_figure(figure, tmp_path / f"{name}.png")
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 200
            assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)
            assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    save_figure(every_figure()["shares"], tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "shares.png").read_bytes()
    assert len(list(tmp_path.iterdir())) == len(every_figure()) + 1


def test_a_figure_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match=r"[Cc]hoose another"):
        save_figure(plot_training_curves(history()), tmp_path / "taken" / "curves.png")
