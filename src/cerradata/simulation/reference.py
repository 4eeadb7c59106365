"""The reference map of the simulated area, with the errors that a real map has, and the truth without them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.windows import Window as RasterWindow
from scipy.ndimage import distance_transform_edt, label, map_coordinates, uniform_filter

from cerradata.core.files import atomic_path, write_text
from cerradata.core.raster import RasterLook, describe
from cerradata.core.types import SIMULATED_TAG, Array, CountArray, FloatArray, LabelArray
from cerradata.legend import Legend, load_legend
from cerradata.simulation.area import GEOGRAPHIC_CRS, LONGEST, Area, strips_of, window_around, world_pixels
from cerradata.simulation.classes import CODES, LEGEND, Cover
from cerradata.simulation.noise import fractal_noise, key_of, mix, smooth_noise, uniform
from cerradata.simulation.surface import Surface, draw_surface
from cerradata.simulation.world import World

NAME = "terraclass_2022.tif"
_DEGREES = 8.9831528e-5
"""About 10 m: a 10 m arc of the equator."""
_MARGIN = 140  # pixels: the minimum mapping unit and the shift of boundaries look so far
_NOT_OBSERVED = 25
_PASTURE_CODE = 11  # the published map knows 10 and 11


def reference_grid(area: Area) -> GeoBox:
    """The grid of the reference map: geographic, SIRGAS 2000, about 10 m, a little larger than the area."""
    bounds = area.grid.geographic_extent.boundingbox
    left, top = bounds.left - 20 * _DEGREES, bounds.top + 20 * _DEGREES
    columns = int(np.ceil((bounds.right - left) / _DEGREES)) + 20
    rows = int(np.ceil((top - bounds.bottom) / _DEGREES)) + 20
    return GeoBox((rows, columns), Affine(_DEGREES, 0, left, 0, -_DEGREES, top), GEOGRAPHIC_CRS)


def write_reference(world: World, folder: Path) -> tuple[Path, CountArray]:
    """Write the reference map as TerraClass codes.

    Args:
        world: The world.
        folder: Where to write.

    Returns:
        The file, and the pixels of each true class (rows) that the map shows as each class (columns), (14, 14) int64,
        counted on the map's pixels inside of the area that have a code of a class.

    Raises:
        OutputError: If there is no space or no permission.
    """
    grid = reference_grid(world.area)
    matrix = np.zeros((len(Cover), len(Cover)), np.int64)
    codes = code_table(load_legend(LEGEND))

    def draw(part: GeoBox) -> Array:
        pixels, truth = _map_strip(world, part)
        labelled = (pixels < len(Cover)) & (truth < len(Cover))
        pairs = truth[labelled].astype(np.int64) * len(Cover) + pixels[labelled]
        matrix.__iadd__(np.bincount(pairs, minlength=matrix.size).reshape(matrix.shape))
        return codes[pixels]

    def parts() -> Iterator[tuple[int, int, Array]]:
        for top, strip in strips_of(grid, 900_000):
            for left in range(0, grid.shape[1], LONGEST):
                yield top, left, draw(strip[:, left : min(left + LONGEST, grid.shape[1])])

    path = folder / NAME
    _write_codes(path, grid, parts(), world)
    return path, matrix


def write_truth(world: World, folder: Path) -> tuple[Path, CountArray]:
    """Write the truth as TerraClass codes on the world's grid of 10 m, and the tree cover of natural vegetation in %.

    Returns:
        The file of the classes, and the pixels of each class, (14,) int64.

    Raises:
        OutputError: If there is no space or no permission.
    """
    area = world.area
    counts = np.zeros(len(Cover), np.int64)
    codes = code_table(load_legend(LEGEND))
    path, trees = folder / NAME, folder / "tree_cover.tif"
    look = RasterLook(nodata=255, bands=("tree_cover_percent",), tags={SIMULATED_TAG: world.label})
    with atomic_path(trees) as temporary, _open(temporary, area.grid) as trees_file:
        describe(trees_file, look)
        trees_file.nodata = 255

        def parts() -> Iterator[tuple[int, int, Array]]:
            for strip in area.strips(area.window):
                surface = draw_surface(world, strip)
                counts.__iadd__(np.bincount(surface.cover.ravel(), minlength=len(Cover)))
                own = np.where(surface.cover == Cover.PRIMARY, np.rint(100 * surface.trees), 255).astype(np.uint8)
                top, left = strip.row - area.window.row, strip.col - area.window.col
                trees_file.write(own, 1, window=RasterWindow(left, top, strip.columns, strip.rows))
                yield top, left, codes[surface.cover]

        _write_codes(path, area.grid, parts(), world)
    return path, counts


def write_matrix(path: Path, matrix: CountArray) -> Path:
    """Write a confusion matrix, rows truth and columns map, as `cerradata score` reads it."""
    ids = range(len(matrix))
    lines = [",".join(["Class", *map(str, ids)])]
    lines += [",".join(map(str, [i, *row])) for i, row in zip(ids, matrix.tolist(), strict=True)]
    write_text(path, "\n".join(lines) + "\n")
    return path


def code_table(legend: Legend) -> Array:
    """(256,) uint8: the TerraClass code of each class id, 25 at `_NOT_OBSERVED + 100`, 0 elsewhere."""
    table = np.zeros(256, np.uint8)
    for code, class_id in legend.source(CODES).classes.items():
        if class_id != Cover.PASTURE or code == _PASTURE_CODE:
            table[class_id] = int(code)
    table[_NOT_OBSERVED + 100] = _NOT_OBSERVED
    return table


def _map_strip(world: World, strip: GeoBox) -> tuple[LabelArray, LabelArray]:
    """The map's class of each pixel of a strip (255 no data, 125 not observed), and the true one (255 outside)."""
    window = window_around(strip, _MARGIN)
    surface = draw_surface(world, window)
    mapped = _generalise(world, surface)
    x, y = world_pixels(strip)
    column, row = x - window.col - 0.5, y - window.row - 0.5
    truth = map_coordinates(surface.cover, [row, column], order=0)
    shift = world.parameters.number("reference.shift_m") / 10
    length = world.parameters.number("reference.shift_km") * 100
    moved = [
        at
        + shift * map_coordinates(smooth_noise(key_of(world.seed, "shift", k), window, length), [row, column], order=1)
        for k, at in (("rows", row), ("columns", column))
    ]
    pixels = map_coordinates(mapped, moved, order=0, mode="nearest")
    whole = world.area.window
    inside = (x >= whole.col) & (x < whole.col + whole.columns) & (y >= whole.row) & (y < whole.row + whole.rows)
    edge = (
        (x < whole.col - 3)
        | (x > whole.col + whole.columns + 3)
        | (y < whole.row - 3)
        | (y > whole.row + whole.rows + 3)
    )
    pixels[edge] = 255
    return pixels, np.where(inside, truth, 255).astype(np.uint8)


def _generalise(world: World, surface: Surface) -> LabelArray:
    """The map on world pixels: classes confused, boundaries smoothed, small parts merged, clouds left out."""
    p = world.parameters
    cover = _confuse(world, surface)
    cover = _majority(cover, int(p.number("reference.smoothing_pixels")))
    cover = _merge_small(cover, int(p.number("reference.unit_pixels")))
    hidden = fractal_noise(key_of(world.seed, "not observed"), surface.window, 130, octaves=4)
    share = p.number("reference.not_observed_percent") / 100
    cover[hidden > -np.log(share / (1 - share)) / 1.702] = _NOT_OBSERVED + 100
    return cover


def _confuse(world: World, surface: Surface) -> LabelArray:
    """Each object of the truth keeps its class or takes another one, by its own chance."""
    legend = load_legend(LEGEND).finest
    natural = np.isin(surface.cover, (Cover.PRIMARY, Cover.SECONDARY, Cover.WATER))
    chances = []
    for number, wavelength in ((51, 42), (52, 150)):  # natural vegetation has no parcels: smooth fields, about uniform
        blotch = fractal_noise(key_of(world.seed, "confused", number), surface.window, wavelength, octaves=3, gain=0.6)
        chances.append(np.where(natural, 1 / (1 + np.exp(-1.702 * blotch)), uniform(mix(surface.parcel, number))))
    result = surface.cover.copy()
    tree = world.parameters.tree["reference"]["confused_percent"]["value"]
    for short, others in tree.items():
        total = sum(others.values()) / 100
        wrong = (surface.cover == legend.find(short).id) & (chances[0] < total)
        low = 0.0
        for other, percent in others.items():
            high = low + percent / 100 / total
            result[wrong & (chances[1] >= low) & (chances[1] < high)] = legend.find(other).id
            low = high
    return result


def _majority(cover: LabelArray, size: int) -> LabelArray:
    """The most frequent class in a square around each pixel; of equals the smaller id."""
    best = np.zeros(cover.shape, np.float32)
    result = cover.copy()
    for value in np.unique(cover).tolist():
        share = uniform_filter((cover == value).astype(np.float32), size)
        more = share > best + 1e-6
        best[more], result[more] = share[more], value
    return result


def _merge_small(cover: LabelArray, least: int) -> LabelArray:
    """Connected parts of fewer than `least` pixels take the class of the nearest larger part."""
    small = np.zeros(cover.shape, bool)
    for value in np.unique(cover).tolist():
        parts, count = label(cover == value)
        sizes = np.bincount(parts.ravel(), minlength=count + 1)
        sizes[0] = least
        small |= sizes[parts] < least
    if not small.any() or small.all():
        return cover
    nearest: FloatArray = distance_transform_edt(small, return_distances=False, return_indices=True)
    return np.asarray(cover[nearest[0], nearest[1]])


def _open(path: Path, grid: GeoBox) -> rasterio.io.DatasetWriter:
    return rasterio.open(
        path, "w", driver="GTiff", count=1, height=grid.shape[0], width=grid.shape[1], dtype="uint8", crs=str(grid.crs),
        transform=Affine(*grid.transform[:6]), compress="deflate", zlevel=6,
    )  # fmt: skip


def _write_codes(path: Path, grid: GeoBox, parts: Iterator[tuple[int, int, Array]], world: World) -> None:
    legend = load_legend(LEGEND)
    table = code_table(legend)
    palette = {int(table[c.id]): c.colour for c in legend.finest.classes}
    names = "; ".join(f"{int(table[c.id])}={c.name}" for c in legend.finest.classes)
    tags = {SIMULATED_TAG: world.label, "CODES": f"{CODES}: {names}; 0=no data; 25=not observed"}
    with atomic_path(path) as temporary, _open(temporary, grid) as file:
        describe(
            file, RasterLook(bands=("TerraClass code",), tags=tags, palette={**palette, _NOT_OBSERVED: (255, 255, 255)})
        )
        for top, left, pixels in parts:
            file.write(pixels, 1, window=RasterWindow(left, top, pixels.shape[1], pixels.shape[0]))
