"""`dataset_folder`: local paths as they are, packed datasets in an object store through a temporary folder."""

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.core.locations import Location
from cerradata.data import CerraData4MM
from cerradata.patches.assign import assign_splits
from cerradata.patches.index import read_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.source import open_source
from cerradata.patches.split import SplitOptions
from cerradata.patches.store import PackedPatches, pack_dataset, remote
from cerradata.patches.store.pack import PackOptions
from cerradata.patches.store.remote import dataset_folder, require_local

Upload = Callable[[str], str]


@pytest.fixture(scope="module")
def packed(golden_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden dataset packed, with splits, without GeoTIFFs."""
    root = tmp_path_factory.mktemp("packed") / "dataset"
    pack_dataset(golden_dataset, root, PackOptions(quiet=True))
    assign_splits(root, SplitOptions("published-ratios", seed=3))
    return root


@pytest.fixture
def upload(packed: Path) -> Iterator[Upload]:
    """Puts the packed dataset into fsspec's memory under a name; gives its URI."""
    system = fsspec.filesystem("memory")
    names = []

    def put(name: str) -> str:
        system.put(str(packed), f"/{name}/dataset", recursive=True)
        names.append(name)
        return f"memory://{name}/dataset"

    yield put
    for name in names:
        system.rm(f"/{name}", recursive=True)


def test_local_paths_stay_as_they_are(tmp_path: Path) -> None:
    assert dataset_folder(tmp_path) == tmp_path
    assert dataset_folder(str(tmp_path)) == tmp_path
    assert dataset_folder(Location(tmp_path)) == tmp_path
    assert dataset_folder(tmp_path / "not there") == tmp_path / "not there"  # who reads it says what is wrong


def test_tables_are_fetched_and_patches_pointed_at(packed: Path, upload: Upload) -> None:
    url = upload("tables")
    folder = dataset_folder(url)
    for name in ("index.parquet", "dataset.json", "split-certificate.json"):
        assert (folder / name).read_bytes() == (packed / name).read_bytes()
    assert (folder / "patches.url").read_text() == f"{url}/patches.zarr\n"
    assert folder.name == "dataset"  # the name that reports show
    assert sorted(path.name for path in folder.iterdir()) == [
        "dataset.json", "index.parquet", "patches.url", "split-certificate.json",
    ]  # fmt: skip


def test_one_folder_for_one_place(upload: Upload) -> None:
    url, other = upload("once"), upload("twice")
    folder = dataset_folder(url)
    assert dataset_folder(Location(url + "/")) == folder
    assert dataset_folder(other) != folder


def test_dataset_without_certificate(upload: Upload) -> None:
    url = upload("uncertified")
    fsspec.filesystem("memory").rm("/uncertified/dataset/split-certificate.json")
    assert not (dataset_folder(url) / "split-certificate.json").exists()


def test_remote_samples_are_the_local_ones(packed: Path, upload: Upload) -> None:
    here, there = (CerraData4MM(root, "val", edges=True) for root in (packed, upload("samples")))
    assert here.ids == there.ids
    assert len(here) == 6
    for mine, other in zip(here, there, strict=True):
        assert mine.keys() == other.keys() == {"image", "mask", "edge", "id"}
        for name in mine:
            np.testing.assert_array_equal(np.asarray(mine[name]), np.asarray(other[name]), name)


def test_patches_are_those_of_the_geotiffs_also_in_another_process(golden_dataset: Path, upload: Upload) -> None:
    folder = dataset_folder(upload("source"))
    source = open_source(folder, DatasetInfo.read(folder), read_index(folder))
    assert isinstance(source, PackedPatches)
    files = open_source(golden_dataset, DatasetInfo.read(golden_dataset), read_index(golden_dataset))
    for layer in source.layers:
        expected = files.read(layer, [35, 0, 7])
        np.testing.assert_array_equal(source.read(layer, [35, 0, 7]), expected)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(source)).read(layer, [35, 0, 7]), expected)


def test_own_splits_beside_remote_patches(packed: Path, upload: Upload, tmp_path: Path) -> None:
    url = upload("own")
    for name in ("index.parquet", "dataset.json"):
        shutil.copy(packed / name, tmp_path / name)
    (tmp_path / "patches.url").write_text(f"{url}/patches.zarr")
    assign_splits(tmp_path, SplitOptions("random", seed=11, test_share=0.5))
    own = CerraData4MM(tmp_path, "test")
    assert len(own) == 18
    assert own.ids != CerraData4MM(url, "test").ids
    np.testing.assert_array_equal(own[0]["image"], CerraData4MM(packed)[own.ids[0]]["image"])  # ids are 0 to 35


@pytest.mark.parametrize("name", ["dataset.json", "index.parquet"])
def test_table_that_is_not_there_is_named(upload: Upload, name: str) -> None:
    url = upload("incomplete")
    fsspec.filesystem("memory").rm(f"/incomplete/dataset/{name}")
    with pytest.raises(
        DatasetError, match=f"There is no dataset at memory://incomplete/dataset: it has no {name}"
    ) as told:
        dataset_folder(url)
    assert "upload all of them" in str(told.value)
    assert "memory://incomplete/dataset" not in remote._folders  # a second call looks again


def test_remote_geotiffs_are_refused(upload: Upload) -> None:
    url = upload("geotiffs")
    fsspec.filesystem("memory").rm("/geotiffs/dataset/patches.zarr", recursive=True)
    with pytest.raises(DatasetError, match=r"has no packed patches .*run `cerradata pack` on a local copy"):
        dataset_folder(url)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("memory://nothing/here", "There is no dataset at memory://nothing/here"),
        ("gopher://host/dataset", "no address that fsspec understands"),
        ("/vsis3/bucket/dataset", "a path of GDAL's own"),
        (Path("s3://bucket/dataset"), "give the URI s3://bucket/dataset as text"),
        ("http://127.0.0.1:9/dataset", "are address and network right"),
    ],
)
def test_what_cannot_be_opened_is_named(location: str | Path, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        dataset_folder(location)


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)
    with pytest.raises(DatasetError, match=r"Install s3fs to access S3.*pip install 'cerradata\[remote\]'"):
        dataset_folder("s3://bucket/dataset")


def test_refused_access_is_named(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    url = upload("forbidden")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", refuse)
    with pytest.raises(DatasetError, match=r"No access to .*dataset\.json.*AWS_PROFILE.*FSSPEC_S3_ANON"):
        dataset_folder(url)


def test_store_that_refuses_files_that_do_not_exist(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    """As S3 does without the right to list: the certificate is optional, so its absence must not matter."""
    url = upload("unlisted")
    system = type(fsspec.filesystem("memory"))
    read = system.cat_file

    def refuse(self: object, path: str, **part: int) -> bytes:
        if path.endswith("split-certificate.json"):
            raise PermissionError("Access Denied")
        return read(self, path, **part)

    monkeypatch.setattr(system, "cat_file", refuse)
    folder = dataset_folder(url)
    assert (folder / "index.parquet").is_file()
    assert not (folder / "split-certificate.json").exists()


def test_only_local_folders_are_written_into(tmp_path: Path) -> None:
    assert require_local(Location(tmp_path), "split") == tmp_path
    with pytest.raises(
        ConfigError, match="`cerradata split` writes on this machine only, s3://bucket/dataset is elsewhere"
    ):
        require_local(Location("s3://bucket/dataset"), "split")


def test_folder_goes_with_the_process_but_not_with_its_forks(packed: Path, tmp_path: Path) -> None:
    script = f"""
import os
from pathlib import Path
from cerradata.patches.store.remote import dataset_folder
folder = dataset_folder("file://{packed}")
child = os.fork()
if child == 0:
    raise SystemExit(0)  # runs what is to be done at exit, as the parent does
assert os.waitpid(child, 0)[1] == 0
assert (folder / "index.parquet").is_file()
print(folder)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment, timeout=60
    )
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []
