"""Building a dataset, beside a plain script that does the same patch by patch, in one process."""

import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
from scipy import ndimage

from benchmarks.scenes import make_area
from cerradata.legend import load_legend
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.scenes.bands import MSI_BANDS

PATCH = 128


def run(size: int = 2048) -> list[dict[str, Any]]:
    """Patches a second of both on a generated area, all six files of a patch."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        config = make_area(root / "area", size)
        start = time.perf_counter()
        report = build_dataset(config, root / "dataset", BuildOptions(workers=2, quiet=True))
        ours = report.info.patches / (time.perf_counter() - start)
        some = max(16, report.info.patches // 8)
        start = time.perf_counter()
        plain_build(root / "area", root / "plain", some)
        peer = some / (time.perf_counter() - start)
        shutil.rmtree(root / "dataset")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        {
            "name": f"build, {report.info.patches} patches of {PATCH} px, 14 bands, 2 levels, 2 workers, against a plain script",
            "unit": "patches/s",
            "ours": ours,
            "peer": peer,
            "ratio": ours / peer,
            "target": None,
            "target_rate": 100,
            "peak_memory_mb": peak,
        }
    ]


def plain_build(area: Path, out: Path, patches: int) -> None:
    """Six files a patch the obvious way: every band opened and warped for every patch, rasterio's defaults."""
    lookup = load_legend("cerradata-4mm").lookup(2, 1)
    table = np.zeros(256, np.uint8)
    for code, class_id in load_legend("cerradata-4mm").source("terraclass-cerrado-2022").classes.items():
        table[int(code)] = class_id
    with rasterio.open(area / "reference.tif") as reference:
        crs, transform, columns = reference.crs, reference.transform, reference.width // PATCH
        shape = {"width": reference.width, "height": reference.height}
        for patch in range(patches):
            window = Window(patch % columns * PATCH, patch // columns * PATCH, PATCH, PATCH)
            bands = []
            for band in MSI_BANDS:
                path = next((area / "s2").glob(f"*_{band}.tif"))
                with (
                    rasterio.open(path) as file,
                    WarpedVRT(file, crs=crs, transform=transform, resampling=Resampling.bilinear, **shape) as warped,
                ):
                    bands.append(warped.read(1, window=window))
            with rasterio.open(area / "s1.tif") as file:
                radar = file.read(window=window)
            fine = table[reference.read(1, window=window)]
            coarse = lookup[fine]
            layers = {"msi": np.stack(bands), "sar": radar}
            for name, labels in (("14c", fine), ("7c", coarse)):
                cross = ndimage.generate_binary_structure(2, 1)
                edges = ndimage.maximum_filter(labels, footprint=cross) != ndimage.minimum_filter(
                    labels, footprint=cross
                )
                layers |= {
                    f"semantic_{name}": labels[None].astype(np.int32),
                    f"edge_{name}": edges[None].astype(np.uint8),
                }
            place = {"crs": crs, "transform": rasterio.windows.transform(window, transform)}
            for name, pixels in layers.items():
                (out / name).mkdir(parents=True, exist_ok=True)
                profile = {
                    "driver": "GTiff",
                    "count": len(pixels),
                    "height": PATCH,
                    "width": PATCH,
                    "compress": "deflate",
                }
                with rasterio.open(
                    out / name / f"{patch}.tif", "w", dtype=pixels.dtype.name, **profile, **place
                ) as file:
                    file.write(pixels)


if __name__ == "__main__":
    print(run())
