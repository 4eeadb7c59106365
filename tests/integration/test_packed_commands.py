"""Every command on a packed dataset without GeoTIFFs, on this disk and behind HTTP, through the real command line."""

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest

from cerradata.commands.main import main
from cerradata.data import CerraData4MM
from cerradata.patches.index import read_index
from cerradata.patches.store import PackOptions, pack_dataset
from cerradata.runs import RunFolder

Capture = pytest.CaptureFixture[str]


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder and byte ranges of them, as object stores give them over HTTP."""

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        path = Path(self.translate_path(self.path))
        if asked is None or not path.is_file():
            super().do_GET()
            return
        content = path.read_bytes()
        first, last = asked.groups()
        start = int(first) if first else max(0, len(content) - int(last))
        end = min(int(last), len(content) - 1) if first and last else len(content) - 1
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        self.send_header("Content-Length", str(end + 1 - start))
        self.end_headers()
        self.wfile.write(content[start : end + 1])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    """Lets many connections wait: the usual five make others try again a second later."""

    request_queue_size = 128


@pytest.fixture(scope="module")
def kept(golden_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden dataset, packed and split. Do not change it."""
    root = tmp_path_factory.mktemp("packed") / "golden"
    pack_dataset(golden_dataset, root, PackOptions(quiet=True))
    assert main(["split", str(root), "--strategy", "published-ratios", "--seed", "3", "--format", "json"]) == 0
    return root


@pytest.fixture
def packed(kept: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(kept, tmp_path / "golden"))


@contextmanager
def served(root: Path, handler: type[http.server.SimpleHTTPRequestHandler]) -> Iterator[str]:
    """A folder behind HTTP on this machine; its address."""
    with Server(("127.0.0.1", 0), partial(handler, directory=str(root.parent))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{root.name}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def url(kept: Path) -> Iterator[str]:
    """The same behind HTTP."""
    with served(kept, RangeHandler) as address:
        yield address


@pytest.fixture
def memory(kept: Path) -> Iterator[str]:
    """The same in fsspec's memory."""
    system = fsspec.filesystem("memory")
    system.put(str(kept), "/bucket/golden", recursive=True)
    yield "memory://bucket/golden"
    system.rm("/bucket", recursive=True)


def output(capsys: Capture, *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(words) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.out + captured.err


def as_json(capsys: Capture, *words: str) -> dict:
    return json.loads(output(capsys, *words, "--format", "json"))


def test_verify(packed: Path, url: str, capsys: Capture) -> None:
    assert "golden is whole: 36 packed patches (no pixel read" in output(capsys, "verify", str(packed), "--quiet")
    assert "36 packed patches (every pixel read)" in output(capsys, "verify", str(packed), "--deep", "--quiet")
    assert f"{url} is whole: 36 packed patches" in output(capsys, "verify", url, "--deep", "--quiet")
    (packed / "patches.zarr/sar/c/0/0/0/0").unlink()
    assert "missing: " in output(capsys, "verify", str(packed), "--quiet", code=1)


def test_verify_of_both(packed: Path, golden_dataset: Path, capsys: Capture) -> None:
    shutil.copytree(golden_dataset, packed, dirs_exist_ok=True)
    assert main(["split", str(packed), "--strategy", "random"]) == 0
    assert "36 patches as GeoTIFFs and packed (every" in output(capsys, "verify", str(packed), "--deep", "--quiet")


def test_split(packed: Path, capsys: Capture) -> None:
    before = as_json(capsys, "split", str(packed))
    after = as_json(capsys, "split", str(packed), "--strategy", "random", "--seed", "8")
    assert before["hash"] != after["hash"]
    assert read_index(packed)["split"].value_counts().to_dict() == {
        name: n for name, n in after["patches"].items() if n
    }
    assert len(CerraData4MM(packed, "test")) == after["patches"]["test"]


def test_splits_that_folders_gave(packed: Path, capsys: Capture) -> None:
    described = packed / "patches.zarr/files/000000.parquet"
    table = pd.read_parquet(described)
    table["path"] = "train/" + table["path"]  # as of a copy of the published download
    table.to_parquet(described)
    told = output(capsys, "split", str(packed), "--strategy", "random", code=1)
    assert "has (or was packed from) train/, val/ and test/ folders" in told
    as_json(capsys, "split", str(packed), "--strategy", "random", "--overwrite")


def test_stats(packed: Path, golden_dataset: Path, url: str, memory: str, tmp_path: Path, capsys: Capture) -> None:
    found = as_json(capsys, "stats", str(packed))
    assert found == as_json(capsys, "stats", url) == as_json(capsys, "stats", memory)
    golden = as_json(capsys, "stats", str(golden_dataset))
    assert {**golden, "splits": found["splits"]} == found
    output(capsys, "stats", url, "--out", str(tmp_path / "plots"))
    assert (tmp_path / "plots/classes_level_2.png").read_bytes().startswith(b"\x89PNG")


def test_layers_that_patches_lack_are_counted(dataset_copy: Path, capsys: Capture) -> None:
    assert "lacks" not in as_json(capsys, "stats", str(dataset_copy))
    assert "lack" not in output(capsys, "stats", str(dataset_copy))
    for patch_id in (7, 8, 9):
        (dataset_copy / f"sar_images/cerradata_sar_{patch_id}.tif").unlink()
    words = ("index", str(dataset_copy), "--overwrite", "--quiet", "--may_lack", "[sar, msi]")
    assert "patches that lack a layer: msi 0, sar 3" in output(capsys, *words)
    assert "patches that lack a layer: msi 0, sar 3" in output(capsys, "stats", str(dataset_copy))
    assert as_json(capsys, "stats", str(dataset_copy))["lacks"] == {"msi": 0, "sar": 3}


def test_report(packed: Path, golden_dataset: Path, url: str, tmp_path: Path, capsys: Capture) -> None:
    pages = {}
    as_files = Path(shutil.copytree(golden_dataset, tmp_path / "files" / "golden"))
    for name in ("index.parquet", "split-certificate.json"):
        shutil.copy(packed / name, as_files / name)
    for name, source in (("files", str(as_files)), ("packed", str(packed)), ("url", url)):
        pages[name] = tmp_path / f"{name}.html"
        output(capsys, "report", source, "--out", str(pages[name]))
    text = pages["files"].read_text()
    assert 'alt="Patch ' in text  # sample pictures
    assert pages["packed"].read_text() == text
    assert pages["url"].read_text() == text
    assert "say where to write its page" in output(capsys, "report", url, code=1)


def test_doctor(
    packed: Path,
    golden_dataset: Path,
    url: str,
    make_sentinel1_stack: Callable[..., Path],
    tmp_path: Path,
    capsys: Capture,
) -> None:
    scene = make_sentinel1_stack(tmp_path / "s1.tif")
    words = ("doctor", str(scene), "--bands", "[VV, VH]", "--unit", "amplitude", "--format", "json", "--like")
    found = []
    for root in (str(golden_dataset), str(packed), url):
        main([*words, root])
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1] == found[2]
    assert found[0]["scenes"] == 1
    assert "is a dataset, and doctor looks at scenes" in output(capsys, "doctor", str(packed), code=1)


def test_index_is_refused(packed: Path, capsys: Capture) -> None:
    for words in (("index", str(packed)), ("index", str(packed), "--overwrite")):
        assert "golden is packed, and its index is that of its patches" in output(capsys, *words, code=1)
        assert "cerradata unpack" in output(capsys, *words, code=1)


def test_what_writes_refuses_other_machines(url: str, capsys: Capture) -> None:
    for command in ("split", "index"):
        assert f"`cerradata {command}` writes on this machine only" in output(capsys, command, url, code=1)


def test_server_without_byte_ranges_is_named(kept: Path, capsys: Capture) -> None:
    with served(kept, http.server.SimpleHTTPRequestHandler) as address:
        assert "gives whole files only" in output(capsys, "stats", address, code=1)


def test_training_and_test(kept: Path, url: str, tmp_path: Path, capsys: Capture) -> None:
    """A run of the packed dataset, tested on it here, behind its URI, and on what its configuration says."""
    run = tmp_path / "run"
    config = tmp_path / "train.yaml"
    config.write_text(
        "modality: sar\nencoder: resnet18\nepochs: 1\nbatch_size: 16\ntrainer: {accelerator: cpu}\n", encoding="utf-8"
    )
    output(capsys, "train", "--config", str(config), "--data", url, "--out", str(run), "--quiet")
    scores = [as_json(capsys, "test", str(run), "--data", data, "--quiet") for data in (str(kept), url)]
    scores.append(as_json(capsys, "test", str(run), "--quiet"))
    assert scores[0] == scores[1] == scores[2]
    assert RunFolder(run).read().dataset["name"] == "golden"


@pytest.mark.slow
def test_in_a_process_of_its_own(kept: Path, url: str, tmp_path: Path) -> None:
    """Loaders that fork read remote patches too, and nothing is left of the tables that were fetched."""
    script = (
        "import sys, torch; from torch.utils.data import DataLoader; from cerradata.data import CerraData4MM\n"
        "batches = list(DataLoader(CerraData4MM(sys.argv[1], modality='msi'), batch_size=12, num_workers=2))\n"
        "print([int(b['image'].double().sum()) for b in batches])"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script, url], capture_output=True, text=True, check=True, env=environment, timeout=120
    )
    data = CerraData4MM(kept, modality="msi")
    sums = [sum(float(np.asarray(data[i]["image"], np.float64).sum()) for i in range(s, s + 12)) for s in (0, 12, 24)]
    assert json.loads(done.stdout) == [int(total) for total in sums]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("cerradata-")] == []
