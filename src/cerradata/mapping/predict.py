"""A model over the tiles of a plan: class probabilities, in the order of the plan."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from cerradata.core.errors import ConfigError, RunError, SceneError
from cerradata.core.types import BoolArray, FloatArray
from cerradata.mapping.plan import Tile, TilePlan

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, eq=False)
class TileInput:
    """What a model sees of one tile.

    Attributes:
        image: (C, crop, crop) float32, whatever the model takes; some filler (0 or NaN, as the model wants) where there
            is no data and outside the scene.
        valid: (crop, crop) bool, whether the scene has data there; False outside the scene.
    """

    image: FloatArray
    valid: BoolArray

    def __post_init__(self) -> None:
        """Raise `SceneError` if image and mask do not fit each other."""
        if self.image.ndim != 3 or self.valid.shape != self.image.shape[1:]:
            raise SceneError(
                f"A tile was read as an image of shape {self.image.shape} and a mask of shape {self.valid.shape}: "
                f"(bands, rows, columns) and (rows, columns) of the same size are needed."
            )


class TileReader(Protocol):
    """Reads the model's input of a tile. It is called from one background thread, in the order of the plan."""

    def __call__(self, tile: Tile, /) -> TileInput:
        """Read `tile`, padded to its full size where it reaches over the scene's edge."""
        ...


class TilePrediction(NamedTuple):
    """What a model says of one tile.

    Attributes:
        tile: The tile.
        probabilities: (K, crop, crop) float32, of each class; all zero if the tile has no data. Not to be written to.
        valid: (crop, crop) bool, whether the scene has data there.
    """

    tile: Tile
    probabilities: FloatArray
    valid: BoolArray


@dataclass(frozen=True)
class PredictOptions:
    """How a model is run over tiles.

    Attributes:
        batch_size: Tiles a forward pass, at most.
        device: What torch takes as a device ("cpu", "cuda:1").
        precision: "bfloat16" runs the model under autocast; probabilities are float32 in either case.
    """

    batch_size: int = 8
    device: str = "cpu"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        """Raise `ConfigError` if an option is not one that exists."""
        if self.batch_size < 1:
            raise ConfigError(f"The batch size is {self.batch_size}: give 1 or more.")
        if self.precision not in ("float32", "bfloat16"):
            raise ConfigError(f"The precision is {self.precision!r}: choose float32 or bfloat16.")


class _Batch(NamedTuple):
    """Some tiles as read. `images` holds only those of `tiles` that have data, at the positions `seen`."""

    tiles: Sequence[Tile]
    valid: Sequence[BoolArray]
    seen: Sequence[int]
    images: Tensor | None


def predict_tiles(
    read: TileReader, model: nn.Module, plan: TilePlan, *, classes: int, options: PredictOptions
) -> Iterator[TilePrediction]:
    """Run a model over all tiles of a plan; a background thread reads the next batch meanwhile.

    The model is moved to the device, to the channels-last layout and to evaluation mode. Tiles without data are not
    shown to it. A batch never reaches over the end of a row band, so work that is taken up again at a band runs the
    same batches, and gives the same numbers, as work that never stopped.

    Args:
        read: Reads the input of a tile.
        model: Gives logits (B, K, crop, crop) for images (B, C, crop, crop).
        plan: The tiles.
        classes: Number of classes K.
        options: Batch size, device, precision.

    Yields:
        The predictions, in the order of the plan.

    Raises:
        ConfigError: If the logits have another shape than (B, K, crop, crop).
        RunError: If the model gives values that are not finite.
        SceneError: If tiles are read in different shapes. Errors of `read` itself reach the caller as they are.
    """
    model = model.to(options.device).to(memory_format=torch.channels_last).eval()
    batches = _batches(plan, options.batch_size)
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-tiles")
    try:
        reading = pool.submit(_read_batch, read, next(batches))
        for following in batches:
            batch = reading.result()
            reading = pool.submit(_read_batch, read, following)
            yield from _predict_batch(model, batch, classes, options)
        yield from _predict_batch(model, reading.result(), classes, options)
    finally:
        pool.shutdown(cancel_futures=True)


def _batches(plan: TilePlan, batch_size: int) -> Iterator[Sequence[Tile]]:
    for number in range(len(plan.row_starts)):
        band = plan.band(number)
        for start in range(0, len(band), batch_size):
            yield band[start : start + batch_size]


def _read_batch(read: TileReader, tiles: Sequence[Tile]) -> _Batch:
    """Read and stack; the copy to the channels-last layout happens here, in the background, too."""
    inputs = [read(tile) for tile in tiles]
    crops = [(tile.height, tile.width) for tile in tiles]
    if [one.valid.shape for one in inputs] != crops or len({one.image.shape[0] for one in inputs}) != 1:
        raise SceneError(
            f"Tiles from row {tiles[0].row}, column {tiles[0].col} on were read in the shapes "
            f"{[one.image.shape for one in inputs]}: the same number of bands and {crops} pixels are needed."
        )
    seen = [position for position, one in enumerate(inputs) if one.valid.any()]
    images = None
    if seen:
        stack = np.stack([np.asarray(inputs[position].image, np.float32) for position in seen])
        images = torch.from_numpy(stack).contiguous(memory_format=torch.channels_last)
    return _Batch(tiles, [one.valid for one in inputs], seen, images)


def _predict_batch(model: nn.Module, batch: _Batch, classes: int, options: PredictOptions) -> Iterator[TilePrediction]:
    shape = (classes, batch.tiles[0].height, batch.tiles[0].width)
    found: FloatArray | None = None
    if batch.images is not None:
        found = _probabilities(model, batch.images, options, shape=(len(batch.seen), *shape))
        _check_finite(found, [batch.tiles[position] for position in batch.seen])
    nothing = np.broadcast_to(np.float32(0), shape)  # a view of one number: empty tiles cost no memory
    rank = {position: place for place, position in enumerate(batch.seen)}
    for position, (tile, valid) in enumerate(zip(batch.tiles, batch.valid, strict=True)):
        probabilities = nothing if found is None or position not in rank else found[rank[position]]
        yield TilePrediction(tile, probabilities, valid)


def _probabilities(
    model: nn.Module, images: Tensor, options: PredictOptions, *, shape: tuple[int, int, int, int]
) -> FloatArray:
    """Softmax of the model's logits in float32: (B, K, rows, columns)."""
    # Inference mode must not be left on between the tiles that the caller is given, so it is entered batch by batch.
    autocast = torch.autocast(
        torch.device(options.device).type, dtype=torch.bfloat16, enabled=options.precision == "bfloat16"
    )
    with torch.inference_mode(), autocast:
        logits = model(images.to(options.device, non_blocking=True))
        if not isinstance(logits, Tensor) or logits.shape != shape:
            given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ConfigError(
                f"The model gives {given} for images of shape {tuple(images.shape)}: logits of shape {shape} (images, "
                f"classes, rows, columns) are needed. Check the level, and that the crop suits the model."
            )
        probabilities = logits.contiguous().float().softmax(dim=1)
    found: FloatArray = probabilities.cpu().numpy()
    return found


def _check_finite(probabilities: FloatArray, tiles: Sequence[Tile]) -> None:
    # A logit that is not finite makes the whole pixel NaN in the softmax (minus infinity, a masked class, does not).
    for tile, one in zip(tiles, probabilities, strict=True):
        if not np.isfinite(one).all():
            raise RunError(
                f"The model gives values that are not finite in the tile at row {tile.row}, column {tile.col}: the "
                f"input there is not finite, or the weights are not. Run doctor on the scenes, and test on the run."
            )
