"""Six real pairs of Sentinel-1 and Sentinel-2 patches, one file a band, as scenes that nobody prepared for us."""

import importlib.util
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import rasterio

from cerradata.core.locations import Location
from cerradata.cube import GridConfig, build_stack, target_grid
from cerradata.scenes import SceneSource, open_scene
from cerradata.scenes.bands import MSI_BANDS


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path]]:
    """Folders of Sentinel-2 and Sentinel-1 of the same place."""
    spec = importlib.util.find_spec("bigearthnet_common")
    if spec is None or not spec.submodule_search_locations:
        reason = "the samples are not installed: pip install --no-deps bigearthnet-common==2.8.0"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    package, folder = Path(next(iter(spec.submodule_search_locations))), tmp_path_factory.mktemp("bigearthnet")
    for sensor in ("S1", "S2"):
        with tarfile.open(package / f"BigEarthNet-{sensor}-Example.tar.bz2") as archive:
            archive.extractall(folder, filter="data")
    optical = sorted((folder / "BigEarthNet-S2-Example").iterdir())
    radar = list((folder / "BigEarthNet-S1-Example").iterdir())
    place = {path.name.rsplit("_", 2)[1] + "_" + path.name.rsplit("_", 2)[2]: path for path in radar}
    return [(path, place["_".join(path.name.rsplit("_", 2)[1:])]) for path in optical]


def test_the_pairs_open_and_align(pairs: list[tuple[Path, Path]]) -> None:
    assert len(pairs) == 6
    for optical, radar in pairs:
        msi = open_scene(SceneSource("sentinel-2", Location(optical), offset=0, product_level="L2A"))
        sar = open_scene(SceneSource("sentinel-1", Location(radar), unit="db"))
        assert tuple(msi.bands) == MSI_BANDS
        assert tuple(sar.bands) == ("VV", "VH")
        assert f"{msi.date:%Y%m%d}" in optical.name
        grid = target_grid(GridConfig(like=msi.bands["B02"].location), [])
        reflectance = build_stack([msi], grid, MSI_BANDS).to_xarray().compute()
        power = build_stack([sar], grid, ("VV", "VH")).to_xarray().compute()
        assert reflectance.shape == (12, 120, 120)
        assert 0 < float(reflectance.sel(band="B08").median()) < 0.6
        # backscatter of land: VH is weaker than VV, both are far below 0 dB
        vv, vh = (10 * np.log10(float(power.sel(band=band).median())) for band in ("VV", "VH"))
        assert -25 < vh < vv < 0
        with rasterio.open(optical / f"{optical.name}_B04.tif") as file:
            np.testing.assert_allclose(reflectance.sel(band="B04"), file.read(1) * 1e-4, atol=1e-6)
