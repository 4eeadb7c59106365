"""`Augment`: augmentation of a batch."""

from collections.abc import Mapping, Sequence
from typing import Final

from torch import Tensor, nn

from cerradata.core.errors import DatasetError
from cerradata.data.augment.config import AugmentationConfig
from cerradata.data.augment.geometry import Placement, place, turn_directions
from cerradata.data.augment.jitter import Jitter
from cerradata.scenes import Radiometry
from cerradata.scenes.bands import base_band

_LAYERS: Final = ("image", "mask", "edge", "targets")


class Augment(nn.Module):
    """Changes each sample of a batch as `AugmentationConfig` says: image, labels and targets as one.

    What a patch gets follows from seed, epoch and its id alone: it does not depend on the batch, the position in it or the
    number of processes. It works on stored numbers, before normalisation, on whatever device the batch is on.
    """

    def __init__(
        self,
        config: AugmentationConfig,
        seed: int,
        bands: Sequence[str],
        radiometry: Mapping[str, Radiometry],
        patch_size: int,
        *,
        target_bands: Sequence[str] = (),
        aspects: frozenset[str] = frozenset(),
    ) -> None:
        """Take what is known of the dataset; `epoch` is set at the start of each epoch.

        Args:
            config: What is done.
            seed: Of the training.
            bands: The bands of the image, in order; of a time series window by window.
            radiometry: Of each layer that has some of them.
            patch_size: Rows and columns of a patch.
            target_bands: The bands of the targets, in order.
            aspects: Which bands of image and targets are directions in degrees clockwise from north (see `aspect_bands`), with
                their time window or without: their numbers turn with the image.

        Raises:
            ConfigError: If patches are smaller than `crop`, or a band is in no layer.
        """
        super().__init__()
        config.check(patch_size)
        self.config = config
        self.seed = seed
        self.epoch = 0
        self.patch_size = patch_size
        self._jitter = Jitter.of(config, bands, radiometry)
        self._directions = {"image": _positions(bands, aspects), "targets": _positions(target_bands, aspects)}

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """A new batch; the tensors of the old one are left as they are.

        Args:
            batch: `image` (B, C, H, W) or (B, T, C, H, W) float32 stored numbers, NaN = no data; `mask` and, where there are
                some, `edge` (B, H, W) int64 and `targets` (B, T, H, W) float32; `id` (B,) int64, or `draw` (B,) in its place
                where a patch may come several times in an epoch. All else is passed on.

        Returns:
            The same with H = W = `crop` where there is one. A modality that is lost is NaN.

        Raises:
            DatasetError: If a layer has another size than the patches.
        """
        if not self.config.active:
            return batch
        ids: list[int] = batch["draw" if "draw" in batch else "id"].tolist()
        moved = {**batch, **self._moved(batch, ids)} if self.config.moves else batch
        if self.config.jitters or self.config.modality_dropout:
            image = _as_bands(moved["image"])
            jittered = self._jitter.apply(image, self.seed, self.epoch, ids, out=image if self.config.moves else None)
            moved = {**moved, "image": jittered.reshape(moved["image"].shape)}
        return moved

    def placement(self, patch_id: int) -> Placement:
        """Where the pixels of a patch go in this epoch."""
        return Placement.draw(self.config, self.patch_size, self.seed, self.epoch, patch_id)

    def _moved(self, batch: dict[str, Tensor], ids: Sequence[int]) -> dict[str, Tensor]:
        placements = [self.placement(patch_id) for patch_id in ids]
        moved: dict[str, Tensor] = {}
        for name in _LAYERS:
            if name not in batch:
                continue
            layer = batch[name]
            if layer.shape[-2:] != (self.patch_size, self.patch_size):
                raise DatasetError(
                    f"augmentation: {name} has {layer.shape[-2]} x {layer.shape[-1]} pixels, but the patches of the "
                    f"dataset have {self.patch_size} x {self.patch_size}."
                )
            moved[name] = place(layer, placements)
            turn_directions(_as_bands(moved[name]), self._directions.get(name, []), placements)
        return moved


def _as_bands(layer: Tensor) -> Tensor:
    """(B, T, C, H, W) as (B, T * C, H, W), without a copy where it is contiguous; all else as it is."""
    return layer.flatten(1, 2) if layer.ndim == 5 else layer


def _positions(bands: Sequence[str], aspects: frozenset[str]) -> list[int]:
    return [position for position, band in enumerate(bands) if band in aspects or base_band(band) in aspects]
