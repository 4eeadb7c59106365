"""The files of one patch: structure by their headers, content by their pixels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cerradata.core.errors import DatasetError
from cerradata.core.raster import RasterLook
from cerradata.core.types import Array
from cerradata.patches.statistics import Moments
from cerradata.patches.stored import read_layer
from cerradata.patches.verify.content import check_content
from cerradata.patches.verify.expectation import Expectation, LayerExpectation, PatchExpectation
from cerradata.patches.verify.header import Header, HeaderReader, gdal_header, quiet_tifffile
from cerradata.patches.verify.problem import Problem


class PatchPixels(NamedTuple):
    """What was read of a patch: (bands, rows, columns) by layer, and why layers could not be read."""

    layers: Mapping[str, Array]
    unreadable: Sequence[str] = ()


@dataclass(frozen=True)
class Findings:
    """What came of some patches.

    Attributes:
        problems: What is wrong with each of them.
        moments: Moments of their stored numbers by layer; empty if no pixels were read.
    """

    problems: tuple[tuple[Problem, ...], ...]
    moments: dict[str, Moments]


def check_patches(expected: Expectation, patches: Sequence[PatchExpectation], *, deep: bool) -> Findings:
    """Check the files of patches. A function of its arguments and the files alone, so it can run anywhere.

    Args:
        expected: What every patch must be.
        patches: The patches.
        deep: Read their pixels too.
    """
    reader = HeaderReader()
    moments = _no_moments(expected) if deep else {}
    problems = []
    with quiet_tifffile():
        for patch in patches:
            found, corrupt = _check_headers(reader, expected, patch)
            if deep:
                pixels = _read(patch, corrupt, found)
                found += check_content(expected, patch, pixels)
                _add_moments(moments, expected, pixels)
            problems.append(tuple(found))
    return Findings(tuple(problems), moments)


def check_packed(expected: Expectation, patches: Sequence[tuple[PatchExpectation, PatchPixels]]) -> Findings:
    """Check the content of patches that were read from a packed store.

    Args:
        expected: What every patch must be.
        patches: The patches, with what was read of each.
    """
    moments = _no_moments(expected)
    problems = []
    for patch, (pixels, unreadable) in patches:
        found = [Problem("corrupt", f"patch {patch.id}: {why}", patch.id) for why in unreadable]
        problems.append((*found, *check_content(expected, patch, pixels)))
        _add_moments(moments, expected, pixels)
    return Findings(tuple(problems), moments)


def _no_moments(expected: Expectation) -> dict[str, Moments]:
    return {
        name: Moments.empty(layer.bands)
        for name, layer in expected.layers.items()
        if layer.image and layer.bands is not None
    }


def _add_moments(moments: dict[str, Moments], expected: Expectation, pixels: Mapping[str, Array]) -> None:
    for name in moments.keys() & pixels.keys():
        if len(pixels[name]) == len(moments[name].count):
            moments[name] += Moments.of(pixels[name], expected.layers[name].nodata)


def _check_headers(
    reader: HeaderReader, expected: Expectation, patch: PatchExpectation
) -> tuple[list[Problem], set[str]]:
    """What headers tell, and the layers whose pixels cannot be read."""
    problems: list[Problem] = []
    corrupt = set()
    for layer, path in patch.files.items():
        header = reader.read(path)
        rule = expected.layers.get(layer, LayerExpectation())
        if header is not None and not header.cut and not any(differences(path, rule, header, expected, patch)):
            continue
        try:
            said = gdal_header(path)  # it knows more forms, and side-car files
        except DatasetError as error:
            problems.append(Problem("corrupt", str(error), patch.id))
            corrupt.add(layer)
            continue
        if header is not None and header.cut:
            problems.append(Problem("corrupt", f"{path} is cut short: {header.cut}. Fetch it again.", patch.id))
            corrupt.add(layer)
            continue
        problems += differences(path, rule, said, expected, patch)
    return problems, corrupt


def differences(
    path: Path | str, rule: LayerExpectation, header: Header, expected: Expectation, patch: PatchExpectation
) -> Iterator[Problem]:
    """What a file's header says that it should not.

    Args:
        path: The file, for messages.
        rule: What the files of its layer must be.
        header: Its header.
        expected: What every patch must be.
        patch: What the index says of its patch.
    """
    size = expected.size
    if size is not None and (header.height, header.width) != (size, size):
        what = f"{path} has {header.height} x {header.width} pixels, {size} x {size} are right"
        yield Problem("wrong size", what, patch.id)
    if rule.bands is not None and header.bands != rule.bands:
        yield Problem("wrong size", f"{path} has {header.bands} bands, {rule.bands} are right", patch.id)
    if rule.dtype is not None and header.dtype != rule.dtype:
        yield Problem("wrong type", f"{path} has pixels of {header.dtype}, {rule.dtype} is right", patch.id)
    if patch.place is not None and (header.crs, header.transform) != patch.place:
        what = f"{path} lies at {header.crs}, {header.transform}; the index says {patch.place}"
        yield Problem("changed", what, patch.id)
    if rule.look is not None:
        yield from _look_differences(path, header, rule.look, patch.id)


def _look_differences(path: Path | str, header: Header, look: RasterLook, patch_id: int) -> Iterator[Problem]:
    lost = [f"the tag {name}" for name, value in look.tags.items() if header.tags.get(name) != value]
    if look.bands and header.names != tuple(look.bands):
        lost.append("its band names")
    if not _same_number(header.nodata, look.nodata):
        lost.append(f"the nodata value {look.nodata}")
    if lost:
        yield Problem("changed", f"{path} lacks {lost[0]}, or has another than when it was built", patch_id)


def _same_number(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or bool(np.isnan(one) and np.isnan(other))


def _read(patch: PatchExpectation, corrupt: set[str], problems: list[Problem]) -> dict[str, Array]:
    pixels = {}
    for layer, path in patch.files.items():
        if layer in corrupt:
            continue
        try:
            pixels[layer] = read_layer(path)[0]
        except DatasetError as error:
            problems.append(Problem("corrupt", str(error), patch.id))
    return pixels
