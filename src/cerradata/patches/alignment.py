"""How well Sentinel-1 and the labels of a patch lie on its Sentinel-2 image."""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from cerradata.core.errors import DatasetError
from cerradata.core.types import UNLABELLED, Array, FloatArray, LabelArray
from cerradata.scenes.shift import Shift, estimate_shift

PAIRS: Final = ("sar", "labels")
"""What is compared with Sentinel-2."""

_SHARP = ("B02", "B03", "B04", "B08")  # 10 m by nature: the others are resampled, which blurs what places them
_MAX_SHIFT = 8.0  # px
_LEAST_SIZE = 32  # px: in a smaller patch hardly a boundary says anything
_LEAST_SHARE = 0.01  # of the pixels, for a class that takes part: one small object is easily found elsewhere
_MOST_CLASSES = 6


def measure_alignment(
    layers: Mapping[str, Array],
    nodata: Mapping[str, float | None],
    bands: Mapping[str, tuple[str, ...]],
    labels: str,
) -> Mapping[str, Shift]:
    """Measure how Sentinel-1 and the labels of a patch lie on its Sentinel-2 image.

    Compared are the four bands with 10 m pixels of Sentinel-2 with the polarisations of Sentinel-1, as amplitude, and with
    one mask for each class. Where a layer holds several time windows or orbits (`B04@dry`, `VV@dry-descending-68`), one
    of them is taken: of Sentinel-2 the one with most data, of Sentinel-1 the one with most data in the same time window,
    or else in any. Stored numbers are good for it as they are: neither scale nor offset moves an edge.

    Args:
        layers: (bands, rows, columns) stored numbers by layer name; "msi" and "sar" are looked for.
        nodata: Number that means "no data" in each image layer; NaN always does.
        bands: Band names of each image layer, in order.
        labels: Name of the label layer, (1, rows, columns) class ids, 255 = unlabelled; the finest level tells most.

    Returns:
        By pair, where a layer lies, seen from the image: "sar" for Sentinel-1, "labels" for the labels. Without Sentinel-2
        there is none, without Sentinel-1 no "sar".

    Raises:
        DatasetError: If a layer has not as many bands as names.
    """
    if "msi" not in layers:
        return {}
    window, image = _best_group(_groups(layers, nodata, bands, "msi", _SHARP), "")
    found = {}
    if "sar" in layers:
        _, radar = _best_group(_groups(layers, nodata, bands, "sar", ()), window)
        found["sar"] = _estimate(image, _amplitude(radar))
    if labels in layers:
        # The labels are free of noise, so they are the template, and the answer is turned round.
        found["labels"] = _estimate(_class_masks(layers[labels][0]), image).reversed()
    return found


def alignment_columns(alignments: Mapping[str, Shift]) -> dict[str, float | bool | None]:
    """The columns of the index that tell the alignment of a patch.

    Args:
        alignments: What `measure_alignment` gave.

    Returns:
        `alignment_<pair>_rows`, `_columns` (pixels), `_confidence` (0 to 1) and `_determined` for each of `PAIRS`. Rows and
        columns are None where the shift is not determined, all four where the pair is missing.
    """
    columns: dict[str, float | bool | None] = {}
    for pair in PAIRS:
        found = alignments.get(pair)
        known = found is not None and found.determined
        columns |= {
            f"alignment_{pair}_rows": round(found.rows, 3) if found is not None and known else None,
            f"alignment_{pair}_columns": round(found.columns, 3) if found is not None and known else None,
            f"alignment_{pair}_confidence": None if found is None else round(found.confidence, 3),
            f"alignment_{pair}_determined": None if found is None else found.determined,
        }
    return columns


def _groups(
    layers: Mapping[str, Array],
    nodata: Mapping[str, float | None],
    bands: Mapping[str, tuple[str, ...]],
    layer: str,
    wanted: tuple[str, ...],
) -> dict[str, FloatArray]:
    """(bands, rows, columns) of each time window and orbit by name, NaN = no data; all bands if none is wanted."""
    numbers, names = layers[layer], bands.get(layer, ())
    if len(numbers) != len(names):
        raise DatasetError(f"Layer {layer!r} has {len(numbers)} bands, but {len(names)} names: {', '.join(names)}.")
    members: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        members.setdefault(name.partition("@")[2], []).append(position)
    groups = {}
    for group, positions in members.items():
        sharp = [position for position in positions if names[position].partition("@")[0] in wanted]
        values = numbers[sharp or positions[:4]].astype(np.float32)
        missing = nodata.get(layer)
        if missing is not None and not np.isnan(missing):
            values[values == missing] = np.nan
        groups[group] = values
    return groups


def _best_group(groups: Mapping[str, FloatArray], window: str) -> tuple[str, FloatArray]:
    """The group with most data, one of this time window if there is one; the first of equals."""
    same = [name for name in groups if name == window or name.startswith(f"{window}-")]
    data = {name: int(np.isfinite(groups[name]).sum()) for name in same or groups}
    best = max(data, key=data.__getitem__)
    return best, groups[best]


def _amplitude(radar: FloatArray) -> FloatArray:
    """Amplitude of decibels; amplitude and linear power as they are. In decibels, dark speckle is as loud as an edge."""
    finite = radar[np.isfinite(radar)]
    if not finite.size or finite.min() >= 0:
        return radar
    return np.asarray(np.exp(radar * (math.log(10) / 20)))


def _class_masks(labels: LabelArray) -> FloatArray:
    """(classes, rows, columns) 1 where the class is, 0 where another one is, NaN where none is known.

    None at all where one class fills the patch: what it leaves out are small objects.
    """
    counts = np.bincount(labels.ravel().astype(np.intp), minlength=UNLABELLED + 1)[:UNLABELLED]
    order = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
    classes = order[counts[order] >= _LEAST_SHARE * labels.size]
    classes = classes if len(classes) > 1 else classes[:0]
    return np.where(labels == UNLABELLED, np.float32(np.nan), np.asarray(labels == classes[:, None, None], np.float32))


def _estimate(fixed: FloatArray, moving: FloatArray) -> Shift:
    rows, columns = moving.shape[1:]
    if not len(fixed) or min(rows, columns) < _LEAST_SIZE:
        return Shift(0.0, 0.0, 0.0, False)
    return estimate_shift(fixed, moving, max_shift=_MAX_SHIFT)
