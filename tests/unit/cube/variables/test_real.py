"""Variables of a real place in Brazil (water, trees, bare ground, rangeland) against its land-cover map."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio

from cerradata.cube.variables.indices import find_index
from cerradata.cube.variables.terrain import gradient, slope
from cerradata.scenes.bands import MSI_BANDS

WATER, TREES, BARE, RANGELAND = 1, 2, 6, 9

pytestmark = pytest.mark.shared_data


def read(shared_data: Path, kind: str) -> npt.NDArray[np.float32]:
    with rasterio.open(shared_data / "terramesh" / kind / "282D_485L_3_3.tif") as file:
        return np.asarray(file.read(), np.float32)


def medians(shared_data: Path, name: str) -> dict[int, float]:
    index = find_index(name, {})
    reflectance = read(shared_data, "S2L2A") / 10_000  # no offset in this sample
    values = index.compute(np.stack([reflectance[MSI_BANDS.index(band)] for band in index.bands]))
    cover = read(shared_data, "LULC")[0]
    return {c: float(np.nanmedian(values[cover == c])) for c in (WATER, TREES, BARE, RANGELAND)}


def test_ndvi_orders_the_land_cover(shared_data: Path) -> None:
    found = medians(shared_data, "NDVI")
    assert found[WATER] < 0 < found[BARE] < 0.2 < found[RANGELAND] < found[TREES]


def test_mndwi_is_positive_on_water_only(shared_data: Path) -> None:
    found = medians(shared_data, "MNDWI")
    assert [c for c, value in found.items() if value > 0] == [WATER]


def test_water_is_flat_and_land_is_not(shared_data: Path) -> None:
    heights = np.pad(read(shared_data, "DEM")[0], 1, constant_values=np.nan)
    degrees = slope(*gradient(heights, 10.0, 10.0))
    cover = read(shared_data, "LULC")[0]
    assert np.isfinite(degrees).all()
    assert np.median(degrees[cover == WATER]) < 0.5 < np.median(degrees[cover == TREES])
    assert degrees.max() < 45
