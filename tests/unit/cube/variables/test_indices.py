from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import spyndex
from odc.geo.geobox import GeoBox

from cerradata.core.errors import ConfigError
from cerradata.cube.variables import Availability, VariableConfig, open_variables
from cerradata.cube.variables.indices import find_index, possible_indices
from cerradata.scenes.bands import MSI_BANDS, SENTINEL1, SENTINEL2

Grids = Callable[..., GeoBox]
Inputs = Callable[..., Any]


def test_ndvi_of_each_time_window(grid_of: Grids, arrays: Inputs, everything: dict[str, tuple[str, ...]]) -> None:
    grid = grid_of(3, 4)
    images = {
        ("sentinel-2", when): {
            "B04": np.full((3, 4), red, np.float32),
            "B08": np.full((3, 4), 0.3, np.float32),
        }
        for when, red in (("dry", 0.1), ("wet", 0.05))
    }
    config = {"ndvi": VariableConfig("index", index="NDVI")}
    (ndvi,) = open_variables(config, Availability(everything, 10.0, ("dry", "wet")))
    found = ndvi.compute(grid, arrays(grid, images))
    assert found.shape == (2, 3, 4)
    np.testing.assert_allclose(found[0], (0.3 - 0.1) / (0.3 + 0.1), rtol=1e-6)
    np.testing.assert_allclose(found[1], (0.3 - 0.05) / (0.3 + 0.05), rtol=1e-6)


# Formulas as their authors gave them, written here for themselves
@pytest.mark.parametrize(
    ("name", "constants", "bands", "expected"),
    [
        ("EVI", {}, {"B08": 0.4, "B04": 0.1, "B02": 0.05}, 2.5 * 0.3 / (0.4 + 6 * 0.1 - 7.5 * 0.05 + 1)),
        ("SAVI", {"L": 0.5}, {"B08": 0.4, "B04": 0.1}, 1.5 * 0.3 / (0.4 + 0.1 + 0.5)),
        ("MNDWI", {}, {"B03": 0.2, "B11": 0.05}, 0.15 / 0.25),
        ("NBR", {}, {"B08": 0.3, "B12": 0.1}, 0.2 / 0.4),
        ("NDREI", {}, {"B08": 0.3, "B05": 0.1}, 0.2 / 0.4),
        ("VHVVR", {}, {"VH": 0.01, "VV": 0.05}, 0.2),
        ("DpRVIVV", {}, {"VH": 0.01, "VV": 0.05}, 4 * 0.01 / 0.06),
    ],
)
def test_known_indices(name: str, constants: dict[str, float], bands: dict[str, float], expected: float) -> None:
    index = find_index(name, constants)
    assert set(index.bands) == set(bands)
    pixels = np.array([bands[band] for band in index.bands], np.float32)[:, None, None]
    assert float(index.compute(pixels)[0, 0]) == pytest.approx(expected, rel=1e-5)


def test_every_possible_index_gives_an_image() -> None:
    """And takes bands of one sensor only: a formula that gave one number for all, or another type, would show here."""
    assert len(possible_indices()) > 200
    rng = np.random.default_rng(1)
    for name in possible_indices():
        index = find_index(name, {})
        assert set(index.bands) <= set(SENTINEL2 if index.sensor == "sentinel-2" else SENTINEL1), name
        pixels = rng.uniform(0.05, 0.5, (len(index.bands), 6, 7)).astype(np.float32)
        found = index.compute(pixels)
        assert found.shape == (6, 7), name
        assert found.dtype == np.float32, name
        assert np.isfinite(found).any(), name
        assert len(np.unique(found[np.isfinite(found)])) > 1, name


def test_band_numbers_are_those_of_the_catalogue() -> None:
    """`spyndex` names the band of Sentinel-2 for each of its own names; only the zero in front is ours."""
    for symbol, entry in spyndex.bands.items():
        platform = getattr(entry, "sentinel2a", None)
        usable = [n for n in possible_indices() if symbol in spyndex.indices[n].bands]
        if platform is None or not usable:
            continue
        index = find_index(usable[0], {})
        ours = dict(zip(index.symbols, index.bands, strict=True))[symbol]
        assert ours.replace("B0", "B") == platform.band


def test_no_data_and_poles_are_no_data() -> None:
    index = find_index("NDVI", {})
    nir, red = np.array([[0.3, 0.0, np.nan, 0.1]]), np.array([[0.1, 0.0, 0.1, -0.1]])
    found = index.compute(np.stack([nir, red]).astype(np.float32))
    np.testing.assert_allclose(found, [[0.5, np.nan, np.nan, np.nan]], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "constants", "message"),
    [
        ("NDWII", {}, "no spectral index 'NDWII': Nearest are NDWI"),
        ("xyzzy", {}, "Usual ones are NDVI"),
        ("LST", {}, "no spectral index"),
        ("NDVIT", {}, r"cannot be computed from Sentinel-2 or Sentinel-1 alone.*needs T"),
        ("QpRVI", {}, "needs HV, HH"),
        ("NIRvP", {}, "needs PAR"),
        ("NDVI", {"L": 0.5}, "no constant 'L': it has none"),
        ("EVI", {"l": 0.5}, "no constant 'l': it has g, "),
    ],
)
def test_impossible_indices_are_refused(name: str, constants: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_index(name, constants)


def test_index_whose_constant_is_given_becomes_possible() -> None:
    assert "NIRvP" not in possible_indices()
    index = find_index("NIRvP", {"PAR": 500.0})
    assert float(index.compute(np.array([0.4, 0.1], np.float32)[:, None, None])[0, 0]) == pytest.approx(0.6 * 0.4 * 500)
    assert set(index.bands) <= set(MSI_BANDS)
