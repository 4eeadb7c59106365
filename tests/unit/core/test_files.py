import errno
import json
import os
from pathlib import Path

import pytest

from cerradata.core.errors import OutputError
from cerradata.core.files import atomic_path, claim_folder, sha256, write_json, write_text

MARKERS = ("dataset.json", "build-journal.jsonl")


def refuse_with(number: int) -> object:
    def write(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return write


def test_a_block_that_raises_keeps_the_old_file_and_leaves_no_part(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    path.write_text("old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_appears_only_when_the_block_ends_and_with_the_usual_rights(tmp_path: Path) -> None:
    path = tmp_path / "new" / "index.parquet"
    with atomic_path(path) as temporary:
        assert temporary.suffix == ".parquet"  # libraries choose the format by it
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    usual = tmp_path / "usual"
    usual.touch()
    assert path.stat().st_mode == usual.stat().st_mode


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left to write .*labels.json.* free some"),
        (errno.EDQUOT, "No space left"),
        (errno.EACCES, "No permission to write .*labels.json.* choose another --out"),
        (errno.EROFS, "Cannot write .*labels.json.*Choose another --out"),
    ],
)
def test_the_system_refusing_to_write_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    monkeypatch.setattr(Path, "write_text", refuse_with(number))
    with pytest.raises(OutputError, match=words):
        write_json(tmp_path / "labels.json", {"a": 1})
    assert list(tmp_path.iterdir()) == []


def test_other_system_errors_are_not_disguised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_text", refuse_with(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        write_text(tmp_path / "a.txt", "text")


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "report.html" / "inside").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"Cannot write .*report\.html"):
        write_text(tmp_path / "report.html", "text")


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"Cannot write .*out/report\.html"):
        write_text(tmp_path / "out" / "report.html", "text")


def test_json_is_written_as_given_and_without_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": "água", "a": [1, 2]})
    assert list(json.loads(path.read_text("utf-8"))) == ["b", "a"]
    assert "água" in path.read_text("utf-8")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"mean": float("nan")})
    assert json.loads(path.read_text("utf-8"))["a"] == [1, 2]


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_absent_or_empty_folder_is_claimed(tmp_path: Path, overwrite: bool) -> None:
    for folder in (tmp_path / "deep" / "absent", tmp_path / "empty"):
        claim_folder(folder, markers=MARKERS, overwrite=overwrite, what="dataset")
        claim_folder(folder, markers=MARKERS, overwrite=overwrite, what="dataset")
        assert folder.is_dir()


def test_a_taken_folder_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="is not empty: choose another --out, or give --overwrite"):
        claim_folder(tmp_path, markers=MARKERS, overwrite=False, what="dataset")
    (tmp_path / "dataset.json").touch()
    with pytest.raises(OutputError, match="already holds a dataset"):
        claim_folder(tmp_path, markers=MARKERS, overwrite=False, what="dataset")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_overwrite_never_deletes_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"no dataset of ours \(none of dataset.json, build-journal.jsonl"):
        claim_folder(tmp_path, markers=MARKERS, overwrite=True, what="dataset")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_overwrite_empties_what_is_ours(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    (folder / "msi_images").mkdir(parents=True)
    (folder / "msi_images" / "cerradata_ms_0.tif").touch()
    (folder / "dataset.json").touch()
    claim_folder(folder, markers=MARKERS, overwrite=True, what="dataset")
    assert list(folder.iterdir()) == []


def test_overwrite_through_a_link_empties_the_target_and_follows_no_link_inside(tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "big-disk", tmp_path / "scenes"
    elsewhere.mkdir()
    (elsewhere / "B02.tif").touch()
    target.mkdir()
    (target / "dataset.json").touch()
    (target / "scenes").symlink_to(elsewhere)
    (tmp_path / "dataset").symlink_to(target)
    claim_folder(tmp_path / "dataset", markers=MARKERS, overwrite=True, what="dataset")
    assert (tmp_path / "dataset").is_symlink()
    assert list(target.iterdir()) == []
    assert (elsewhere / "B02.tif").exists()


def test_a_file_cannot_be_claimed_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "dataset").write_text("a file")
    with pytest.raises(OutputError, match="is a file, a folder for the dataset was expected"):
        claim_folder(tmp_path / "dataset", markers=MARKERS, overwrite=True, what="dataset")


def test_sha256_of_known_text(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # the example of FIPS 180-2
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
