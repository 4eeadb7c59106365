"""Where patches lie, how far apart they are, and how far apart their labels still resemble each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from scipy.spatial.distance import pdist

from cerradata.core.errors import DatasetError
from cerradata.core.types import Array, BoolArray, CountArray, FloatArray
from cerradata.legend import Legend

TOLERANCE = 1e-3
"""Metres within which two distances are the same: above the rounding of UTM coordinates, far below a pixel."""
_FRAME_SLACK = 1.05  # own CRS and common frame differ by less than this, so no near pair escapes the box query
_SAMPLE = 3000  # patches of a variogram: 4.5 million pairs, about a second
_SILL_REACHED = 0.95
_LEAST_PAIRS = 30  # a mean over fewer pairs is noise
_CHUNK = 4096  # patches whose neighbours are held at once: bounds the memory for wide buffers


@dataclass(frozen=True, eq=False)
class Footprints:
    """The ground that N patches cover.

    Attributes:
        boxes: (N, 4) left, bottom, right, top in the CRS of the patch.
        systems: (N,) number of that CRS; patches with the same number share it.
        exact: (N,) whether distances in that CRS are metres along its axes (projected, in metres, not rotated).
        polygons: (N,) shapely polygons in one common frame, metres: the CRS of the patches where they share a projected
            one in metres, else a Lambert azimuthal equal-area projection about their middle.
        patch_size: Pixels a side.
    """

    boxes: FloatArray
    systems: CountArray
    exact: BoolArray
    polygons: Array
    patch_size: int

    @cached_property
    def centres(self) -> FloatArray:
        """(N, 2) centres in the common frame, metres."""
        bounds = shapely.bounds(self.polygons)
        return np.asarray((bounds[:, :2] + bounds[:, 2:]) / 2)

    @cached_property
    def width(self) -> float:
        """Width of the median patch, metres; whole millimetres, so that reprojection leaves no trailing digits."""
        return round(float(np.sqrt(np.median(shapely.area(self.polygons)))), 3)

    def tiles(self, size: float) -> CountArray:
        """(N,) number of the square of this size, in metres, that the centre of each patch is in.

        Squares are laid from the north-west corner and counted row by row; those without a patch are not counted.
        """
        bounds = shapely.bounds(self.polygons)
        corner = np.array([bounds[:, 0].min(), bounds[:, 3].max()])
        squares = np.floor(np.abs(self.centres - corner) / size).astype(np.int64)
        return np.unique(squares[:, ::-1], axis=0, return_inverse=True)[1].astype(np.int64)

    def gaps(self, first: CountArray, second: CountArray) -> FloatArray:
        """Least distance between the edges of patch `first[k]` and patch `second[k]`.

        Returns:
            (K,) metres; 0 where patches touch, below 0 where they overlap.
        """
        a, b = self.boxes[first], self.boxes[second]
        apart = np.maximum(a[:, :2], b[:, :2]) - np.minimum(a[:, 2:], b[:, 2:])
        gaps: FloatArray = np.where((apart < 0).all(axis=1), apart.max(axis=1), np.hypot(*np.maximum(apart, 0).T))
        other = ~self._comparable(first, second)
        if other.any():
            left, right = self.polygons[first[other]], self.polygons[second[other]]
            shared = shapely.area(shapely.intersection(left, right))
            gaps[other] = np.where(shared > 0, -np.sqrt(shared), shapely.distance(left, right))
        return gaps

    def shared_pixels(self, first: CountArray, second: CountArray) -> FloatArray:
        """(K,) pixels of patch `first[k]` that patch `second[k]` covers too."""
        a, b = self.boxes[first], self.boxes[second]
        overlap = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0).prod(axis=1)
        areas = (a[:, 2:] - a[:, :2]).prod(axis=1)
        other = ~self._comparable(first, second)
        if other.any():
            left = self.polygons[first[other]]
            overlap[other] = shapely.area(shapely.intersection(left, self.polygons[second[other]]))
            areas[other] = shapely.area(left)
        return np.asarray(overlap / areas * self.patch_size**2)

    def pairs_nearer_than(self, distance: float) -> Iterator[tuple[CountArray, CountArray]]:
        """Pairs of patches with a gap below `distance` metres (0: those that overlap), each pair in both directions."""
        tree = shapely.STRtree(self.polygons)
        reach = distance * _FRAME_SLACK + TOLERANCE
        bounds = shapely.bounds(self.polygons) + np.array([-reach, -reach, reach, reach])
        for start in range(0, len(bounds), _CHUNK):
            first, second = tree.query(shapely.box(*bounds[start : start + _CHUNK].T))
            first = first + start
            first, second = first[first != second], second[first != second]
            near = self.gaps(first, second) < distance - TOLERANCE
            yield first[near], second[near]

    def least_gap(self, first: CountArray, second: CountArray) -> float:
        """Least gap in metres between two sets of patches; 0 where they touch or overlap."""
        tree = shapely.STRtree(self.polygons[second])
        _, apart = tree.query_nearest(self.polygons[first], return_distance=True, all_matches=False)
        reach = float(apart.min()) * _FRAME_SLACK + TOLERANCE
        left, right = tree.query(self.polygons[first], predicate="dwithin", distance=reach)
        return max(0.0, float(self.gaps(first[left], second[right]).min()))

    def _comparable(self, first: CountArray, second: CountArray) -> BoolArray:
        same = self.systems[first] == self.systems[second]
        return np.asarray(same & self.exact[first] & self.exact[second])


def footprints(index: gpd.GeoDataFrame, patch_size: int) -> Footprints | None:
    """The ground that the patches of an index cover, from their CRS and transforms; None if any has none.

    Args:
        index: The dataset index, with the columns `crs` and `transform` (a, b, c, d, e, f).
        patch_size: Pixels a side.

    Raises:
        DatasetError: If a CRS is unknown.
    """
    if index["crs"].isna().any() or index["transform"].isna().any() or index.empty:
        return None
    names, systems = np.unique(index["crs"].to_numpy(dtype=str), return_inverse=True)
    a, b, c, d, e, f = np.stack([np.asarray(t, dtype=float) for t in index["transform"]]).T
    columns, rows = np.array([[0, 1, 1, 0], [0, 0, 1, 1]])[:, :, None] * patch_size
    corners = np.stack([a * columns + b * rows + c, d * columns + e * rows + f], axis=-1).swapaxes(0, 1)  # (N, 4, 2)
    metric = np.array([_in_metres(str(name)) for name in names])
    own = corners if len(names) == 1 and metric[0] else _common_frame(corners, systems, names)
    return Footprints(
        boxes=np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1),
        systems=systems.astype(np.int64),
        exact=metric[systems] & (b == 0) & (d == 0),
        polygons=shapely.polygons(own),
        patch_size=patch_size,
    )


def _in_metres(crs: str) -> bool:
    try:
        known = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise DatasetError(
            f"The index holds the unknown CRS {crs!r}: an EPSG code such as EPSG:32722 is needed. Correct the "
            "georeference of the patch files, then make the index again with `cerradata index`."
        ) from error
    return bool(known.is_projected and all(axis.unit_conversion_factor == 1 for axis in known.axis_info))


def _common_frame(corners: FloatArray, systems: Any, names: Any) -> FloatArray:  # noqa: ANN401 - NumPy arrays
    """Corners (N, 4, 2) of several CRS in one equal-area projection about their middle."""
    degrees = _project(corners, systems, names, "OGC:CRS84").reshape(-1, 2)
    lon, lat = (degrees.min(axis=0) + degrees.max(axis=0)) / 2
    return _project(corners, systems, names, f"+proj=laea +lat_0={lat:.6f} +lon_0={lon:.6f} +datum=WGS84 +units=m")


def _project(corners: FloatArray, systems: Any, names: Any, target: str) -> FloatArray:  # noqa: ANN401
    projected = np.empty_like(corners)
    for number, name in enumerate(names):
        chosen = systems == number
        transformer = pyproj.Transformer.from_crs(str(name), target, always_xy=True)
        x, y = transformer.transform(corners[chosen, :, 0], corners[chosen, :, 1])
        projected[chosen] = np.stack([x, y], axis=-1)
    return projected


def class_tables(index: gpd.GeoDataFrame, legend: Legend, kind: str) -> dict[int, CountArray]:
    """Pixels or objects of each class in each patch, for each level that the index has.

    Args:
        index: The dataset index, N patches.
        legend: Its legend.
        kind: "pixels" or "objects".

    Returns:
        By number of the level, coarsest first: (N, classes) int64.

    Raises:
        DatasetError: If a column does not have one number a class.
    """
    tables = {}
    for level in legend.levels:
        name = f"{kind}_l{level.number}"
        if name not in index:
            continue
        lengths = {0 if np.ndim(value) != 1 else len(value) for value in index[name]}
        if lengths - {len(level)}:
            raise DatasetError(
                f"Column {name!r} of the index has {', '.join(map(str, sorted(lengths)))} numbers a patch: legend "
                f"{legend.name!r} has {len(level)} classes at level {level.number}. Use the dataset's own legend, or "
                "make the index again with `cerradata index`."
            )
        tables[level.number] = np.array(list(index[name]), dtype=np.int64).reshape(len(index), len(level))
    return tables


@dataclass(frozen=True)
class LabelRange:
    """How far apart labels still resemble each other.

    Attributes:
        metres: Distance between centres from which labels differ as much as anywhere; None if not known.
        note: What the figure is, or why there is none.
    """

    metres: float | None
    note: str


def label_range(places: Footprints | None, pixels: CountArray, seed: int = 0) -> LabelRange:
    """Autocorrelation range of the labels, from the variogram of the class fractions of the patches.

    The semivariance at a lag is the mean, over the pairs of patches at that distance, of half the squared difference of
    their class fractions, summed over the classes; the sill is the same mean over all pairs; the range is the first lag
    where 95 % of the sill are reached (Matheron's estimator; Chiles and Delfiner, Geostatistics, 2012, chapter 2).

    Args:
        places: Footprints of N patches, or None.
        pixels: (N, C) pixels of each class of one level.
        seed: Of the sample of 3,000 patches, where there are more.
    """
    if places is None:
        return LabelRange(None, "not known: the patches have no georeference")
    labelled = np.flatnonzero(pixels.sum(axis=1) > 0)
    if len(labelled) > _SAMPLE:
        labelled = np.sort(np.random.default_rng(seed).choice(labelled, _SAMPLE, replace=False))
    fractions = pixels[labelled] / pixels[labelled].sum(axis=1, keepdims=True)
    lags, semivariances, sill = variogram(places.centres[labelled], fractions, places.width)
    if sill == 0:
        return LabelRange(None, "not known: all patches have the same labels")
    if not len(lags):
        return LabelRange(None, f"not known: {len(labelled)} patches are too few for a variogram")
    reached = np.flatnonzero(semivariances >= _SILL_REACHED * sill)
    if not len(reached):
        return LabelRange(None, f"longer than {lags[-1]:g} m, the widest lag examined")
    return LabelRange(
        float(lags[reached[0]]), "first distance where the variogram of the labels reaches 95 % of its sill"
    )


def variogram(
    centres: FloatArray, fractions: FloatArray, width: float, least_pairs: int = _LEAST_PAIRS
) -> tuple[FloatArray, FloatArray, float]:
    """Semivariance at lags of whole widths, up to half of the largest distance, beyond which pairs come from the rim.

    Args:
        centres: (N, 2) metres.
        fractions: (N, C), each row sums to 1.
        width: Step of the lags, metres; a pair belongs to the nearest lag.
        least_pairs: Lags with fewer pairs are left out.

    Returns:
        Lags in metres, semivariance at each, and the mean over all pairs (the sill; 0 if there are no pairs).
    """
    if len(centres) < 2:
        return np.zeros(0), np.zeros(0), 0.0
    distances = pdist(centres)
    halves = pdist(fractions, "sqeuclidean") / 2
    bins = np.rint(distances / width).astype(np.int64)
    pairs = np.bincount(bins)
    sums = np.bincount(bins, halves)
    lags = np.arange(len(pairs)) * width
    used = (np.arange(len(pairs)) > 0) & (pairs >= least_pairs) & (lags <= max(distances.max() / 2, width))
    return lags[used], sums[used] / pairs[used], float(halves.mean())
