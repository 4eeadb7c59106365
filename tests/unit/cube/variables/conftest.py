"""Inputs of variables that are arrays on one grid."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from cerradata.scenes.bands import MSI_BANDS

WEST, NORTH, RESOLUTION = 700_020.0, 9_000_000.0, 10.0
FloatArray = npt.NDArray[np.float32]


def make_grid(rows: int, columns: int, *, resolution: float = RESOLUTION, north: float = NORTH) -> GeoBox:
    """A north-up grid in the Bico do Papagaio."""
    return GeoBox((rows, columns), Affine(resolution, 0, WEST, 0, -resolution, north), "EPSG:32722")


@dataclass(frozen=True)
class Arrays:
    """`VariableInputs` of arrays: composites by sensor and time window, observations by sensor; NaN beyond them."""

    grid: GeoBox
    composites: Mapping[tuple[str, str], Mapping[str, FloatArray]] = field(default_factory=dict)
    dates: Mapping[str, Sequence[Mapping[str, FloatArray]]] = field(default_factory=dict)
    asked: list[tuple[int, int]] = field(default_factory=list)

    def composite(self, sensor: str, window: GeoBox, bands: Sequence[str], time_window: str) -> FloatArray:
        self.asked.append(window.shape)
        return self._cut(self.composites[sensor, time_window], window, bands)

    def observations(self, sensor: str, window: GeoBox, bands: Sequence[str]) -> Iterator[FloatArray]:
        for scene in self.dates[sensor]:
            self.asked.append(window.shape)
            yield self._cut(scene, window, bands)

    def _cut(self, images: Mapping[str, FloatArray], window: GeoBox, bands: Sequence[str]) -> FloatArray:
        step = ~self.grid.transform * window.transform
        top, left = round(step.f), round(step.c)
        height, width = window.shape
        result = np.full((len(bands), height, width), np.nan, np.float32)
        for number, band in enumerate(bands):
            rows, columns = np.mgrid[top : top + height, left : left + width]
            inside = (rows >= 0) & (rows < self.grid.shape[0]) & (columns >= 0) & (columns < self.grid.shape[1])
            result[number][inside] = images[band][rows[inside], columns[inside]]
        return result


@pytest.fixture(scope="session")
def grid_of() -> Callable[..., GeoBox]:
    """`make_grid`."""
    return make_grid


@pytest.fixture(scope="session")
def arrays() -> type[Arrays]:
    """`Arrays`."""
    return Arrays


@pytest.fixture(scope="session")
def everything() -> dict[str, tuple[str, ...]]:
    """Bands of a build that has every sensor."""
    return {"sentinel-2": MSI_BANDS, "sentinel-1": ("VV", "VH"), "elevation": ("elevation",)}
