"""Band statistics that can be added up patch by patch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cerradata.core.types import Array, FloatArray


@dataclass(frozen=True)
class Moments:
    """Count, sums and extremes of valid numbers, band by band. Adding two gives that of both sets.

    Attributes:
        count: (bands,) number of valid pixels.
        total: (bands,) sum.
        squares: (bands,) sum of squares.
        least: (bands,) minimum; +inf where nothing is valid.
        largest: (bands,) maximum; -inf where nothing is valid.
    """

    count: FloatArray
    total: FloatArray
    squares: FloatArray
    least: FloatArray
    largest: FloatArray

    @staticmethod
    def empty(bands: int) -> "Moments":
        """Moments of nothing."""
        zeros = np.zeros(bands)
        return Moments(zeros, zeros, zeros, np.full(bands, np.inf), np.full(bands, -np.inf))

    @staticmethod
    def of(pixels: Array, nodata: float | None) -> "Moments":
        """Moments of the stored numbers of a patch.

        Args:
            pixels: (bands, rows, columns).
            nodata: Number that does not count; NaN and infinity never do.
        """
        flat = pixels.reshape(len(pixels), -1).astype(np.float64)
        valid = valid_pixels(pixels, nodata).reshape(len(pixels), -1)
        if valid.all():
            return Moments(
                np.full(len(flat), float(flat.shape[1])),
                flat.sum(1),
                np.einsum("bp,bp->b", flat, flat),
                flat.min(1),
                flat.max(1),
            )
        kept = np.where(valid, flat, 0.0)
        return Moments(
            valid.sum(1).astype(np.float64),
            kept.sum(1),
            np.einsum("bp,bp->b", kept, kept),
            np.where(valid, flat, np.inf).min(1),
            np.where(valid, flat, -np.inf).max(1),
        )

    def __add__(self, other: "Moments") -> "Moments":
        """Moments of both sets."""
        return Moments(
            self.count + other.count,
            self.total + other.total,
            self.squares + other.squares,
            np.minimum(self.least, other.least),
            np.maximum(self.largest, other.largest),
        )

    def statistics(self, bands: Sequence[str]) -> dict[str, dict[str, float]]:
        """Mean, standard deviation (of the population), minimum and maximum by band; a band without data is left out."""
        result = {}
        for i, band in enumerate(bands):
            if self.count[i] == 0:
                continue
            mean = self.total[i] / self.count[i]
            variance = max(self.squares[i] / self.count[i] - mean**2, 0.0)
            result[band] = {
                "mean": float(mean),
                "std": float(np.sqrt(variance)),
                "min": float(self.least[i]),
                "max": float(self.largest[i]),
            }
        return result

    def to_dict(self) -> dict[str, list[float | None]]:
        """Plain values for a journal; infinity becomes null."""
        return {name: [None if np.isinf(v) else float(v) for v in getattr(self, name)] for name in _FIELDS}

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> "Moments":
        """The reverse of `to_dict`."""
        missing = {"least": np.inf, "largest": -np.inf}
        return Moments(
            *(
                np.array([missing.get(name, 0.0) if v is None else v for v in plain[name]], dtype=np.float64)
                for name in _FIELDS
            )
        )


def valid_pixels(pixels: Array, nodata: float | None) -> Array:
    """Where stored numbers are data: finite and not `nodata`; bool, the shape of `pixels`."""
    valid = np.isfinite(pixels) if pixels.dtype.kind == "f" else np.ones(pixels.shape, bool)
    if nodata is not None and not np.isnan(nodata):
        valid &= pixels != nodata
    return valid


_FIELDS = ("count", "total", "squares", "least", "largest")
