"""Building a dataset, beside a plain script that does the same patch by patch, in one process."""

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
from scipy import ndimage

from benchmarks.scenes import make_area
from cerradata.commands.main import _GDAL
from cerradata.legend import load_legend
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.patches.config import BuildConfig
from cerradata.patches.index import read_index
from cerradata.scenes.bands import MSI_BANDS

PATCH = 128


def run(sizes: tuple[int, ...] = (2048, 4096, 8192)) -> list[dict[str, Any]]:
    """Patches a second and peak memory at three sizes a factor of 4 apart.

    The plain script runs beside the first; the last is built again without alignment, of which the script knows nothing.
    """
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            config = make_area(root / "area", size)
            rows.append(_row(*measured_build(config, root / "dataset")))
            if size == sizes[0]:
                some = max(16, len(read_index(root / "dataset")) // 8)
                start = time.perf_counter()
                plain_build(root / "area", root / "plain", some)
                rows[-1] = _beside(rows[-1], some / (time.perf_counter() - start))
            if size == sizes[-1]:
                shutil.rmtree(root / "dataset")
                found = measured_build(replace(config, alignment=False), root / "dataset")
                rows.append(_row(*found, ", without alignment"))
    return rows


def _row(patches: int, seconds: float, peak: float, how: str = "") -> dict[str, Any]:
    return {
        "name": f"build, {patches} patches of {PATCH} px, 14 bands, 2 levels, 2 processes{how}",
        "unit": "patches/s",
        "ours": patches / seconds,
        "peer": None,
        "ratio": None,
        "target": None,
        "target_rate": 100,
        "peak_memory_mb": peak,
    }


def _beside(row: dict[str, Any], peer: float) -> dict[str, Any]:
    return {**row, "name": f"{row['name']}, against a plain script", "peer": peer, "ratio": row["ours"] / peer}


def measured_build(config: BuildConfig, out: Path, scheduler: str = "processes") -> tuple[int, float, float]:
    """Patches, seconds and peak memory in MB (proportional set size of the whole tree) of a build in a process of its own.

    The time is that of the whole command: start of Python and of the workers, index and statistics too.
    """
    job = out.with_suffix(".pickle")
    job.write_bytes(pickle.dumps((config, out, scheduler)))
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.build", str(job)], env={**os.environ, **_GDAL})
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, tree_memory(process.pid))
        time.sleep(0.5)  # reading the maps of a process holds it up
    if process.returncode:
        raise RuntimeError(f"the build ended with {process.returncode}")
    return len(read_index(out)), time.perf_counter() - start, peak


def tree_memory(pid: int) -> float:
    """Proportional set size of a process and all that it started, in MB: pages that they share count once."""
    total = 0
    try:
        for process in (root := psutil.Process(pid), *root.children(recursive=True)):
            total += process.memory_full_info().pss
    except psutil.Error:  # one has ended meanwhile
        return 0.0
    return total / 1e6


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
    job_config, job_out, job_scheduler = pickle.loads(Path(sys.argv[1]).read_bytes())
    build_dataset(job_config, job_out, BuildOptions(workers=2, scheduler=job_scheduler, quiet=True))
