import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from cerradata.core.errors import ConfigError
from cerradata.scenes.shift import estimate_shift

SIZE, MARGIN = 128, 16
Image = npt.NDArray[np.float64]


def fields(seed: int) -> Image:
    """Level fields with straight boundaries and a blur of half a pixel, with a margin on each side."""
    size = SIZE + 2 * MARGIN
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, size, (40, 2))
    rows, columns = np.mgrid[:size, :size]
    nearest = np.argmin([(rows - r) ** 2 + (columns - c) ** 2 for r, c in corners], axis=0)
    return ndimage.gaussian_filter(rng.uniform(1000, 3000, len(corners))[nearest], 0.5)


def window(image: Image, rows: float = 0, columns: float = 0) -> Image:
    """The inner part of an image whose content was moved down and right."""
    moved = ndimage.shift(image, (rows, columns), order=3, mode="nearest")
    return moved[MARGIN:-MARGIN, MARGIN:-MARGIN]


def noise(seed: int, deviation: float = 1.0) -> Image:
    return np.random.default_rng(seed).normal(0, deviation, (SIZE, SIZE))


def speckled(image: Image, seed: int) -> Image:
    """Amplitude of 4.4 looks."""
    return np.sqrt(image**2 * np.random.default_rng(seed).gamma(4.4, 1 / 4.4, image.shape))


@pytest.mark.parametrize(
    ("rows", "columns"), [(1.5, 0), (-1.5, 0), (0, 1.5), (0, -1.5), (0.6, -0.25), (-6.2, 5.7), (0, 0)]
)
def test_shift_of_noisy_fields(rows: float, columns: float) -> None:
    image = fields(1)
    found = estimate_shift(window(image) + noise(2, 20), window(image, rows, columns) + noise(3, 60))
    assert found.determined
    assert found.confidence > 0.9
    assert (found.rows, found.columns) == pytest.approx((rows, columns), abs=0.15)


@pytest.mark.parametrize("seed", range(4))
def test_other_contrast_and_speckle_in_the_moving_image(seed: int) -> None:
    image = fields(seed)
    dark_on_bright = 4000 - window(image, 1.2, -0.9)
    found = estimate_shift(window(image) + noise(seed, 30), speckled(dark_on_bright, seed))
    assert found.determined
    assert (found.rows, found.columns) == pytest.approx((1.2, -0.9), abs=0.3)


def test_channels_of_different_units_add_up() -> None:
    image = fields(5)
    fixed = np.stack([window(image), 5000 - window(image)]) + np.stack([noise(1, 50), noise(2, 50)])
    weak = window(image, -1.5, 2) + noise(3, 900)
    alone = estimate_shift(fixed, weak)
    several = estimate_shift(fixed, np.stack([weak, 1e-4 * (window(image, -1.5, 2) + noise(4, 300))]))
    assert several.determined
    assert (several.rows, several.columns) == pytest.approx((-1.5, 2), abs=0.2)
    assert several.confidence > alone.confidence


def test_class_channels_against_an_image() -> None:
    image = fields(6)
    labels = np.stack([window(image) < 1600, window(image) > 2400]).astype(float)
    found = estimate_shift(labels, window(image, 0.8, -1.7) + noise(7, 100))
    assert found.determined
    assert (found.rows, found.columns) == pytest.approx((0.8, -1.7), abs=0.2)


def test_reversed_is_the_shift_the_other_way() -> None:
    image = fields(8)
    first, second = window(image) + noise(1, 20), window(image, 1.5, -0.5) + noise(2, 20)
    there, back = estimate_shift(first, second), estimate_shift(second, first).reversed()
    assert (there.rows, there.columns) == pytest.approx((back.rows, back.columns), abs=0.05)


@pytest.mark.parametrize("blur", [0, 1, 3])
def test_noise_alone_determines_nothing(blur: float) -> None:
    found = [
        estimate_shift(ndimage.gaussian_filter(noise(n), blur), ndimage.gaussian_filter(noise(n + 100), blur))
        for n in range(20)
    ]
    assert not any(shift.determined for shift in found)


@pytest.mark.parametrize("constant", ["fixed", "moving", "both"])
def test_homogeneous_cover_determines_nothing(constant: str) -> None:
    plain = np.full((SIZE, SIZE), 0.1)
    fixed = plain if constant in ("fixed", "both") else noise(1)
    moving = plain if constant in ("moving", "both") else noise(2)
    found = estimate_shift(fixed, moving)
    assert not found.determined
    assert found.confidence == 0


def test_stripes_leave_the_shift_along_them_open() -> None:
    stripes = np.broadcast_to(np.sign(np.sin(np.arange(SIZE) / 4)), (SIZE, SIZE))
    assert not estimate_shift(stripes + noise(1, 0.2), stripes + noise(2, 0.2)).determined


def test_holes_do_not_place_the_images() -> None:
    image = fields(9)
    fixed, moving = window(image) + noise(1, 30), window(image, -1.5, 1.1) + noise(2, 30)
    fixed[20:60, 30:70] = np.nan
    moving[90:, :50] = np.nan
    found = estimate_shift(fixed, moving)
    assert found.determined
    assert (found.rows, found.columns) == pytest.approx((-1.5, 1.1), abs=0.2)


@pytest.mark.parametrize("holes_of", ["fixed", "moving", "both"])
def test_holes_with_other_levels_around_them_do_not_either(holes_of: str) -> None:
    """A hole beside a bright area, filled by the mean, would have a rim in each image that fits best without a shift."""
    image = fields(9) + np.add.outer(np.linspace(-3000, 3000, SIZE + 2 * MARGIN), np.zeros(SIZE + 2 * MARGIN))
    fixed, moving = window(image) + noise(1, 30), window(image, -1.5, 1.1) + noise(2, 30)
    for name, pixels in (("fixed", fixed), ("moving", moving)):
        if holes_of in (name, "both"):
            pixels[20:60, 20:50] = np.nan
            pixels[90:110, 70:110] = np.nan
    found = estimate_shift(fixed, moving)
    assert found.determined
    assert (found.rows, found.columns) == pytest.approx((-1.5, 1.1), abs=0.2)


def test_a_large_hole_in_both_determines_nothing() -> None:
    image = fields(9)
    fixed, moving = window(image) + noise(1, 30), window(image, -1.5, 1.1) + noise(2, 30)
    for pixels in (fixed, moving):
        pixels[20:80, 20:80] = np.nan
    assert not estimate_shift(fixed, moving).determined


def test_too_little_data_determines_nothing() -> None:
    image = fields(9)
    fixed, moving = window(image), window(image, 1, 1)
    fixed[:80] = np.nan
    assert not estimate_shift(fixed, moving).determined
    assert not estimate_shift(np.full_like(fixed, np.nan), moving).determined


@pytest.mark.parametrize("rows", [4.6, -6.5])
def test_a_shift_beyond_the_search_is_not_determined(rows: float) -> None:
    image = fields(10)
    found = estimate_shift(window(image) + noise(1, 20), window(image, rows) + noise(2, 20), max_shift=4)
    assert not found.determined


def test_size_need_not_be_square() -> None:
    image = fields(11)
    found = estimate_shift(
        (window(image) + noise(1, 20))[:96], (window(image, 1.5, -1.5) + noise(2, 20))[:96], max_shift=5
    )
    assert (found.rows, found.columns) == pytest.approx((1.5, -1.5), abs=0.15)


def test_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="one size"):
        estimate_shift(np.zeros((64, 64)), np.zeros((64, 65)))
    with pytest.raises(ConfigError, match="give 1 to 16"):
        estimate_shift(np.zeros((64, 64)), np.zeros((64, 64)), max_shift=17)
    with pytest.raises(ConfigError, match="shape"):
        estimate_shift(np.zeros(64), np.zeros(64))
