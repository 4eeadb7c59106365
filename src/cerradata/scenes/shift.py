"""`estimate_shift`: how far the content of one image lies from that of another, also between sensors."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from cerradata.core.errors import ConfigError
from cerradata.core.types import BoolArray, FloatArray

_STEP = 0.25  # px between the shifts that are tried; the peak between them is fitted
_NEAR = 0.3  # px: `confidence` is the chance that the true shift lies this close
_CONFIDENT = 0.8  # from this confidence on, a shift is determined: see docs/alignment.md for what it is right in
_LEAD = 12.0  # least lead of the peak over any other place, as a difference of log-likelihoods
_APART = 3.0  # px from the peak, where another peak is another answer
_VALID = 0.5  # least share of the pixels, weighted by the taper, with data in both images
_HIDDEN = 0.2  # largest share without data in both: more of it shapes both images alike, and draws the answer to 0
_REACHES = (12.0, 3.0)  # px, standard deviations of the neighbourhoods that fill a hole
_TAPER = 0.15  # share of each side that the taper fades out
_BLUR = 0.8  # px, standard deviation of the low-pass filter: what is finer is speckle and resampling noise
_FLOOR = 1e-4  # of the strongest ring: below, there is quantisation and what leaks from coarse rings, not noise
_COMPONENTS = 2  # principal components of each image that take part; the third of Sentinel-2 is mostly noise
_WEAK = 0.02  # components with less than this share of the strongest one's energy are noise

Spectra = npt.NDArray[np.complexfloating]


@dataclass(frozen=True)
class Shift:
    """How far the content of an image lies from that of another.

    Attributes:
        rows: Pixels that the content of the moving image lies further down.
        columns: Pixels that it lies further right.
        confidence: 0 to 1: the chance that the true shift lies within 0.3 pixels of this one, as the images tell it.
        determined: Whether there is a shift to speak of. If not, `rows` and `columns` mean nothing.
    """

    rows: float
    columns: float
    confidence: float
    determined: bool

    def reversed(self) -> "Shift":
        """The shift with the two images in each other's place."""
        return Shift(-self.rows, -self.columns, self.confidence, self.determined)


def estimate_shift(fixed: FloatArray, moving: FloatArray, *, max_shift: float = 8.0) -> Shift:
    """Estimate the shift between two images of the same place: moving(r, c) = fixed(r - rows, c - columns).

    Phase correlation, generalised: the cross-spectrum of the two is divided by the spectrum of `moving` (averaged over
    directions) instead of by its own amplitude. That whitens the images, so edges decide and not the mean level, as in
    a correlation of gradients; but frequencies in which speckle drowns the edges get no say (Knapp and Carter 1976,
    doi:10.1109/TASSP.1976.1162830, the Roth processor). Correlations of all pairs of channels are squared and summed: the
    contrast between two land covers may be bright on dark in one sensor and dark on bright in the other. The sum is
    evaluated on quarter pixels by a matrix-multiply Fourier
    transform (Guizar-Sicairos et al. 2008, doi:10.1364/OL.33.000156) and its peak fitted by a parabola.

    Args:
        fixed: (rows, columns) or (channels, rows, columns), NaN = no data. The one with less noise.
        moving: Likewise, with as many rows and columns; the number of channels may differ.
        max_shift: Largest shift to look for, in pixels.

    Returns:
        The shift. It is not determined over homogeneous cover, over noise, where more than half of the pixels lack
        data in one image or more than a fifth in both, where there are two answers, and where the best one is not below
        `max_shift`.

    Raises:
        ConfigError: If the images differ in size, or are too small for `max_shift`.
    """
    still, moved = _stack(fixed), _stack(moving)
    rows, columns = still.shape[1:]
    if moved.shape[1:] != (rows, columns):
        raise ConfigError(f"A shift needs two images of one size, not {(rows, columns)} and {moved.shape[1:]} pixels.")
    if not 1 <= max_shift <= min(rows, columns) / 4:
        raise ConfigError(
            f"max_shift is {max_shift} pixels: for images of {rows} x {columns} give 1 to {min(rows, columns) // 4}."
        )
    search = _search(rows, columns, float(max_shift))
    still_valid, moved_valid = (np.asarray(np.isfinite(stack).all(axis=0)) for stack in (still, moved))
    shared, hidden = (
        float(search.taper[part].sum()) for part in (still_valid & moved_valid, ~still_valid & ~moved_valid)
    )
    if shared < _VALID * search.taper.sum() or hidden > _HIDDEN * search.taper.sum():
        return Shift(0.0, 0.0, 0.0, False)
    evidence, pairs = _evidence(_spectra(still, still_valid, search), _spectra(moved, moved_valid, search), search)
    return _decide(evidence, pairs, search, max_shift) if pairs else Shift(0.0, 0.0, 0.0, False)


@dataclass(frozen=True)
class _Search:
    """What depends on the size of the images and the search alone.

    Attributes:
        taper: (rows, columns) weight of each pixel, falling to 0 at the borders.
        weight: (rows, half columns) weight of each frequency; the second half of the plane counted in.
        ring: (rows, half columns) distance from frequency 0, in steps of the coarser axis.
        offsets: (shifts,) shifts that are tried, in pixels.
        down: (shifts, rows) Fourier matrix to the tried row shifts.
        right: (half columns, shifts) likewise for columns.
    """

    taper: FloatArray
    weight: FloatArray
    ring: npt.NDArray[np.intp]
    offsets: FloatArray
    down: Spectra
    right: Spectra


@lru_cache(maxsize=8)
def _search(rows: int, columns: int, max_shift: float) -> _Search:
    vertical, horizontal = fft.fftfreq(rows)[:, None], fft.rfftfreq(columns)[None, :]
    radius = np.hypot(vertical, horizontal)
    weight = np.exp(-2 * (np.pi * _BLUR * radius) ** 2)
    weight[radius < 1.5 / min(rows, columns)] = 0  # the mean and the slope of a whole image place nothing
    weight[np.abs(vertical[:, 0]) == 0.5] = 0  # the sign of a shift is lost at half a cycle a pixel
    weight[:, horizontal[0] == 0.5] = 0
    weight[:, 1:] *= 2  # of each pair of conjugate frequencies only one is kept
    steps = int(np.ceil((max_shift + 1) / _STEP))  # one pixel more, so that a peak beyond the limit is seen as such
    offsets = np.arange(-steps, steps + 1) * _STEP
    return _Search(
        taper=np.outer(_fade(rows), _fade(columns)).astype(np.float32),
        weight=weight.astype(np.float32),
        ring=np.rint(radius * min(rows, columns)).astype(np.intp),
        offsets=offsets,
        down=np.exp(2j * np.pi * offsets[:, None] * vertical.T).astype(np.complex64),
        right=np.exp(2j * np.pi * offsets[None, :] * horizontal.T).astype(np.complex64),
    )


def _fade(size: int) -> FloatArray:
    depth = max(1, int(size * _TAPER))
    slope = 0.5 - 0.5 * np.cos(np.pi * (np.arange(depth) + 0.5) / depth)
    return np.concatenate([slope, np.ones(size - 2 * depth), slope[::-1]])


def _stack(image: FloatArray) -> FloatArray:
    stack = np.asarray(image, np.float32)
    stack = stack[None] if stack.ndim == 2 else stack
    if stack.ndim != 3 or not stack.size:
        raise ConfigError(
            f"An image of shape {np.shape(image)}: (rows, columns) or (channels, rows, columns) is needed."
        )
    return stack


def _spectra(stack: FloatArray, valid: BoolArray, search: _Search) -> Spectra:
    """(channels, rows, half columns) spectra of the tapered channels without their mean; constant ones left out."""
    filled = stack if valid.all() else _fill(stack, valid)
    weight = search.taper
    mean = np.tensordot(filled, weight, 2) / weight.sum()
    tapered = (filled - mean[:, None, None]) * weight
    # rounding of a constant channel is no texture
    varied = np.abs(tapered).max(axis=(1, 2)) > 1e-5 * np.abs(mean)
    return np.asarray(fft.rfft2(tapered[varied]))


def _fill(stack: FloatArray, valid: BoolArray) -> FloatArray:
    """Holes filled by what lies around them, from far to near.

    A hole filled by one value would have a rim; holes of both images in one place, as clouds and unlabelled areas make them,
    would then fit best without a shift, whatever else is in the images.
    """
    around = np.broadcast_to(stack[:, valid].mean(axis=1)[:, None, None], stack.shape)
    for reach in _REACHES:
        known = np.where(valid, stack - around, np.float32(0))
        near = _blurred(np.concatenate([known, valid[None].astype(np.float32)]), reach)
        around = around + near[:-1] / np.maximum(near[-1], 0.01)
    return np.where(valid, stack, around)


def _blurred(stack: FloatArray, deviation: float) -> FloatArray:
    """A Gaussian filter. It goes round the borders, which the taper hides."""
    rows, columns = stack.shape[1:]
    down, right = (np.exp(-2 * (np.pi * deviation * f) ** 2) for f in (fft.fftfreq(rows), fft.rfftfreq(columns)))
    transfer = np.outer(down, right).astype(np.float32)
    return np.asarray(fft.irfft2(fft.rfft2(stack) * transfer, s=(rows, columns)))


def _evidence(template: Spectra, observed: Spectra, search: _Search) -> tuple[FloatArray, int]:
    """How well each shift explains `observed` by `template`.

    Returns:
        (shifts, shifts) sum of the squared correlations of all pairs of components, in any unit; the number of pairs.
    """
    total = np.zeros((len(search.offsets), len(search.offsets)), np.float32)
    if not len(template) or not len(observed):
        return total, 0
    observed = observed / np.sqrt(_energy(observed, search.weight))[:, None, None]  # bands may differ in unit
    metric = search.weight / _noise(observed, search)
    parts = _components(template, metric)
    # By this, each correlation varies alike where nothing but noise is in `observed`.
    parts /= np.sqrt(_energy(parts, metric * search.weight))[:, None, None]
    channels = _components(observed, metric) * metric
    for channel in channels:
        for part in np.conj(parts):
            half = search.down @ (part * channel)
            total += (half.real @ search.right.real - half.imag @ search.right.imag) ** 2
    return total, len(parts) * len(channels)


def _energy(channels: Spectra, metric: FloatArray) -> FloatArray:
    return np.asarray(np.tensordot(channels.real**2 + channels.imag**2, metric, 2))


def _noise(observed: Spectra, search: _Search) -> FloatArray:
    """(rows, half columns) power spectrum of all channels, averaged over directions: that of noise and texture."""
    power = (observed.real**2 + observed.imag**2).sum(axis=0)
    rings = np.bincount(search.ring.ravel(), power.ravel()) / np.maximum(np.bincount(search.ring.ravel()), 1)
    smooth = np.convolve(np.pad(rings, 2, mode="edge"), np.full(5, 0.2), "valid")
    smooth = np.maximum(smooth, _FLOOR * smooth.max())
    return np.asarray(smooth.astype(np.float32)[search.ring])


def _components(channels: Spectra, metric: FloatArray) -> Spectra:
    """The strongest principal components of some channels, each of energy 1, uncorrelated in this metric."""
    flat = (channels * np.sqrt(metric)).reshape(len(channels), -1)
    energy, axes = np.linalg.eigh((flat @ flat.conj().T).real)
    strong = np.flatnonzero(energy > _WEAK * energy[-1])[-_COMPONENTS:]
    mixing = (axes[:, strong] / np.sqrt(energy[strong])).T.astype(np.float32)
    return np.asarray(np.tensordot(mixing, channels, 1))


def _decide(evidence: FloatArray, pairs: int, search: _Search, max_shift: float) -> Shift:
    """The peak of the evidence, and whether it stands out.

    Far from the peak the images do not fit, so what evidence there is comes from noise and from like textures. In units of
    that, the evidence is a log-likelihood: half a squared correlation of variance 1, summed over the pairs. So a pair of
    images with structure in common but in other places, such as rows of fields, is trusted less.
    """
    row, column = (int(place) for place in np.unravel_index(int(np.argmax(evidence)), evidence.shape))
    if not (0 < row < len(evidence) - 1 and 0 < column < len(evidence) - 1):
        return Shift(0.0, 0.0, 0.0, False)
    down = float(search.offsets[row] + _STEP * _vertex(*evidence[row - 1 : row + 2, column]))
    right = float(search.offsets[column] + _STEP * _vertex(*evidence[row, column - 1 : column + 2]))
    distance = np.hypot(search.offsets[:, None] - down, search.offsets[None, :] - right)
    away = evidence[distance > _APART]
    unit = pairs / (2 * float(away.mean()))
    chance = np.exp(unit * (evidence - evidence[row, column]))
    confidence = float(chance[distance <= _NEAR].sum() / chance.sum())
    lead = unit * float(evidence[row, column] - away.max())
    inside = max(abs(down), abs(right)) <= max_shift
    return Shift(down, right, confidence, bool(inside and confidence >= _CONFIDENT and lead >= _LEAD))


def _vertex(before: float, at: float, after: float) -> float:
    """Place of the vertex of a parabola through three neighbours, the middle one the highest, in steps from it."""
    bend = before - 2 * at + after
    return 0.0 if bend == 0 else float(0.5 * (before - after) / bend)
