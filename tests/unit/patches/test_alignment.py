import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from cerradata.core.errors import DatasetError
from cerradata.core.types import UNLABELLED, Array
from cerradata.patches.alignment import PAIRS, alignment_columns, measure_alignment
from cerradata.scenes.shift import Shift

SIZE, MARGIN = 128, 16
REFLECTANCE = {
    "B02": (1300, 1500, 1800),
    "B03": (1500, 1700, 2100),
    "B04": (1350, 1700, 2600),
    "B08": (3900, 3400, 2900),
}
AMPLITUDE = {"VV": (0.35, 0.22, 0.28), "VH": (0.18, 0.09, 0.11)}
BANDS = {"msi": ("B01", *REFLECTANCE), "sar": tuple(AMPLITUDE)}
NODATA = {"msi": 0.0, "sar": None}


def landscape(seed: int = 1) -> npt.NDArray[np.intp]:
    """Fields of three classes with straight boundaries, with a margin on each side."""
    size = SIZE + 2 * MARGIN
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, size, (30, 2))
    rows, columns = np.mgrid[:size, :size]
    nearest = np.argmin([(rows - r) ** 2 + (columns - c) ** 2 for r, c in corners], axis=0)
    return rng.integers(0, 3, len(corners))[nearest]


def image(classes: Array, signature: tuple[float, ...], shift: tuple[float, float] = (0, 0)) -> Array:
    sharp = np.asarray(signature, float)[classes]
    moved = ndimage.shift(ndimage.gaussian_filter(sharp, 0.5), shift, order=3, mode="nearest")
    return moved[MARGIN:-MARGIN, MARGIN:-MARGIN]


def patch(
    classes: Array, *, msi: tuple[float, float] = (0, 0), sar: tuple[float, float] = (0, 0), seed: int = 1
) -> dict[str, Array]:
    """Stored numbers of a patch: reflectance x 10000 + 1000 as uint16, amplitude of 4.4 looks, class ids."""
    rng = np.random.default_rng(seed)
    bands = [image(classes, values, msi) + rng.normal(0, 60, (SIZE, SIZE)) for values in REFLECTANCE.values()]
    coarse = ndimage.gaussian_filter(rng.normal(1400, 300, (SIZE, SIZE)), 6)  # B01 knows nothing of the fields
    radar = [
        image(classes, values, sar) * np.sqrt(rng.gamma(4.4, 1 / 4.4, (SIZE, SIZE))) for values in AMPLITUDE.values()
    ]
    return {
        "msi": np.rint([coarse, *bands]).astype(np.uint16),
        "sar": np.asarray(radar, np.float32),
        "semantic_3c": classes[None, MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.int32),
    }


def measured(layers: dict[str, Array], bands: dict[str, tuple[str, ...]] | None = None) -> dict[str, Shift]:
    return dict(measure_alignment(layers, NODATA, bands or BANDS, "semantic_3c"))


def test_each_layer_is_found_where_it_lies() -> None:
    found = measured(patch(landscape(), sar=(1.5, -0.4)))
    assert set(found) == set(PAIRS)
    assert found["sar"].determined
    assert (found["sar"].rows, found["sar"].columns) == pytest.approx((1.5, -0.4), abs=0.3)
    assert found["labels"].determined
    assert (found["labels"].rows, found["labels"].columns) == pytest.approx((0, 0), abs=0.15)


def test_a_shifted_sentinel_2_moves_both_the_other_way() -> None:
    found = measured(patch(landscape(2), msi=(-1.5, 0.8)))
    for pair, tolerance in (("sar", 0.3), ("labels", 0.15)):
        assert found[pair].determined
        assert (found[pair].rows, found[pair].columns) == pytest.approx((1.5, -0.8), abs=tolerance)


def test_decibels_tell_the_same_as_amplitude() -> None:
    layers = patch(landscape(), sar=(1.5, -0.4))
    amplitude = measured(layers)["sar"]
    layers["sar"] = 20 * np.log10(layers["sar"])
    decibels = measured(layers)["sar"]
    assert (decibels.rows, decibels.columns) == pytest.approx((amplitude.rows, amplitude.columns), abs=1e-3)
    assert decibels.confidence == pytest.approx(amplitude.confidence, abs=1e-3)


def test_homogeneous_cover_is_undetermined() -> None:
    plain = np.zeros_like(landscape())
    found = measured(patch(plain))
    assert [found[pair].determined for pair in PAIRS] == [False, False]


def test_unrelated_layers_are_undetermined() -> None:
    layers = patch(landscape(1))
    layers["sar"] = patch(landscape(9))["sar"]
    layers["semantic_3c"] = patch(landscape(8))["semantic_3c"]
    found = measured(layers)
    assert [found[pair].determined for pair in PAIRS] == [False, False]


def test_what_is_missing_gives_nothing() -> None:
    layers = patch(landscape())
    assert measured({name: layers[name] for name in ("sar", "semantic_3c")}) == {}
    assert set(measured({name: layers[name] for name in ("msi", "semantic_3c")})) == {"labels"}
    assert set(measured({name: layers[name] for name in ("msi", "sar")})) == {"sar"}


def test_no_data_and_unlabelled_pixels_take_no_part() -> None:
    layers = patch(landscape(), msi=(-1.5, 0))
    layers["msi"][:, 40:70, 40:80] = 0
    layers["sar"][:, 100:, :60] = np.nan
    layers["semantic_3c"][:, :50, 90:] = UNLABELLED
    found = measured(layers)
    for pair in PAIRS:
        assert found[pair].determined
        assert (found[pair].rows, found[pair].columns) == pytest.approx((1.5, 0), abs=0.3)


def test_points_as_labels_are_undetermined() -> None:
    layers = patch(landscape())
    sparse = np.full_like(layers["semantic_3c"], UNLABELLED)
    sparse[:, ::20, ::20] = layers["semantic_3c"][:, ::20, ::20]
    layers["semantic_3c"] = sparse
    assert not measured(layers)["labels"].determined


def test_a_small_object_does_not_place_the_labels() -> None:
    """Fifty pixels of another class are found wherever something looks like them."""
    classes = np.zeros_like(landscape())
    layers = patch(classes)
    layers["semantic_3c"][:, 60:67, 60:67] = 1
    layers["msi"][:, 66:73, 60:67] += 2000
    assert not measured(layers)["labels"].determined


def test_one_time_window_is_taken_of_each_sensor() -> None:
    """Sentinel-2 of the window with most data; Sentinel-1 of the same window, whatever its orbit."""
    classes = landscape()
    wet, dry = patch(classes, msi=(5, 5), sar=(-4, 4)), patch(classes, sar=(1.5, 0), seed=2)
    wet["msi"][:, :30] = 0
    layers = {name: np.concatenate([wet[name], dry[name]]) for name in ("msi", "sar")}
    layers["semantic_3c"] = dry["semantic_3c"]
    bands = {
        "msi": tuple(f"{band}@{window}" for window in ("wet", "dry") for band in BANDS["msi"]),
        "sar": tuple(f"{band}@{window}-descending-68" for window in ("wet", "dry") for band in BANDS["sar"]),
    }
    found = measured(layers, bands)
    assert (found["sar"].rows, found["sar"].columns) == pytest.approx((1.5, 0), abs=0.3)
    assert (found["labels"].rows, found["labels"].columns) == pytest.approx((0, 0), abs=0.15)


def test_a_patch_of_a_few_pixels_is_undetermined() -> None:
    small = {name: pixels[:, :16, :16] for name, pixels in patch(landscape()).items()}
    assert [measured(small)[pair].determined for pair in PAIRS] == [False, False]


def test_names_must_fit_the_bands() -> None:
    with pytest.raises(DatasetError, match="5 bands, but 2 names"):
        measured(patch(landscape()), {"msi": ("B02", "B03"), "sar": ("VV", "VH")})


def test_columns_of_the_index() -> None:
    columns = alignment_columns(
        {"sar": Shift(1.51234, -0.4, 0.98765, determined=True), "labels": Shift(7, 7, 0.2, determined=False)}
    )
    assert columns == {
        "alignment_sar_rows": 1.512,
        "alignment_sar_columns": -0.4,
        "alignment_sar_confidence": 0.988,
        "alignment_sar_determined": True,
        "alignment_labels_rows": None,
        "alignment_labels_columns": None,
        "alignment_labels_confidence": 0.2,
        "alignment_labels_determined": False,
    }
    assert set(alignment_columns({})) == set(columns)
    assert set(alignment_columns({}).values()) == {None}
