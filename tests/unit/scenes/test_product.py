"""Sentinel-2 products as they come: SAFE folders and their zips, of both levels and of several baselines."""

import datetime as dt
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.scenes import Scene, SceneSource, open_scene
from cerradata.scenes.bands import MSI_BANDS, SENTINEL2
from cerradata.scenes.mask import ClassMask
from cerradata.scenes.open import stated_metadata
from cerradata.scenes.product import ProductFiles, holds_product, product_files
from cerradata.simulation.catalog import SceneFiles
from cerradata.simulation.safe import write_safe, zip_safe

Factory = Callable[..., Path]
WHOLE = slice(0, 60), slice(0, 60)


def write_product(
    root: Path, make_raster: Factory, *, level: str = "L2A", baseline: str = "05.10", offset: int = -1000, day: int = 10
) -> Path:
    """A product of 60 x 60 pixels of 10 m: number = 1000 + 100 * row + col - 1; the first is no data. SCL = col % 12."""
    names: Sequence[str] = (*MSI_BANDS, "SCL") if level == "L2A" else tuple(SENTINEL2)
    files = {}
    for band in names:
        resolution = SENTINEL2[band].resolution if band in SENTINEL2 else 20
        rows, columns = np.mgrid[: 600 // resolution, : 600 // resolution]
        pixels = (1000 + 100 * rows + columns).astype(np.uint16)
        pixels[0, 0] = 0
        pixels = (columns % 12).astype(np.uint8) if band == "SCL" else pixels
        files[band] = make_raster(root / "source" / f"{band}.tif", pixels, resolution=resolution)
    scene = SceneFiles(
        id="july",
        sensor="sentinel-2",
        folder=root / "source",
        files=files,
        datetime=dt.datetime(2022, 7, day, 13, 22, 31, tzinfo=dt.UTC),
        properties={
            "s2:processing_baseline": baseline,
            "sat:relative_orbit": 38,
            "sat:orbit_state": "descending",
        },
        scale=1e-4,
        offset=offset / 10_000,
        unit="reflectance",
        nodata=0,
        simulated="made for a test",
    )
    return write_safe(root, scene, tile="22MGU", level=level)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def l2a(tmp_path_factory: pytest.TempPathFactory, make_raster: Factory) -> Path:
    return write_product(tmp_path_factory.mktemp("l2a"), make_raster)


@pytest.fixture(scope="module")
def l1c(tmp_path_factory: pytest.TempPathFactory, make_raster: Factory) -> Path:
    return write_product(tmp_path_factory.mktemp("l1c"), make_raster, level="L1C")


def opened(path: Path, **said: object) -> Scene:
    return open_scene(SceneSource("sentinel-2", Location(path), **said))  # type: ignore[arg-type]


@pytest.mark.parametrize("level", ["L2A", "L1C"])
def test_the_zip_of_a_product_is_the_same_scene_as_its_folder(level: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(level.lower())
    unpacked, packed = opened(folder), opened(zip_safe(folder))
    assert packed.radiometry == unpacked.radiometry
    assert (packed.date, packed.simulated) == (dt.date(2022, 7, 10), "made for a test")
    said = packed.radiometry
    assert (said.product_level, said.processing_baseline) == (level, "05.10")
    assert (said.orbit_pass, said.relative_orbit, said.offset) == ("descending", 38, -0.1)
    assert tuple(packed.bands) == (MSI_BANDS if level == "L2A" else tuple(SENTINEL2))
    for name, band in packed.bands.items():
        size = 600 // SENTINEL2[name].resolution
        assert (band.grid, band.location[:8]) == (unpacked.bands[name].grid, "/vsizip/")
        window = slice(0, size), slice(0, size)
        np.testing.assert_array_equal(packed.read(name, *window), unpacked.read(name, *window))
    blue = packed.read("B02", *WHOLE)
    assert np.isnan(blue[0, 0])
    assert blue[7, 5] == pytest.approx(705 / 10_000)
    assert len(packed.masks) == len(unpacked.masks) == (1 if level == "L2A" else 0)


def test_the_scene_classification_in_a_zip_hides_clouds(l2a: Path) -> None:
    (mask,) = opened(zip_safe(l2a)).masks
    assert isinstance(mask, ClassMask)
    assert mask.read(slice(0, 1), slice(0, 12))[0].tolist() == [1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 1, 0]


def test_a_scene_in_a_zip_goes_to_another_process(l2a: Path) -> None:
    scene = opened(zip_safe(l2a))
    copy = pickle.loads(pickle.dumps(scene))
    np.testing.assert_array_equal(copy.read("B8A", *WHOLE), scene.read("B8A", *WHOLE))


@pytest.mark.parametrize(
    ("level", "baseline", "offset"),
    [
        ("L2A", "03.01", 0),
        ("L2A", "04.00", -1000),
        ("L2A", "05.00", -1000),
        ("L1C", "02.05", 0),
        ("L1C", "05.00", -1000),
    ],
)
def test_the_offset_is_that_of_the_product_s_baseline(
    tmp_path: Path, make_raster: Factory, level: str, baseline: str, offset: int
) -> None:
    folder = write_product(tmp_path, make_raster, level=level, baseline=baseline, offset=offset)
    number = baseline.replace(".", "")
    assert f"_MSI{level}_" in folder.name
    assert f"_N{number}_" in folder.name
    for path in (folder, zip_safe(folder)):
        scene = opened(path)
        assert (scene.radiometry.processing_baseline, scene.radiometry.offset) == (baseline, offset / 10_000)
        assert scene.read("B03", *WHOLE)[3, 4] == pytest.approx((1304 + offset) / 10_000)


def test_the_zip_s_name_does_not_matter(l2a: Path, tmp_path: Path) -> None:
    path = shutil.copy(zip_safe(l2a), tmp_path / "july.zip")
    said = opened(path).radiometry
    assert (said.relative_orbit, said.processing_baseline) == (38, "05.10")


def test_a_zip_without_a_folder_in_it_and_with_marks_of_a_macintosh(l2a: Path, tmp_path: Path) -> None:
    path = tmp_path / "july.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("GRANULE/", "")
        for file in (p for p in l2a.rglob("*") if p.is_file()):
            name = file.relative_to(l2a).as_posix()
            archive.write(file, name)
            archive.writestr(f"__MACOSX/{Path(name).parent}/._{Path(name).name}", b"of no use")
    assert tuple(opened(path).bands) == MSI_BANDS


def test_what_may_hold_a_product(l2a: Path, tmp_path: Path) -> None:
    packed = zip_safe(l2a)
    assert holds_product(Location(l2a))
    assert holds_product(Location(packed))
    assert not holds_product(Location(tmp_path / "missing.zip"))
    assert not holds_product(Location(next(l2a.rglob("*_B02_10m.jp2"))))
    assert not holds_product(Location("s3://bucket/product.zip"))
    assert product_files(Location(packed)).top == product_files(Location(l2a)).top == l2a.name


def test_a_band_in_a_zip_can_be_given_by_itself(l2a: Path) -> None:
    packed = zip_safe(l2a)
    (member,) = (name for name in product_files(Location(packed)).names if name.endswith("_B04_10m.jp2"))
    path = Location(f"/vsizip/{packed}/{member}")
    scene = open_scene(SceneSource("sentinel-2", path, ("B04",), offset=-1000))
    assert scene.read("B04", *WHOLE)[3, 4] == pytest.approx(304 / 10_000)


@pytest.fixture
def cut(l2a: Path, tmp_path: Path) -> Path:
    content = zip_safe(l2a).read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(content[: len(content) // 2])
    return path


def test_a_zip_that_is_cut_short_or_none_is_told(cut: Path, tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"cut\.zip is no zip, or cut short .*fetch it again"):
        opened(cut)
    (tmp_path / "page.zip").write_text("<html>Log in first</html>")
    for source in (open_scene, stated_metadata):
        with pytest.raises(SceneError, match=r"page\.zip is no zip, or cut short"):
            source(SceneSource("sentinel-2", Location(tmp_path / "page.zip")))


def test_damage_in_a_zip_is_told_when_it_is_read(l2a: Path, tmp_path: Path) -> None:
    content = bytearray(zip_safe(l2a).read_bytes())
    with zipfile.ZipFile(zip_safe(l2a)) as archive:
        members = {member.filename: member for member in archive.infolist()}
    (metadata,) = (member for name, member in members.items() if name.endswith("MTD_MSIL2A.xml"))
    middle = metadata.header_offset + 30 + len(metadata.filename) + metadata.compress_size // 2
    content[middle : middle + 8] = bytes(8)
    (tmp_path / "bad.zip").write_bytes(content)
    with pytest.raises(SceneError, match=r"MTD_MSIL2A\.xml cannot be read .*: fetch the product again"):
        opened(tmp_path / "bad.zip")


def test_two_products_in_one_zip_or_folder_are_named(l2a: Path, l1c: Path, tmp_path: Path) -> None:
    for product in (l2a, l1c):
        shutil.copytree(product, tmp_path / "july" / product.name)
    with zipfile.ZipFile(tmp_path / "july.zip", "w") as archive:
        for file in (p for p in (tmp_path / "july").rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(tmp_path / "july"))
    for path in (tmp_path / "july", tmp_path / "july.zip"):
        with pytest.raises(
            SceneError, match=rf"holds 2 products: {l1c.name}, {l2a.name}\. One folder or zip is one scene"
        ):
            opened(path)


def test_metadata_of_two_products_tell_them_apart_without_safe_folders(
    tmp_path: Path, make_sentinel2_folder: Factory
) -> None:
    for day in ("0710", "0720"):
        make_sentinel2_folder(tmp_path / day, size=12, bands=("B02",))
        (tmp_path / day / "MTD_MSIL2A.xml").write_text("<a/>")
    with pytest.raises(SceneError, match="holds 2 products: 0710, 0720"):
        opened(tmp_path)


def test_a_folder_of_zips_names_them(l2a: Path, tmp_path: Path) -> None:
    packed = shutil.copy(zip_safe(l2a), tmp_path)
    with pytest.raises(SceneError, match=rf"no sentinel-2 band files.*It holds {Path(packed).name}: give each zip"):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["B02_10m", "B11_20m", "SCL_20m"])
def test_a_product_without_a_file_of_its_list_is_told(l2a: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(l2a, tmp_path / l2a.name))
    (missing,) = folder.rglob(f"*_{name}.jp2")
    missing.unlink()
    for path in (folder, zip_safe(folder)):
        with pytest.raises(SceneError, match=rf"lacks {missing.name}, which the product's metadata list.*`bands`"):
            opened(path)
    kept = opened(folder, bands=("B03", "B8A"))
    assert tuple(kept.bands) == ("B03", "B8A")
    if name == "SCL_20m":
        assert opened(folder, cloud_mask="none").masks == ()


def test_a_coarser_copy_does_not_stand_in_for_a_missing_native_band(
    l2a: Path, tmp_path: Path, make_raster: Factory
) -> None:
    folder = Path(shutil.copytree(l2a, tmp_path / l2a.name))
    (native,) = folder.rglob("*_B02_10m.jp2")
    make_raster(native.parent / "T22MGU_20220710T132231_B02_20m.tif", np.ones((30, 30), np.uint16), resolution=20)
    native.unlink()
    with pytest.raises(SceneError, match=r"lacks T22MGU_20220710T132231_B02_10m\.jp2"):
        opened(folder)


def test_l1c_has_no_scene_classification(l1c: Path) -> None:
    with pytest.raises(
        SceneError, match=r"an L1C product has no scene classification layer\. Use `cloud_mask: s2cloudless`"
    ):
        opened(l1c, cloud_mask="scl")


@pytest.mark.parametrize("path", ["s3://bucket/S2A.SAFE.zip", "/vsizip/vsicurl/https://example.org/S2A.SAFE.zip"])
def test_a_remote_zip_cannot_be_listed(path: str) -> None:
    with pytest.raises(
        SceneError, match=r"a remote folder or zip cannot be listed\. Give one file with all bands, or copy"
    ):
        open_scene(SceneSource("sentinel-2", Location(path), offset=0))


def test_a_file_that_vanishes_is_told(tmp_path: Path) -> None:
    files = ProductFiles(Location(tmp_path), ("MTD_MSIL2A.xml",))
    with pytest.raises(SceneError, match=rf"{os.sep}MTD_MSIL2A.xml cannot be read"):
        files.read_bytes("MTD_MSIL2A.xml")
