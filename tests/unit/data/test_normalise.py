import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cerradata.core.errors import ConfigError
from cerradata.data import PUBLISHED_STATISTICS, Normalise
from cerradata.data.normalise import NormaliseBatch, best_normalisation
from cerradata.scenes.bands import MSI_BANDS

BANDS = (*MSI_BANDS, "VV", "VH")


def image(*values: float) -> torch.Tensor:
    """One row of pixels of one band."""
    return torch.tensor(values, dtype=torch.float32)[None, None, :]


def test_log_scale_gives_the_published_numbers() -> None:
    normalise = Normalise(("VV",), PUBLISHED_STATISTICS, "1to1")
    expected = image(-1.22066, -0.53663, -0.01088, 0.30566, 0.64909)
    torch.testing.assert_close(normalise(image(0.5, 10, 100, 400, 1800)), expected, atol=1e-5, rtol=0)


@given(st.sampled_from(BANDS), st.integers(-7, 4), st.floats(1, 9.99))
def test_log_scale_is_the_published_formula(band: str, exponent: int, mantissa: float) -> None:
    own, value = PUBLISHED_STATISTICS[band], mantissa * 10.0**exponent
    expected = (math.log(max(value, 1e-6)) - math.log(own["mean"])) / math.log(own["std"])
    found = float(Normalise((band,), PUBLISHED_STATISTICS, "1to1")(image(value)))
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("band", BANDS)
def test_zero_to_one_maps_the_extremes(band: str) -> None:
    own = PUBLISHED_STATISTICS[band]
    found = Normalise((band,), PUBLISHED_STATISTICS, "0to1")(image(own["min"], own["max"], own["mean"]))
    expected = (own["mean"] - own["min"]) / (own["max"] - own["min"])
    torch.testing.assert_close(found, image(0, 1, expected), atol=1e-5, rtol=0)


def test_none_gives_the_numbers_as_they_are() -> None:
    values = image(-3, 0, 12_345)
    torch.testing.assert_close(Normalise(("B04",), {}, "none")(values), values)


@pytest.mark.parametrize("name", ["none", "0to1", "1to1"])
def test_no_data_becomes_zero_and_harms_no_other_pixel(name: str) -> None:
    normalise = Normalise(BANDS, PUBLISHED_STATISTICS, name)
    whole = torch.full((2, 14, 3, 3), 500.0)
    holed = whole.clone()
    holed[1, 4, 2, 0] = torch.nan
    found = normalise(holed)
    assert found[1, 4, 2, 0] == 0
    found[1, 4, 2, 0] = normalise(whole)[1, 4, 2, 0]
    torch.testing.assert_close(found, normalise(whole))


def test_each_band_has_its_own_statistics() -> None:
    found = Normalise(("VH", "B02"), PUBLISHED_STATISTICS, "1to1")(torch.full((1, 2, 1, 1), 700.0)).flatten()
    for value, band in zip(found, ("VH", "B02"), strict=True):
        own = PUBLISHED_STATISTICS[band]
        assert float(value) == pytest.approx(math.log(700 / own["mean"]) / math.log(own["std"]), abs=1e-5)


def test_integers_are_taken_too() -> None:
    found = Normalise(("B04",), PUBLISHED_STATISTICS, "0to1")(torch.full((1, 2, 2), 1000, dtype=torch.int32))
    assert found.dtype == torch.float32
    assert 0 < float(found[0, 0, 0]) < 1


def test_constant_band_stays_finite() -> None:
    statistics = {"VV": {"mean": 5.0, "std": 0.0, "min": 5.0, "max": 5.0}}
    assert torch.equal(Normalise(("VV",), statistics, "0to1")(image(5, 6)), image(0, 1))


def test_batch_keeps_everything_but_the_image() -> None:
    batch = {"image": image(0.5)[None], "mask": torch.tensor([3]), "id": torch.tensor([7])}
    found = NormaliseBatch(Normalise(("VV",), PUBLISHED_STATISTICS, "1to1"))(batch)
    assert float(found["image"]) == pytest.approx(-1.22066, abs=1e-5)
    assert found["mask"] is batch["mask"]
    assert found["id"] is batch["id"]


@pytest.mark.parametrize(
    ("band", "statistics", "name", "message"),
    [
        ("B04", {"B04": {"mean": -12.0, "std": 3.0, "min": -30.0, "max": 0.0}}, "1to1", "Use `0to1`"),
        ("VV", {"VV": {"mean": 2.0, "std": 1.0, "min": 1.0, "max": 3.0}}, "1to1", "Use `0to1`"),
        ("VV", {"VV": {"mean": 2.0, "std": 0.0, "min": 2.0, "max": 2.0}}, "1to1", "Use `0to1`"),
        ("VV", {}, "0to1", "no statistics of band 'VV'"),
        ("VV", PUBLISHED_STATISTICS, "whitening", "no normalisation 'whitening'"),
        ("VV", PUBLISHED_STATISTICS, "percentile", "no quantiles of band 'VV'"),
    ],
)
def test_impossible_normalisations_are_refused(
    band: str, statistics: dict[str, dict[str, float]], name: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Normalise((band,), statistics, name)


def test_decibels_are_not_put_on_a_log_scale() -> None:
    decibels = {"VV": {"mean": -12.0, "std": 3.0, "min": -30.0, "max": 0.0}}
    assert best_normalisation(PUBLISHED_STATISTICS, BANDS) == "1to1"
    assert best_normalisation({**PUBLISHED_STATISTICS, **decibels}, ("B04", "VV")) == "0to1"
    assert best_normalisation({**PUBLISHED_STATISTICS, **decibels}, ("B04", "VH")) == "1to1"


HEIGHTS = {"elevation": {"mean": 220.0, "std": 40.0, "min": 90.0, "max": 480.0}}
DECIBELS = {"VV": {"mean": -12.0, "std": 3.0, "min": -30.0, "max": 0.0}}
INDEX = {"ndvi@dry": {"mean": 0.1, "std": 0.25, "min": -0.6, "max": 0.9}}


@pytest.mark.parametrize(
    ("statistics", "values", "expected"),
    [
        (HEIGHTS, (220, 260, 160), (0, 1, -1.5)),
        (DECIBELS, (-12, -9, 0), (0, 1, 4)),
        (INDEX, (0.1, -0.4, 0.6), (0, -2, 2)),
        ({"count": {"mean": 3.0, "std": 0.0, "min": 3.0, "max": 3.0}}, (3, 4), (0, 1)),
    ],
)
def test_what_has_no_logarithm_gets_its_z_score(
    statistics: dict[str, dict[str, float]], values: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    found = Normalise(tuple(statistics), statistics, "1to1")(image(*values))
    torch.testing.assert_close(found, image(*expected), atol=1e-5, rtol=0)


def test_published_bands_keep_their_logarithm_beside_variables() -> None:
    """Positive heights too: their logarithm means nothing."""
    statistics = {**PUBLISHED_STATISTICS, **HEIGHTS, **INDEX}
    bands = ("ndvi@dry", "B04", "elevation", "VH")
    values = torch.tensor([0.35, 700.0, 300.0, 50.0])[:, None, None]
    found = Normalise(bands, statistics, "1to1")(values)
    published = Normalise(("B04", "VH"), PUBLISHED_STATISTICS, "1to1")(values[[1, 3]])
    torch.testing.assert_close(found[[1, 3]], published)
    torch.testing.assert_close(found[[0, 2]].flatten(), torch.tensor([1.0, 2.0]))


def test_weights_do_not_depend_on_which_bands_have_a_logarithm() -> None:
    """Runs that were saved before there were variables are loaded as they are."""
    plain = Normalise(("VH",), PUBLISHED_STATISTICS, "1to1").state_dict()
    assert set(plain) == {"shift", "factor"}


def test_variables_do_not_decide_which_normalisation_is_best() -> None:
    statistics = {**PUBLISHED_STATISTICS, **HEIGHTS, **INDEX}
    assert best_normalisation(statistics, ("B04", "VH", "elevation", "ndvi@dry")) == "1to1"
    assert best_normalisation({**statistics, **DECIBELS}, ("VV", "elevation")) == "0to1"


def test_gradients_walk_through_the_normalisation() -> None:
    normalise = Normalise(("VV",), PUBLISHED_STATISTICS, "1to1")
    numbers = torch.full((1, 1, 2, 2), 50.0, requires_grad=True)
    normalise(numbers).sum().backward()
    expected = 1 / (50 * math.log(PUBLISHED_STATISTICS["VV"]["std"]))
    torch.testing.assert_close(numbers.grad, torch.full((1, 1, 2, 2), expected))


def test_the_normalisation_can_be_exported() -> None:
    normalise = Normalise(BANDS, PUBLISHED_STATISTICS, "1to1", validity=True)
    numbers = torch.full((1, 14, 4, 4), 50.0)
    numbers[0, 3, 1, 1] = torch.nan
    exported = torch.export.export(normalise, (numbers,)).module()
    torch.testing.assert_close(exported(numbers), normalise(numbers))
