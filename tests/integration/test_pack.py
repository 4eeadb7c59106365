"""`pack` and `unpack` through the real command line: nothing is lost, whatever happens meanwhile."""

import hashlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
import zarr

from cerradata.commands.main import main
from cerradata.core.errors import DatasetError
from cerradata.data import CerraData4MM
from cerradata.patches.index import read_index, write_index
from cerradata.patches.info import DatasetInfo, LayerInfo
from cerradata.patches.layout import discover, id_of_file
from cerradata.patches.record import content_hash
from cerradata.patches.statistics import Moments
from cerradata.patches.store import form, pack
from cerradata.patches.stored import read_layer
from cerradata.scenes import Radiometry

Capture = pytest.CaptureFixture[str]
BESIDE = ("index.parquet", "dataset.json", "split-certificate.json", "build-log.jsonl")
WINDOWS = ("dry", "wet")
VARIABLES = {"slope": ("slope",), "ndvi": ("ndvi@dry", "ndvi@wet"), "water": ("water",)}
NOT_KEPT = (273, 279, 324, 325)  # where strips and tiles lie in a file
PATCHES_A_SHARD = 2
_PROGRAM = f"""
import sys
import cerradata.patches.store.form as form
from cerradata.commands.main import main
from cerradata.core.errors import DatasetError
form.SHARD_BYTES = {PATCHES_A_SHARD} * 12 * 32 * 32 * 2
sys.exit(main(sys.argv[1:]))
"""


def run(capsys: Capture, *words: object, code: int = 0) -> str:
    """Run a command; what it printed, in one line."""
    capsys.readouterr()
    found = main([str(word) for word in words])
    printed = capsys.readouterr()
    assert found == code, printed.err
    return " ".join((printed.out if code == 0 else printed.err).split())


def command(*words: object) -> list[str]:
    """The command in a process of its own, with many small shards."""
    return [sys.executable, "-c", _PROGRAM, *map(str, words), "--quiet"]


def content(root: Path, pattern: str = "*") -> dict[str, str]:
    """SHA-256 of every file, hidden ones too."""
    files = sorted(path for path in root.rglob(pattern) if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def geotiff(path: Path) -> tuple[Any, ...]:
    """Every number and every tag."""
    with rasterio.open(path) as file:
        pixels = file.read()
        said = (
            file.tags(),
            [file.tags(i) for i in file.indexes],
            file.descriptions,
            str(file.profile),
            file.block_shapes,
        )
    with tifffile.TiffFile(path) as file:
        tags = [(t.code, int(t.dtype), t.count, str(t.value)) for t in file.pages.first.tags if t.code not in NOT_KEPT]
    return pixels.dtype, pixels.shape, pixels.tobytes(), said, tags


def assert_same_geotiffs(one: Path, other: Path) -> None:
    names = sorted(content(one, "*.tif"))
    assert names == sorted(content(other, "*.tif"))
    for name in names:
        assert geotiff(one / name) == geotiff(other / name), name


@pytest.fixture(scope="module")
def dataset(golden_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden dataset with splits, variables and time windows. Do not change it."""
    root = Path(shutil.copytree(golden_dataset, tmp_path_factory.mktemp("dataset") / "dataset"))
    assert main(["split", str(root), "--strategy", "published-ratios"]) == 0
    info, index = DatasetInfo.read(root), read_index(root)
    layers = dict(info.layers)
    for number, (name, bands) in enumerate(VARIABLES.items()):
        moments = Moments.empty(len(bands))
        (root / name).mkdir()
        for patch_id in index["id"]:
            pixels = 100 * number + patch_id + np.arange(len(bands) * 1024, dtype=np.float32).reshape(-1, 32, 32) / 1024
            pixels[:, 3, 4] = np.nan
            _, _, transform = read_layer(root / "msi_images" / f"cerradata_ms_{patch_id}.tif")
            shape = {"count": len(bands), "height": 32, "width": 32, "dtype": "float32", "nodata": float("nan")}
            with rasterio.open(
                root / name / f"cerradata_{name}_{patch_id}.tif", "w", driver="GTiff", crs="EPSG:32722", transform=transform,
                compress="deflate", **shape,
            ) as file:  # fmt: skip
                file.write(pixels)
                file.descriptions = bands
            moments += Moments.of(pixels, None)
        radiometry = Radiometry(
            sensor="derived", bands=bands, unit="one", time_windows=WINDOWS if len(bands) == 2 else ()
        )
        layers[name] = LayerInfo(name, "float32", radiometry, moments.statistics(bands))
    msi = layers["msi"]
    names = tuple(f"{band}@{window}" for window in WINDOWS for band in msi.radiometry.bands[:6])
    statistics = dict(zip(names, msi.statistics.values(), strict=True))
    layers["msi"] = replace(msi, radiometry=msi.radiometry.with_bands(names, WINDOWS), statistics=statistics)
    described = {name: {"kind": name, "target_only": name == "water"} for name in VARIABLES}
    replace(info, layers=layers, provenance={**info.provenance, "variables": described}).write(root)
    layout = discover(root, {name: name for name in VARIABLES})
    index["content_hash"] = [
        content_hash({layer: read_layer(layout.path(layer, i))[0] for layer in layout.files}) for i in index["id"]
    ]
    write_index(root, index)
    return root


@pytest.mark.parametrize("compression", ["none", "lz4"])
def test_a_dataset_without_geotiffs_gives_the_same_samples(
    dataset: Path, tmp_path: Path, capsys: Capture, compression: str
) -> None:
    out = tmp_path / "packed"
    said = run(capsys, "pack", dataset, "--out", out, "--compression", compression, "--quiet")
    shown = {"none": "not compressed", "lz4": "lz4"}[compression]
    assert re.search(rf"/patches.zarr: 36 patches in \S+ s \(\S+ a second\), \d+\.\d MB, {shown} ", said)
    assert "layers: edge_14c, edge_7c, msi, ndvi, sar, semantic_14c, semantic_7c, slope, water" in said
    assert not list(out.rglob("*.tif"))
    for name in BESIDE:
        assert (out / name).read_bytes() == (dataset / name).read_bytes()
    asked: list[dict[str, Any]] = [
        *({"split": split} for split in (None, "train", "val", "test")),
        *({"modality": modality, "level": level, "edges": True} for modality in ("msi", "sar") for level in (1, 2)),
        {"bands": ("VV", "B02@wet", "slope", "ndvi@dry")},
        {"modality": "sar", "variables": ("ndvi", "slope"), "targets": ("water",)},
        {"modality": "msi", "variables": ("ndvi",), "time_axis": True, "split": "val", "edges": True},
    ]
    for options in asked:
        from_files, from_store = (CerraData4MM(root, **options) for root in (dataset, out))
        assert from_files.bands == from_store.bands
        assert from_files.ids == from_store.ids
        for one, other in zip(from_files, from_store, strict=True):
            assert one.keys() == other.keys()
            assert one["id"] == other["id"]
            for name in one.keys() - {"id"}:
                assert one[name].dtype == other[name].dtype
                assert one[name].shape == other[name].shape
                assert one[name].numpy().tobytes() == other[name].numpy().tobytes(), (options, name)


def test_unpacked_files_have_the_same_names_pixels_and_tags(dataset: Path, tmp_path: Path, capsys: Capture) -> None:
    packed, out = tmp_path / "packed", tmp_path / "unpacked"
    run(capsys, "pack", dataset, "--out", packed, "--compression", "lz4", "--quiet")
    said = run(capsys, "unpack", packed, "--out", out, "--quiet", "--workers", "3")
    assert re.search(r"36 patches in \S+ s", said)
    assert_same_geotiffs(dataset, out)
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in dataset.iterdir())
    for name in BESIDE:
        assert (out / name).read_bytes() == (dataset / name).read_bytes()
    run(capsys, "unpack", packed, "--out", out, "--quiet", code=1)
    run(capsys, "unpack", packed, "--out", out, "--quiet", "--overwrite")
    assert_same_geotiffs(dataset, out)


def test_what_was_built_is_whole_after_a_round_trip(golden_dataset: Path, tmp_path: Path, capsys: Capture) -> None:
    run(capsys, "pack", golden_dataset, "--out", tmp_path / "packed", "--quiet")
    run(capsys, "unpack", tmp_path / "packed", "--out", tmp_path / "unpacked", "--quiet")
    assert "is whole" in run(capsys, "verify", tmp_path / "unpacked", "--deep", "--quiet")
    assert content(tmp_path / "unpacked").keys() == content(golden_dataset).keys()


def test_a_store_beside_the_geotiffs_is_used_instead_of_them(dataset_copy: Path, capsys: Capture) -> None:
    before = CerraData4MM(dataset_copy)[9]["image"].numpy()
    run(capsys, "pack", dataset_copy, "--quiet")
    assert "patches.zarr is there already: give --overwrite" in run(capsys, "pack", dataset_copy, "--quiet", code=1)
    shutil.rmtree(dataset_copy / "sar_images")
    np.testing.assert_array_equal(CerraData4MM(dataset_copy)[9]["image"].numpy(), before)


def test_a_copy_in_the_published_layout(dataset_copy: Path, tmp_path: Path, capsys: Capture) -> None:
    """train/val/test folders, other prefixes, opt_images, float32, and the encoding of some GIS."""
    for name in ("index.parquet", "dataset.json", "build-log.jsonl"):
        (dataset_copy / name).unlink()
    renamed = {"msi_images": ("opt_images", "parrot_beak_ms"), "semantic_7c": ("semantic_7c", "mask_classes")}
    for folder in [path for path in dataset_copy.iterdir() if path.is_dir()]:
        new, prefix = renamed.get(folder.name, (folder.name, f"zz_{folder.name}"))
        for path in list(folder.iterdir()):
            patch_id = id_of_file(path.name)
            assert patch_id is not None
            target = dataset_copy / ("train", "train", "val", "test")[patch_id % 4] / new / f"{prefix}_{patch_id}.tif"
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        folder.rmdir()
    for path in dataset_copy.glob("*/opt_images/*.tif"):
        with rasterio.open(path) as file:
            pixels, place = file.read().astype(np.float32), {"crs": file.crs, "transform": file.transform}
        path.unlink()
        shape = {"count": 12, "height": 32, "width": 32, "dtype": "float32"}
        options = {
            "compress": "lzw",
            "predictor": 2,
            "tiled": True,
            "blockxsize": 16,
            "blockysize": 32,
            "interleave": "pixel",
        }
        with rasterio.open(path, "w", driver="GTiff", **shape, **place, **options) as file:
            file.write(pixels)
            file.update_tags(ÁREA="Bico do Papagaio, região")
    run(capsys, "index", dataset_copy, "--quiet")
    run(capsys, "pack", dataset_copy, "--out", tmp_path / "packed", "--quiet")
    from_files, from_store = CerraData4MM(dataset_copy, "val"), CerraData4MM(tmp_path / "packed", "val")
    assert from_files.ids == from_store.ids == list(range(2, 36, 4))
    for one, other in zip(from_files, from_store, strict=True):
        assert one["image"].numpy().tobytes() == other["image"].numpy().tobytes()
        assert one["mask"].numpy().tobytes() == other["mask"].numpy().tobytes()
    run(capsys, "unpack", tmp_path / "packed", "--out", tmp_path / "unpacked", "--quiet")
    assert (tmp_path / "unpacked" / "train" / "opt_images" / "parrot_beak_ms_0.tif").is_file()
    assert_same_geotiffs(dataset_copy, tmp_path / "unpacked")
    assert "is whole" in run(capsys, "verify", tmp_path / "unpacked", "--deep", "--quiet")


def test_simulated_data_say_so(dataset_copy: Path, tmp_path: Path, capsys: Capture) -> None:
    info = DatasetInfo.read(dataset_copy)
    assert not info.simulated
    replace(info, provenance={**info.provenance, "simulated": ["cerradata simulate, seed 1"]}).write(dataset_copy)
    for words in (("pack", dataset_copy, "--out", tmp_path / "p"), ("unpack", tmp_path / "p", "--out", tmp_path / "u")):
        said = run(capsys, *words, "--quiet")
        assert "Simulated data (cerradata simulate, seed 1)" in said


@pytest.fixture(scope="module")
def whole(golden_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden dataset packed into many small shards. Do not change it."""
    out = tmp_path_factory.mktemp("whole") / "packed"
    subprocess.run(command("pack", golden_dataset, "--out", out), check=True, capture_output=True)
    return out


@pytest.mark.parametrize("what", ["pack", "unpack"])
def test_killed_the_same_command_goes_on(
    golden_dataset: Path,
    whole: Path,
    tmp_path: Path,
    killer: Any,  # noqa: ANN401
    what: str,
) -> None:
    source, journal = golden_dataset, "patches.zarr/pack-journal.jsonl"
    expected = content(whole)
    if what == "unpack":
        source, journal = whole, "unpack-journal.jsonl"
        assert main(["unpack", str(whole), "--out", str(tmp_path / "whole"), "--quiet"]) == 0
        expected = content(tmp_path / "whole")
    shards = 36 // PATCHES_A_SHARD
    done = attempt = 0
    while done < 2:
        out = tmp_path / f"killed-{attempt}"
        own = killer(command(what, source, "--out", out), out / journal, shards + 1, seed=attempt)
        done += own.run(2 - done)
        assert content(out) == expected
        attempt += 1
        assert attempt < 12, "the command ends before it can be killed"


def test_what_a_killed_run_left_is_checked_and_cleaned(golden_dataset: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    journal = out / "patches.zarr" / "pack-journal.jsonl"
    process = subprocess.Popen(command("pack", golden_dataset, "--out", out), stdout=subprocess.DEVNULL)
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 4):
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert not (out / "patches.zarr" / "pack.json").exists()
    (out / "patches.zarr" / "msi" / "c" / "1" / "0" / "0" / "0").write_bytes(b"another content")
    (out / "patches.zarr" / "sar" / "c" / "17" / "0" / "0").mkdir(parents=True, exist_ok=True)
    (out / "patches.zarr" / "sar" / "c" / "17" / "0" / "0" / "0").write_bytes(b"begun")
    (out / "patches.zarr" / "sar" / "c" / "0" / "0" / "0" / "0.0123456789abcdef.partial").write_bytes(b"begun")
    subprocess.run(command("pack", golden_dataset, "--out", out), check=True, capture_output=True)
    assert content(out) == content(whole)


def test_interrupted_from_the_keyboard_it_says_how_to_go_on(
    golden_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    out = tmp_path / "interrupted"
    monkeypatch.setattr(form, "SHARD_BYTES", 100_000)
    flush, flushed = pack.fsync_all, []

    def interrupted(paths: Iterable[Path]) -> None:
        flush(paths)
        flushed.append(1)
        if len(flushed) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(pack, "fsync_all", interrupted)
    words = ["pack", str(golden_dataset), "--out", str(out), "--quiet"]
    assert main(words) == 130
    assert "pack and unpack go on when the same command is given again" in capsys.readouterr().err
    assert not (out / "patches.zarr" / "pack.json").exists()
    journal = (out / "patches.zarr" / "pack-journal.jsonl").read_text().splitlines()
    assert len(journal) == 2, "what was begun, and the first shard"
    assert main(words) == 0
    assert CerraData4MM(out).ids == list(range(36))


def test_a_geotiff_that_was_changed_is_refused_by_its_id(dataset_copy: Path, capsys: Capture) -> None:
    with rasterio.open(dataset_copy / "msi_images" / "cerradata_ms_17.tif", "r+") as file:
        pixels = file.read()
        pixels[3, 5, 6] += 1
        file.write(pixels)
    said = run(capsys, "pack", dataset_copy, "--quiet", code=1)
    assert "patch 17 differs from what was indexed" in said
    assert "verify" in said
    CerraData4MM(dataset_copy)  # the unfinished store is not taken for one


def test_a_full_disk_is_told_and_costs_nothing(
    golden_dataset: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cerradata.patches.store.form.SHARD_BYTES", PATCHES_A_SHARD * 12 * 32 * 32 * 2)
    run(capsys, "pack", golden_dataset, "--out", tmp_path / "whole", "--quiet")

    def full_after(calls: int, real: Callable[..., Any]) -> Callable[..., Any]:
        left = [calls]

        def write(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
            left[0] -= 1
            if left[0] < 0:
                raise OSError(28, "No space left on device")
            return real(*arguments, **options)

        return write

    packed, unpacked = tmp_path / "packed", tmp_path / "unpacked"
    import zarr.storage._local as local

    with monkeypatch.context() as patch:
        patch.setattr(local, "_put", full_after(40, local._put))
        assert f"No space left to write {packed}" in run(
            capsys, "pack", golden_dataset, "--out", packed, "--quiet", code=1
        )
    run(capsys, "pack", golden_dataset, "--out", packed, "--quiet")
    assert content(packed) == content(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full_after(50, Path.write_bytes))
        assert f"No space left to write {unpacked}" in run(
            capsys, "unpack", packed, "--out", unpacked, "--quiet", code=1
        )
    run(capsys, "unpack", packed, "--out", unpacked, "--quiet")
    assert_same_geotiffs(golden_dataset, unpacked)


def test_output_that_cannot_be_written(golden_dataset: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("a file")
    for words in (("pack", golden_dataset), ("unpack", tmp_path / "packed")):
        assert "is a file" in run(capsys, *words, "--out", tmp_path / "file", "--quiet", code=1)
        assert f"{tmp_path}/file/below" in run(capsys, *words, "--out", tmp_path / "file" / "below", "--quiet", code=1)
        run(capsys, "pack", golden_dataset, "--out", tmp_path / "packed", "--overwrite", "--quiet")


def test_wrong_usage(golden_dataset: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    assert "workers is 0: give 1 or more" in run(capsys, "pack", golden_dataset, "--out", out, "--workers", 0, code=1)
    assert "There is no dataset folder" in run(capsys, "unpack", tmp_path / "nowhere", "--out", out, code=1)
    assert "cerradata index" in run(capsys, "pack", golden_dataset / "msi_images", "--out", out, code=1)
    assert "s3://bucket/dataset" in run(capsys, "pack", golden_dataset, "--out", "s3://bucket/dataset", code=1)
    assert "s3://bucket/dataset" in run(capsys, "unpack", "s3://bucket/dataset", "--out", out, code=1)
    for words in (("pack", golden_dataset, "--compression", "zip"), ("unpack", golden_dataset)):
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        assert caught.value.code == 2
    assert not out.exists()


def test_a_store_is_not_given_up_for_one_that_cannot_be_made(dataset_copy: Path, capsys: Capture) -> None:
    assert main(["pack", str(dataset_copy), "--quiet"]) == 0
    patches = CerraData4MM(dataset_copy)
    before = patches[3]["image"]
    damaged = next((dataset_copy / "sar_images").glob("*_3.tif"))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    assert main(["pack", str(dataset_copy), "--quiet", "--overwrite", "--compression", "lz4"]) == 1
    assert damaged.name in capsys.readouterr().err
    shutil.rmtree(dataset_copy / "msi_images")
    assert main(["pack", str(dataset_copy), "--quiet", "--overwrite"]) == 1
    assert "has no files of layer msi" in capsys.readouterr().err
    np.testing.assert_array_equal(CerraData4MM(dataset_copy)[3]["image"], before)


def test_geotiffs_are_not_given_up_for_those_of_a_damaged_store(
    golden_dataset: Path, dataset_copy: Path, tmp_path: Path, capsys: Capture
) -> None:
    store = tmp_path / "packed"
    assert main(["pack", str(golden_dataset), "--out", str(store), "--quiet"]) == 0
    shard = store / "patches.zarr" / "msi" / "c" / "0" / "0" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.write_bytes(content)
    assert main(["unpack", str(store), "--out", str(dataset_copy), "--overwrite", "--quiet"]) == 1
    assert "the store is damaged" in capsys.readouterr().err
    assert main(["verify", str(dataset_copy), "--quiet"]) == 0


def test_an_unfinished_store_is_named(golden_dataset: Path, tmp_path: Path, capsys: Capture) -> None:
    store = tmp_path / "packed"
    assert main(["pack", str(golden_dataset), "--out", str(store), "--quiet"]) == 0
    (store / "patches.zarr" / "pack.json").unlink()
    with pytest.raises(DatasetError, match=r"is unfinished: it has no pack\.json"):
        CerraData4MM(store)
    (store / "patches.url").write_text("../elsewhere\n")
    with pytest.raises(DatasetError, match=r"patches\.url holds '\.\./elsewhere'"):
        CerraData4MM(store)


def test_verify_looks_at_what_other_software_reads(golden_dataset: Path, tmp_path: Path, capsys: Capture) -> None:
    store = tmp_path / "packed"
    assert main(["pack", str(golden_dataset), "--out", str(store), "--quiet"]) == 0
    ids = zarr.open_group(store / "patches.zarr", mode="r+")["id"]
    ids[:] = ids[:][::-1]
    assert main(["verify", str(store), "--quiet"]) == 1
    assert "are not the ids of index.parquet" in capsys.readouterr().out
    (store / "patches.zarr" / "zarr.json").unlink()
    assert main(["verify", str(store), "--quiet"]) == 1
    assert "cannot be opened as a Zarr group" in capsys.readouterr().out
