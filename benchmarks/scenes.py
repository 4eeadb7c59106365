"""Generated scenes for benchmarks: smooth fields, not a landscape. Nothing here is real."""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from scipy import ndimage

from cerradata.core.locations import Location
from cerradata.labels import ReferenceSource
from cerradata.legend import LegendName
from cerradata.patches.config import BuildConfig
from cerradata.scenes import SceneSource
from cerradata.scenes.bands import MSI_BANDS, SENTINEL2

CRS = "EPSG:32722"
CORNER = (700_000.0, 9_200_000.0)
CODES = (1, 2, 9, 11, 12, 13, 14, 15, 16, 17, 20, 21, 22, 23)


def make_area(folder: Path, size: int = 2048) -> BuildConfig:
    """Sentinel-2 at 10/20/60 m, a Sentinel-1 stack and a reference of 14 classes; returns the build of them.

    Args:
        folder: Where to write.
        size: Rows and columns at 10 m; rounded down to a multiple of 6 pixels for the 60 m bands.
    """
    size -= size % 6
    rng = np.random.default_rng(1)
    (folder / "s2").mkdir(parents=True)
    for band in MSI_BANDS:
        resolution = SENTINEL2[band].resolution
        pixels = _smooth(rng, size * 10 // resolution) * 3000 + 1200
        _write(folder / "s2" / f"T22MGS_20220715T132241_{band}.tif", pixels.astype(np.uint16)[None], resolution)
    radar = np.stack([_smooth(rng, size) * 120 + 1, _smooth(rng, size) * 60 + 1]).astype(np.float32)
    _write(folder / "s1.tif", radar * rng.gamma(4, 0.25, radar.shape).astype(np.float32), 10)
    classes = (_smooth(rng, size) * len(CODES)).astype(int).clip(0, len(CODES) - 1)
    _write(folder / "reference.tif", np.asarray(CODES, np.uint8)[classes][None], 10)
    return BuildConfig(
        scenes=(
            SceneSource("sentinel-2", Location(folder / "s2"), offset=-1000, product_level="L2A"),
            SceneSource("sentinel-1", Location(folder / "s1.tif"), ("VV", "VH"), unit="amplitude"),
        ),
        reference=ReferenceSource("terraclass-cerrado-2022", raster=Location(folder / "reference.tif")),
        legend=LegendName("cerradata-4mm"),
    )


def _smooth(rng: np.random.Generator, size: int) -> np.ndarray:
    field = ndimage.zoom(rng.random((16, 16)), size / 16, order=1)
    noise = rng.random(field.shape) * 0.05
    return np.clip(field * 0.95 + noise, 0, 1)


def _write(path: Path, pixels: np.ndarray, resolution: int) -> None:
    transform = Affine(resolution, 0, CORNER[0], 0, -resolution, CORNER[1])
    profile = {"driver": "GTiff", "crs": CRS, "transform": transform, "dtype": pixels.dtype.name, "tiled": True}
    count, height, width = pixels.shape
    with rasterio.open(path, "w", count=count, height=height, width=width, compress="deflate", **profile) as file:
        file.write(pixels)
