"""The packed store: the same numbers as the GeoTIFFs, whatever reads it, from wherever; damage is told."""

import http.server
import json
import multiprocessing
import pickle
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
import rasterio
import tifffile
import zarr

from cerradata.core.errors import ConfigError, DatasetError, OutputError
from cerradata.patches.copy import CopyFacts, index_copy
from cerradata.patches.index import read_index, write_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import discover
from cerradata.patches.source import GeoTiffPatches, PatchSource, open_source
from cerradata.patches.store import PackedPatches, PackOptions, byte_ranges, pack_dataset, unpack_dataset
from cerradata.patches.store.byte_ranges import ByteRange, LocalBytes, RemoteBytes
from cerradata.patches.store.form import LOCATION_FILE, StoreInfo, hash_of_content, shard_file, shard_of

Pixels = npt.NDArray[Any]
LAYERS = ("edge_14c", "edge_7c", "msi", "sar", "semantic_14c", "semantic_7c")
SHARD = 8  # patches; the golden dataset of 36 has four whole shards and a half one
SHARD_BYTES = SHARD * 12 * 32 * 32 * 2
NO_SAR, NO_MSI = (7, 8, 9), (20, 21)
LZ4 = PackOptions("lz4", quiet=True)


@pytest.fixture(scope="module", autouse=True)
def small_shards() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cerradata.patches.store.form.SHARD_BYTES", SHARD_BYTES)
        yield


@pytest.fixture(scope="module", params=["none", "lz4"])
def packed(request: pytest.FixtureRequest, golden_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden dataset packed into a folder of its own. Do not change it."""
    out = tmp_path_factory.mktemp("packed") / request.param
    pack_dataset(golden_dataset, out, PackOptions(request.param, quiet=True))
    return out


@pytest.fixture(scope="module")
def compressed(golden_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden dataset packed with lz4. Do not change it."""
    out = tmp_path_factory.mktemp("compressed") / "dataset"
    pack_dataset(golden_dataset, out, LZ4)
    return out


@pytest.fixture
def damaged(compressed: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(compressed, tmp_path / "damaged"))


@pytest.fixture
def lacking_some(dataset_copy: Path) -> Path:
    """The golden dataset in which three patches have no SAR and two no MSI."""
    for folder, name, ids in (("sar_images", "sar", NO_SAR), ("msi_images", "ms", NO_MSI)):
        for patch_id in ids:
            (dataset_copy / folder / f"cerradata_{name}_{patch_id}.tif").unlink()
    index_copy(dataset_copy, CopyFacts(may_lack=("sar", "msi")), overwrite=True, quiet=True)
    return dataset_copy


def opened(root: Path) -> PatchSource:
    return open_source(root, DatasetInfo.read(root), read_index(root))


def store_in(root: Path) -> PackedPatches:
    source = opened(root)
    assert isinstance(source, PackedPatches)
    return source


def geotiffs(root: Path) -> GeoTiffPatches:
    return GeoTiffPatches(discover(root), {})


def assert_same(one: Pixels, other: Pixels) -> None:
    """Bit by bit."""
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    assert one.tobytes() == other.tobytes()


def error_of(function: Callable[[], object], kind: type[Exception] = DatasetError) -> str:
    """Message of the error that is raised."""
    with pytest.raises(kind) as caught:
        function()
    return str(caught.value)


def test_the_same_numbers_as_the_geotiffs_in_any_order(packed: Path, golden_dataset: Path) -> None:
    store, files = store_in(packed), geotiffs(golden_dataset)
    assert store.layers == LAYERS
    assert (store.info.patches, store.info.shard, store.info.shards) == (36, SHARD, 5)
    ids = [int(i) for i in np.random.default_rng(0).permutation(36)]
    for layer in LAYERS:
        assert_same(store.read(layer, ids), files.read(layer, ids))
        assert_same(store.read(layer, [35, 0, 35, 7, 8]), files.read(layer, [35, 0, 35, 7, 8]))
    assert store.read("msi", []).shape == (0, 12, 32, 32)
    assert sorted(path.name for path in (packed / "patches.zarr" / "msi" / "c").iterdir()) == ["0", "1", "2", "3", "4"]


def test_memory_of_the_caller_is_filled(packed: Path, golden_dataset: Path) -> None:
    given: list[Pixels] = []

    def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Pixels:
        given.append(np.full(shape, 9, dtype))
        return given[-1]

    found = store_in(packed).read("sar", [3, 30], empty)
    assert found is given[0]
    assert_same(found, geotiffs(golden_dataset).read("sar", [3, 30]))


def test_many_patches_are_read_by_several_threads_and_from_more_files_than_may_be_open(
    golden_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cerradata.patches.store.form.SHARD_BYTES", 1)  # one patch a shard
    monkeypatch.setattr("cerradata.patches.store.byte_ranges._ALONE_BYTES", 1)
    monkeypatch.setattr("cerradata.patches.store.byte_ranges._OPEN_FILES", 5)
    pack_dataset(golden_dataset, tmp_path / "packed", PackOptions(quiet=True))
    files = LocalBytes(tmp_path / "packed" / "patches.zarr")
    store = PackedPatches(range(36), lambda: files)
    ids = [*range(35, -1, -1), *range(36)]
    assert store.info.shards == 36
    assert_same(store.read("msi", ids), geotiffs(golden_dataset).read("msi", ids))
    assert 0 < len(files._open) <= 5
    files.close()
    assert not files._open


def test_what_does_not_exist_is_named(packed: Path) -> None:
    store = store_in(packed)
    assert error_of(lambda: store.read("msi", [3, 36])).endswith("has no patch 36.")
    assert "has no patch -1" in error_of(lambda: store.require(LAYERS, [-1]))
    assert "has no layer elevation: it has edge_14c, " in error_of(lambda: store.read("elevation", [0]))
    assert "has no layer elevation" in error_of(lambda: store.require(["elevation"], []))
    store.require(LAYERS, range(36))


def test_the_order_of_the_index_does_not_matter(packed: Path, golden_dataset: Path) -> None:
    turned = read_index(packed).iloc[::-1]
    store = open_source(packed, None, turned)
    assert_same(store.read("sar", [1, 30]), geotiffs(golden_dataset).read("sar", [1, 30]))


def test_a_store_of_other_patches_is_refused(damaged: Path) -> None:
    index = read_index(damaged)
    index["split"] = "train"
    write_index(damaged, index)
    opened(damaged)  # splits do not matter
    index.loc[4, "content_hash"] = "0" * 64
    write_index(damaged, index)
    said = error_of(lambda: opened(damaged))
    assert "patches.zarr was packed from other patches than" in said
    assert "--overwrite" in said
    write_index(damaged, index.iloc[:-1])
    assert "holds 36 patches, the index 35" in error_of(lambda: opened(damaged))
    assert hash_of_content(index) == hash_of_content(index.iloc[::-1])


def test_patches_that_lack_a_layer(lacking_some: Path, tmp_path: Path) -> None:
    ids = list(range(36))
    before = {layer: opened(lacking_some).read(layer, ids) for layer in LAYERS}
    assert not before["sar"][list(NO_SAR)].any()
    assert before["sar"][10].all()
    for compression in ("none", "lz4"):
        out = tmp_path / compression
        pack_dataset(lacking_some, out, PackOptions(compression, quiet=True))
        store = store_in(out)
        for layer in LAYERS:
            assert_same(store.read(layer, ids), before[layer])
        unpack_dataset(out, tmp_path / f"unpacked-{compression}", quiet=True)
        names = [
            sorted(path.relative_to(root).as_posix() for path in root.rglob("*.tif"))
            for root in (lacking_some, tmp_path / f"unpacked-{compression}")
        ]
        assert names[0] == names[1]
        assert len(names[0]) == 36 * 6 - 5


@pytest.mark.parametrize("compression", ["none", "lz4"])
def test_bits_that_compare_equal_or_to_nothing_are_kept(dataset_copy: Path, tmp_path: Path, compression: str) -> None:
    zeros = np.zeros((2, 32, 32), np.float32)
    odd = {5: zeros.copy(), 6: -zeros, 7: zeros}
    odd[5].view(np.uint32)[0, 0, :3] = 0x7FC00001, 0xFFC12345, 0x80000000  # payloads of NaN, -0.0
    for patch_id, pixels in odd.items():
        tifffile.imwrite(
            dataset_copy / "sar_images" / f"cerradata_sar_{patch_id}.tif",
            pixels,
            photometric="minisblack",
            metadata=None,
            planarconfig="separate",
        )  # GDAL takes a block of -0.0 for one of zeros
    index_copy(dataset_copy, overwrite=True, quiet=True)
    pack_dataset(dataset_copy, tmp_path / "packed", PackOptions(compression, quiet=True))
    found = store_in(tmp_path / "packed").read("sar", [5, 6, 7])
    for place, pixels in enumerate(odd.values()):
        assert_same(found[place], pixels)


def test_a_shard_of_zeros_is_written_and_missed(dataset_copy: Path, tmp_path: Path) -> None:
    for patch_id in range(SHARD, 2 * SHARD):
        file = dataset_copy / "edge_7c" / f"cerradata_edge_7c_{patch_id}.tif"
        with rasterio.open(file, "r+") as image:
            image.write(np.zeros((1, 32, 32), np.uint8))
    index_copy(dataset_copy, overwrite=True, quiet=True)
    pack_dataset(dataset_copy, tmp_path / "packed", PackOptions(quiet=True))
    ids = list(range(SHARD - 2, 2 * SHARD + 2))
    assert_same(store_in(tmp_path / "packed").read("edge_7c", ids), geotiffs(dataset_copy).read("edge_7c", ids))
    array = zarr.open_group(tmp_path / "packed" / "patches.zarr", mode="r")["edge_7c"]
    assert not array[SHARD : 2 * SHARD].any()
    (tmp_path / "packed" / "patches.zarr" / shard_file("edge_7c", 1)).unlink()
    assert "cannot be read" in error_of(lambda: store_in(tmp_path / "packed").read("edge_7c", [SHARD]))


def test_zarr_itself_and_xarray_read_the_store(packed: Path, golden_dataset: Path) -> None:
    group = zarr.open_group(packed / "patches.zarr", mode="r")
    assert sorted(group.array_keys()) == sorted([*LAYERS, "id"])
    assert list(group["id"][:]) == list(range(36))
    assert group.attrs["name"] == "golden"
    assert group["msi"].attrs["radiometry"]["bands"][0] == "B01"
    assert group["msi"].chunks == (1, 12, 32, 32)
    assert group["msi"].shards == (SHARD, 12, 32, 32)
    xarray = pytest.importorskip("xarray")
    with xarray.open_zarr(packed / "patches.zarr") as dataset:
        assert dataset["sar"].dims == ("patch", "sar_band", "y", "x")
        for layer in LAYERS:
            expected = geotiffs(golden_dataset).read(layer, range(36))
            assert_same(np.asarray(group[layer][:]), expected)
            assert_same(dataset[layer].to_numpy(), expected)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # that is the point
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_another_process_opens_the_files_anew(packed: Path, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cerradata.patches.store.byte_ranges._ALONE_BYTES", 1)  # threads, which do not survive a fork
    store = store_in(packed)
    expected = {layer: store.read(layer, [30, 2]) for layer in LAYERS}
    with ProcessPoolExecutor(1, multiprocessing.get_context(start)) as pool:
        found = {layer: pool.submit(store.read, layer, [30, 2]) for layer in LAYERS}
        for layer, pixels in expected.items():
            assert_same(found[layer].result(60), pixels)
            assert_same(store.read(layer, [30, 2]), pixels)


def test_an_object_that_was_used_can_be_pickled(packed: Path) -> None:
    store = store_in(packed)
    expected = store.read("msi", [30, 2])
    again = pickle.loads(pickle.dumps(store))
    assert_same(again.read("msi", [30, 2]), expected)
    assert len(pickle.dumps(store)) < 5000


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_loader_workers_read_the_same(packed: Path, golden_dataset: Path) -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    store = store_in(packed)
    expected = {
        i: store.read("msi", [i])[0] for i in range(36)
    }  # the parent has used threads, files and Blosc before it forks

    class Reads(torch_data.Dataset):  # type: ignore[misc, name-defined]
        def __len__(self) -> int:
            return 36

        def __getitem__(self, patch_id: int) -> tuple[int, Pixels]:
            return patch_id, store.read("msi", [patch_id])[0]

    loader = torch_data.DataLoader(Reads(), batch_size=None, num_workers=2, multiprocessing_context="fork")
    found = {patch_id: np.asarray(pixels) for patch_id, pixels in loader}
    assert found.keys() == expected.keys()
    for patch_id, pixels in expected.items():
        assert_same(found[patch_id], pixels)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x55
    path.write_bytes(data)


def test_a_damaged_shard_is_named(damaged: Path) -> None:
    shard = damaged / "patches.zarr" / shard_file("sar", 1)
    whole = shard.read_bytes()

    def refused() -> str:
        said = error_of(lambda: store_in(damaged).read("sar", [8, 9, 10]))
        assert "pack the dataset again" in said
        return said

    for length in (0, 5, len(whole) // 2, len(whole) - 1):  # the index stands at the end
        shard.write_bytes(whole[:length])
        assert f"{shard} is damaged" in refused()
    shard.write_bytes(whole)
    flip(shard, len(whole) - 60)
    assert f"{shard} is damaged" in refused()
    shard.write_bytes(whole)
    flip(shard, 5)  # Blosc's header of the first patch: its size
    assert "sar holds a damaged patch" in refused()
    shard.write_bytes(whole)
    flip(shard, 13)
    assert "sar holds a damaged patch" in refused()
    shard.unlink()
    assert f"{shard} cannot be read (No such file or directory)" in refused()
    shard.mkdir()
    assert f"{shard} cannot be read (Is a directory)" in refused()


def test_a_shard_that_is_cut_short_after_it_was_opened(damaged: Path) -> None:
    store = store_in(damaged)
    store.read("sar", [8])
    shard = damaged / "patches.zarr" / shard_file("sar", 1)
    with shard.open("r+b") as file:
        file.truncate(10)
    assert f"{shard} is cut short" in error_of(lambda: store.read("sar", [9]))


def test_patches_of_another_size_than_said_are_refused(golden_dataset: Path, tmp_path: Path) -> None:
    pack_dataset(golden_dataset, tmp_path / "packed", PackOptions(quiet=True))
    file = tmp_path / "packed" / "patches.zarr" / "pack.json"
    plain = json.loads(file.read_text())
    plain["layers"]["sar"]["bands"] = 1
    file.write_text(json.dumps(plain))
    assert "holds patches of another size than pack.json says" in error_of(
        lambda: store_in(tmp_path / "packed").read("sar", [0])
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda plain: plain.pop("shard"), "pack.json is damaged"),
        (lambda plain: plain.update(shard=0), "pack.json is damaged"),
        (lambda plain: plain.update(patches="36"), "pack.json is damaged"),
        (lambda plain: plain.update(compression="zip"), "compression 'zip'"),
        (lambda plain: plain.update(layers={}), "no layers"),
        (lambda plain: plain["layers"]["msi"].update(dtype="pixel"), "pack.json is damaged"),
        (lambda plain: plain["layers"]["msi"].update(rows=-1), "is no size of a patch"),
        (lambda plain: plain.update(version=2), "is of version 2, this release reads version 1"),
        (lambda plain: plain.update(more=2), "pack.json is damaged"),
    ],
)
def test_a_damaged_description_is_told(damaged: Path, change: Callable[[dict[str, Any]], object], said: str) -> None:
    file = damaged / "patches.zarr" / "pack.json"
    plain = json.loads(file.read_text())
    change(plain)
    file.write_text(json.dumps(plain))
    message = error_of(lambda: opened(damaged))
    assert said in message
    assert str(file) in message
    assert re.search("pack the\\s+dataset again", message)


def test_a_description_that_is_no_text_or_cut_short(damaged: Path) -> None:
    file = damaged / "patches.zarr" / "pack.json"
    whole = file.read_bytes()
    for data in (b"", b"[]", b"\xff\xfe\x00", whole[: len(whole) // 2]):
        file.write_bytes(data)
        assert f"{file} is damaged" in error_of(lambda: opened(damaged))
    file.unlink()
    assert "is unfinished: it has no pack.json" in error_of(lambda: opened(damaged))


def test_what_a_store_says_comes_back() -> None:
    info = StoreInfo.from_text(
        json.dumps(
            {
                "version": 1, "patches": 9, "shard": 4, "compression": "lz4", "content": "abc",
                "layers": {"msi": {"dtype": "uint16", "bands": 12, "rows": 8, "columns": 6}},
            }
        ),
        "here",
    )  # fmt: skip
    assert info.shards == 3
    assert info.layers["msi"].nbytes == 12 * 8 * 6 * 2
    assert StoreInfo.from_text(json.dumps(info.to_dict()), "here") == info


@pytest.mark.parametrize(
    ("largest", "patches"), [(1, 1024), (SHARD_BYTES, 1), (SHARD_BYTES + 1, 1), (SHARD_BYTES // 7, 7)]
)
def test_patches_in_a_shard(largest: int, patches: int) -> None:
    assert shard_of(largest) == patches


def test_options_that_do_not_exist(golden_dataset: Path, tmp_path: Path) -> None:
    assert "workers is 0: give 1 or more" in error_of(lambda: PackOptions(workers=0), ConfigError)
    assert "no compression 'zip': there are none, lz4" in error_of(
        lambda: PackOptions("zip"),  # type: ignore[arg-type]
        ConfigError,
    )
    assert "workers is -1" in error_of(
        lambda: unpack_dataset(golden_dataset, tmp_path / "out", workers=-1), ConfigError
    )


def test_what_is_not_whole_is_not_packed(dataset_copy: Path, tmp_path: Path) -> None:
    def refused() -> str:
        message = error_of(lambda: pack_dataset(dataset_copy, None, PackOptions(quiet=True)))
        assert "cerradata verify" in message
        assert not (dataset_copy / "patches.zarr" / "pack.json").exists()
        return message

    file = dataset_copy / "sar_images" / "cerradata_sar_9.tif"
    away = file.rename(tmp_path / "away.tif")
    assert "patch 9 has no file in layer sar (1 such patches)" in refused()
    shutil.copy(away, dataset_copy / "sar_images" / "cerradata_sar_99.tif")
    shutil.copy(away, file)
    assert "patch 99 has a file that the index does not know in layer sar" in refused()
    (dataset_copy / "sar_images" / "cerradata_sar_99.tif").rename(dataset_copy / "sar_images" / "again_9.tif")
    assert "id 9 twice in layer sar" in refused()
    (dataset_copy / "sar_images" / "again_9.tif").unlink()
    with rasterio.open(file) as image:
        pixels, profile = image.read(), image.profile
    with rasterio.open(file, "r+") as image:
        image.write(pixels + 1)
    assert "patch 9 differs from what was indexed" in refused()
    with rasterio.open(file, "w", **{**profile, "dtype": "float64"}) as image:
        image.write(pixels)
    assert f"{file} is LayerShape(dtype='float64'" in refused()
    shutil.copy(away, file)
    assert pack_dataset(dataset_copy, None, PackOptions(quiet=True)).patches == 36


def test_a_file_that_could_not_be_written_again_is_refused_by_name(dataset_copy: Path) -> None:
    file = dataset_copy / "edge_7c" / "cerradata_edge_7c_30.tif"
    with rasterio.open(file) as image:
        pixels, profile = image.read(), image.profile
    profile.pop("predictor", None)
    with rasterio.open(file, "w", **{**profile, "compress": "packbits"}) as image:
        image.write(pixels)
    said = error_of(lambda: pack_dataset(dataset_copy, None, PackOptions(quiet=True)))
    assert f"{file} is compressed with PACKBITS" in said


def test_a_taken_place_is_not_overwritten(dataset_copy: Path, tmp_path: Path) -> None:
    quiet, again = PackOptions(quiet=True), PackOptions("lz4", overwrite=True, quiet=True)
    pack_dataset(dataset_copy, None, quiet)
    assert "give --overwrite" in error_of(lambda: pack_dataset(dataset_copy, None, quiet), OutputError)
    assert pack_dataset(dataset_copy, None, again).compression == "lz4"
    assert store_in(dataset_copy).info.compression == "lz4"
    out = tmp_path / "out"
    pack_dataset(dataset_copy, out, quiet)
    assert "already holds a packed dataset" in error_of(lambda: pack_dataset(dataset_copy, out, quiet), OutputError)
    assert pack_dataset(dataset_copy, out, again).compression == "lz4"
    other = Path(shutil.copytree(dataset_copy, tmp_path / "other"))
    for target in (dataset_copy, dataset_copy.parent):
        assert "is or holds the dataset" in error_of(partial(pack_dataset, dataset_copy, target, again), OutputError)
    assert "holds GeoTIFFs beside its store" in error_of(lambda: pack_dataset(dataset_copy, other, again), OutputError)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("mine")
    assert "is no packed dataset of ours" in error_of(lambda: pack_dataset(dataset_copy, foreign, again), OutputError)
    shutil.rmtree(other / "patches.zarr")
    (other / "patches.zarr").mkdir()
    (other / "patches.zarr" / "zarr.json").write_text("{}")
    assert "is no store of ours" in error_of(lambda: pack_dataset(other, None, again), OutputError)
    for target in (out, tmp_path):
        assert "is or holds" in error_of(partial(unpack_dataset, out, target, overwrite=True), OutputError)
    assert store_in(out).info.patches == 36


@pytest.mark.parametrize("beside", [True, False])
def test_killed_while_the_old_store_is_removed(dataset_copy: Path, tmp_path: Path, beside: bool) -> None:
    out, root = (None, dataset_copy) if beside else (tmp_path / "out", tmp_path / "out")
    pack_dataset(dataset_copy, out, PackOptions(quiet=True))
    again = PackOptions("lz4", overwrite=True, quiet=True)
    for module, name in (("claim", "shutil.rmtree"), ("pack", "_make_arrays"), ("pack", "_pack_shard")):
        with pytest.MonkeyPatch.context() as patch:

            def killed(*_: object, **__: object) -> None:
                raise KeyboardInterrupt

            patch.setattr(f"cerradata.patches.store.{module}.{name}", killed)
            with pytest.raises(KeyboardInterrupt):
                pack_dataset(dataset_copy, out, again)
        assert not (root / "patches.zarr" / "pack.json").exists()
    pack_dataset(dataset_copy, out, again)
    store = store_in(root)
    assert store.info.compression == "lz4"
    assert_same(store.read("msi", range(36)), geotiffs(dataset_copy).read("msi", range(36)))


def test_what_is_packed_has_nothing_to_pack(packed: Path, golden_dataset: Path, tmp_path: Path) -> None:
    assert "is packed and holds no GeoTIFFs" in error_of(lambda: pack_dataset(packed, tmp_path / "o", LZ4))
    assert "has no packed patches" in error_of(lambda: unpack_dataset(golden_dataset, tmp_path / "o"))
    assert "There is no dataset folder" in error_of(lambda: unpack_dataset(tmp_path / "nowhere", tmp_path / "o"))
    (tmp_path / LOCATION_FILE).write_text("s3://bucket/patches.zarr\n")
    assert "lies at s3://bucket/patches.zarr: copy it" in error_of(lambda: unpack_dataset(tmp_path, tmp_path / "o"))


def test_a_damaged_store_is_not_unpacked(golden_dataset: Path, tmp_path: Path) -> None:
    pack_dataset(golden_dataset, tmp_path / "packed", PackOptions(quiet=True))
    store, out = tmp_path / "packed" / "patches.zarr", tmp_path / "out"
    shard, described = store / shard_file("msi", 2), store / "files" / "000003.parquet"
    whole = shard.read_bytes()
    flip(shard, 1000)  # a number of patch 16, which nothing but its hash tells
    said = error_of(lambda: unpack_dataset(tmp_path / "packed", out, quiet=True))
    assert "patch 16 differs from what was indexed, so the store is damaged" in said
    shard.write_bytes(whole)
    table = pq.read_table(described)
    described.write_bytes(described.read_bytes()[:100])
    assert f"{described} is damaged" in error_of(lambda: unpack_dataset(tmp_path / "packed", out, quiet=True))
    for path in ("../../outside.tif", "/tmp/outside.tif"):
        paths = ["x.tif"] * (len(table) - 1) + [path]
        pq.write_table(table.set_column(table.schema.get_field_index("path"), "path", [paths]), described)
        assert "a file outside the dataset" in error_of(lambda: unpack_dataset(tmp_path / "packed", out, quiet=True))
    pq.write_table(table, described)
    unpack_dataset(tmp_path / "packed", out, quiet=True)  # it goes on where it was
    assert len(list(out.rglob("*.tif"))) == 36 * 6
    index = read_index(tmp_path / "packed")
    index.loc[4, "content_hash"] = "0" * 64
    write_index(tmp_path / "packed", index)
    assert "packed from other patches" in error_of(lambda: unpack_dataset(tmp_path / "packed", tmp_path / "o"))


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, whole or in part (`Range`)."""

    protocol_version = "HTTP/1.1"
    ignores_ranges = False

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data, asked = path.read_bytes(), re.fullmatch(r"bytes=(\d*)-(\d+)", self.headers.get("Range", ""))
        if asked is None or self.ignores_ranges:
            self.send_response(200)
        else:
            last = min(int(asked[2]), len(data) - 1) if asked[1] else len(data) - 1
            first = int(asked[1]) if asked[1] else max(0, len(data) - int(asked[2]))  # bytes=-132: the last ones
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            data = data[first : last + 1]
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """A function that serves a folder on the loopback and gives its address."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(folder: Path, *, ignores_ranges: bool = False) -> str:
        handler: Any = type("Own", (_Ranges,), {"ignores_ranges": ignores_ranges})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def remote(url: str) -> PackedPatches:
    return PackedPatches(range(36), lambda: RemoteBytes(url))


def test_a_store_behind_http(packed: Path, serve: Callable[..., str]) -> None:
    store = remote(f"{serve(packed)}/patches.zarr/")
    ids = [35, 0, 9, 17, 9]
    for layer in LAYERS:
        assert_same(store.read(layer, ids), store_in(packed).read(layer, ids))
    assert "no patch 36" in error_of(lambda: store.read("msi", [36]))


def test_a_server_that_knows_no_ranges_or_no_store(packed: Path, serve: Callable[..., str]) -> None:
    url = serve(packed, ignores_ranges=True)
    said = error_of(lambda: remote(f"{url}/patches.zarr").read("msi", [0, 1]))
    assert f"{url}/patches.zarr" in said
    said = error_of(lambda: remote(f"{url}/elsewhere"))
    assert f"{url}/elsewhere/pack.json cannot be read" in said


def test_a_store_in_any_file_system_of_fsspec(packed: Path, golden_dataset: Path, tmp_path: Path) -> None:
    url = f"memory://{packed.name}/patches.zarr"
    memory = fsspec.filesystem("memory")
    memory.put(str(packed / "patches.zarr"), f"/{packed.name}/", recursive=True)
    try:
        for name in ("index.parquet", "dataset.json"):
            shutil.copy(packed / name, tmp_path)
        (tmp_path / LOCATION_FILE).write_text(url + "\n")
        store = store_in(tmp_path)
        ids = [35, 0, 9, 17]
        for layer in LAYERS:
            assert_same(store.read(layer, ids), geotiffs(golden_dataset).read(layer, ids))
        assert store.read("msi", []).shape[0] == 0
        again = pickle.loads(pickle.dumps(store))
        assert_same(again.read("sar", ids), store.read("sar", ids))
        path = f"/{packed.name}/patches.zarr/{shard_file('msi', 0)}"
        memory.pipe_file(path, memory.cat_file(path)[:50])
        assert "is damaged" in error_of(lambda: store_in(tmp_path).read("msi", [0]))
        assert "cannot be read" in error_of(lambda: store.read("msi", [1]))
    finally:
        memory.rm(f"/{packed.name}", recursive=True)


def test_a_kind_of_uri_that_nobody_knows() -> None:
    assert "nowhere://bucket cannot be read" in error_of(lambda: RemoteBytes("nowhere://bucket"))


def test_a_range_that_is_not_there_is_an_error(packed: Path) -> None:
    files = LocalBytes(packed / "patches.zarr")
    files.fill([])
    with pytest.raises(DatasetError, match="is cut short"):
        files.fill([ByteRange("pack.json", 10**6, memoryview(bytearray(5)))])


def test_systems_without_positioned_reads_give_the_same(
    packed: Path, golden_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(byte_ranges, "_read_at", byte_ranges._seek_and_read)
    ids = list(range(36))
    assert_same(store_in(packed).read("msi", ids), geotiffs(golden_dataset).read("msi", ids))
