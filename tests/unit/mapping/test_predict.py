import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cerradata.core.errors import ConfigError, RunError, SceneError
from cerradata.mapping.merge import merge_strips
from cerradata.mapping.plan import Tile, plan_tiles
from cerradata.mapping.predict import PredictOptions, TileInput, predict_tiles

PLAN = plan_tiles(10, 14, crop=4, overlap=1)  # 3 bands of 5 tiles
IN_PAIRS = PredictOptions(batch_size=2)


class Pointwise(nn.Module):
    """Logits (x, 0, -x) of the first band x. Keeps the images it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.shown.append(x)
        first = x[:, :1]
        return torch.cat([first, torch.zeros_like(first), -first], dim=1)


def scene_value(row: int, col: int) -> float:
    return (100 * row + col) / 500


def read(tile: Tile) -> TileInput:
    rows, cols = np.mgrid[tile.row : tile.row + tile.height, tile.col : tile.col + tile.width]
    image = np.stack([(100 * rows + cols) / 500, np.zeros(rows.shape)]).astype(np.float32)
    return TileInput(image, (rows < PLAN.height) & (cols < PLAN.width))


def read_with_data_from_column(column: int) -> Callable[[Tile], TileInput]:
    def reader(tile: Tile) -> TileInput:
        cols = np.arange(tile.col, tile.col + tile.width)
        return TileInput(read(tile).image, np.tile(cols >= column, (tile.height, 1)))

    return reader


def readers_alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("read-tiles")]


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_predictions_are_the_softmax_in_plan_order(batch_size: int) -> None:
    options = PredictOptions(batch_size=batch_size)
    predictions = list(predict_tiles(read, Pointwise(), PLAN, classes=3, options=options))
    assert [prediction.tile for prediction in predictions] == list(PLAN)
    for tile, probabilities, valid in predictions:
        assert probabilities.dtype == np.float32
        assert probabilities.shape == (3, 4, 4)
        assert valid.all()
        x = scene_value(tile.row + 1, tile.col + 2)
        expected = np.exp([x, 0, -x]) / np.exp([x, 0, -x]).sum()
        np.testing.assert_allclose(probabilities[:, 1, 2], expected, rtol=1e-5)


def test_merged_predictions_equal_the_model_over_the_whole_scene() -> None:
    strips = list(merge_strips(predict_tiles(read, Pointwise(), PLAN, classes=3, options=IN_PAIRS), PLAN, classes=3))
    merged = np.concatenate([strip.probabilities for strip in strips], axis=1)
    whole = torch.from_numpy(read(Tile(0, 0, *PLAN.shape)).image)[None]
    dense = Pointwise()(whole).softmax(dim=1)[0].numpy()
    np.testing.assert_allclose(merged, dense, atol=1e-5)


def test_batches_stay_within_a_row_band_and_have_channels_last() -> None:
    model = Pointwise()
    list(predict_tiles(read, model, PLAN, classes=3, options=PredictOptions(batch_size=3)))
    assert [images.shape[0] for images in model.shown] == [3, 2] * 3
    assert all(images.is_contiguous(memory_format=torch.channels_last) for images in model.shown)
    assert all(images.is_inference() or not images.requires_grad for images in model.shown)


def test_tiles_without_data_are_not_shown_to_the_model_and_get_zeros() -> None:
    model = Pointwise()
    # Tiles start at columns 0, 3, 6, 9, 10: the first two of a band hold nothing from column 7 on.
    predictions = list(predict_tiles(read_with_data_from_column(7), model, PLAN, classes=3, options=IN_PAIRS))
    assert [images.shape[0] for images in model.shown] == [2, 1] * 3
    for tile, probabilities, valid in predictions:
        empty = tile.col < 6
        assert valid.any() != empty
        np.testing.assert_allclose(probabilities.sum(axis=0), 0 if empty else 1, rtol=1e-6)


def test_tiles_without_data_inside_a_batch_do_not_shift_the_others() -> None:
    def reader(tile: Tile) -> TileInput:
        return TileInput(read(tile).image, np.full((4, 4), tile.col != 3))

    everything = {p.tile: p.probabilities for p in predict_tiles(read, Pointwise(), PLAN, classes=3, options=IN_PAIRS)}
    for tile, probabilities, _ in predict_tiles(
        reader, Pointwise(), PLAN, classes=3, options=PredictOptions(batch_size=5)
    ):
        np.testing.assert_allclose(probabilities, 0 if tile.col == 3 else everything[tile], rtol=1e-6)


def test_scene_without_any_data_never_calls_the_model() -> None:
    model = Pointwise()
    predictions = list(predict_tiles(read_with_data_from_column(99), model, PLAN, classes=3, options=IN_PAIRS))
    assert model.shown == []
    assert len(predictions) == len(PLAN)


def test_next_batch_is_read_in_one_other_thread_while_a_batch_is_predicted() -> None:
    threads: set[int] = set()
    seen: list[Tile] = []
    second_batch_read = threading.Event()

    def reader(tile: Tile) -> TileInput:
        threads.add(threading.get_ident())
        seen.append(tile)
        if len(seen) == 4:
            second_batch_read.set()
        return read(tile)

    class Waits(Pointwise):
        def forward(self, x: Tensor) -> Tensor:
            if not second_batch_read.wait(timeout=20):
                raise TimeoutError("the second batch is not read while the first one is predicted")
            return super().forward(x)

    list(predict_tiles(reader, Waits(), PLAN, classes=3, options=IN_PAIRS))
    assert len(threads) == 1
    assert threads != {threading.get_ident()}
    assert seen == list(PLAN)


def test_reading_is_at_most_one_batch_ahead() -> None:
    seen: list[Tile] = []

    def reader(tile: Tile) -> TileInput:
        seen.append(tile)
        return read(tile)

    for count, _ in enumerate(predict_tiles(reader, Pointwise(), PLAN, classes=3, options=IN_PAIRS), start=1):
        assert len(seen) <= count + 3  # the rest of this batch of two, and the next one
    assert len(seen) == len(PLAN)


def test_errors_of_the_reader_reach_the_caller_and_the_thread_ends() -> None:
    def reader(tile: Tile) -> TileInput:
        if tile.row > 0:
            raise SceneError("B04.jp2 is cut off")
        return read(tile)

    predictions = predict_tiles(reader, Pointwise(), PLAN, classes=3, options=IN_PAIRS)
    first_band = [next(predictions).tile for _ in range(5)]
    assert first_band == list(PLAN.band(0))
    with pytest.raises(SceneError, match=r"B04.jp2 is cut off"):
        next(predictions)
    assert readers_alive() == []


def test_thread_ends_when_the_caller_stops_early() -> None:
    predictions = predict_tiles(read, Pointwise(), PLAN, classes=3, options=IN_PAIRS)
    next(predictions)
    assert len(readers_alive()) == 1
    predictions.close()  # type: ignore[attr-defined]
    assert readers_alive() == []


def test_model_is_in_evaluation_mode_and_gradients_stay_on_for_the_caller() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Dropout(0.9)).train()
    predictions = predict_tiles(read, model, PLAN, classes=3, options=IN_PAIRS)
    one = next(predictions)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    again = next(predict_tiles(read, model, PLAN, classes=3, options=IN_PAIRS))
    np.testing.assert_array_equal(one.probabilities, again.probabilities)


def test_bfloat16_runs_the_model_in_it_and_gives_float32() -> None:
    kinds: list[torch.dtype] = []

    class Convolution(nn.Conv2d):
        def forward(self, input: Tensor) -> Tensor:
            logits = super().forward(input)
            kinds.append(logits.dtype)
            return logits

    torch.manual_seed(0)
    model = Convolution(2, 3, 3, padding=1)
    half = next(predict_tiles(read, model, PLAN, classes=3, options=PredictOptions(precision="bfloat16")))
    full = next(predict_tiles(read, model, PLAN, classes=3, options=PredictOptions()))
    assert kinds == [torch.bfloat16, torch.float32]
    assert half.probabilities.dtype == np.float32
    np.testing.assert_allclose(half.probabilities.sum(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(half.probabilities, full.probabilities, atol=0.02)


def test_model_with_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\(2, 3, 4, 4\).*\(2, 14, 4, 4\)"):
        list(predict_tiles(read, Pointwise(), PLAN, classes=14, options=IN_PAIRS))


def test_values_that_are_not_finite_are_an_error_that_names_the_tile() -> None:
    def reader(tile: Tile) -> TileInput:
        one = read(tile)
        if (tile.row, tile.col) == (3, 9):
            one.image[0, 2, 2] = np.nan
        return one

    with pytest.raises(RunError, match="row 3, column 9"):
        list(predict_tiles(reader, Pointwise(), PLAN, classes=3, options=IN_PAIRS))


def test_tiles_read_in_another_size_are_refused() -> None:
    def reader(tile: Tile) -> TileInput:
        return TileInput(np.zeros((2, 3, 3), np.float32), np.ones((3, 3), bool))

    with pytest.raises(SceneError, match=r"\(2, 3, 3\)"):
        list(predict_tiles(reader, Pointwise(), PLAN, classes=3, options=IN_PAIRS))


def test_image_and_mask_of_different_size_are_refused() -> None:
    with pytest.raises(SceneError, match=r"\(2, 4, 4\) and a mask of shape \(4, 5\)"):
        TileInput(np.zeros((2, 4, 4), np.float32), np.ones((4, 5), bool))


def test_options_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ConfigError, match="batch size is 0"):
        PredictOptions(batch_size=0)
    with pytest.raises(ConfigError, match="float32 or bfloat16"):
        PredictOptions(precision="float16")  # type: ignore[arg-type]
