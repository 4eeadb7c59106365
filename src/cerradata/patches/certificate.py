"""The certificate of a split: what leaks, what is missing, how far apart the splits are."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, Final, Literal

import geopandas as gpd
import numpy as np

from cerradata.core.errors import DatasetError
from cerradata.core.types import SPLITS, BoolArray, CountArray
from cerradata.legend import LandCoverClass, Legend
from cerradata.patches.autocorrelation import Footprints, class_tables, footprints, label_range
from cerradata.patches.split import SplitOptions, coverable_classes, resolve_options, split_hash

PUBLISHED_LEGEND: Final = "cerradata-4mm"
PUBLISHED_TEST_PIXELS: Final[Mapping[int, tuple[int, ...]]] = {
    1: (18186594, 28283543, 2231928, 5247, 267463, 631431, 4546),
    2: (
        *(18187526, 25071999, 3209266, 630404, 5238, 230865, 36367),
        *(691089, 37003, 51710, 135200, 710080, 4552, 609453),
    ),
}
"""Pixels of each class in the published test set at each level: the row sums of the published confusion matrices."""

PAIRS: Final = tuple(f"{a}-{b}" for a, b in combinations(SPLITS, 2))


@dataclass(frozen=True)
class ClassSupport:
    """What the splits hold of one class.

    Attributes:
        level: Level of the class.
        id: Its id.
        name: Its name.
        pixels: Pixels in each split.
        objects: Connected parts in each split; None if the index does not count them.
        missing_in: Splits without a pixel of it.
        coverable: Whether it can be in all three splits (see `split.coverable_classes`).
    """

    level: int
    id: int
    name: str
    pixels: Mapping[str, int]
    objects: Mapping[str, int] | None
    missing_in: tuple[str, ...]
    coverable: bool


@dataclass(frozen=True)
class Certificate:
    """What is known of a split. Pairs of splits are named "train-val", "train-test" and "val-test".

    Attributes:
        strategy: Of the split; None if it is not known (a published copy, say).
        seed: Of the split, or None.
        patches: Number of patches in train, val, test and left_out.
        least_distance_m: Least distance in metres between the edges of patches of two splits; None without georeference
            or if one of the splits is empty.
        shared_pixels: Pixels of the first split that patches of the second cover too, counted once a pair of patches;
            None without georeference.
        duplicates: Patches whose content is also in another split; None if the index has no content hashes.
        classes: Support of each class at each level.
        block_size_m: Side of the blocks, or None.
        buffer_m: Least distance asked for, or None.
        autocorrelation_range_m: Distance from which labels differ as much as anywhere, or None.
        autocorrelation_note: What that figure is, or why there is none.
        hash: `split.split_hash` of the assignment.
        published_test_set: Whether the test split is the published one.
        published_reason: Why.
        notes: Plain sentences for people: what to be careful about.
    """

    strategy: str | None
    seed: int | None
    patches: Mapping[str, int]
    least_distance_m: Mapping[str, float | None]
    shared_pixels: Mapping[str, int | None]
    duplicates: int | None
    classes: tuple[ClassSupport, ...]
    block_size_m: float | None
    buffer_m: float | None
    autocorrelation_range_m: float | None
    autocorrelation_note: str
    hash: str
    published_test_set: Literal["yes", "no"]
    published_reason: str
    notes: tuple[str, ...]

    @property
    def missing(self) -> tuple[ClassSupport, ...]:
        """Classes that are not in every split."""
        return tuple(support for support in self.classes if support.missing_in)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without NaN."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain


def certify(
    index: gpd.GeoDataFrame, legend: Legend, patch_size: int, options: SplitOptions | None = None
) -> Certificate:
    """Examine the assignment in the column `split` of an index.

    Args:
        index: The dataset index, with splits.
        legend: Its legend.
        patch_size: Pixels a side.
        options: What the split was made with; None if it is not known.

    Raises:
        DatasetError: If no patch has a split, a split has an unknown name, or the index does not fit the legend.
    """
    members = _members(index)
    places = footprints(index, patch_size)
    resolved = None if options is None else resolve_options(index, legend, patch_size, options)
    pixels = class_tables(index, legend, "pixels")
    if not pixels:
        raise DatasetError("The index has no pixels of classes (pixels_l1, ...): make it again with `cerradata index`.")
    labels = label_range(places, pixels[max(pixels)])
    published, reason = _published(legend, pixels, members["test"])
    certificate = Certificate(
        strategy=None if resolved is None else resolved.strategy,
        seed=None if resolved is None else resolved.seed,
        patches={**{k: int(v.sum()) for k, v in members.items()}, "left_out": int(index["split"].isna().sum())},
        least_distance_m=_least_distances(places, members),
        shared_pixels=_shared_pixels(places, members),
        duplicates=_duplicates(index),
        classes=_supports(index, legend, pixels, members, coverable_classes(index, legend, patch_size, resolved)),
        block_size_m=None if resolved is None else resolved.block_size,
        buffer_m=None if resolved is None else resolved.buffer,
        autocorrelation_range_m=labels.metres,
        autocorrelation_note=labels.note,
        hash=split_hash(index["id"], index["split"]),
        published_test_set=published,
        published_reason=reason,
        notes=(),
    )
    return replace(certificate, notes=tuple(_notes(certificate)))


def _members(index: gpd.GeoDataFrame) -> dict[str, BoolArray]:
    """For each split, which patches are in it, (N,)."""
    if "split" not in index or index["split"].isna().all():
        raise DatasetError("The dataset has no splits: run `cerradata split DIR --strategy blocks` first.")
    strange = sorted(set(index["split"].dropna()) - set(SPLITS), key=str)
    if strange:
        raise DatasetError(
            f"The index has the unknown split {strange[0]!r}: splits are {', '.join(SPLITS)}. Run `cerradata split DIR`."
        )
    return {name: np.asarray(index["split"] == name, dtype=bool) for name in SPLITS}


def _least_distances(places: Footprints | None, members: Mapping[str, BoolArray]) -> dict[str, float | None]:
    distances: dict[str, float | None] = dict.fromkeys(PAIRS)
    for pair in PAIRS:
        first, second = (np.flatnonzero(members[name]) for name in pair.split("-"))
        if places is not None and len(first) and len(second):
            distances[pair] = round(places.least_gap(first, second), 3)
    return distances


def _shared_pixels(places: Footprints | None, members: Mapping[str, BoolArray]) -> dict[str, int | None]:
    if places is None:
        return dict.fromkeys(PAIRS)
    shared = dict.fromkeys(PAIRS, 0.0)
    for first, second in places.pairs_nearer_than(0):
        pixels = places.shared_pixels(first, second)
        for pair in PAIRS:
            a, b = pair.split("-")
            shared[pair] += float(pixels[members[a][first] & members[b][second]].sum())
    return {pair: round(value) for pair, value in shared.items()}


def _duplicates(index: gpd.GeoDataFrame) -> int | None:
    if "content_hash" not in index:
        return None
    used = index.loc[index["split"].notna() & index["content_hash"].notna(), ["split", "content_hash"]]
    splits = used.groupby("content_hash")["split"].transform("nunique")
    return int((splits > 1).sum())


def _supports(
    index: gpd.GeoDataFrame,
    legend: Legend,
    pixels: Mapping[int, CountArray],
    members: Mapping[str, BoolArray],
    coverable: Mapping[int, BoolArray],
) -> tuple[ClassSupport, ...]:
    objects = class_tables(index, legend, "objects")
    supports = []
    for level, table in pixels.items():
        for c in legend.level(level).classes:
            amount = _amount(table, c, members)
            parts = _amount(objects[level], c, members) if level in objects else None
            missing = tuple(name for name in SPLITS if amount[name] == 0)
            supports.append(ClassSupport(level, c.id, c.name, amount, parts, missing, bool(coverable[level][c.id])))
    return tuple(supports)


def _amount(table: CountArray, c: LandCoverClass, members: Mapping[str, BoolArray]) -> dict[str, int]:
    return {name: int(table[chosen, c.id].sum()) for name, chosen in members.items()}


def _published(legend: Legend, pixels: Mapping[int, CountArray], test: BoolArray) -> tuple[Literal["yes", "no"], str]:
    if legend.name != PUBLISHED_LEGEND:
        return "no", f"the legend is {legend.name}, the published test set has {PUBLISHED_LEGEND}"
    for level, published in PUBLISHED_TEST_PIXELS.items():
        if level in pixels and tuple(pixels[level][test].sum(axis=0).tolist()) == published:
            return "yes", f"the pixels of every class at level {level} are exactly those of the published test set"
    return "no", (
        "the pixels of the classes are not those of the published test set; a split with the published proportions is "
        "not the published split, so its scores must not be set beside the published ones"
    )


def _notes(found: Certificate) -> list[str]:
    notes = [f"{name} is empty." for name in SPLITS if not found.patches[name]]
    if None in found.shared_pixels.values():
        notes.append("Without georeference nobody can say how far apart the splits are, or whether they overlap.")
    notes += [f"{pair.replace('-', ' and ')} share {n} pixels." for pair, n in found.shared_pixels.items() if n]
    if found.duplicates:
        notes.append(f"{found.duplicates} patches have the same content as a patch of another split.")
    touching = [pair for pair, metres in found.least_distance_m.items() if metres == 0]
    if touching:
        notes.append(
            f"Patches of {', '.join(touching)} touch: scores will be higher than on land that the model has not seen."
        )
    block, reach = found.block_size_m, found.autocorrelation_range_m
    if block is not None and reach is not None and block < reach:
        notes.append(
            f"Blocks of {block:g} m are smaller than the {reach:g} m over which labels resemble each other: neighbouring "
            f"blocks are alike. Set block_size to {math.ceil(reach)} or more."
        )
    return notes


def certificate_lines(certificate: Certificate) -> list[str]:
    """The certificate as plain text for a terminal."""
    found = certificate
    total = sum(found.patches.values())
    how = "not known" if found.strategy is None else f"{found.strategy}, seed {found.seed}"
    lines = [f"Split: {how}", "Patches: " + ", ".join(_share(*item, total) for item in found.patches.items())]
    for pair in PAIRS:
        metres, shared = found.least_distance_m[pair], found.shared_pixels[pair]
        apart = "least distance not known" if metres is None else f"least distance {metres:g} m"
        lines.append(f"{pair}: {apart}, shared pixels {'not known' if shared is None else shared}")
    lines.append(f"Duplicates across splits: {'not known' if found.duplicates is None else found.duplicates}")
    if found.block_size_m is not None:
        lines.append(f"Blocks: {found.block_size_m:g} m, buffer {found.buffer_m or 0:g} m")
    reach = found.autocorrelation_range_m
    known = "" if reach is None else f"{reach:g} m, "
    lines.append(f"Autocorrelation range of the labels: {known}{found.autocorrelation_note}")
    lines += _missing_lines(found)
    lines.append(f"Published test set: {found.published_test_set}, {found.published_reason}")
    lines += [f"Note: {note}" for note in found.notes]
    lines.append(f"Hash: {found.hash}")
    return lines


def _share(name: str, patches: int, total: int) -> str:
    return f"{name.replace('_', ' ')} {patches} ({100 * patches / total:.1f} %)"


def _missing_lines(found: Certificate) -> list[str]:
    if not found.missing:
        return ["Classes: every class is in every split"]
    lines = []
    nowhere = [support for support in found.missing if len(support.missing_in) == len(SPLITS) and not support.coverable]
    for level in dict.fromkeys(support.level for support in nowhere):
        names = ", ".join(support.name for support in nowhere if support.level == level)
        lines.append(f"Level {level}, in no split, for want of patches: {names}")
    for support in found.missing:
        if support in nowhere:
            continue
        why = "" if support.coverable else " (it cannot be in all three)"
        where = ", ".join(support.missing_in)
        lines.append(f"Level {support.level}, class {support.id} {support.name}: missing in {where}{why}")
    return lines
