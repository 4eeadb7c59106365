from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerradata.core.errors import DatasetError
from cerradata.core.locations import Location
from cerradata.cube import StackConfig, build_stack
from cerradata.labels import ReferenceSource
from cerradata.legend import LegendName
from cerradata.patches.config import BuildConfig
from cerradata.patches.stored import StoredLayer, read_layer, stored_layers
from cerradata.scenes import Radiometry, SceneSource, open_scene


def msi(offset: int) -> StoredLayer:
    radiometry = Radiometry("sentinel-2", ("B04",), "reflectance", scale=1e-4, offset=-offset * 1e-4, nodata=0)
    return StoredLayer("msi", "msi_images", "uint16", radiometry, ("B04",))


@given(st.sampled_from([0, 1000]), st.lists(st.integers(0, 65535), min_size=1, max_size=20))
def test_stored_reflectance_comes_back(offset: int, numbers: list[int]) -> None:
    layer = msi(offset)
    stored = np.array(numbers, np.uint16)[None, None]
    np.testing.assert_array_equal(layer.encode(layer.radiometry.to_values(stored)), stored)


@pytest.mark.parametrize(
    ("offset", "reflectance", "number"),
    [
        (1000, 0.0, 1000),
        (1000, 0.25, 3500),
        (1000, 0.250049, 3500),
        (1000, 0.250051, 3501),
        (1000, -0.0999, 1),
        (1000, -0.2, 1),  # no measured value becomes "no data"
        (0, 0.0, 1),
        (0, 0.25, 2500),
        (0, 7.0, 65535),
        (1000, np.nan, 0),
        (1000, np.inf, 0),
    ],
)
def test_reflectance_is_rounded_and_kept_in_range(offset: int, reflectance: float, number: int) -> None:
    found = msi(offset).encode(np.array([[[reflectance]]], np.float32))
    assert found.dtype == np.uint16
    assert found.item() == number


@pytest.mark.parametrize(("unit", "number"), [("linear", 0.25), ("amplitude", 0.5), ("db", -6.0206)])
def test_radar_is_stored_in_its_unit(unit: str, number: float) -> None:
    layer = StoredLayer("sar", "sar_images", "float32", Radiometry("sentinel-1", ("VV",), unit), ("VV",))
    found = layer.encode(np.array([[[0.25, np.nan]]], np.float32))
    assert found.dtype == np.float32
    assert found[0, 0, 0] == pytest.approx(number, rel=1e-5)
    assert np.isnan(found[0, 0, 1])


def test_what_the_dates_do_not_agree_on_is_not_said_of_the_dataset(
    tmp_path: Path, make_sentinel1_stack: Callable[..., Path]
) -> None:
    scenes, sources = [], []
    for day, orbit in (("20220712", 68), ("20220713", 141)):
        path = Location(make_sentinel1_stack(tmp_path / f"S1A_{day}.tif", size=4))
        said = {"unit": "amplitude", "calibration": "gamma0", "orbit_pass": "descending", "relative_orbit": orbit}
        sources.append(SceneSource("sentinel-1", path, ("VV", "VH"), **said))
        scenes.append(open_scene(sources[-1]))
    config = BuildConfig(tuple(sources), ReferenceSource("none", raster=path), LegendName("cerradata-4mm"))
    grid = scenes[0].footprint_grid
    together = stored_layers(config, {"sar": build_stack(scenes, grid, ("VV", "VH"))})["sar"].radiometry
    assert (together.calibration, together.orbit_pass, together.relative_orbit) == ("gamma0", "descending", None)
    alone = stored_layers(config, {"sar": build_stack(scenes[:1], grid, ("VV", "VH"))})["sar"].radiometry
    assert alone.relative_orbit == 68
    apart = build_stack(scenes, grid, ("VV", "VH"), StackConfig(orbits="separate"))
    bands = stored_layers(config, {"sar": apart})["sar"].radiometry.bands
    assert bands == ("VV@descending-141", "VH@descending-141", "VV@descending-68", "VH@descending-68")


def test_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "patch_1.tif").write_bytes(b"II*\0")
    for name in ("patch_1.tif", "patch_2.tif"):
        with pytest.raises(DatasetError, match=rf"{name} cannot be read"):
            read_layer(tmp_path / name)
