from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerradata.core.errors import OutputError
from cerradata.core.journal import Journal


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    assert list(journal.entries()) == []
    for block in range(3):
        journal.append({"block": block, "name": "água\nnova linha"})
    assert [entry["block"] for entry in journal.entries()] == [0, 1, 2]
    assert next(journal.entries())["name"] == "água\nnova linha"


@given(data=st.data())
def test_after_a_kill_at_any_byte_the_whole_entries_remain_and_writing_goes_on(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    journal = Journal(path)
    ends = []
    for block in range(3):
        journal.append({"block": block})
        ends.append(path.stat().st_size)
    size = data.draw(st.integers(0, ends[-1]))
    path.write_bytes(path.read_bytes()[:size])
    whole = [block for block, end in enumerate(ends) if size >= end - 1]  # only the line feed may be lacking
    assert [entry["block"] for entry in journal.entries()] == whole
    journal.append({"block": 9})
    assert [entry["block"] for entry in journal.entries()] == [*whole, 9]


@pytest.mark.parametrize("rubbish", [b"\0\0\0\0", b"\xff\xfe\n", b"12\n", b"[1]\n", b'{"block": \n'])
def test_what_a_crash_may_leave_is_no_entry(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"block":0}\n' + rubbish)
    journal = Journal(path)
    journal.append({"block": 1})
    assert [entry["block"] for entry in journal.entries()] == [0, 1]


def test_a_journal_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="Cannot write"):
        Journal(tmp_path / "out" / "journal.jsonl").append({"block": 0})
