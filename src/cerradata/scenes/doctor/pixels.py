"""Bands without data, with one number everywhere, or equal to another band."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from cerradata.core.types import Array
from cerradata.scenes.doctor.case import Case
from cerradata.scenes.doctor.finding import Fault, Finding

_OVERVIEW = 1024
_PIXELS = 50


def check_pixels(case: Case) -> list[Finding]:
    """Name bands that hold no data, one number, or another band's numbers."""
    empty = [band for band in case.sample.bands if _is_empty(case, band)]
    if len(empty) == len(case.sample.bands):
        return [_no_data(case, "all bands")]
    return [*(_no_data(case, band) for band in empty), *_constant(case), *_duplicated(case), *_hidden(case)]


def _is_empty(case: Case, band: str) -> bool:
    """Whether a band has no data in the sample, nor in an overview of the whole of it."""
    if case.sample.valid[band] > 0:
        return False
    file = case.scene.bands[band]
    height, width = file.grid.shape
    numbers, hidden = file.read(
        slice(0, height),
        slice(0, width),
        what=f"band {band} of scene {case.name}",
        shape=(min(height, _OVERVIEW), min(width, _OVERVIEW)),
    )
    data = np.isfinite(case.radiometry.to_values(numbers))
    return not (data if hidden is None else data & ~hidden).any()


def _no_data(case: Case, band: str) -> Finding:
    return Finding(
        Fault.NO_DATA,
        case.name,
        f"no pixel with data (nodata is {case.radiometry.nodata})",
        "pixels with data",
        "fetch the file again, declare the right `nodata`, or leave the band or the scene out",
        band=band,
    )


def _constant(case: Case) -> Iterator[Finding]:
    for band in case.sample.bands:
        numbers = case.sample.numbers[band]
        if numbers.size >= _PIXELS and numbers.min() == numbers.max():
            # a flat piece of land or a lake has one height
            plain = case.scene.sensor == "elevation"
            yield Finding(
                Fault.BAND_CONSTANT,
                case.name,
                f"every one of {numbers.size:,} sampled pixels is {numbers[0]:g}",
                "numbers that differ",
                "look at the file: it was filled, not measured. Fetch it again, or leave it out",
                band=band,
                severity="note" if plain else "fault",
            )


def _duplicated(case: Case) -> Iterator[Finding]:
    numbers = case.sample.numbers
    for one, other in combinations(case.sample.bands, 2):
        if _same(numbers[one], numbers[other]):
            yield Finding(
                Fault.BAND_DUPLICATED,
                case.name,
                f"all {numbers[one].size:,} sampled pixels of {one} equal those of {other}",
                "numbers of its own in each band",
                "one file was copied over the other: fetch both again",
                band=f"{one}, {other}",
            )


def _same(one: Array, other: Array) -> bool:
    return one.size == other.size >= _PIXELS and one.min() != one.max() and bool((one == other).all())


def _hidden(case: Case) -> Iterator[Finding]:
    if case.sample.masked > 0 and case.sample.values.shape[1] < _PIXELS:
        yield Finding(
            Fault.UNDETERMINED,
            case.name,
            f"masks hide {case.sample.masked:.0%} of the sampled pixels with data",
            "ground to look at",
            "nothing about its numbers was checked; choose another date if it is needed",
            severity="note",
        )
