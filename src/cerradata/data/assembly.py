"""Stored numbers put together into images, on whatever device the batch is."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cerradata.core.types import Array
from cerradata.data.batches import StoredBatch
from cerradata.data.buffers import Buffers
from cerradata.data.kernel import in_parallel
from cerradata.data.normalise import Normalise
from cerradata.data.selection import BandSelection
from cerradata.scenes import Radiometry


class Assemble(nn.Module):
    """Stored numbers to images: bands in the wanted order, float32, NaN where there is no data; or normalised at once."""

    def __init__(
        self, inputs: BandSelection, targets: BandSelection, *, windows: int = 0, normalise: Normalise | None = None
    ) -> None:
        """Take the bands.

        Args:
            inputs: Bands of the image.
            targets: Bands of the regression targets.
            windows: Number of time windows of the images; 0 gives images without a time axis.
            normalise: Normalise the image too: each patch while the processor still has it in its cache.
        """
        super().__init__()
        self.inputs = inputs
        self.targets = targets
        self._windows = windows
        self.normalise = normalise
        self._memory = Buffers()

    def forward(self, batch: StoredBatch) -> dict[str, Tensor]:
        """Put a batch together.

        Returns:
            `image` (B, C, H, W) or (B, T, C, H, W) float32; `mask` and, if they were read, `edge` (B, H, W) int64; `targets`
            (B, T, H, W) float32, where there are some; `id` and, of a loader, `draw` (B,).
        """
        layers, absent = batch["layers"], batch.get("absent", {})
        image = (
            self._normalised(self.normalise, layers, absent)
            if self.normalise
            else self._image(self.inputs, layers, absent)
        )
        if self._windows:
            image = image.reshape(len(image), self._windows, -1, *image.shape[2:])
        assembled = {"image": image, "mask": _as_int64(batch["mask"]), "id": batch["id"]}
        if "draw" in batch:
            assembled["draw"] = batch["draw"]
        if "edge" in batch:
            assembled["edge"] = _as_int64(batch["edge"])
        if self.targets.bands:
            assembled["targets"] = self._image(self.targets, layers, absent)
        return assembled

    def normalising(self, normalise: Normalise) -> "Assemble":
        """The same, normalising too."""
        return Assemble(self.inputs, self.targets, windows=self._windows, normalise=normalise)

    def _normalised(self, normalise: Normalise, layers: Mapping[str, Tensor], absent: Mapping[str, Tensor]) -> Tensor:
        on_cpu = next(iter(layers.values())).device.type == "cpu"
        if on_cpu and not normalise.sensors:
            return self._image(self.inputs, layers, absent, normalise.kernel.overwrite_patch)
        return normalise.overwriting(self._image(self.inputs, layers, absent))

    def _image(
        self,
        bands: BandSelection,
        layers: Mapping[str, Tensor],
        absent: Mapping[str, Tensor],
        then: Callable[[Array], None] | None = None,
    ) -> Tensor:
        some = next(iter(layers.values()))
        shape = (len(some), len(bands.bands), *some.shape[2:])
        if some.device.type == "cpu":
            image = self._memory.empty(shape, np.dtype(np.float32))
            fill_on_processor(image.reshape(*shape[:2], -1), bands, layers, absent, then)
            return torch.from_numpy(image)
        filled = torch.empty(shape, dtype=torch.float32, device=some.device)
        fill_on_device(filled, bands, layers, absent)
        return filled


def fill_on_device(
    image: Tensor, bands: BandSelection, layers: Mapping[str, Tensor], absent: Mapping[str, Tensor]
) -> None:
    """Fill (B, C, H, W) float32 on any device, without waiting for it.

    Args:
        image: What is filled.
        bands: Its bands.
        layers: (B, bands, H, W) stored numbers by layer, on the same device.
        absent: (B,) bool by layer, where patches lack it.
    """
    for layer, radiometry in bands.layers.items():
        for first, last, start in _runs(bands.bands, radiometry.bands):
            part = image[:, first:last]
            part.copy_(layers[layer][:, start : start + last - first])
            gone = part.isfinite().logical_not()
            if radiometry.nodata is not None:
                gone |= part == radiometry.nodata
            if layer in absent:
                gone |= absent[layer][:, None, None, None]
            part.masked_fill_(gone, torch.nan)


def _as_int64(labels: Tensor) -> Tensor:
    # NumPy's conversion: after one of PyTorch's, its idle threads keep a core busy for milliseconds, which ours would need
    return torch.from_numpy(labels.numpy().astype(np.int64)) if labels.device.type == "cpu" else labels.long()


def fill_on_processor(
    image: Array,
    bands: BandSelection,
    layers: Mapping[str, Tensor],
    absent: Mapping[str, Tensor],
    then: Callable[[Array], None] | None,
) -> None:
    """Fill (B, C, pixels) patch by patch, and do something with each while the processor has it in its cache."""
    steps = [
        (first, last, start, radiometry, place)
        for place, radiometry in enumerate(bands.layers.values())
        for first, last, start in _runs(bands.bands, radiometry.bands)
    ]
    stored = [layers[layer].numpy().reshape(len(image), len(own.bands), -1) for layer, own in bands.layers.items()]
    gone = [absent[layer].numpy() if layer in absent else np.zeros(len(image), bool) for layer in bands.layers]

    def one(patch: Array, number: int) -> None:
        for first, last, start, radiometry, place in steps:
            if gone[place][number]:
                patch[first:last] = np.nan
                continue
            numbers = stored[place][number, start : start + last - first]
            np.copyto(patch[first:last], numbers)
            _blank(patch[first:last], numbers, radiometry)
        if then is not None:
            then(patch)

    in_parallel(one, image, range(len(image)))


def _runs(wanted: Sequence[str], stored: Sequence[str]) -> list[tuple[int, int, int]]:
    """Bands of a layer in an image: first and last + 1 place in the image, first place in the layer; as few as can be."""
    runs: list[tuple[int, int, int]] = []
    places = {band: place for place, band in enumerate(stored)}
    for at, band in enumerate(wanted):
        if band not in places:
            continue
        if runs and runs[-1][1] == at and runs[-1][2] + at - runs[-1][0] == places[band]:
            runs[-1] = (runs[-1][0], at + 1, runs[-1][2])
        else:
            runs.append((at, at + 1, places[band]))
    return runs


def _blank(image: Array, numbers: Array, radiometry: Radiometry) -> None:
    """NaN where the numbers are no data: `nodata`, NaN and infinity.

    Least and largest number tell for most patches that there is nothing to do (NaN compares as false).
    """
    nodata = radiometry.nodata
    if nodata is not None and not np.isnan(nodata) and not numbers.min() > nodata:
        image[numbers == nodata] = np.nan
    if numbers.dtype.kind == "f" and not (numbers.min() > -np.inf and numbers.max() < np.inf):
        image[~np.isfinite(numbers)] = np.nan
