import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from affine import Affine

from cerradata.legend import load_legend
from cerradata.patches.record import PatchRecord, Placement, class_pixels, content_hash, describe_patch, valid_share

LEGEND = load_legend("cerradata-4mm")
PLACEMENT = Placement(7, 1, 2, "EPSG:32722", Affine(10, 0, 5, 0, -10, 6), ("scene",), ("2022-07-10",))


def layers() -> dict[str, np.ndarray]:
    labels = np.array([[[0, 0, 3], [13, 255, 3], [3, 0, 0]]], np.int32)
    return {
        "msi": np.arange(18, dtype=np.uint16).reshape(2, 3, 3),
        "sar": np.full((1, 3, 3), 2.0, np.float32),
        "semantic_14c": labels,
        "semantic_7c": np.full((1, 3, 3), 6, np.int32),
        "edge_14c": np.ones((1, 3, 3), np.uint8),
    }


def describe(patch: dict[str, np.ndarray]) -> PatchRecord:
    nodata = {"msi": 0, "sar": None}
    valid = valid_share({name: patch[name] for name in nodata}, nodata)
    return describe_patch(PLACEMENT, patch, valid, LEGEND, (1, 2))


def test_record_counts_each_level_in_its_own_file() -> None:
    record = describe(layers())
    assert record.pixels[2] == (4, 0, 0, 3, *[0] * 9, 1)
    assert record.pixels[1] == (0, 0, 0, 0, 0, 0, 9)
    assert record.objects[2] == (2, 0, 0, 2, *[0] * 9, 1)
    assert record.objects[1] == (0, 0, 0, 0, 0, 0, 1)
    assert record.valid_share == pytest.approx(8 / 9)
    assert record.transform == (10, 0, 5, 0, -10, 6)


def test_record_survives_the_journal() -> None:
    record = describe(layers())
    assert PatchRecord.from_plain(json.loads(json.dumps(asdict(record)))) == record
    copied = describe_patch(Placement(7), layers(), 1.0, LEGEND, (2,))
    assert PatchRecord.from_plain(json.loads(json.dumps(asdict(copied)))) == copied
    assert (copied.row, copied.crs, copied.transform) == (None, None, None)
    blind = replace(copied, lacks=("sar",))
    assert PatchRecord.from_plain(json.loads(json.dumps(asdict(blind)))) == blind
    of_an_earlier_version = {name: value for name, value in asdict(copied).items() if name != "lacks"}
    assert PatchRecord.from_plain(json.loads(json.dumps(of_an_earlier_version))) == copied


def test_row_says_what_a_patch_lacks_only_where_patches_may() -> None:
    record = describe(layers())
    assert "lacks" not in record.to_dict()
    assert replace(record, lacks=()).to_dict()["lacks"] == []
    assert replace(record, lacks=("sar",)).to_dict() == record.to_dict() | {"lacks": ["sar"]}


def test_hash_is_that_of_the_pixels_alone() -> None:
    first = content_hash(layers())
    assert content_hash(dict(reversed(layers().items()))) == first
    big_endian = {name: pixels.astype(pixels.dtype.newbyteorder(">")) for name, pixels in layers().items()}
    assert content_hash(big_endian) == first
    strided = {name: np.asfortranarray(pixels) for name, pixels in layers().items()}
    assert content_hash(strided) == first


@pytest.mark.parametrize("layer", sorted(layers()))
def test_hash_tells_every_change(layer: str) -> None:
    first = content_hash(layers())
    changed, retyped, reshaped, renamed = layers(), layers(), layers(), layers()
    changed[layer][0, 1, 1] += 1
    retyped[layer] = retyped[layer].astype(np.float64)
    reshaped[layer] = reshaped[layer].reshape(-1, 9, 1)
    renamed["other"] = renamed.pop(layer)
    hashes = {content_hash(patch) for patch in (changed, retyped, reshaped, renamed)}
    assert len(hashes | {first}) == 5


def test_what_is_no_class_is_not_counted() -> None:
    assert class_pixels(np.array([[0, 1, 255], [7, -1, 300]], np.int32), 3) == (1, 1, 0)
    assert class_pixels(np.array([[2, 255]], np.uint8), 3) == (0, 0, 1)


def test_pixel_is_valid_if_every_band_of_every_layer_is() -> None:
    msi = np.ones((2, 2, 2), np.uint16)
    sar = np.ones((1, 2, 2), np.float32)
    msi[1, 0, 0], sar[0, 1, 1] = 0, np.nan
    assert valid_share({"msi": msi, "sar": sar}, {"msi": 0, "sar": None}) == 0.5
    assert valid_share({"msi": msi}, {"msi": 0}) == 0.75
    assert valid_share({}, {}) == 1
