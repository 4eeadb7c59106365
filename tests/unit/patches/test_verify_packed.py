"""`verify` of packed datasets, with GeoTIFFs beside the store and without."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cerradata.core.errors import DatasetError
from cerradata.patches.assign import assign_splits
from cerradata.patches.copy import CopyFacts, index_copy
from cerradata.patches.index import read_index, write_index
from cerradata.patches.split import SplitOptions
from cerradata.patches.store import PackOptions, pack_dataset
from cerradata.patches.verify import Problem, verify_dataset
from cerradata.patches.verify import dataset as verify_module
from cerradata.patches.verify import packed as packed_module

Pack = Callable[..., Path]
SHARD = 8
"""36 patches lie in 5 shards, the last of which holds four."""


@pytest.fixture(scope="module")
def kept(golden_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The golden dataset packed in small shards, uncompressed and compressed. Do not change them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("cerradata.patches.store.pack.shard_of", lambda largest: SHARD)
        roots = {}
        for compression in ("none", "lz4"):
            roots[compression] = tmp_path_factory.mktemp("packed") / compression
            pack_dataset(golden_dataset, roots[compression], PackOptions(compression=compression, quiet=True))
    return roots


@pytest.fixture
def packed(kept: dict[str, Path], tmp_path: Path) -> Path:
    """A packed dataset that a test may damage."""
    return Path(shutil.copytree(kept["none"], tmp_path / "packed"))


@pytest.fixture
def both(kept: dict[str, Path], dataset_copy: Path) -> Path:
    """The same store beside the GeoTIFFs."""
    shutil.copytree(kept["none"] / "patches.zarr", dataset_copy / "patches.zarr")
    return dataset_copy


def only(problems: list[Problem], kind: str) -> Problem:
    assert [problem.kind for problem in problems] == [kind], problems
    return problems[0]


def shard(root: Path, layer: str, number: int = 0) -> Path:
    return root / "patches.zarr" / layer / "c" / str(number) / "0/0/0"


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))


def edit_described(root: Path, number: int, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    path = root / "patches.zarr" / "files" / f"{number:06}.parquet"
    pq.write_table(pa.Table.from_pylist(change(pq.read_table(path).to_pylist())), path)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("compression", ["none", "lz4"])
def test_whole_store_has_no_problem(kept: dict[str, Path], compression: str, deep: bool) -> None:
    assert verify_dataset(kept[compression], deep=deep) == []
    assert verify_dataset(kept[compression], deep=deep, workers=1) == []


@pytest.mark.parametrize("deep", [False, True])
def test_whole_store_beside_geotiffs(both: Path, deep: bool) -> None:
    assert verify_dataset(both, deep=deep) == []


@pytest.mark.parametrize("deep", [False, True])
def test_missing_shard(packed: Path, deep: bool) -> None:
    shard(packed, "sar", 1).unlink()
    found = only(verify_dataset(packed, deep=deep), "missing")
    assert found.message.startswith(f"{shard(packed, 'sar', 1)} is missing: it holds sar of patches 8 to 15.")


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(("size", "number", "patches"), [(-1, 0, "0 to 7"), (5, 4, "32 to 35"), (0, 4, "32 to 35")])
def test_cut_shard(packed: Path, size: int, number: int, patches: str, deep: bool) -> None:
    path = shard(packed, "msi", number)
    path.write_bytes(path.read_bytes()[:size])
    found = only(verify_dataset(packed, deep=deep), "corrupt")
    assert f"{path} is cut short or damaged" in found.message
    assert f"it holds msi of patches {patches}" in found.message


def test_shard_that_lost_its_beginning(packed: Path) -> None:
    path = shard(packed, "msi")
    path.write_bytes(path.read_bytes()[100:])
    found = only(verify_dataset(packed), "corrupt")
    assert "has 196,640 bytes, 196,740 are right" in found.message  # 8 x 12 x 32 x 32 x 2, and 8 x 16 + 4


@pytest.mark.parametrize("layer", ["msi", "sar", "semantic_14c", "edge_7c"])
def test_flipped_bit_is_found_by_deep_alone(packed: Path, layer: str) -> None:
    size = {"msi": 12 * 2048, "sar": 2 * 4096, "semantic_14c": 4096, "edge_7c": 1024}[layer]
    flip(shard(packed, layer, 2), 5 * size + 17 * 4)  # the sixth patch of 16 to 23
    assert verify_dataset(packed) == []
    found = verify_dataset(packed, deep=True)
    assert {problem.patch_id for problem in found} == {21}
    assert "patch 21 holds other pixels than when it was indexed" in found[-1].message


def test_flipped_bit_of_a_compressed_store(kept: dict[str, Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(kept["lz4"], tmp_path / "packed"))
    index = np.frombuffer(shard(root, "msi", 2).read_bytes()[-(16 * SHARD + 4) : -4], "<u8").reshape(-1, 2)
    flip(shard(root, "msi", 2), int(index[5, 0]))  # the head of the sixth patch: its format's number
    assert verify_dataset(root) == []
    found = only(verify_dataset(root, deep=True), "corrupt")
    assert found.patch_id == 21
    assert "patch 21: " in found.message


def test_damage_is_found_by_processes_too(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "_MANY", {True: 1, False: 1})
    monkeypatch.setattr(packed_module, "_CHUNK", 10)
    flip(shard(packed, "sar", 4), 0)
    assert only(verify_dataset(packed, deep=True), "changed").patch_id == 32


@pytest.mark.parametrize("where", ["store", "files"])
def test_both_are_checked_where_there_are_both(both: Path, where: str) -> None:
    flip(shard(both, "msi"), 0) if where == "store" else flip(both / "msi_images" / "cerradata_ms_0.tif", -1)
    kind = "changed" if where == "store" else "corrupt"  # the checksum of Deflate
    assert only(verify_dataset(both, deep=True), kind).patch_id == 0
    shard(both, "sar").unlink() if where == "store" else (both / "sar_images" / "cerradata_sar_0.tif").unlink()
    assert only(verify_dataset(both), "missing")


@pytest.mark.parametrize("deep", [False, True])
def test_store_of_another_index(packed: Path, deep: bool) -> None:
    index = read_index(packed)
    index.loc[index["id"] == 3, "content_hash"] = "0" * 64
    write_index(packed, index)
    found = only(verify_dataset(packed, deep=deep), "dataset")
    assert "was packed from other patches than index.parquet lists: pack the dataset again" in found.message


def test_other_splits_are_no_other_index(packed: Path) -> None:
    assign_splits(packed, SplitOptions("random", seed=5))
    assert verify_dataset(packed, deep=True) == []
    index = read_index(packed)
    index.loc[0, "split"] = "test" if index.loc[0, "split"] != "test" else "val"
    write_index(packed, index)
    assert only(verify_dataset(packed), "split")  # the certificate is of others


def test_layer_that_was_not_packed(packed: Path) -> None:
    edit_json(packed / "patches.zarr" / "pack.json", lambda plain: plain["layers"].pop("edge_14c"))
    messages = [problem.message for problem in verify_dataset(packed)]
    assert messages[0] == f"{packed / 'patches.zarr'} has no layer edge_14c: pack the dataset again."
    assert all("describes a file of edge_14c" in message for message in messages[1:])


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"dtype": "int16"}, "wrong type", "msi has pixels of int16, uint16 is right"),
        ({"rows": 16, "bands": 24}, "wrong size", "msi has patches of (24, 16, 32), (12, 32, 32) is right"),
    ],
)
def test_layer_of_another_shape(packed: Path, change: dict[str, Any], kind: str, words: str) -> None:
    edit_json(packed / "patches.zarr" / "pack.json", lambda plain: plain["layers"]["msi"].update(change))
    found = verify_dataset(packed)
    assert (found[0].kind, words in found[0].message) == (kind, True)
    assert found[1].kind == "dataset"  # the array's own zarr.json says otherwise
    assert "msi/zarr.json says" in found[1].message


@pytest.mark.parametrize("content", ["{", '{"version": 99}', '{"version": 1, "layers": 3}', ""])
def test_damaged_pack_file(packed: Path, content: str) -> None:
    (packed / "patches.zarr" / "pack.json").write_text(content)
    assert "pack.json is" in only(verify_dataset(packed), "dataset").message


def test_unfinished_store(packed: Path, both: Path) -> None:
    for root, kind in ((packed, "dataset"), (both, "leftover")):
        (root / "patches.zarr" / "pack.json").unlink()
        assert "is unfinished or not there: it has no pack.json" in only(verify_dataset(root), kind).message


def test_journals_of_runs_that_were_killed(packed: Path) -> None:
    (packed / "patches.zarr" / "pack-journal.jsonl").touch()
    assert "pack-journal.jsonl is of a run that was killed" in only(verify_dataset(packed), "leftover").message
    (packed / "unpack-journal.jsonl").touch()
    assert [problem.kind for problem in verify_dataset(packed)] == ["leftover", "leftover"]


@pytest.mark.parametrize("name", ["index.parquet", "dataset.json"])
def test_store_without_its_tables(packed: Path, name: str) -> None:
    (packed / name).unlink()
    found = verify_dataset(packed)
    assert {problem.kind for problem in found} == {"dataset"}
    assert any(name in problem.message for problem in found)


def test_array_without_its_metadata(packed: Path) -> None:
    (packed / "patches.zarr" / "sar" / "zarr.json").write_text("{")
    (packed / "patches.zarr" / "msi" / "zarr.json").unlink()
    assert [(p.kind, p.message.split(" ")[0].split("/")[-2]) for p in verify_dataset(packed)] == [
        ("missing", "msi"),
        ("corrupt", "sar"),
    ]


def test_description_of_the_files_is_missing_or_damaged(packed: Path) -> None:
    described = packed / "patches.zarr" / "files"
    (described / "000001.parquet").unlink()
    (described / "000003.parquet").write_bytes(b"PAR1")
    found = verify_dataset(packed)
    assert [problem.kind for problem in found] == ["missing", "corrupt"]
    assert "000001.parquet is missing: the GeoTIFFs cannot be unpacked" in found[0].message


def test_description_of_other_files(packed: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in rows if (row["id"], row["layer"]) != (8, "sar")] + [{**rows[0], "id": 99}]

    edit_described(packed, 1, change)
    missing, extra = verify_dataset(packed)
    assert (missing.kind, missing.patch_id) == ("missing", 8)
    assert (extra.kind, extra.patch_id) == ("extra", 99)


def test_header_of_another_dataset(packed: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        msi = next(row["header"] for row in rows if row["layer"] == "msi")
        return [row | {"header": msi.replace("CERRADATA_UNIT", "CERRADATA_NONE") if row["header"] == msi else row["header"]}
                for row in rows]  # fmt: skip

    edit_described(packed, 0, change)
    found = only(verify_dataset(packed), "changed")
    assert "000000.parquet: msi_images/cerradata_ms_0.tif lacks the tag CERRADATA_UNIT" in found.message


def test_place_of_another_patch(packed: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        places = {row["id"]: row["place"] for row in rows}
        return [row | {"place": places[2]} if (row["id"], row["layer"]) == (5, "sar") else row for row in rows]

    edit_described(packed, 0, change)
    found = only(verify_dataset(packed), "changed")
    assert found.patch_id == 5
    assert "sar_images/cerradata_sar_5.tif lies at" in found.message


def test_statistics_are_those_of_the_store(packed: Path) -> None:
    edit_json(packed / "dataset.json", lambda plain: plain["layers"]["sar"]["statistics"]["VV"].update(std=1.0))
    assert verify_dataset(packed) == []
    assert "band VV of sar has std" in only(verify_dataset(packed, deep=True), "statistics").message


@pytest.mark.parametrize("deep", [False, True])
def test_layers_that_patches_lack(
    dataset_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deep: bool
) -> None:
    """Among them every patch of a shard."""
    monkeypatch.setattr("cerradata.patches.store.pack.shard_of", lambda largest: SHARD)
    for patch_id in range(SHARD):
        (dataset_copy / "sar_images" / f"cerradata_sar_{patch_id}.tif").unlink()
    (dataset_copy / "msi_images" / "cerradata_ms_20.tif").unlink()
    index_copy(dataset_copy, CopyFacts(may_lack=("sar", "msi")), overwrite=True, quiet=True)
    pack_dataset(dataset_copy, tmp_path / "packed", PackOptions(quiet=True))
    assert verify_dataset(tmp_path / "packed", deep=deep) == []
    flip(shard(tmp_path / "packed", "msi"), 7 * 12 * 2048)
    found = verify_dataset(tmp_path / "packed", deep=deep)
    assert [(problem.kind, problem.patch_id) for problem in found] == ([("changed", 7)] if deep else [])


def test_folder_of_neither(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no dataset"):
        verify_dataset(tmp_path)


@pytest.mark.parametrize("url", ["{store}", "file://{store}"])
def test_store_that_lies_elsewhere(packed: Path, tmp_path: Path, url: str) -> None:
    store = (packed / "patches.zarr").rename(tmp_path / "elsewhere")
    (packed / "patches.url").write_text(url.format(store=store))
    assert verify_dataset(packed, deep=True) == []
    (store / "msi/c/0/0/0/0").unlink()
    assert "/msi/c/0/0/0/0 is missing" in only(verify_dataset(packed, deep=True), "missing").message
    shutil.rmtree(store)
    assert "is unfinished or not there: it has no pack.json" in only(verify_dataset(packed), "dataset").message
