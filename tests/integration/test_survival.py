"""Builds that are killed, run out of disk, lose workers or meet each other, through the real command line."""

import errno
import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml

from cerradata.commands.main import main
from cerradata.core.errors import NoSpaceError
from cerradata.core.locations import Location
from cerradata.core.plain import plain
from cerradata.labels import ReferenceSource
from cerradata.legend import LegendName
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.patches.config import BuildConfig
from cerradata.scenes import SceneSource

Factory = Callable[..., Path]
BLOCKS = 16  # of 2 x 2 patches of 8 pixels each
_PROGRAM = """
import sys
import cerradata.patches.cut as cut
import cerradata.patches.schedule as schedule
from cerradata.commands.main import main
cut._BLOCK_PIXELS = 16
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def config(tmp_path: Path, make_raster: Factory) -> BuildConfig:
    """64 x 64 pixels of both sensors: 8 x 8 patches of 8 pixels."""
    row, col = np.mgrid[:64, :64]
    msi = np.stack([1001 + 100 * row + col, 2001 + 100 * row + col]).astype(np.uint16)
    optical = make_raster(tmp_path / "S2A_20220710.tif", msi)
    radar = make_raster(tmp_path / "S1A_20220712.tif", (1 + 100 * row + col)[None].astype(np.float32))
    codes = np.asarray([1, 11, 14, 23], np.uint8)[(row // 6 + col // 10) % 4]
    return BuildConfig(
        scenes=(
            SceneSource("sentinel-2", Location(optical), bands=("B02", "B04"), offset=-1000),
            SceneSource("sentinel-1", Location(radar), bands=("VV",), unit="linear"),
        ),
        reference=ReferenceSource("terraclass-cerrado-2022", raster=Location(make_raster(tmp_path / "map.tif", codes))),
        legend=LegendName("cerradata-4mm"),
        patch_size=8,
    )


def command(config: BuildConfig, out: Path, scheduler: str = "threads") -> list[str]:
    file = out.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(plain(config)), encoding="utf-8")
    options = ["--config", str(file), "--out", str(out), "--scheduler", scheduler, "--quiet"]
    return [sys.executable, "-c", _PROGRAM, "build", *options]


def content(root: Path) -> dict[str, str]:
    """SHA-256 of everything that must not differ: all but the log and what is hidden."""
    files = (path for path in root.rglob("*") if path.is_file() and path.name != "build-log.jsonl")
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def check_kills(config: BuildConfig, root: Path, killer: Any, *, kills: int, scheduler: str) -> None:  # noqa: ANN401
    whole = root / "whole"
    subprocess.run(command(config, whole), check=True, capture_output=True)
    expected = content(whole)
    assert len(expected) > 64 * 6
    done, attempt = 0, 0
    while done < kills:
        out = root / f"killed-{attempt}"
        own = killer(command(config, out, scheduler), out / "build-journal.jsonl", BLOCKS + 1, seed=attempt)
        done += own.run(kills - done)
        found = content(out)
        config_file = "build.yaml"
        assert {k: v for k, v in found.items() if k != config_file} == {
            k: v for k, v in expected.items() if k != config_file
        }
        attempt += 1
        assert attempt < 4 * kills, "the build ends before it can be killed"


def test_killed_five_times_the_dataset_is_the_same(config: BuildConfig, tmp_path: Path, killer: Any) -> None:  # noqa: ANN401
    check_kills(config, tmp_path, killer, kills=5, scheduler="threads")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_killed_twenty_times_the_dataset_is_the_same(
    config: BuildConfig,
    tmp_path: Path,
    killer: Any,  # noqa: ANN401
    scheduler: str,
) -> None:
    check_kills(config, tmp_path, killer, kills=20, scheduler=scheduler)


def test_processes_give_the_same_and_a_killed_worker_costs_no_patch(config: BuildConfig, tmp_path: Path) -> None:
    expected = tmp_path / "whole"
    build_dataset(config, expected, BuildOptions(workers=1, quiet=True))
    out = tmp_path / "processes"
    process = subprocess.Popen(command(config, out, "processes"), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    journal = out / "build-journal.jsonl"
    while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 3):
        time.sleep(0.002)
    victims = [
        child for child in psutil.Process(process.pid).children(recursive=True) if "spawn_main" in str(child.cmdline())
    ]
    assert victims, "the build had ended before a worker could be killed"
    victims[0].kill()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    assert _without_sums(content(out)) == _without_sums(content(expected))


def _without_sums(found: dict[str, str]) -> dict[str, str]:
    """Without the files of the configuration, and `dataset.json`: sums in other blocks differ in the last bit."""
    return {name: digest for name, digest in found.items() if name not in ("build.yaml", "dataset.json")}


def test_a_second_build_into_the_folder_is_refused(
    config: BuildConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "dataset"
    first = subprocess.Popen(
        [sys.executable, "-c", _SLOW_PROGRAM, *command(config, out)[3:]], stdout=subprocess.DEVNULL
    )
    while first.poll() is None and not (out / "build-journal.jsonl").exists():
        time.sleep(0.002)
    second = main(command(config, out)[3:])
    assert second == 1
    assert f"Another process is writing the dataset {out}" in capsys.readouterr().err
    first.kill()
    first.wait()
    assert main(command(config, out)[3:]) == 0  # the lock of the dead counts no more


_SLOW_PROGRAM = _PROGRAM.replace(
    "cut._BLOCK_PIXELS = 16\n",
    """cut._BLOCK_PIXELS = 16
import time
real = schedule.build_block
def slowly(*arguments, **options):
    time.sleep(1)
    return real(*arguments, **options)
schedule.build_block = slowly
""",
)


def test_a_full_disk_leaves_nothing_half_written_and_says_what_is_needed(
    config: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cerradata.patches.cut._BLOCK_PIXELS", 16)
    whole, out = tmp_path / "whole", tmp_path / "full"
    options = BuildOptions(scheduler="threads", quiet=True)
    build_dataset(config, whole, options)
    real, written = Path.write_bytes, []

    def write_bytes(path: Path, data: Any) -> int:  # noqa: ANN401
        written.append(path)
        if len(written) > 150:
            real(path, bytes(data)[:10])  # what fits
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_bytes)
        with pytest.raises(NoSpaceError, match=r"needs up to \d+\.\d\d GB more for \d+ patches .* GB are free"):
            build_dataset(config, out, options)
    expected = content(whole)
    found = {name: digest for name, digest in content(out).items() if name.endswith(".tif")}
    assert found
    assert all(expected[name] == digest for name, digest in found.items()), "a file is there that is not whole"
    report = build_dataset(config, out, options)
    assert report.resumed > 0
    assert content(out) == expected


def test_a_scheduler_that_is_none(config: BuildConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(scheduler: str) -> str:
        assert main(command(config, tmp_path / "dataset", scheduler)[3:]) == 1
        return capsys.readouterr().err

    assert "There is no scheduler 'gpu': give threads, processes, or the address" in refused("gpu")
    assert "No dask scheduler answers at tcp://127.0.0.1:9" in refused("tcp://127.0.0.1:9")


def test_a_cluster_by_its_address(config: BuildConfig, tmp_path: Path) -> None:
    expected, out = tmp_path / "whole", tmp_path / "cluster"
    build_dataset(config, expected, BuildOptions(workers=1, quiet=True))
    with _cluster(tmp_path) as address:
        subprocess.run(command(config, out, address), check=True, capture_output=True, timeout=120)
    assert _without_sums(content(out)) == _without_sums(content(expected))


class _cluster:  # noqa: N801 - used as a function
    """A dask scheduler and a worker on the loopback, as a user starts them."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> str:
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file)]
        self._start(["scheduler", *options])
        while not self.file.exists():
            time.sleep(0.05)
        address = str(yaml.safe_load(self.file.read_text(encoding="utf-8"))["address"])
        self._start(["worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1"])
        return address

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.processes):
            process.terminate()
            process.wait(30)

    def _start(self, words: Sequence[str]) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.processes.append(subprocess.Popen([sys.executable, "-m", "dask", *words], **quiet))  # type: ignore[call-overload]
