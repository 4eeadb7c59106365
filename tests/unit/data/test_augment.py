from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import torch
from hypothesis import given
from hypothesis import strategies as st

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.cube.variables.terrain import aspect, gradient
from cerradata.data.augment import Augment, AugmentationConfig, aspect_bands
from cerradata.data.augment.geometry import Placement, Symmetry, place, turn_directions
from cerradata.scenes import Radiometry

SIZE = 8
MSI = Radiometry("sentinel-2", ("B02", "B04", "B8A"), "reflectance", scale=1e-4, offset=-0.1)
SAR = Radiometry("sentinel-1", ("VV", "VH"), "amplitude")
NDVI = Radiometry("derived", ("ndvi",), "one")
LAYERS = {"msi": MSI, "sar": SAR, "ndvi": NDVI}
BANDS = ("B02", "B04", "B8A", "VV", "VH", "ndvi")

SYMMETRIES = [Symmetry(*steps) for steps in product((False, True), repeat=3)]
CHI_SQUARE_7, CHI_SQUARE_15 = 24.3, 37.7  # exceeded once in 1,000 by chance


def augment_of(seed: int = 666, bands: Sequence[str] = BANDS, size: int = SIZE, **config: float | None) -> Augment:
    return Augment(AugmentationConfig(**config), seed, bands, LAYERS, size)


def painted(*ids: int, size: int = SIZE, windows: int = 0) -> dict[str, torch.Tensor]:
    """Coordinates painted into every layer: pixel = 100 * row + col, plus 10,000 times the id, plus 0.1 times the band.

    Pixel (1, 2) of the image has no data, and is 255 in the mask.
    """
    coordinates = 100 * torch.arange(size)[:, None] + torch.arange(size)[None]
    stacked = torch.stack([coordinates + 10_000 * i for i in ids])
    image = stacked[:, None] + 0.1 * torch.arange(len(BANDS))[:, None, None]
    mask = stacked.clone()
    image[..., 1, 2], mask[:, 1, 2] = torch.nan, 255
    return {
        "image": image.unflatten(1, (windows, -1)) if windows else image,
        "mask": mask,
        "edge": stacked + 7,
        "targets": torch.stack([stacked + 0.5, -stacked.float()], dim=1),
        "id": torch.tensor(ids),
    }


def coordinates_of(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """(B, H, W) what is painted into the edges: 100 * row + col."""
    return (batch["edge"] - 7) % 10_000


def numbers(*ids: int, size: int = 4) -> dict[str, torch.Tensor]:
    """Plausible stored numbers: reflectance x 10000 + 1000, amplitudes, an index. One pixel of each band has no data."""
    generator = torch.Generator().manual_seed(1)
    image = 2000 + 3000 * torch.rand((len(ids), len(BANDS), size, size), generator=generator)
    image[:, 3:5] /= 20
    image[:, 5] = image[:, 5] / 5000 - 0.5
    image[:, :, 0, 0] = torch.nan
    return {"image": image, "mask": torch.zeros((len(ids), size, size), dtype=torch.int64), "id": torch.tensor(ids)}


def moved_by_numpy(pixels: npt.NDArray[Any], up: bool, left: bool, quarters: int) -> npt.NDArray[Any]:
    pixels = np.flip(pixels, -2) if up else pixels
    pixels = np.flip(pixels, -1) if left else pixels
    return np.rot90(pixels, quarters, axes=(-2, -1))


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_symmetries_are_those_of_numpy(up: bool, left: bool, quarters: int, dtype: torch.dtype) -> None:
    layer = (100 * torch.arange(SIZE)[:, None] + torch.arange(SIZE)[None]).expand(3, SIZE, SIZE).to(dtype)
    moved = Symmetry.of(up, left, quarters).apply(layer)
    assert moved.dtype == dtype
    np.testing.assert_array_equal(moved, moved_by_numpy(layer.numpy(), up, left, quarters))


@pytest.mark.parametrize("symmetry", SYMMETRIES, ids=str)
def test_directions_turn_as_the_land_does(symmetry: Symmetry) -> None:
    """The aspect of heights that were moved is the moved and turned aspect of the heights."""
    rows, columns = np.mgrid[: SIZE + 2, : SIZE + 2].astype(np.float32)
    heights = 100 - 0.7 * (rows - 3.2) ** 2 - 0.3 * (columns - 5.1) ** 2 + 0.2 * rows * columns
    heights[4, 4] = np.nan
    placement = Placement(symmetry, 0, 0, SIZE)
    expected = aspect(*gradient(symmetry.apply(torch.from_numpy(heights)).numpy(), 10, 10))

    layer = torch.from_numpy(aspect(*gradient(heights, 10, 10)))[None, None]
    found = place(layer, [placement])
    turn_directions(found, [0], [placement])
    difference = (found[0, 0].numpy() - expected + 180) % 360 - 180
    np.testing.assert_array_equal(np.isnan(difference), np.isnan(expected))
    np.testing.assert_allclose(np.nan_to_num(difference), 0, atol=2e-3)
    seen = found[~found.isnan()]
    assert seen.min() >= 0
    assert seen.max() < 360


def test_a_slope_to_the_east_faces_the_north_when_turned_a_quarter() -> None:
    """By hand: counter-clockwise takes east to north, north to west; a mirror left to right swaps east and west."""
    for symmetry, expected in (
        (Symmetry.of(quarters=1), [270, 0, 90, 180]),
        (Symmetry.of(quarters=2), [180, 270, 0, 90]),
        (Symmetry.of(quarters=3), [90, 180, 270, 0]),
        (Symmetry.of(left_right=True), [0, 270, 180, 90]),
        (Symmetry.of(upside_down=True), [180, 90, 0, 270]),
    ):
        layer = torch.tensor([0.0, 90.0, 180.0, 270.0])[None, :, None, None]
        turn_directions(layer, range(4), [Placement(symmetry, 0, 0, 1)])
        assert layer.flatten().tolist() == expected


def test_a_direction_just_below_360_stays_below() -> None:
    layer = torch.tensor([1e-9, torch.nan])[None, :, None, None]
    turn_directions(layer, [0, 1], [Placement(Symmetry(left_right=True), 0, 0, 1)])
    assert layer[0, 0] == 0
    assert layer[0, 1].isnan()


@pytest.mark.parametrize("windows", [0, 2])
@pytest.mark.parametrize(
    "config", [{"flips": True}, {"turns": True}, {"crop": 5}, {"flips": True, "turns": True, "crop": 5}]
)
def test_all_layers_move_alike(config: dict[str, Any], windows: int) -> None:
    batch = painted(*range(60), windows=windows)
    moved = augment_of(**config)(batch)
    where = coordinates_of(moved)
    assert not torch.equal(where[:, :5, :5], coordinates_of(batch)[:, :5, :5])
    hole = where == 102
    expected = (where + 10_000 * batch["id"][:, None, None])[:, None] + 0.1 * torch.arange(len(BANDS))[:, None, None]
    image = moved["image"].flatten(1, 2) if windows else moved["image"]
    torch.testing.assert_close(image, expected.masked_fill(hole[:, None], torch.nan), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(moved["mask"], (moved["edge"] - 7).masked_fill(hole, 255))
    torch.testing.assert_close(moved["targets"][:, 0], moved["edge"] - 7 + 0.5)
    torch.testing.assert_close(moved["targets"][:, 1], -(moved["edge"] - 7).float())
    assert moved["id"] is batch["id"]
    for name, before in painted(*range(60), windows=windows).items():
        torch.testing.assert_close(batch[name], before, equal_nan=True, msg=f"{name} of the old batch was changed")


def test_flips_and_turns_give_the_symmetries_that_they_name() -> None:
    """100 at (0, 1) - (0, 0) tells rows from columns; the product of both steps tells a mirrored square."""
    kinds = {}
    for name, config in {
        "flips": {"flips": True},
        "turns": {"turns": True},
        "both": {"flips": True, "turns": True},
    }.items():
        where = coordinates_of(augment_of(**config)(painted(*range(80))))
        across, down = where[:, 0, 1] - where[:, 0, 0], where[:, 1, 0] - where[:, 0, 0]
        kinds[name] = set(zip(across.tolist(), down.tolist(), strict=True))
    assert kinds["flips"] == {(1, 100), (-1, 100), (1, -100), (-1, -100)}
    assert kinds["turns"] == {(1, 100), (100, -1), (-1, -100), (-100, 1)}
    assert kinds["both"] == kinds["flips"] | kinds["turns"] | {(100, 1), (-100, -1)}


def test_every_symmetry_is_as_frequent_as_the_others() -> None:
    augment = augment_of(flips=True, turns=True)
    drawn = [SYMMETRIES.index(augment.placement(i).symmetry) for i in range(4000)]
    counts = np.bincount(drawn, minlength=8)
    assert len(counts) == 8
    assert ((counts - 500) ** 2 / 500).sum() < CHI_SQUARE_7


def test_every_place_of_a_crop_is_as_frequent_as_the_others() -> None:
    augment = augment_of(crop=5)
    placements = [augment.placement(i) for i in range(4000)]
    counts = np.bincount([4 * one.top + one.left for one in placements], minlength=16)
    assert len(counts) == 16
    assert ((counts - 250) ** 2 / 250).sum() < CHI_SQUARE_15


def test_a_crop_of_the_whole_patch_is_the_patch() -> None:
    batch = painted(1, 2)
    torch.testing.assert_close(augment_of(crop=SIZE)(batch)["mask"], batch["mask"], rtol=0, atol=0)


ALL = {
    "flips": True,
    "turns": True,
    "crop": 5,
    "msi_gain": 0.2,
    "msi_band_gain": 0.1,
    "sar_gain": 2,
    "modality_dropout": 0.4,
}


def test_a_draw_does_not_depend_on_the_batch() -> None:
    augment = augment_of(**ALL)
    augment.epoch = 3
    whole = augment(painted(*range(20)))
    for patch_id in (0, 7, 19):
        alone = augment(painted(patch_id))
        for name in ("image", "mask", "edge", "targets"):
            torch.testing.assert_close(alone[name][0], whole[name][patch_id], rtol=0, atol=0, equal_nan=True)
    backwards = augment(painted(*reversed(range(20))))
    torch.testing.assert_close(backwards["image"].flip(0), whole["image"], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("changed", ["seed", "epoch"])
def test_a_draw_depends_on_seed_and_epoch(changed: str) -> None:
    first, second = augment_of(**ALL), augment_of(seed=667 if changed == "seed" else 666, **ALL)
    second.epoch = 1 if changed == "epoch" else 0
    same = sum(first.placement(i) == second.placement(i) for i in range(640))
    assert same < 20  # 5 by chance: 8 symmetries, 16 places
    ours, theirs = (one._jitter.draw(one.seed, one.epoch, range(50))[0][:, 0] for one in (first, second))
    assert not np.isclose(ours, theirs).any()


def test_what_is_switched_on_does_not_change_other_draws() -> None:
    alone, together = augment_of(flips=True), augment_of(**{**ALL, "turns": False})
    assert [alone.placement(i).symmetry for i in range(50)] == [together.placement(i).symmetry for i in range(50)]
    fewer = augment_of(bands=("B8A", "VV"), msi_band_gain=0.1)
    ours = augment_of(**{**ALL, "msi_gain": 0})._jitter.draw(666, 0, range(50))[0][:, 2]
    np.testing.assert_array_equal(fewer._jitter.draw(666, 0, range(50))[0][:, 0], ours)


def test_gains_do_not_follow_the_geometry() -> None:
    """A gain says nothing of the symmetry: their draws are independent."""
    augment = augment_of(flips=True, msi_gain=0.2, sar_gain=1)
    up = np.array([augment.placement(i).symmetry.upside_down for i in range(2000)])
    factors = augment._jitter.draw(666, 0, range(2000))[0]
    for one, other in ((up, factors[:, 0]), (up, factors[:, 3]), (factors[:, 0], factors[:, 3])):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.09  # four standard errors


def test_gain_of_reflectance() -> None:
    """number' = (k * (number * 0.0001 - 0.1) + 0.1) / 0.0001, one k for the bands of a sample, 0.8 to 1.2."""
    batch = numbers(*range(200))
    image = augment_of(msi_gain=0.2)(batch)["image"]
    before, after = (one[:, :3].double() * 1e-4 - 0.1 for one in (batch["image"], image))
    k = (after / before).flatten(1)[:, 1:2]  # the first pixel has no data
    torch.testing.assert_close(after, before * k[..., None, None], rtol=1e-5, atol=1e-6, equal_nan=True)
    assert 0.8 <= k.min() < 0.82
    assert 1.18 < k.max() <= 1.2
    assert k.mean() == pytest.approx(1, abs=0.03)
    torch.testing.assert_close(image[:, 3:], batch["image"][:, 3:], rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(image.isnan(), batch["image"].isnan())


def test_gain_of_single_bands() -> None:
    batch = numbers(*range(200))
    image = augment_of(msi_band_gain=0.1)(batch)["image"]
    before, after = (one[:, :3].double() * 1e-4 - 0.1 for one in (batch["image"], image))
    k = (after / before).flatten(2)[..., 1:]
    torch.testing.assert_close(k, k[..., :1].expand_as(k), rtol=1e-4, atol=0)
    assert 0.9 - 1e-5 <= k.min() < 0.91
    assert 1.09 < k.max() <= 1.1 + 1e-5
    between = torch.corrcoef(k[..., 0].T) - torch.eye(3)
    assert between.abs().max() < 0.29  # four standard errors
    torch.testing.assert_close(image[:, 3:], batch["image"][:, 3:], rtol=0, atol=0, equal_nan=True)


def as_decibels(image: torch.Tensor, own: Radiometry) -> torch.Tensor:
    values = image[:, 3:5].double() * own.scale + own.offset
    return {"amplitude": 20 * values.log10(), "linear": 10 * values.log10(), "db": values}[own.unit]


@pytest.mark.parametrize(
    "own",
    [
        Radiometry("sentinel-1", ("VV", "VH"), "amplitude"),
        Radiometry("sentinel-1", ("VV", "VH"), "linear"),
        Radiometry("sentinel-1", ("VV", "VH"), "linear", scale=0.5, offset=1.5),
        Radiometry("sentinel-1", ("VV", "VH"), "db"),
        Radiometry("sentinel-1", ("VV", "VH"), "db", scale=0.01, offset=-50),
    ],
    ids=lambda own: f"{own.unit}, scale {own.scale}",
)
def test_gain_of_backscatter_is_one_number_of_decibels(own: Radiometry) -> None:
    batch = numbers(*range(200))
    augment = Augment(AugmentationConfig(sar_gain=1.5), 666, BANDS, {**LAYERS, "sar": own}, 4)
    image = augment(batch)["image"]
    change = (as_decibels(image, own) - as_decibels(batch["image"], own)).flatten(1)
    assert change[:, [0, 16]].isnan().all()  # what had no data in VV and VH
    change = change[:, [*range(1, 16), *range(17, 32)]]
    torch.testing.assert_close(change, change[:, :1].expand_as(change), rtol=0, atol=1e-4)
    assert -1.5 - 1e-4 <= change.min() < -1.4
    assert 1.4 < change.max() <= 1.5 + 1e-4
    others = [0, 1, 2, 5]
    torch.testing.assert_close(image[:, others], batch["image"][:, others], rtol=0, atol=0, equal_nan=True)


def test_the_gain_is_the_same_in_each_unit() -> None:
    """In dB, amplitude and power the same patch becomes brighter by as many dB."""
    units = {unit: Radiometry("sentinel-1", ("VV",), unit) for unit in ("db", "amplitude", "linear")}
    augments = {u: Augment(AugmentationConfig(sar_gain=3), 1, ("VV",), {"sar": own}, 4) for u, own in units.items()}
    db = augments["db"]._jitter.draw(1, 0, range(9))[1][:, 0]
    np.testing.assert_allclose(20 * np.log10(augments["amplitude"]._jitter.draw(1, 0, range(9))[0][:, 0]), db)
    np.testing.assert_allclose(10 * np.log10(augments["linear"]._jitter.draw(1, 0, range(9))[0][:, 0]), db)


def test_time_windows_share_their_gains() -> None:
    windows = ("dry", "wet")
    bands = tuple(f"{band}@{window}" for window in windows for band in ("B02", "B04", "VV"))
    layers = {
        "msi": MSI.with_bands(tuple(b for b in bands if b[0] == "B"), windows),
        "sar": SAR.with_bands(tuple(b for b in bands if b[0] == "V"), windows),
    }
    batch = numbers(*range(9))
    series = {**batch, "image": batch["image"].unflatten(1, (2, 3))}
    augment = Augment(AugmentationConfig(flips=True, msi_band_gain=0.3, sar_gain=3), 666, bands, layers, 4)
    flat, stacked = augment(batch)["image"], augment(series)["image"]
    assert stacked.shape == (9, 2, 3, 4, 4)
    torch.testing.assert_close(stacked.flatten(1, 2), flat, rtol=0, atol=0, equal_nan=True)
    factor, shift = augment._jitter.draw(666, 0, range(9))
    np.testing.assert_array_equal(factor[:, :3], factor[:, 3:])
    np.testing.assert_array_equal(shift[:, :3], shift[:, 3:])
    assert (np.diff(factor[:, :3], axis=1) != 0).all()


def test_one_modality_gets_lost_as_often_as_wanted_and_never_both() -> None:
    batch = numbers(*range(1000), size=1)
    batch["image"] = torch.nan_to_num(batch["image"], nan=1.0)
    image = augment_of(modality_dropout=0.3, size=1)(batch)["image"]
    msi, sar = image[:, :3].isnan().flatten(1), image[:, 3:5].isnan().flatten(1)
    assert torch.equal(msi.any(1), msi.all(1)), "all bands or none"
    assert torch.equal(sar.any(1), sar.all(1)), "all bands or none"
    assert not (msi.all(1) & sar.all(1)).any()
    # four standard errors of 1,000 samples
    assert int(msi.all(1).sum()) == pytest.approx(150, abs=45)
    assert int(sar.all(1).sum()) == pytest.approx(150, abs=45)
    torch.testing.assert_close(image[:, 5], batch["image"][:, 5], rtol=0, atol=0)
    kept = ~image.isnan()
    torch.testing.assert_close(image[kept], batch["image"][kept], rtol=0, atol=0)


def test_certain_dropout_leaves_one_of_two() -> None:
    image = augment_of(modality_dropout=1, size=4, flips=True, msi_gain=0.1)(numbers(*range(100)))["image"]
    left = torch.stack(
        [(~image[:, :3].isnan()).any(1).flatten(1).any(1), (~image[:, 3:5].isnan()).any(1).flatten(1).any(1)]
    )
    assert (left.sum(0) == 1).all()


@pytest.mark.parametrize("missing", [slice(0, 3), slice(3, 5)], ids=["no MSI", "no SAR"])
def test_a_sample_that_lacks_a_modality_keeps_the_other(missing: slice) -> None:
    batch = numbers(*range(50))
    batch["image"][:, missing] = torch.nan
    image = augment_of(modality_dropout=1, size=4)(batch)["image"]
    torch.testing.assert_close(image, batch["image"], rtol=0, atol=0, equal_nan=True)


def test_an_image_of_one_modality_keeps_it() -> None:
    batch = numbers(*range(20))
    batch["image"] = batch["image"][:, :3]
    image = augment_of(bands=BANDS[:3], modality_dropout=1, size=4)(batch)["image"]
    torch.testing.assert_close(image, batch["image"], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("windows", [0, 2])
def test_directions_in_image_and_targets_turn(windows: int) -> None:
    """Everywhere a slope towards the east (90 degrees); after the move it faces where east went."""
    bands = ("aspect", "slope", "aspect@2", "slope@2")
    layers = {"variables": Radiometry("derived", bands, "degree")}
    augment = Augment(
        AugmentationConfig(flips=True, turns=True),
        666,
        bands,
        layers,
        SIZE,
        target_bands=("slope", "aspect"),
        aspects=frozenset({"aspect"}),
    )
    image, columns = torch.full((40, 4, SIZE, SIZE), 90.0), torch.arange(SIZE).expand(40, SIZE, SIZE)
    moved = augment(
        {
            "image": image.unflatten(1, (windows, -1)) if windows else image,
            "targets": image[:, :2].clone(),
            "mask": columns,
            "id": torch.arange(40),
        }
    )
    mask = moved["mask"]
    right, down = mask[:, 0, 1] - mask[:, 0, 0], mask[:, 1, 0] - mask[:, 0, 0]  # where columns grow: where east went
    faces = torch.rad2deg(torch.atan2(right.float(), -down.float())) % 360
    found = moved["image"].flatten(1, 2) if windows else moved["image"]
    for direction in (found[:, 0], found[:, 2], moved["targets"][:, 1]):
        torch.testing.assert_close(direction, faces[:, None, None].expand_as(direction))
    for other in (found[:, 1], found[:, 3], moved["targets"][:, 0]):
        assert (other == 90).all()
    assert set(faces.tolist()) == {0, 90, 180, 270}


def test_aspects_are_known_by_their_kind() -> None:
    descriptions = {"exposition": {"kind": "aspect"}, "slope": {"kind": "slope"}, "aspect": {"kind": "elevation"}}
    bands = ("B04", "exposition", "slope", "aspect", "exposition@dry")
    assert aspect_bands(bands, descriptions) == {"exposition", "exposition@dry"}


@given(
    patch=st.integers(0, 2**31),
    epoch=st.integers(0, 1000),
    size=st.integers(1, 9),
    flips=st.booleans(),
    turns=st.booleans(),
)
def test_no_pixel_appears_or_gets_lost(patch: int, epoch: int, size: int, flips: bool, turns: bool) -> None:
    augment = augment_of(size=size, flips=flips, turns=turns)
    augment.epoch = epoch
    values = torch.randn((1, len(BANDS), size, size), generator=torch.Generator().manual_seed(patch))
    values[0, 0, size // 2, 0] = torch.nan
    batch = {"image": values, "mask": values[:, 1].mul(1000).long(), "id": torch.tensor([patch])}
    moved = augment(batch)
    for name in ("image", "mask"):
        ours, theirs = (np.sort(one[name].numpy().reshape(-1, size**2), axis=1) for one in (batch, moved))
        np.testing.assert_array_equal(theirs, ours)
    torch.testing.assert_close(moved["mask"], moved["image"][:, 1].mul(1000).long(), rtol=0, atol=0)


def test_nothing_is_done_by_default() -> None:
    batch = painted(1, 2)
    assert not AugmentationConfig().active
    assert augment_of()(batch) is batch
    assert all(AugmentationConfig(**{name: value}).active for name, value in ALL.items())


def test_layers_that_are_not_there_are_not_asked_for() -> None:
    batch = painted(1, 2)
    del batch["edge"], batch["targets"]
    assert set(augment_of(flips=True)(batch)) == {"image", "mask", "id"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"crop": 0}, "crop is 0"),
        ({"crop": 9}, "crop is 9 pixels, but the dataset's patches have 8: give at most 8"),
        ({"msi_gain": 1}, "msi_gain is 1: give 0 to below 1"),
        ({"msi_gain": float("nan")}, "msi_gain is nan"),
        ({"msi_band_gain": -0.1}, r"msi_band_gain is -0\.1"),
        ({"sar_gain": -1}, "sar_gain is -1: give 0 dB or more"),
        ({"sar_gain": float("inf")}, "sar_gain is inf"),
        ({"modality_dropout": 1.1}, r"modality_dropout is 1\.1: give a probability"),
    ],
)
def test_values_that_cannot_work(config: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        augment_of(**config)


def test_bands_that_nobody_knows() -> None:
    with pytest.raises(ConfigError, match="'B05' is in no layer"):
        augment_of(bands=("B02", "B05"))
    layers = {"msi": MSI.with_bands(("red",))}
    with pytest.raises(ConfigError, match="calls one 'red'"):
        Augment(AugmentationConfig(msi_band_gain=0.1), 1, ("red",), layers, SIZE)


def test_patches_of_another_size() -> None:
    with pytest.raises(DatasetError, match="image has 8 x 8 pixels, but the patches of the dataset have 16 x 16"):
        augment_of(size=16, flips=True)(painted(1))


@pytest.mark.shared_data
def test_a_real_place(shared_data: Path) -> None:
    """Every pixel keeps its class; gains keep NDVI and the difference of VV and VH in dB."""
    size, bands = 128, ("B04", "B08", "VV", "VH")
    layers = {
        "msi": Radiometry("sentinel-2", ("B04", "B08"), "reflectance", scale=1e-4),
        "sar": Radiometry("sentinel-1", ("VV", "VH"), "db"),
    }
    stacks = {}
    for folder, chosen in (("S2L2A", [4, 8]), ("S1RTC", [1, 2]), ("LULC", [1])):
        with rasterio.open(shared_data / "terramesh" / folder / "282D_485L_3_3.tif") as source:
            stacks[folder] = torch.from_numpy(source.read(chosen)[:, :size, :size].astype(np.float32))
    image, mask = torch.cat([stacks["S2L2A"], stacks["S1RTC"]]), stacks["LULC"][0].long()
    batch = {
        "image": image.expand(16, -1, -1, -1),
        "mask": mask.expand(16, -1, -1),
        "edge": torch.arange(size**2).reshape(size, size).expand(16, -1, -1),  # each pixel's own number
        "id": torch.arange(16),
    }
    config = AugmentationConfig(flips=True, turns=True, msi_gain=0.2, sar_gain=2)
    moved = Augment(config, 666, bands, layers, size)(batch)

    def kept(image: torch.Tensor) -> torch.Tensor:
        red, infrared, vv, vh = image.double().unbind(-3)
        return torch.stack([(infrared - red) / (infrared + red), vv - vh], dim=-3)

    where = moved["edge"]
    assert len(mask.unique()) > 1
    assert not torch.equal(moved["mask"], batch["mask"])
    torch.testing.assert_close(moved["mask"], mask.flatten()[where])
    expected = kept(image).flatten(1)[:, where].transpose(0, 1)
    torch.testing.assert_close(kept(moved["image"]), expected, rtol=0, atol=1e-4, equal_nan=True)
    means = moved["image"].flatten(2).nanmean(-1)
    assert (means[:, :2] / image[:2].flatten(1).nanmean(-1)).std(0).min() > 0.05
    assert (means[:, 2:] - image[2:].flatten(1).nanmean(-1)).std(0).min() > 0.5
