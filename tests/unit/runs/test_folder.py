from pathlib import Path

import pytest

from cerradata.core.errors import OutputError, RunError
from cerradata.legend import load_legend
from cerradata.runs import RunFolder

LEGEND = load_legend("cerradata-4mm")


@pytest.fixture
def begun(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", config={"seed": 1}, legend=LEGEND, overwrite=False, patches="abc")


def test_begun_run_is_half_written(begun: RunFolder) -> None:
    with pytest.raises(RunError, match="half-written"):
        begun.read()
    assert begun.begun_on() == "abc"
    assert begun.config() == {"seed": 1}


def test_finished_run_is_whole(begun: RunFolder, trained_run: RunFolder) -> None:
    begun.weights.write_bytes(trained_run.weights.read_bytes())
    begun.checkpoints.mkdir()
    (begun.checkpoints / "last.ckpt").write_bytes(b"state")
    begun.finish(trained_run.read())
    assert begun.read().to_dict() == trained_run.read().to_dict()
    assert begun.begun_on() is None
    assert not begun.checkpoints.exists()


def test_history_joins_what_each_attempt_logged(begun: RunFolder, trained_run: RunFolder) -> None:
    logs = {
        "000": "epoch,step,train_loss,val_loss\n0,3,1.5,\n0,3,,1.6\n1,7,1.25,\n",
        "001": "epoch,step,train_loss,val_loss\n1,7,1.2,\n1,7,,1.4\n",
    }
    for attempt, text in logs.items():
        (begun.attempts / attempt).mkdir(parents=True)
        (begun.attempts / attempt / "metrics.csv").write_text(text)
    expected = {"epoch": [0, 1], "train_loss": [1.5, 1.2], "val_loss": [1.6, 1.4]}
    assert begun.history().to_dict("list") == expected
    begun.weights.write_bytes(trained_run.weights.read_bytes())
    begun.finish(trained_run.read())
    assert begun.history().to_dict("list") == expected
    assert begun.metrics.is_file()
    assert not begun.attempts.exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "legend.yaml"])
def test_missing_file_is_named(run_copy: RunFolder, name: str) -> None:
    (run_copy.path / name).unlink()
    with pytest.raises(RunError, match=rf"damaged: {name} is missing"):
        run_copy.read()


@pytest.mark.parametrize(("name", "text"), [("run.json", "{"), ("legend.yaml", "name: [")])
def test_unreadable_file_is_named(run_copy: RunFolder, name: str, text: str) -> None:
    (run_copy.path / name).write_text(text)
    with pytest.raises(RunError, match=name):
        run_copy.read()


def test_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is no run folder"):
        RunFolder(tmp_path / "nowhere").read()
    (tmp_path / "config.yaml").write_text("a: 1")
    with pytest.raises(RunError, match="is no run"):
        RunFolder(tmp_path).read()
    with pytest.raises(RunError, match="no training log"):
        RunFolder(tmp_path).history()


def test_only_runs_are_overwritten(begun: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="already holds a run"):
        RunFolder.create(begun.path, config={}, legend=LEGEND, overwrite=False)
    assert RunFolder.create(begun.path, config={"seed": 2}, legend=LEGEND, overwrite=True).config() == {"seed": 2}
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.yaml").write_text("mine: yes")
    with pytest.raises(OutputError, match="no run of ours"):
        RunFolder.create(other, config={}, legend=LEGEND, overwrite=True)
