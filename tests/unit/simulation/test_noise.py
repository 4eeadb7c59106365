import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerradata.simulation.noise import Window, draw, fractal_noise, key_of, mix, smooth_noise, white_noise

KEY = key_of(1, "test")
windows = st.builds(
    Window,
    st.integers(-500, 500),
    st.integers(-500, 500),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 3]),
)


def test_a_window_knows_the_centres_of_its_pixels() -> None:
    window = Window(-10, 20, 2, 3, step=3)
    np.testing.assert_array_equal(window.y, [-8.5, -5.5])
    np.testing.assert_array_equal(window.x, [21.5, 24.5, 27.5])
    assert window.pad(2) == Window(-16, 14, 6, 7, 3)


@settings(max_examples=40)
@given(windows, st.integers(0, 12), st.integers(0, 12), st.floats(1.5, 60))
def test_overlapping_windows_agree(window: Window, down: int, right: int, wavelength: float) -> None:
    larger = Window(
        window.row - down * window.step, window.col - right * window.step,
        window.rows + down, window.columns + right, window.step,
    )  # fmt: skip
    part = (slice(down, None), slice(right, None))
    np.testing.assert_allclose(
        fractal_noise(KEY, larger, wavelength, octaves=2)[part],
        fractal_noise(KEY, window, wavelength, octaves=2),
        atol=2e-6,
    )
    np.testing.assert_array_equal(white_noise(KEY, larger)[part], white_noise(KEY, window))


@pytest.mark.parametrize("wavelength", [1.7, 8.0, 30.0])
def test_noise_has_mean_0_and_variance_1(wavelength: float) -> None:
    field = smooth_noise(KEY, Window(-3000, -3000, 1500, 1500), wavelength)
    assert abs(field.mean()) < 0.06
    assert abs(field.std() - 1) < 0.06


def test_smooth_noise_changes_little_from_pixel_to_pixel_and_much_over_its_wavelength() -> None:
    field = smooth_noise(KEY, Window(0, 0, 400, 400), 20)
    near = np.corrcoef(field[:, 1:].ravel(), field[:, :-1].ravel())[0, 1]
    far = np.corrcoef(field[:, 80:].ravel(), field[:, :-80].ravel())[0, 1]
    assert near > 0.98
    assert abs(far) < 0.2


def test_bits_are_even_and_differ_by_key_and_number() -> None:
    numbers = np.arange(-50_000, 50_000)
    values = draw(KEY, numbers)
    assert 0 <= values.min() < 1e-3
    assert 0.999 < values.max() < 1
    assert abs(values.mean() - 0.5) < 0.005
    assert len(np.unique(mix(KEY, numbers))) == len(numbers)
    assert abs(np.corrcoef(values, draw(key_of(2, "test"), numbers))[0, 1]) < 0.02
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 0.02


def test_a_key_is_the_same_on_every_machine() -> None:
    assert int(key_of(1, "relief")) == 12929343956234732858
    assert int(mix(key_of(1, "relief"), -7, 3)) == 5394827886552310640
    assert key_of(1, "a", 2) != key_of(1, "a2")
