"""Where the patches lie: the ground that they cover, and a map of them."""

import math

import geopandas as gpd
import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from pyproj import Geod

from cerradata.core.errors import DatasetError
from cerradata.core.types import SPLITS

# Blue, orange and red that people with any colour vision tell apart, also by their lightness; grey for what is unused.
SPLIT_COLOURS = {"train": "#3f86ac", "val": "#f0b04a", "test": "#b3322c"}
LEFT_OUT_COLOUR = "#c9d0d6"
_INK = "#22303c"
_MUTED = "#5b6873"
_FAINT = "#e9ecef"
_GEOD = Geod(ellps="WGS84")
_MANY_PATCHES = 2000  # from which on outlines would hide the colours
_SIDE = 7.6  # inches, the longer side of the map


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
    west, south, east, north = (float(edge) for edge in placed.total_bounds)
    stretch = 1 / max(math.cos(math.radians((south + north) / 2)), 0.01)  # a degree of latitude over one of longitude
    ratio = (north - south) * stretch / (east - west)
    width, height = (_SIDE, max(_SIDE * ratio, 1.2)) if ratio < 1 else (max(_SIDE / ratio, 2.4), _SIDE)
    figure = Figure(figsize=(width, height + 0.9), layout="constrained")
    axes = figure.add_subplot()
    keys = []
    for name, colour, rows in _groups(placed):
        outlines = [np.asarray(footprint.exterior.coords) for footprint in rows.geometry]
        edge = "white" if len(placed) < _MANY_PATCHES else colour
        axes.add_collection(PolyCollection(outlines, facecolor=colour, edgecolor=edge, linewidth=0.4))
        keys.append(Patch(color=colour, label=f"{name} ({len(rows):,})"))
    margin_x, margin_y = 0.03 * (east - west), 0.03 * (north - south)
    axes.set_xlim(west - margin_x, east + margin_x)
    axes.set_ylim(south - 3 * margin_y, north + margin_y)  # room for the scale bar
    axes.set_aspect(stretch)
    _draw_scale(axes, west, south - 2 * margin_y, east)
    _draw_frame(axes)
    figure.legend(handles=keys, loc="outside lower center", ncols=4, frameon=False, fontsize=9, labelcolor=_INK)
    return figure


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
