"""Parts of the training split: nested fractions and few-shot selections. Seeded pure functions of the index."""

import numpy as np
import pandas as pd

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.core.types import BoolArray, CountArray
from cerradata.data.draws import generator
from cerradata.patches.class_table import ClassTable, class_table

LEAST_SHARE = 0.01
"""Share of a patch's labelled pixels from which a class counts as shown by it: 164 pixels, 1.6 ha, of 128 x 128 at 10 m."""

_DRAWN = 64  # patches that compete for a place: enough that the best shows many classes, few enough that seeds differ


def fraction_of(index: pd.DataFrame, level: int, fraction: float, seed: int) -> list[int]:
    """A fraction of the training split that keeps every class.

    Fractions of one seed are nested: the ids of a smaller one are among those of every larger one. First comes a small
    cover of the classes (`few_shot` with one shot: rare classes first), then the other patches in seeded order, so apart
    from the cover each patch is as likely as any other and classes keep their shares.

    A tiny fraction can be larger than asked for: it has max(round(fraction * patches), size of the cover) patches, and the
    cover has at most one patch a class.

    Args:
        index: The index; its training split is used.
        level: Level whose classes are kept, counted from coarse = 1.
        fraction: Above 0, at most 1.
        seed: Decides which patches.

    Returns:
        Ids, ascending.

    Raises:
        ConfigError: If the fraction is out of range.
        DatasetError: If the index has no training split or no labels of that level.
    """
    if not 0 < fraction <= 1:
        raise ConfigError(f"fraction is {fraction}: it must be above 0 and at most 1, 0.01 for 1 %.")
    table = _shuffled(class_table(index, level, "train"), seed, "fraction")
    cover = _choose(table, 1, LEAST_SHARE)
    others = np.setdiff1d(np.arange(len(table)), cover)  # ascending in the shuffled table: in seeded order
    order = np.concatenate([cover, others])
    size = max(round(fraction * len(order)), len(cover), 1)
    return sorted(table.ids[order[:size]].tolist())


def few_shot(index: pd.DataFrame, level: int, shots: int, seed: int, *, least_share: float = LEAST_SHARE) -> list[int]:
    """Few training patches that show each class `shots` times.

    Each class of the training split is in at least `shots` of the chosen patches, or in all patches that have it, where
    those are fewer. As long as there are enough, only patches count in which the class has `least_share` of the labelled
    pixels; after those, patches with any pixel of it. Selections of one seed are nested in `shots`.

    Shot by shot and rare classes first, a class that lacks a patch gets one: of up to 64 patches drawn from those that show it,
    the one that shows most of the classes that lack one too. So there are mostly far fewer than shots x classes patches.

    Args:
        index: The index; its training split is used.
        level: Level of the classes, counted from coarse = 1.
        shots: Patches of each class, 1 or more.
        seed: Decides which patches.
        least_share: From 0 to 1.

    Returns:
        Ids, ascending.

    Raises:
        ConfigError: If shots or the least share are out of range.
        DatasetError: If the index has no training split, no labels of that level, or no labelled pixel.
    """
    if shots < 1:
        raise ConfigError(f"shots is {shots}: give 1 or more patches a class.")
    if not 0 <= least_share <= 1:
        raise ConfigError(f"least_share is {least_share}: it must be from 0 to 1.")
    table = _shuffled(class_table(index, level, "train"), seed, "few-shot")
    if not table.pixels.any():
        raise DatasetError(f"The training split has no labelled pixel of level {level}: split the dataset anew.")
    return sorted(table.ids[_choose(table, shots, least_share)].tolist())


def _shuffled(table: ClassTable, seed: int, purpose: str) -> ClassTable:
    """The table in seeded order: the first of several equally good patches is then a random one."""
    order = generator(seed, 0, 0, purpose).permutation(len(table))
    return ClassTable(table.ids[order], table.pixels[order])


def _choose(table: ClassTable, shots: int, least_share: float) -> CountArray:
    """Rows of a few-shot selection, in the order in which they were chosen: what is chosen for less shots comes first."""
    present = table.pixels > 0
    shown = present & (table.pixels >= least_share * table.pixels.sum(axis=1, keepdims=True))
    enough, all_there_are = shown.sum(axis=0), present.sum(axis=0)
    rare_first = np.argsort(table.totals, kind="stable")
    chosen = np.zeros(len(table), dtype=bool)
    order: list[int] = []
    for shot in range(1, shots + 1):
        counts = np.where(shot <= enough, shown, present)
        wanted = np.minimum(shot, all_there_are)
        if (wanted < shot).all():
            break  # every patch with a label is chosen
        lacking = wanted - counts[chosen].sum(axis=0)
        for class_id in rare_first:
            while lacking[class_id] > 0:
                best = _best(counts, chosen, lacking > 0, int(class_id))
                chosen[best] = True
                order.append(best)
                lacking -= counts[best]
    return np.array(order, dtype=np.int64)


def _best(counts: BoolArray, chosen: BoolArray, lacking: BoolArray, class_id: int) -> int:
    """Of the first patches that count for a class and are not chosen yet, the one that counts for most lacking classes."""
    drawn = np.flatnonzero(counts[:, class_id] & ~chosen)[:_DRAWN]
    return int(drawn[counts[drawn][:, lacking].sum(axis=1).argmax()])
