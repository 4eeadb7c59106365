"""`AugmentationConfig`: what is done to training samples."""

from dataclasses import dataclass
from math import isfinite

from cerradata.core.errors import ConfigError


@dataclass(frozen=True)
class AugmentationConfig:
    """Augmentation of training samples; all of it is off by default, as published.

    What a sample gets follows from the seed, the epoch and the patch's id alone.

    Attributes:
        flips: Mirror left and right, and top and bottom, each with probability 1/2.
        turns: Turn by 0, 90, 180 or 270 degrees, equally often. With `flips` all eight symmetries of the square are equally
            frequent.
        crop: Cut out a square of so many pixels a side, at a random place; at most the patch size. None: the whole patch.
        msi_gain: Largest relative change of the reflectance of a sample, one factor for all bands and time windows: 0.1 is
            a factor of 0.9 to 1.1. 0 to below 1.
        msi_band_gain: Likewise, one factor for each band of a sample, the same in all time windows.
        sar_gain: Largest change of the backscatter of a sample in dB, the same for all bands and time windows, so that
            the ratio of VV to VH is kept.
        modality_dropout: Probability that a sample loses a whole modality, MSI or SAR equally often; never both. Where a
            sample has one of them only, none is lost.
    """

    flips: bool = False
    turns: bool = False
    crop: int | None = None
    msi_gain: float = 0.0
    msi_band_gain: float = 0.0
    sar_gain: float = 0.0
    modality_dropout: float = 0.0

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values that cannot work."""
        if self.crop is not None and self.crop < 1:
            raise ConfigError(f"augmentation: crop is {self.crop}: give 1 pixel or more, or null for the whole patch.")
        for name in ("msi_gain", "msi_band_gain"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ConfigError(
                    f"augmentation: {name} is {value}: give 0 to below 1. It is a relative change of reflectance: 0.1 "
                    "is 10 %."
                )
        if not (isfinite(self.sar_gain) and self.sar_gain >= 0):
            raise ConfigError(f"augmentation: sar_gain is {self.sar_gain}: give 0 dB or more.")
        if not 0 <= self.modality_dropout <= 1:
            raise ConfigError(f"augmentation: modality_dropout is {self.modality_dropout}: give a probability, 0 to 1.")

    @property
    def moves(self) -> bool:
        """Whether pixels change their place."""
        return self.flips or self.turns or self.crop is not None

    @property
    def jitters(self) -> bool:
        """Whether numbers change."""
        return bool(self.msi_gain or self.msi_band_gain or self.sar_gain)

    @property
    def active(self) -> bool:
        """Whether anything is on."""
        return self.moves or self.jitters or self.modality_dropout > 0

    def check(self, patch_size: int) -> None:
        """Check against the patches of a dataset.

        Args:
            patch_size: Rows and columns of a patch.

        Raises:
            ConfigError: If `crop` is larger.
        """
        if self.crop is not None and self.crop > patch_size:
            raise ConfigError(
                f"augmentation: crop is {self.crop} pixels, but the dataset's patches have {patch_size}: give at most "
                f"{patch_size}."
            )
