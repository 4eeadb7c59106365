"""Where the patches lie: the ground that they cover, and a map of them."""

import math

import geopandas as gpd
import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from pyproj import Geod

from cerradata.core.errors import DatasetError
from cerradata.core.types import SPLITS, FloatArray

# Blue, orange and red that people with any colour vision tell apart, also by their lightness; grey for what is unused.
SPLIT_COLOURS = {"train": "#3f86ac", "val": "#f0b04a", "test": "#b3322c"}
LEFT_OUT_COLOUR = "#c9d0d6"
_INK = "#22303c"
_MUTED = "#5b6873"
_FAINT = "#e9ecef"
_GEOD = Geod(ellps="WGS84")
_MANY_PATCHES = 2000  # from which on outlines would hide the colours
_SIDE = 7.6  # inches, the longer side of the map
_SMALL_SIDE = 4.6  # where two maps stand side by side
_SHADES = LinearSegmentedColormap.from_list("few to many", ["#e6eff5", "#7fb0ca", "#0f4c6e"])


def ground_km2(index: gpd.GeoDataFrame) -> float | None:
    """Ground that the patches cover together, on the ellipsoid; None if no patch is georeferenced.

    Args:
        index: The index, with footprints in EPSG:4326.
    """
    known = index.geometry.dropna()
    if known.empty:
        return None
    # Parts with the outer ring counter-clockwise: the sign of a geodesic area is its direction.
    parts = shapely.get_parts(shapely.union_all(known.to_numpy()))
    areas = [_GEOD.geometry_area_perimeter(shapely.geometry.polygon.orient(part))[0] for part in parts]
    return float(sum(areas)) / 1e6


def patches_over_ground(index: gpd.GeoDataFrame) -> float | None:
    """Mean number of patches that lie over a place of the ground they cover; None if no patch is georeferenced.

    Args:
        index: The index, with footprints in EPSG:4326.
    """
    known = index.geometry.dropna().to_numpy()
    if not len(known):
        return None
    # Square degrees do: the same patches are above and below the line.
    return float(shapely.area(known).sum() / shapely.area(shapely.union_all(known)))


def plot_footprints(index: gpd.GeoDataFrame) -> Figure:
    """A map of the patches in longitude and latitude, coloured by split.

    Args:
        index: The index, with footprints in EPSG:4326 and the column `split`.

    Raises:
        DatasetError: If no patch is georeferenced.
    """
    placed = index[index.geometry.notna()]
    if placed.empty:
        raise DatasetError("No patch of the index is georeferenced, so there is no map of them to draw.")
    figure, axes = _map_of(placed)
    keys = []
    for name, colour, rows in _groups(placed):
        edge = "white" if len(placed) < _MANY_PATCHES else colour
        axes.add_collection(PolyCollection(_outlines(rows), facecolor=colour, edgecolor=edge, linewidth=0.4))
        keys.append(Patch(color=colour, label=f"{name} ({len(rows):,})"))
    figure.legend(handles=keys, loc="outside lower center", ncols=4, frameon=False, fontsize=9, labelcolor=_INK)
    return figure


def plot_shaded(index: gpd.GeoDataFrame, column: str, label: str) -> Figure:
    """A map of the patches in longitude and latitude, the darker the greater a number.

    Args:
        index: The index, with footprints in EPSG:4326.
        column: Column with the number; patches without one are left out.
        label: What the number is, for the colour bar.

    Raises:
        DatasetError: If no patch is georeferenced and has a number.
    """
    placed = index[index.geometry.notna() & index[column].notna()]
    if placed.empty:
        raise DatasetError(
            f"No patch of the index is georeferenced and has a number in {column}: there is nothing to map."
        )
    figure, axes = _map_of(placed, _SMALL_SIDE)
    shades = PolyCollection(
        _outlines(placed),
        array=placed[column].to_numpy(float),
        cmap=_SHADES,
        edgecolor="face",  # without, a hair of the ground shows between neighbours
        linewidth=0.3,
    )
    axes.add_collection(shades)
    bar = figure.colorbar(shades, ax=axes, location="bottom", shrink=0.7, aspect=30, pad=0.02)
    bar.set_label(label, fontsize=9, color=_INK)
    bar.ax.tick_params(length=0, labelsize=8.5, labelcolor=_MUTED)
    bar.outline.set_visible(False)
    return figure


def _map_of(placed: gpd.GeoDataFrame, side: float = _SIDE) -> tuple[Figure, Axes]:
    """An empty map with true proportions around patches; `side` is its longer side in inches."""
    west, south, east, north = (float(edge) for edge in placed.total_bounds)
    stretch = 1 / max(math.cos(math.radians((south + north) / 2)), 0.01)  # a degree of latitude over one of longitude
    ratio = (north - south) * stretch / (east - west)
    width, height = (side, max(side * ratio, 1.2)) if ratio < 1 else (max(side / ratio, 2.4), side)
    figure = Figure(figsize=(width, height + 0.9), layout="constrained")
    axes = figure.add_subplot()
    margin_x, margin_y = 0.03 * (east - west), 0.03 * (north - south)
    axes.set_xlim(west - margin_x, east + margin_x)
    axes.set_ylim(south - 3 * margin_y, north + margin_y)  # room for the scale bar
    axes.set_aspect(stretch)
    _draw_scale(axes, west, south - 2 * margin_y, east)
    _draw_frame(axes)
    return figure, axes


def _outlines(rows: gpd.GeoDataFrame) -> list[FloatArray]:
    return [np.asarray(footprint.exterior.coords) for footprint in rows.geometry]


def _groups(placed: gpd.GeoDataFrame) -> list[tuple[str, str, gpd.GeoDataFrame]]:
    """Name, colour and patches of each split that has any."""
    split = placed["split"]
    if split.isna().all():
        return [("patches", SPLIT_COLOURS["train"], placed)]
    groups: list[tuple[str, str, gpd.GeoDataFrame]] = [
        (name, SPLIT_COLOURS[name], placed[split == name]) for name in SPLITS
    ]
    groups.append(("left out", LEFT_OUT_COLOUR, placed[~split.isin(SPLITS)]))
    return [group for group in groups if len(group[2])]


def _draw_scale(axes: Axes, west: float, latitude: float, east: float) -> None:
    """A bar of 1, 2 or 5 times a power of ten metres, about a quarter of the map's width."""
    metres = _GEOD.inv(west, latitude, east, latitude)[2]
    wanted = metres / 4
    power = 10 ** math.floor(math.log10(wanted))
    length = max(step * power for step in (1, 2, 5) if step * power <= wanted)
    end = _GEOD.fwd(west, latitude, 90, length)[0]
    axes.plot([west, end], [latitude, latitude], color=_INK, linewidth=2.2, solid_capstyle="butt")
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    axes.annotate(text, (end, latitude), (5, 0), textcoords="offset points", va="center", fontsize=8.5, color=_INK)


def _draw_frame(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.grid(color=_FAINT, linewidth=0.7)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=_MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda degrees, _: _degrees(degrees, "E", "W")))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda degrees, _: _degrees(degrees, "N", "S")))
    for spine in axes.spines.values():
        spine.set(color=_FAINT)


def _degrees(value: float, positive: str, negative: str) -> str:
    text = f"{abs(value):.4f}".rstrip("0").rstrip(".")
    return f"{text}° {positive if value > 0 else negative if value < 0 else ''}".strip()
