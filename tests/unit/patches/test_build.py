import errno
import json
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import cerradata.patches.schedule as schedule_module
from cerradata.core.errors import ConfigError, DamagedSceneError, DatasetError, LegendError, OutputError, SceneError
from cerradata.core.locations import Location
from cerradata.labels.edges import edge_mask
from cerradata.legend import LegendName, load_legend
from cerradata.patches.block import BlockResult
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.patches.config import BuildConfig, MsiConfig, SarConfig, SelectionConfig
from cerradata.patches.index import class_counts, read_index
from cerradata.patches.info import DatasetInfo
from cerradata.scenes import BandFile, SceneSource
from cerradata.scenes.bands import MSI_BANDS

PATCH, COLUMNS = 16, 5
REJECTED = {1: "unlabelled", 19: "unlabelled", 5: "invalid", 12: "invalid"}
KEPT = [i for i in range(20) if i not in REJECTED]
LAYERS = {
    "msi_images": "ms",
    "sar_images": "sar",
    "semantic_7c": "semantic_7c",
    "semantic_14c": "semantic_14c",
    "edge_7c": "edge_7c",
    "edge_14c": "edge_14c",
}
QUIET = BuildOptions(scheduler="threads", quiet=True)
Digests = Callable[[Path], dict[str, str]]
Sources = Any  # see tests/unit/conftest.py


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


def labels_of(codes: np.ndarray) -> np.ndarray:
    table = np.full(256, 255, np.uint8)
    for code, class_id in load_legend("cerradata-4mm").source("terraclass-cerrado-2022").classes.items():
        table[int(code)] = class_id
    return table[codes]


def window(patch_id: int) -> tuple[slice, slice]:
    row, col = divmod(patch_id, COLUMNS)
    return slice(row * PATCH, (row + 1) * PATCH), slice(col * PATCH, (col + 1) * PATCH)


def patch_file(root: Path, folder: str, patch_id: int, prefix: str = "cerradata") -> Path:
    return root / folder / f"{prefix}_{LAYERS[folder]}_{patch_id}.tif"


def pixels(root: Path, folder: str, patch_id: int) -> np.ndarray:
    with rasterio.open(patch_file(root, folder, patch_id)) as file:
        return file.read()


def truncate(path: str) -> None:
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[: len(data) * 2 // 3])


@pytest.mark.usefixtures("small_blocks")
def test_every_kept_patch_has_six_files_that_hold_the_pixels_of_the_sources(sources: Sources, root: Path) -> None:
    report = build_dataset(sources.config, root, QUIET)
    assert report.info.patches == len(KEPT)
    assert list(read_index(root)["id"]) == KEPT
    labels = labels_of(sources.codes)
    coarse = load_legend("cerradata-4mm").coarsen(labels, 2, 1)
    expected = {
        "msi_images": sources.msi,
        "semantic_14c": labels[None],
        "semantic_7c": coarse[None],
        "edge_14c": edge_mask(labels)[None],
        "edge_7c": edge_mask(coarse)[None],
    }
    for folder in LAYERS:
        assert sorted(p.name for p in (root / folder).iterdir()) == sorted(
            patch_file(root, folder, i).name for i in KEPT
        )
    for patch_id in KEPT:
        rows, columns = window(patch_id)
        for folder, whole in expected.items():
            np.testing.assert_array_equal(pixels(root, folder, patch_id), whole[:, rows, columns], err_msg=folder)
        np.testing.assert_allclose(pixels(root, "sar_images", patch_id), sources.sar[:, rows, columns], rtol=1e-6)
        np.testing.assert_array_equal(
            pixels(root, "semantic_7c", patch_id)[0],
            load_legend("cerradata-4mm").lookup(2, 1)[pixels(root, "semantic_14c", patch_id)[0]],
        )
    assert edge_mask(labels)[31:33].all(), "the sources have a class boundary along a border of blocks"


def test_files_say_what_they_hold(sources: Sources, root: Path) -> None:
    build_dataset(sources.config, root, QUIET)
    with rasterio.open(sources.config.scenes[0].path) as scene:
        transform, crs = scene.transform, scene.crs
    dtypes = {"msi_images": "uint16", "sar_images": "float32", "semantic_7c": "int32", "semantic_14c": "int32"}
    for folder in LAYERS:
        with rasterio.open(patch_file(root, folder, 13)) as file:
            assert file.dtypes[0] == dtypes.get(folder, "uint8")
            assert file.crs == crs
            assert file.transform.c == transform.c + 3 * PATCH * 10
            assert file.transform.f == transform.f - 2 * PATCH * 10
            assert (file.transform.a, file.transform.e) == (10, -10)
            if folder == "msi_images":
                assert file.nodata == 0
                assert file.descriptions == MSI_BANDS
                assert file.tags()["CERRADATA_UNIT"] == "reflectance"
                assert float(file.tags()["CERRADATA_SCALE"]) == 1e-4
                assert float(file.tags()["CERRADATA_OFFSET"]) == pytest.approx(-0.1)
            if folder == "sar_images":
                assert np.isnan(file.nodata)
                assert file.descriptions == ("VV", "VH")
                assert file.tags()["CERRADATA_UNIT"] == "amplitude"
            if folder.startswith("semantic"):
                assert file.nodata == 255
                assert file.tags()["CERRADATA_LEGEND"] == "cerradata-4mm"
                assert file.tags()["CERRADATA_LEVEL"] == {"semantic_7c": "1", "semantic_14c": "2"}[folder]


def test_rejected_patches_are_counted_by_reason_and_class(sources: Sources, root: Path) -> None:
    report = build_dataset(sources.config, root, QUIET)
    assert report.tally.patches == {"kept": 16, "unlabelled": 2, "invalid": 2, "unreadable": 0}
    labels = labels_of(sources.codes)
    for reason in ("unlabelled", "invalid"):
        own = [labels[window(i)].ravel() for i, why in REJECTED.items() if why == reason]
        np.testing.assert_array_equal(
            report.tally.pixels[reason], np.bincount(np.concatenate(own), minlength=256)[:14], err_msg=reason
        )
    assert report.tally.lost_classes(load_legend("cerradata-4mm").finest) == ["Mining"]
    counts = class_counts(read_index(root), 2)
    np.testing.assert_array_equal(counts, report.tally.pixels["kept"])
    assert counts.sum() == 16 * PATCH * PATCH


def test_patches_with_holes_are_kept_where_the_rule_allows_them(sources: Sources, root: Path) -> None:
    config = sources.build(selection=SelectionConfig(max_unlabelled=0.01, max_invalid=0.01))
    assert build_dataset(config, root, QUIET).info.patches == 20
    assert (pixels(root, "semantic_14c", 1) == 255).sum() == 1
    assert (pixels(root, "msi_images", 12) == 0).sum() == 1
    assert np.isnan(pixels(root, "sar_images", 5)).sum() == 1
    index = read_index(root).set_index("id")
    assert index.loc[12, "valid_share"] == index.loc[5, "valid_share"] == 1 - 1 / 256
    assert index.loc[0, "valid_share"] == 1


def test_index_places_each_patch(sources: Sources, root: Path) -> None:
    build_dataset(sources.config, root, QUIET)
    index = read_index(root).set_index("id")
    assert (index["row"] * COLUMNS + index["col"] == index.index).all()
    with rasterio.open(patch_file(root, "msi_images", 13)) as file:
        bounds, crs = file.bounds, file.crs
    assert index.to_crs(crs).loc[[13]].total_bounds == pytest.approx(bounds, abs=1e-3)
    assert list(index.loc[13, "scenes"]) == ["S2A_MSIL2A_20220710.tif", "S1A_IW_GRDH_20220712.tif"]
    assert list(index.loc[13, "dates"]) == ["2022-07-10", "2022-07-12"]


def test_statistics_are_those_of_the_stored_valid_numbers(sources: Sources, root: Path) -> None:
    config = sources.build(selection=SelectionConfig(max_unlabelled=1, max_invalid=1))
    info = build_dataset(config, root, QUIET).info
    red = sources.msi[3][sources.msi[3] > 0].astype(float)
    found = info.layers["msi"].statistics["B04"]
    assert found == pytest.approx({"mean": red.mean(), "std": red.std(), "min": red.min(), "max": red.max()})
    vh = sources.sar[1][sources.sar[1] > 0].astype(float)
    found = info.layers["sar"].statistics["VH"]
    assert found == pytest.approx({"mean": vh.mean(), "std": vh.std(), "min": vh.min(), "max": vh.max()}, rel=1e-5)
    assert info.layers["msi"].radiometry.quantiles["B04"] == pytest.approx(np.quantile(red, (0.05, 0.5, 0.95)))


def test_other_offset_and_unit_are_stored_on_request(sources: Sources, root: Path) -> None:
    config = sources.build(
        msi=MsiConfig(stored_offset=0, bands=("B08", "B04")), sar=SarConfig(unit="db", bands=("VH",))
    )
    info = build_dataset(config, root, QUIET).info
    rows, columns = window(13)
    numbers = sources.msi[[7, 3]][:, rows, columns].astype(int) - 1000
    np.testing.assert_array_equal(pixels(root, "msi_images", 13), numbers)
    decibels = 20 * np.log10(sources.sar[1:, rows, columns])
    np.testing.assert_allclose(pixels(root, "sar_images", 13), decibels, atol=1e-4)
    assert info.layers["msi"].radiometry.offset == 0
    assert info.layers["sar"].radiometry.unit == "db"


def test_reflectance_of_zero_and_below_does_not_become_no_data(
    sources: Sources, root: Path, make_raster: Callable[..., Path]
) -> None:
    dark = np.full((1, 64, 80), 900, np.uint16)
    make_raster(Path(sources.config.scenes[0].path), dark)
    scene = SceneSource("sentinel-2", sources.config.scenes[0].path, bands=("B02",), offset=-1000)
    build_dataset(sources.build(scenes=(scene,), msi=MsiConfig(stored_offset=0)), root, QUIET)
    assert (pixels(root, "msi_images", 13) == 1).all()


def test_dataset_does_not_depend_on_workers_or_blocks(
    sources: Sources, tmp_path: Path, bytes_of: Digests, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_dataset(sources.config, tmp_path / "whole", BuildOptions(workers=1, quiet=True))
    monkeypatch.setattr("cerradata.patches.cut._BLOCK_PIXELS", 2 * PATCH)
    build_dataset(sources.config, tmp_path / "serial", BuildOptions(workers=1, quiet=True))
    build_dataset(sources.config, tmp_path / "parallel", BuildOptions(workers=4, scheduler="threads", quiet=True))
    whole, serial, parallel = (bytes_of(tmp_path / name) for name in ("whole", "serial", "parallel"))
    assert serial == parallel
    for digests in (whole, serial):
        digests.pop("dataset.json")  # its sums are added block by block: the last bit may differ
    assert whole == serial


def interrupt_after(blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = schedule_module.build_block
    done = []

    def build_block(*arguments: object, **options: object) -> BlockResult:
        if len(done) >= blocks:
            raise KeyboardInterrupt
        done.append(1)
        return real(*arguments, **options)

    monkeypatch.setattr(schedule_module, "build_block", build_block)


def interrupted(config: BuildConfig, root: Path, monkeypatch: pytest.MonkeyPatch, blocks: int = 3) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(blocks, patch)
        with pytest.raises(KeyboardInterrupt):
            build_dataset(config, root, BuildOptions(workers=1, quiet=True))
    assert not (root / "dataset.json").exists()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("blocks", [0, 5])
def test_interrupted_build_goes_on_to_the_identical_dataset(
    sources: Sources, tmp_path: Path, bytes_of: Digests, monkeypatch: pytest.MonkeyPatch, blocks: int
) -> None:
    interrupted(sources.config, tmp_path / "resumed", monkeypatch, blocks)
    report = build_dataset(sources.config, tmp_path / "resumed", QUIET)
    assert report.resumed == blocks
    build_dataset(sources.config, tmp_path / "whole", QUIET)
    assert bytes_of(tmp_path / "resumed") == bytes_of(tmp_path / "whole")


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("damage", ["truncated", "other pixels", "folders deleted"])
def test_what_was_damaged_during_the_pause_is_built_again(
    sources: Sources, tmp_path: Path, bytes_of: Digests, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    root = tmp_path / "resumed"
    interrupted(sources.config, root, monkeypatch)
    victim = patch_file(root, "semantic_14c", 0)
    match damage:
        case "truncated":
            truncate(str(victim))
        case "other pixels":
            shutil.copy(patch_file(root, "semantic_14c", 2), victim)
        case _:
            for folder in LAYERS:
                shutil.rmtree(root / folder)
    report = build_dataset(sources.config, root, QUIET)
    assert report.resumed == (0 if damage == "folders deleted" else 2)
    build_dataset(sources.config, tmp_path / "whole", QUIET)
    assert bytes_of(root) == bytes_of(tmp_path / "whole")


_BUILD = """
import pickle, sys, time
import cerradata.patches.build as build
import cerradata.patches.cut as cut
import cerradata.patches.schedule as schedule
cut._BLOCK_PIXELS = 16
config, root = pickle.loads(open(sys.argv[1], "rb").read())
real = schedule.build_block
def slowly(*arguments, **options):
    time.sleep(0.02)
    return real(*arguments, **options)
schedule.build_block = slowly
build.build_dataset(config, root, build.BuildOptions(workers=2, scheduler="threads", quiet=True))
"""


def test_killed_build_goes_on_to_the_identical_dataset(
    sources: Sources, tmp_path: Path, bytes_of: Digests, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, job = tmp_path / "killed", tmp_path / "job"
    job.write_bytes(pickle.dumps((sources.config, root)))
    journal = root / "build-journal.jsonl"
    process = subprocess.Popen([sys.executable, "-c", _BUILD, str(job)])
    deadline = time.monotonic() + 60
    while (not journal.exists() or journal.read_bytes().count(b"\n") < 6) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (root / "dataset.json").exists()
    begun = root / "msi_images" / ".cerradata_ms_19.0abcdefg.tif"
    begun.write_bytes(b"cut short")
    monkeypatch.setattr("cerradata.patches.cut._BLOCK_PIXELS", PATCH)
    report = build_dataset(sources.config, root, QUIET)
    assert 5 <= report.resumed < 20
    build_dataset(sources.config, tmp_path / "whole", QUIET)
    assert bytes_of(root) == bytes_of(tmp_path / "whole")
    assert not begun.exists()


@pytest.mark.usefixtures("small_blocks")
def test_unfinished_build_of_another_configuration_is_refused(
    sources: Sources, root: Path, bytes_of: Digests, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(sources.config, root, monkeypatch)
    before = bytes_of(root)
    with pytest.raises(OutputError, match="another configuration"):
        build_dataset(sources.build(edge_width=2), root, QUIET)
    assert bytes_of(root) == before
    report = build_dataset(
        sources.build(edge_width=2), root, BuildOptions(scheduler="threads", overwrite=True, quiet=True)
    )
    assert report.resumed == 0
    assert report.info.edge_width == 2


@pytest.mark.usefixtures("small_blocks")
def test_legend_edited_during_the_pause_is_refused(
    sources: Sources, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    legend = tmp_path / "legend.yaml"
    text = (Path(schedule_module.__file__).parents[1] / "legend" / "data" / "cerradata-4mm.yaml").read_text("utf-8")
    legend.write_text(text, "utf-8")
    config = sources.build(legend=LegendName(legend))
    interrupted(config, root, monkeypatch)
    legend.write_text(text.replace("9: 7, 10: 0", "9: 8, 10: 0"), "utf-8")
    with pytest.raises(OutputError, match="configuration or legend"):
        build_dataset(config, root, QUIET)


def test_finished_dataset_is_replaced_only_on_request(sources: Sources, root: Path, bytes_of: Digests) -> None:
    build_dataset(sources.config, root, QUIET)
    before = bytes_of(root)
    with pytest.raises(OutputError, match="--overwrite"):
        build_dataset(sources.build(name="other"), root, QUIET)
    assert bytes_of(root) == before
    stale = root / "msi_images" / "cerradata_ms_999.tif"
    stale.write_bytes(b"")
    report = build_dataset(
        sources.build(name="other"), root, BuildOptions(scheduler="threads", overwrite=True, quiet=True)
    )
    assert report.info.name == "other"
    assert not stale.exists()


def test_folder_of_somebody_else_is_never_deleted(sources: Sources, root: Path) -> None:
    (root / "thesis").mkdir(parents=True)
    (root / "thesis" / "chapter.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="choose another --out"):
            build_dataset(sources.config, root, BuildOptions(scheduler="threads", overwrite=overwrite, quiet=True))
    assert (root / "thesis" / "chapter.txt").read_text() == "years of work"
    assert not (root / "msi_images").exists()


def test_wrong_configuration_writes_nothing(sources: Sources, root: Path) -> None:
    with pytest.raises(ConfigError, match="larger than the area, which has 64 rows and 80 columns"):
        build_dataset(sources.build(patch_size=65), root, QUIET)
    with pytest.raises(SceneError, match="has no band B10"):
        build_dataset(sources.build(msi=MsiConfig(bands=("B10",))), root, QUIET)
    with pytest.raises(LegendError, match="no source"):
        build_dataset(sources.build(legend=LegendName("osm-landuse")), root, QUIET)
    assert not root.exists()


def damage_block(scene: Path, row: int, col: int) -> bytes:
    """Write a scene anew in blocks of 16 x 16 pixels, spoil the one at a row and column; give the whole file's bytes."""
    with rasterio.open(scene) as file:
        profile = file.profile | {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
        numbers = file.read()
    with rasterio.open(scene, "w", **profile) as file:
        file.write(numbers)
    with rasterio.open(scene) as file:
        offset = int(file.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=1))
    whole = scene.read_bytes()
    scene.write_bytes(whole[:offset] + bytes(20) + whole[offset + 20 :])
    return whole


@pytest.mark.usefixtures("small_blocks")
def test_unreadable_scene_costs_the_blocks_that_it_is_needed_for(sources: Sources, root: Path) -> None:
    scene = Path(sources.config.scenes[1].path)
    whole = damage_block(scene, row=2, col=3)  # in patch 13 of the block of patches 12, 13, 17 and 18
    report = build_dataset(sources.config, root, QUIET)
    assert len(report.errors) == 1
    assert "S1A_IW_GRDH_20220712.tif is damaged or truncated at rows 32 to 64, columns 32 to 64" in report.errors[0]
    assert report.tally.patches == {"kept": 15, "unlabelled": 2, "invalid": 2, "unreadable": 1}
    assert list(read_index(root)["id"]) == [i for i in KEPT if i != 13]
    assert DatasetInfo.read(root).selection["patches"] == report.tally.patches
    with pytest.raises(SceneError, match="S1A_IW_GRDH_20220712"):
        build_dataset(sources.config, root, BuildOptions(scheduler="threads", strict=True, overwrite=True, quiet=True))
    assert not (root / "dataset.json").exists()
    scene.write_bytes(whole)
    report = build_dataset(sources.config, root, BuildOptions(scheduler="threads", strict=True, quiet=True))
    assert report.resumed > 0
    assert report.info.patches == len(KEPT)


def test_nothing_kept_is_an_error_that_says_why(sources: Sources, root: Path, make_raster: Callable[..., Path]) -> None:
    make_raster(Path(sources.config.reference.location), np.zeros((64, 80), np.uint8))
    with pytest.raises(DatasetError, match=r"Not one patch was kept \(unlabelled: 20\).*max_unlabelled"):
        build_dataset(sources.config, root, QUIET)
    assert not (root / "dataset.json").exists()


def test_nothing_readable_names_the_first_error(sources: Sources, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(file: BandFile, *_: object, what: str, **__: object) -> None:
        raise DamagedSceneError(f"Cannot read {what}: {file.location} is damaged")

    monkeypatch.setattr(BandFile, "read", damaged)
    words = r"none could be read \(unreadable: 20\)\. First error: .*S2A_MSIL2A_20220710.tif is damaged"
    with pytest.raises(DatasetError, match=words):
        build_dataset(sources.config, root, QUIET)


@pytest.mark.usefixtures("small_blocks")
def test_full_disk_is_told_and_what_was_finished_stays(
    sources: Sources, tmp_path: Path, bytes_of: Digests, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "full"
    real = Path.write_bytes
    written: list[Path] = []

    def write_bytes(path: Path, data: bytes) -> int:
        if path.suffix == ".tif" and len(written) >= 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        return real(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_bytes)
        with pytest.raises(OutputError, match="No space left"):
            build_dataset(sources.config, root, BuildOptions(workers=1, quiet=True))
    report = build_dataset(sources.config, root, QUIET)
    assert report.resumed >= 1
    build_dataset(sources.config, tmp_path / "whole", QUIET)
    assert bytes_of(root) == bytes_of(tmp_path / "whole")


def test_time_windows_become_part_of_the_band_names(
    sources: Sources, root: Path, tmp_path: Path, make_raster: Callable[..., Path]
) -> None:
    wet = make_raster(tmp_path / "sources" / "S2A_MSIL2A_20220115.tif", sources.msi + 500)
    dry, radar = sources.config.scenes
    scenes = (dry, SceneSource("sentinel-2", Location(wet), bands=MSI_BANDS, offset=-1000), radar)
    config = sources.build(
        scenes=scenes,
        msi=MsiConfig(bands=("B04", "B08")),
        time_windows={"dry": ("2022-06-01", "2022-08-31"), "wet": ("2022-01-01", "2022-02-28")},
    )
    with pytest.raises(ConfigError, match=r"'wet'.*holds no scene"):
        build_dataset(config, root, QUIET)  # there is no Sentinel-1 of that time
    info = build_dataset(sources.build(**{**vars(config), "scenes": scenes[:2]}), root, QUIET).info
    names = ("B04@dry", "B08@dry", "B04@wet", "B08@wet")
    rows, columns = window(13)
    expected = np.concatenate([sources.msi[[3, 7]], sources.msi[[3, 7]] + 500])[:, rows, columns]
    np.testing.assert_array_equal(pixels(root, "msi_images", 13), expected)
    with rasterio.open(patch_file(root, "msi_images", 13)) as file:
        assert file.descriptions == names
    plain = json.loads((root / "dataset.json").read_text())
    assert tuple(plain["layers"]["msi"]["radiometry"]["bands"]) == names
    assert tuple(plain["layers"]["msi"]["statistics"]) == names
    assert plain["provenance"]["time_windows"]["wet"] == ["2022-01-01", "2022-02-28"]
    assert info.layers["msi"].radiometry.time_windows == ("dry", "wet")
    assert list(read_index(root).set_index("id").loc[13, "dates"]) == ["2022-01-15", "2022-07-10"]


def test_elevation_is_a_layer_of_its_own(
    sources: Sources, root: Path, tmp_path: Path, make_raster: Callable[..., Path]
) -> None:
    height = (np.arange(64 * 80).reshape(64, 80) / 10).astype(np.float32)
    path = make_raster(tmp_path / "sources" / "dem.tif", height)
    config = sources.build(scenes=(*sources.config.scenes, SceneSource("elevation", Location(path))))
    info = build_dataset(config, root, QUIET).info
    assert info.layers["elevation"].radiometry.unit == "metre"
    with rasterio.open(root / "elevation" / "cerradata_elevation_13.tif") as file:
        np.testing.assert_array_equal(file.read(1), height[window(13)])
        assert file.tags()["CERRADATA_UNIT"] == "metre"


def test_folders_and_prefix_can_be_named(sources: Sources, root: Path) -> None:
    build_dataset(sources.build(folders={"msi": "opt_images"}, prefix="bico_do_papagaio"), root, QUIET)
    assert (root / "opt_images" / "bico_do_papagaio_ms_13.tif").is_file()
    assert not (root / "msi_images").exists()
    assert DatasetInfo.read(root).layers["msi"].folder == "opt_images"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folders": {"msi": "sar_images"}}, "folder of another layer"),
        ({"folders": {"msi": "x", "sar": "x"}}, "folder of another layer"),
        ({"folders": {"msi": "semantic_7c"}}, "a folder of its own"),
        ({"folders": {"msi": "../elsewhere"}}, "plain name"),
        ({"folders": {"msi": "train"}}, "a folder of its own"),
        ({"folders": {"msi": ""}}, "plain name"),
        ({"folders": {"labels": "x"}}, "no layer 'labels'"),
        ({"prefix": ""}, "prefix"),
        ({"prefix": "a/b"}, "prefix"),
        ({"prefix": ".hidden"}, "prefix"),
        ({"patch_size": 7}, "patch_size is 7"),
        ({"edge_width": 0}, "edge_width is 0"),
        ({"scenes": ()}, "scenes"),
    ],
)
def test_configuration_that_cannot_work_is_refused(sources: Sources, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sources.build(**changes)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        SelectionConfig(max_unlabelled=share)


def test_offset_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="stored_offset"):
        MsiConfig(stored_offset=-1)


@pytest.mark.usefixtures("small_blocks")
def test_wide_edges_are_those_of_the_whole_raster(sources: Sources, root: Path) -> None:
    build_dataset(sources.build(edge_width=3), root, QUIET)
    expected = edge_mask(labels_of(sources.codes), 3)
    for patch_id in KEPT:
        np.testing.assert_array_equal(pixels(root, "edge_14c", patch_id)[0], expected[window(patch_id)])


THREE_LEVELS = """
name: three-levels
title: Three levels
levels:
  - classes:
      - {id: 0, name: Land, short: L, colour: [1, 1, 1]}
      - {id: 1, name: Water, short: W, colour: [2, 2, 2]}
  - classes:
      - {id: 0, name: Used, short: U, colour: [1, 1, 1], parent: 0}
      - {id: 1, name: Natural, short: N, colour: [2, 2, 2], parent: 0}
      - {id: 2, name: Water, short: W, colour: [3, 3, 3], parent: 1}
  - classes:
      - {id: 0, name: Pasture, short: P, colour: [1, 1, 1], parent: 0}
      - {id: 1, name: Crops, short: C, colour: [2, 2, 2], parent: 0}
      - {id: 2, name: Forest, short: F, colour: [3, 3, 3], parent: 1}
      - {id: 3, name: Water, short: W, colour: [4, 4, 4], parent: 2}
sources:
  terraclass-cerrado-2022:
    codes: {11: 0, 14: 1, 9: 1, 12: 1, 13: 1, 15: 1, 16: 1, 1: 2, 2: 2, 23: 3, 17: 0, 21: 0, 20: 0}
    unlabelled: [0, 25]
"""


def test_legend_of_three_levels_gives_three_label_layers(sources: Sources, root: Path, tmp_path: Path) -> None:
    legend = tmp_path / "legend.yaml"
    legend.write_text(THREE_LEVELS)
    info = build_dataset(sources.build(legend=LegendName(legend)), root, QUIET).info
    assert info.labels == (1, 2, 3)
    for patch_id in KEPT:
        found = {}
        for n in (2, 3, 4):
            with rasterio.open(root / f"semantic_{n}c" / f"cerradata_semantic_{n}c_{patch_id}.tif") as file:
                found[n] = file.read(1)
        np.testing.assert_array_equal(found[3], np.array([0, 0, 1, 2])[found[4]])
        np.testing.assert_array_equal(found[2], np.array([0, 0, 1])[found[3]])
    water = int((sources.codes == 23).sum()) - sum(int((sources.codes[window(i)] == 23).sum()) for i in REJECTED)
    assert class_counts(read_index(root), 1).tolist()[1] == water > 0


def test_levels_of_the_same_size_are_refused(sources: Sources, root: Path, tmp_path: Path) -> None:
    legend = tmp_path / "legend.yaml"
    water = "      - {id: 1, name: Water, short: W, colour: [2, 2, 2]}\n"
    ice = "      - {id: 2, name: Ice, short: I, colour: [3, 3, 3]}\n"
    legend.write_text(THREE_LEVELS.replace(water, water + ice))
    with pytest.raises(ConfigError, match="same number of classes"):
        build_dataset(sources.build(legend=LegendName(legend)), root, QUIET)
