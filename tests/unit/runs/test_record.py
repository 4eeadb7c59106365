import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cerradata.core.errors import RunError
from cerradata.patches.index import ids_of_split, read_index, write_index
from cerradata.runs import RunFolder, RunRecord, hash_of_ids


def hashes(root: Path, split: str) -> dict[int, str]:
    index = read_index(root).set_index("id")
    ids = ids_of_split(read_index(root), split)
    return {i: index.loc[i, "content_hash"] for i in ids}


def test_record_comes_back_from_its_folder(trained_run: RunFolder) -> None:
    record = trained_run.read()
    plain = json.loads((trained_run.path / "run.json").read_text())
    assert json.loads(json.dumps(record.to_dict())) == plain
    assert record.legend.to_dict() == yaml.safe_load((trained_run.path / "legend.yaml").read_text("utf-8"))
    assert record.legend.name == "cerradata-4mm"
    assert record.legend.source("terraclass-cerrado-2022").classes[11] == 0


def test_test_patches_of_the_own_split_are_unseen(trained_run: RunFolder, split_dataset: Path) -> None:
    trained_run.read().require_unseen(hashes(split_dataset, "test"))


@pytest.mark.parametrize("split", ["train", "val"])
def test_patches_that_were_seen_are_refused(trained_run: RunFolder, split_dataset: Path, split: str) -> None:
    seen = hashes(split_dataset, split)
    with pytest.raises(RunError, match=rf"{len(seen)} of {len(seen)} test patches .*\({split}\)"):
        trained_run.read().require_unseen(seen)


def test_seen_patches_are_known_again_under_another_id(trained_run: RunFolder, split_dataset: Path) -> None:
    one = next(iter(hashes(split_dataset, "train").values()))
    with pytest.raises(RunError, match=r"1 of 1 test patches .*: 12345 \(train\)"):
        trained_run.read().require_unseen({12345: one})


def test_new_split_of_the_same_patches_is_refused(
    trained_run: RunFolder, dataset_copy: Path, resplit: Callable[..., None]
) -> None:
    resplit(dataset_copy, seed=77)
    with pytest.raises(RunError, match="split anew"):
        trained_run.read().require_unseen(hashes(dataset_copy, "test"))


def test_equal_ids_of_other_patches_are_no_overlap(trained_run: RunFolder, dataset_copy: Path) -> None:
    index = read_index(dataset_copy)
    index["split"] = "test"
    index["content_hash"] = [f"other place {i}" for i in index["id"]]
    write_index(dataset_copy, index)
    trained_run.read().require_unseen(hashes(dataset_copy, "test"))


@given(st.dictionaries(st.sampled_from(["train", "val"]), st.lists(st.integers(0, 50), unique=True)), st.randoms())
def test_hash_of_ids_does_not_depend_on_their_order(split_ids: dict[str, list[int]], random: Random) -> None:
    shuffled = {split: random.sample(ids, len(ids)) for split, ids in reversed(split_ids.items())}
    assert hash_of_ids(shuffled) == hash_of_ids(split_ids)


def test_hash_of_ids_tells_splits_apart() -> None:
    found = {hash_of_ids(ids) for ids in ({"train": [1, 2]}, {"train": [1], "val": [2]}, {"train": [1]}, {})}
    assert len(found) == 4


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda plain: {**plain, "version": 99}, "has version 99: this release reads 1"),
        (lambda plain: [plain], "has version None"),
        (lambda plain: {k: v for k, v in plain.items() if k != "bands"}, "bands"),
        (lambda plain: {**plain, "model": {"name": "unet"}}, "not what a run of this release holds"),
    ],
)
def test_damaged_record_is_refused(run_copy: RunFolder, damage: Callable[[Any], Any], message: str) -> None:
    path = run_copy.path / "run.json"
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))
    with pytest.raises(RunError, match=message):
        run_copy.read()


def test_record_is_a_value(trained_run: RunFolder) -> None:
    record = trained_run.read()
    plain = json.loads(json.dumps(record.to_dict()))
    again = RunRecord.from_dict(plain, record.legend.to_dict(), origin="memory")
    assert again.to_dict() == record.to_dict()
    assert replace(again, seed=1).to_dict() != record.to_dict()
