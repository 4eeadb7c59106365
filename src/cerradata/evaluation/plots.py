"""Figures of a dataset and of a run. Every function returns a `Figure` and touches no state of matplotlib."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from cerradata.core.errors import DatasetError, RunError
from cerradata.core.files import atomic_path
from cerradata.core.types import UNLABELLED, CountArray, FloatArray, LabelArray
from cerradata.legend import Level
from cerradata.scores.confusion import check_matrix, class_names

_INK = "#22303c"
_MUTED = "#7b8794"
_PALE = "#b8c0c8"
_FAINT = "#e9ecef"
_CORRECT = (190, 205, 192)
_WRONG = (200, 30, 45)
_WHITE = (255, 255, 255)
# Lightness falls steadily along the map, so it can be read in grey and with any colour vision.
_SHARES = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#d6e6ef", "#8fbcd4", "#3f86ac", "#0f4c6e"])
_LOG_RANGE = 100  # largest over least count, from which on a linear axis hides the small classes
_DARK_SHARE = 66  # percent, from which on white words read better on `_SHARES` than dark ones
_CURVE_LOOKS = {
    "train_loss": ("training", "#8fbcd4"),
    "val_loss": ("validation", "#0f4c6e"),
    "val_macro_f1": ("macro F1", "#c8553d"),
    "val_mean_iou": ("mean IoU", "#e0a458"),
}
_CURVES = (("Loss", ("train_loss", "val_loss")), ("Validation score (%)", ("val_macro_f1", "val_mean_iou")))


@dataclass(frozen=True)
class PanelRow:
    """One place in a figure of panels.

    Attributes:
        title: Words beside the row (the patch id, say).
        picture: (H, W, 3), 0 to 1, as `data.picture.picture` gives it.
        reference: (H, W) uint8 class ids, 255 = unlabelled.
        prediction: (H, W) uint8 class ids, 255 = not mapped.
    """

    title: str
    picture: FloatArray
    reference: LabelArray
    prediction: LabelArray

    def __post_init__(self) -> None:
        """Raise `DatasetError` if the shapes do not fit each other."""
        size = self.reference.shape
        if self.picture.shape != (*size, 3) or self.prediction.shape != size:
            shapes = f"picture {self.picture.shape}, reference {size}, prediction {self.prediction.shape}"
            raise DatasetError(f"Panels of {self.title!r}: {shapes}; (H, W, 3), (H, W) and (H, W) are needed.")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, 150 dots an inch, atomically.

    Raises:
        OutputError: If there is no space or no permission.
    """
    with atomic_path(path) as temporary:
        # Without the program's version in the file, the same figure gives the same bytes.
        figure.savefig(
            temporary, format="png", dpi=150, bbox_inches="tight", pad_inches=0.15, metadata={"Software": None}
        )


def plot_confusion(matrix: CountArray, names: Sequence[str], *, percent: bool) -> Figure:
    """A confusion matrix, coloured by the share of each true class.

    Args:
        matrix: (classes, classes) pixels, rows truth, columns prediction.
        names: Class names in the order of the ids.
        percent: Write the shares of the true class into the cells, not the pixels.

    Raises:
        DatasetError: If the matrix is no matrix of counts, or the names do not fit it.
    """
    check_matrix(matrix)
    names, size, support = class_names(matrix, names), len(matrix), matrix.sum(axis=1)
    shares = 100 * matrix / np.maximum(support, 1)[:, None]
    side = 3.2 + 0.6 * max(size, 5)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    edges = np.arange(size + 1) - 0.5
    axes.pcolormesh(edges, edges, shares, cmap=_SHARES, vmin=0, vmax=100, edgecolors=_FAINT, linewidth=0.8)
    axes.set(aspect="equal", ylim=(size - 0.5, -0.5))
    for row, column in np.ndindex(matrix.shape):
        if support[row]:
            share, count = float(shares[row, column]), int(matrix[row, column])
            colour = "white" if share > _DARK_SHARE else _INK if count or row == column else _PALE
            text = _share_text(share) if percent else _count_text(count)
            words = axes.text(column, row, text, ha="center", va="center", fontsize=10 if size < 9 else 8, color=colour)
            words.set(weight="bold" if row == column else "normal")
    for row in map(int, np.flatnonzero(support == 0)):
        axes.axhspan(row - 0.5, row + 0.5, facecolor=_FAINT, edgecolor=_PALE, hatch="///", linewidth=0)
        words = axes.text((size - 1) / 2, row, "absent from the truth", ha="center", va="center", color=_MUTED)
        words.set(fontsize=8, bbox={"facecolor": _FAINT, "edgecolor": "none", "pad": 2})
    axes.set_xticks(range(size), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), [f"{n}  ({_count_text(int(s))})" for n, s in zip(names, support, strict=True)])
    axes.set_xlabel("Predicted class", color=_INK, labelpad=8)
    axes.set_ylabel("True class (pixels)", color=_INK, labelpad=8)
    _clean(axes, "Confusion matrix, " + ("% of the true class" if percent else "pixels (colour: % of the true class)"))
    return figure


def plot_training_curves(history: pd.DataFrame) -> Figure:
    """Losses and validation scores by epoch; a point marks the best macro F1.

    Args:
        history: One row an epoch: `epoch`, and any of `train_loss`, `val_loss`, `val_macro_f1`, `val_mean_iou` (the
            scores in percent). What is missing, NaN or infinite is not drawn.

    Raises:
        RunError: If there is no `epoch`, or none of the other columns.
    """
    history = history.replace([np.inf, -np.inf], np.nan)
    filled = set(history.columns[history.notna().any()])
    drawn = {title: [c for c in columns if c in filled] for title, columns in _CURVES if filled & set(columns)}
    if "epoch" not in history or not drawn:
        raise RunError(
            f"The history has the columns {', '.join(map(str, history.columns)) or 'none'} and nothing to draw: `epoch` "
            f"and one of {', '.join(_CURVE_LOOKS)} are needed."
        )
    figure = Figure(figsize=(5.4 * len(drawn), 3.8), layout="constrained")
    panels = figure.subplots(1, len(drawn), squeeze=False)[0]
    for axes, (title, columns) in zip(panels, drawn.items(), strict=True):
        for column in columns:
            _draw_curve(axes, history[["epoch", column]].dropna(), column)
        axes.set_xlabel("Epoch", color=_INK)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y", color=_FAINT, linewidth=0.8)
        axes.set_ylim(0, 1.08 * float(history[columns].max().max()) or 1)
        _clean(axes, title, spines=("bottom",))
        # The key stands above the axes, where it can cover no line.
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=9, labelcolor=_INK)
    return figure


def plot_class_distribution(level: Level, counts: Mapping[str, Sequence[int]]) -> Figure:
    """Pixels of each class, one panel a split, on a log scale where the range asks for it.

    Args:
        level: The classes and their colours.
        counts: Pixels of each class in the order of the ids, by name of the split.

    Raises:
        DatasetError: If no split has a pixel, or one has another number of classes than the level.
    """
    wrong = [split for split, pixels in counts.items() if len(pixels) != len(level)]
    if wrong:
        raise DatasetError(f"Split {wrong[0]!r} has counts of {len(counts[wrong[0]])} classes, not of {len(level)}.")
    present = [int(n) for pixels in counts.values() for n in pixels if n]
    if not present:
        raise DatasetError("There is no labelled pixel in any split, so there is no distribution of classes to plot.")
    logarithmic = max(present) > _LOG_RANGE * min(present)
    low = 10 ** np.floor(np.log10(min(present))) / 2 if logarithmic else 0.0
    figure = Figure(figsize=(2.6 + 3.4 * len(counts), 1.4 + 0.34 * len(level)), layout="constrained")
    panels = figure.subplots(1, len(counts), squeeze=False, sharey=True, sharex=True)[0]
    for axes, (split, pixels) in zip(panels, counts.items(), strict=True):
        axes.set_xscale("log" if logarithmic else "linear")
        _draw_bars(axes, level, [int(n) for n in pixels], low)
        # The longest bar leaves room for the words after it: 0.6 of the panel on either scale.
        axes.set_xlim(low, max(present) * ((max(present) / low) ** 0.65 if logarithmic else 1.65))
        axes.xaxis.set_visible(False)  # every bar says its number
        axes.set_yticks(range(len(level)), level.names)
        axes.set_ylim(len(level) - 0.5, -0.5)
        _clean(axes, f"{split}: {_count_text(int(sum(pixels)))} pixels", spines=("left",))
    scale = "log scale" if logarithmic else "linear scale"
    figure.supxlabel(f"Pixels and share of the split (bars: {scale})", color=_MUTED, fontsize=9)
    return figure


def plot_panels(rows: Sequence[PanelRow], level: Level) -> Figure:
    """Picture, reference, prediction and error of some places, with the classes that occur in them below.

    Args:
        rows: The places.
        level: The classes and their colours.

    Raises:
        DatasetError: If there is no row.
    """
    if not rows:
        raise DatasetError("There is no place to draw: give at least one row of panels.")
    keys = _panel_keys(rows, level)
    figure = Figure(figsize=(9.6, 2.4 * len(rows) + 0.55 + 0.05 * len(keys)), layout="constrained")
    grid = figure.subplots(len(rows), 4, squeeze=False)
    table = np.array([level.palette.get(value, _WHITE) for value in range(256)], np.uint8)
    for panels, row in zip(grid, rows, strict=True):
        error, words = _error_panel(row)
        pictures = (row.picture, table[row.reference], table[row.prediction], error)
        for axes, picture in zip(panels, pictures, strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set(color=_MUTED, linewidth=0.5)
        panels[0].set_ylabel(row.title, color=_INK, fontsize=9)
        panels[3].set_xlabel(words, color=_MUTED, fontsize=8, labelpad=2)
    for axes, title in zip(grid[0], ("Picture", "Reference", "Prediction", "Error"), strict=True):
        axes.set_title(title, color=_INK, fontsize=11)
    figure.legend(handles=keys, loc="outside lower center", ncols=4, frameon=False, fontsize=8.5, labelcolor=_INK)
    return figure


def _error_panel(row: PanelRow) -> tuple[LabelArray, str]:
    """(H, W, 3) uint8 picture of right and wrong, and the share that is right in words."""
    labelled = row.reference != UNLABELLED
    right = labelled & (row.reference == row.prediction)
    error = np.full((*row.reference.shape, 3), 255, np.uint8)
    error[labelled], error[right] = _WRONG, _CORRECT
    return error, f"{100 * right.sum() / labelled.sum():.0f} % correct" if labelled.any() else "unlabelled"


def _panel_keys(rows: Sequence[PanelRow], level: Level) -> list[Patch]:
    seen = {int(v) for row in rows for labels in (row.reference, row.prediction) for v in np.unique(labels)}
    keys = {c.name: c.colour for c in level.classes if c.id in seen}
    keys |= {"Unlabelled": _WHITE} if UNLABELLED in seen else {}
    keys |= {"Correct": _CORRECT, "Wrong": _WRONG}
    return [Patch(fc=(r / 255, g / 255, b / 255), ec=_MUTED, lw=0.5, label=name) for name, (r, g, b) in keys.items()]


def _draw_curve(axes: Axes, line: pd.DataFrame, column: str) -> None:
    label, colour = _CURVE_LOOKS[column]
    epochs, values = line["epoch"].to_numpy(), line[column].to_numpy()
    if column == "val_macro_f1":
        best = int(values.argmax())
        label = f"{label} (best {values[best]:.1f})"
        axes.plot(epochs[best], values[best], "o", color=colour, markersize=8, markeredgecolor="white", zorder=3)
    axes.plot(epochs, values, color=colour, linewidth=2, label=label, marker="o" if len(line) == 1 else None)


def _draw_bars(axes: Axes, level: Level, pixels: Sequence[int], low: float) -> None:
    """Bars from `low` on, each with its pixels and its share."""
    for row, (n, c) in enumerate(zip(pixels, level.classes, strict=True)):
        end = max(n, low)
        axes.barh(row, end - low, left=low, color=c.hex_colour, edgecolor=_MUTED, linewidth=0.4, height=0.72)
        text = f"{_count_text(n)}  ·  {_share_text(100 * n / sum(pixels), digits=3)} %" if n else "absent"
        words = axes.annotate(text, (end, row), (4, 0), textcoords="offset points", va="center", fontsize=8)
        words.set(color=_INK if n else _MUTED, style="normal" if n else "italic")


def _clean(axes: Axes, title: str, *, spines: tuple[str, ...] = ()) -> None:
    """Leave of the frame only what carries a meaning, and set the title."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in spines)
        spine.set_color(_MUTED)
    axes.tick_params(length=0, labelsize=9, labelcolor=_INK)
    axes.set_title(title, loc="left", color=_INK, fontsize=11, pad=10)


def _count_text(n: int) -> str:
    """A count in at most four characters: 950, 9.5k, 13k, 1.2M, 950M, 1.2G."""
    value, units = float(n), ["", "k", "M", "G", "T"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    digits = 1 if units[0] and value < 9.95 else 0
    return f"{value:.{digits}f}{units[0]}"


def _share_text(share: float, digits: int = 1) -> str:
    """A share in percent: 0, <0.1, 0.5, 12.3, 99.9, 100; `digits` are those of a share below 1."""
    if share in (0, 100):
        return f"{share:.0f}"
    least = 10**-digits
    return f"<{least:g}" if share < least / 2 else f"{min(share, 99.9):.{digits if share < 1 else 1}f}"
