"""The pixels of a patch: hash, values, edges, counts."""

from collections.abc import Iterator, Mapping

import numpy as np

from cerradata.core.types import UNLABELLED, Array
from cerradata.labels import edge_mask
from cerradata.labels.objects import count_objects
from cerradata.legend import Level
from cerradata.patches.layout import edge_layer, semantic_layer
from cerradata.patches.record import class_pixels, content_hash, valid_share
from cerradata.patches.verify.expectation import Expectation, PatchExpectation
from cerradata.patches.verify.problem import Problem

_ROUNDING = 1e-9


def check_content(expected: Expectation, patch: PatchExpectation, pixels: Mapping[str, Array]) -> Iterator[Problem]:
    """Compare pixels with the legend, with each other and with the index.

    Args:
        expected: What every patch must be.
        patch: What the index says of this one.
        pixels: (bands, rows, columns) of each layer that could be read.
    """
    strange = list(_check_values(expected, patch, pixels))
    yield from strange
    if (
        _is_whole(expected, patch, pixels)
        and patch.content_hash is not None
        and content_hash(pixels) != patch.content_hash
    ):
        yield Problem("changed", f"patch {patch.id} holds other pixels than when it was indexed", patch.id)
        return  # what follows would say the same again
    if strange or len({array.shape[1:] for array in pixels.values()}) > 1:
        return
    yield from _check_edges(expected, patch, pixels)
    yield from _check_levels(expected, patch, pixels)
    yield from _check_counts(expected, patch, pixels)


def _check_values(expected: Expectation, patch: PatchExpectation, pixels: Mapping[str, Array]) -> Iterator[Problem]:
    for layer, array in pixels.items():
        rule = expected.layers.get(layer)
        if layer.startswith("edge_") and not (rule is not None and rule.image):
            strange = sorted(set(np.unique(array).tolist()) - {0, 1})
            if not strange:
                continue
            yield Problem(
                "wrong value", f"{patch.where(layer)} holds {strange[:5]}: an edge mask has 0 and 1", patch.id
            )
    for level, layer in _labelled(expected, pixels):
        found = expected.legend.strange_values(pixels[layer], level.number)
        if found:
            values = ", ".join(f"{value} ({count} pixels)" for value, count in found.items())
            allowed = f"0 to {len(level) - 1} and {UNLABELLED}"
            what = f"{patch.where(layer)} holds {values}: level {level.number} has {allowed}"
            yield Problem("wrong value", what, patch.id)


def _check_edges(expected: Expectation, patch: PatchExpectation, pixels: Mapping[str, Array]) -> Iterator[Problem]:
    """Edge masks against the labels, as far as a patch can tell: near its border a pixel's neighbours are not in it.

    There the mask may have edges that the labels inside do not explain, but on labelled pixels only.
    """
    width = expected.edge_width
    for level, layer in _labelled(expected, pixels):
        edges = edge_layer(level)
        if width is None or edges not in pixels:
            continue
        labels = pixels[layer][0].astype(np.uint8)
        mask, stored = edge_mask(labels, width), pixels[edges][0]
        wrong = mask > stored  # a boundary inside the patch is one whatever lies around it
        beyond = (stored > mask) & (labels == UNLABELLED)
        inside = (slice(width, -width), slice(width, -width))
        beyond[inside] = stored[inside] > mask[inside]
        count = int((wrong | beyond).sum())
        if count:
            what = f"{patch.where(edges)} differs in {count} pixels from the boundaries of level {level.number}"
            yield Problem("wrong value", f"{what}, {width} pixels deep", patch.id)


def _check_levels(expected: Expectation, patch: PatchExpectation, pixels: Mapping[str, Array]) -> Iterator[Problem]:
    """In what we built the coarser levels are the finest one, mapped; in copies they may have been made apart."""
    legend = expected.legend
    finest = semantic_layer(legend.finest)
    if not expected.built or finest not in pixels:
        return
    for level, layer in _labelled(expected, pixels):
        if level.number != legend.finest.number:
            mapped = legend.coarsen(pixels[finest], legend.finest.number, level.number)
            count = int((mapped != pixels[layer]).sum())
            if count:
                what = f"{patch.where(layer)} differs in {count} pixels from level {legend.finest.number} mapped to it"
                yield Problem("wrong value", what, patch.id)


def _check_counts(expected: Expectation, patch: PatchExpectation, pixels: Mapping[str, Array]) -> Iterator[Problem]:
    for level, layer in _labelled(expected, pixels):
        labels = pixels[layer][0]
        for kind, said, found in (
            ("pixels", patch.pixels, class_pixels(labels, len(level))),
            ("objects", patch.objects, tuple(int(n) for n in count_objects(labels, len(level)))),
        ):
            own = said.get(level.number)
            if own is not None and own != found:
                what = f"patch {patch.id} has {list(found)} {kind} of the classes of level {level.number}"
                yield Problem("statistics", f"{what}; the index says {list(own)}", patch.id)
    deciding = {name: layer.nodata for name, layer in expected.layers.items() if layer.deciding and name in pixels}
    images = {name: pixels[name] for name in deciding}
    if patch.valid_share is not None and images and _is_whole(expected, patch, pixels):
        share = valid_share(images, deciding)
        if not abs(share - patch.valid_share) <= _ROUNDING:
            what = f"patch {patch.id} has a valid share of {share:.6g}; the index says {patch.valid_share:.6g}"
            yield Problem("statistics", what, patch.id)


def _is_whole(expected: Expectation, patch: PatchExpectation, pixels: Mapping[str, Array]) -> bool:
    """Whether the layers that were read are those of the patch."""
    return set(pixels) == set(expected.layers) - patch.lacks


def _labelled(expected: Expectation, pixels: Mapping[str, Array]) -> Iterator[tuple[Level, str]]:
    """The levels whose labels were read, and their layers."""
    for number in expected.levels:
        level = expected.legend.level(number)
        layer = semantic_layer(level)
        if layer in pixels:
            yield level, layer
