from collections.abc import Iterator

import pytest

from cerradata.core.progress import track


def test_items_pass_in_order_and_lazily(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = []

    def items() -> Iterator[int]:
        for number in range(5):
            drawn.append(number)
            yield number

    passed = track(items(), what="Cutting patches", total=5, quiet=True)
    assert next(passed) == 0
    assert drawn == [0]
    assert list(passed) == [1, 2, 3, 4]
    assert capsys.readouterr() == ("", "")


def test_progress_is_shown_on_standard_error_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([1, 2, 3], what="Cutting patches")) == [1, 2, 3]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Cutting patches" in shown.err
    assert "3/3" in shown.err
