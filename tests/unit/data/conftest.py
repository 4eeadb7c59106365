"""A small dataset with variables whose numbers tell patch, row and column."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cerradata.patches.info import DatasetInfo, LayerInfo
from cerradata.patches.statistics import Moments
from cerradata.scenes import Radiometry

PATCHES, SIZE = 36, 32
WINDOWS = ("dry", "wet")
BANDS = {
    "slope": ("slope",),
    "aspect": ("aspect",),
    "ndvi": ("ndvi@dry", "ndvi@wet"),
    "ndvi_std": ("ndvi_std",),
    "elevation": ("elevation",),
    "water": ("water",),
}


def variable_pixels(layer: str, patch_id: int) -> npt.NDArray[np.float32]:
    """(bands, rows, columns): a number for layer, band, patch, row and column; ndvi is negative. Pixel (3, 4) has no data."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    place = patch_id + rows / 100 + columns / 10_000
    first = 100 * (1 + sorted(BANDS).index(layer))
    pixels = np.stack([first + 1000 * band + place for band in range(len(BANDS[layer]))]).astype(np.float32)
    pixels[:, 3, 4] = np.nan
    return -pixels if layer == "ndvi" else pixels


@pytest.fixture(scope="session")
def pixels_of() -> Callable[[str, int], npt.NDArray[np.float32]]:
    """`variable_pixels`."""
    return variable_pixels


@pytest.fixture(scope="session")
def dataset_with_variables(
    split_dataset: Path, tmp_path_factory: pytest.TempPathFactory, make_raster: Callable[..., Path]
) -> Path:
    """The golden dataset with splits and the layers of `BANDS` as a build stores them. Do not change it.

    Elevation comes from a scene; `water` was made from the reference map.
    """
    root = Path(shutil.copytree(split_dataset, tmp_path_factory.mktemp("variables") / "dataset"))
    info = DatasetInfo.read(root)
    layers = dict(info.layers)
    for layer, bands in BANDS.items():
        moments = Moments.empty(len(bands))
        for patch_id in range(PATCHES):
            pixels = variable_pixels(layer, patch_id)
            make_raster(root / layer / f"cerradata_{layer}_{patch_id}.tif", pixels)
            moments += Moments.of(pixels, None)
        radiometry = Radiometry(
            sensor="elevation" if layer == "elevation" else "derived",
            bands=bands,
            unit="metre" if layer in ("elevation", "water") else "one",
            time_windows=WINDOWS if len(bands) == 2 else (),
        )
        layers[layer] = LayerInfo(layer, "float32", radiometry, moments.statistics(bands))
    described = {name: {"kind": name, "target_only": name == "water"} for name in BANDS if name != "elevation"}
    replace(info, layers=layers, provenance={**info.provenance, "variables": described}).write(root)
    return root


@pytest.fixture
def dataset_with_windows(dataset_copy: Path) -> Path:
    """A dataset whose 12 MSI bands are six of each of two time windows."""
    info = DatasetInfo.read(dataset_copy)
    msi = info.layers["msi"]
    names = tuple(f"{band}@{window}" for window in WINDOWS for band in msi.radiometry.bands[:6])
    statistics = dict(zip(names, (msi.statistics[band] for band in msi.radiometry.bands), strict=True))
    own = replace(msi, radiometry=msi.radiometry.with_bands(names, WINDOWS), statistics=statistics)
    replace(info, layers={**info.layers, "msi": own}).write(dataset_copy)
    return dataset_copy
