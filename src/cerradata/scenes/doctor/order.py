"""Whether the bands of a Sentinel-2 scene are what their names say."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from cerradata.core.types import FloatArray
from cerradata.scenes.doctor.case import Case, Standard
from cerradata.scenes.doctor.finding import Fault, Finding
from cerradata.scenes.doctor.spectra import SPECTRAL_BANDS, misfit
from cerradata.scenes.radiometry import Quantiles

_FEWEST = 7
"""Bands from which on the mixture of covers tells an order: with fewer it fits nearly any."""
_RATIO = 1.6
"""The declared order must fit so many times worse than another. On the good real scenes another order fits 1.22 times
better at most, and a swap of two bands that differ fits 2 to 15 times worse."""
_MISFIT = 0.08
_SPECTRA = 80
_PIXELS = 50
_PEAK = 0.15
_BASE = 0.10
_SLOPE = 0.04
_SHARE = 0.05
_LIKE_RATIO = 0.4
_LIKE_COST = 0.35


def check_order(case: Case) -> list[Finding]:
    """Name bands that are in another order than declared; nothing where the spectra do not tell.

    Args:
        case: A Sentinel-2 scene.
    """
    bands = [band for band in SPECTRAL_BANDS if band in case.sample.with_data]
    if case.sample.values.shape[1] < _PIXELS:
        return []
    if len(bands) >= _FEWEST:
        found = _by_mixture(case)
        if found:
            return found
    return _by_vegetation(case) or _by_soil(case)


def orders(bands: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Orders that happen, each with a name: every swap of two bands, and those of whole files.

    Args:
        bands: The declared order.

    Yields:
        A name, and for each place the band that lies there.
    """
    yield "the whole order reversed", bands[::-1]
    if "B8A" in bands:
        yield "B8A last, as file names sort", [band for band in bands if band != "B8A"] + ["B8A"]
    yield "all bands one place too early", bands[1:] + bands[:1]
    yield "all bands one place too late", bands[-1:] + bands[:-1]
    for i, j in combinations(range(len(bands)), 2):
        swapped = list(bands)
        swapped[i], swapped[j] = swapped[j], swapped[i]
        yield f"{bands[i]} and {bands[j]} swapped", swapped


def _by_mixture(case: Case) -> list[Finding]:
    bands = list(case.sample.with_data)
    spectra = _some(np.stack([case.sample.of(band) for band in bands]))
    declared = _misfit(spectra, bands)
    if declared < _MISFIT:
        return []
    name, best = min(((name, _misfit(spectra, order)) for name, order in orders(bands)), key=lambda pair: pair[1])
    if declared < _RATIO * best:
        return []
    return [
        _finding(
            case,
            name,
            f"spectra are no mixtures of vegetation, soil, water and air in this order (misfit {declared:.2f}); with {name} "
            f"they are ({best:.2f})",
            f"a misfit that no other order makes {_RATIO} times smaller",
        )
    ]


def _misfit(spectra: FloatArray, order: list[str]) -> float:
    """`misfit` of the rows whose bands in this order are compared."""
    rows = [row for row, band in enumerate(order) if band in SPECTRAL_BANDS]
    return misfit(spectra[rows], [order[row] for row in rows])


def _by_vegetation(case: Case) -> list[Finding]:
    """Only in the near infrared does a cover of land stand far above the visible bands."""
    infrared = next((band for band in ("B08", "B8A") if band in case.sample.with_data), None)
    visible = [band for band in ("B02", "B03", "B04") if band in case.sample.with_data]
    if infrared is None or len(visible) < 3:
        return []
    names = [*visible, infrared]
    values = np.stack([case.sample.of(band) for band in names])
    ranked = np.sort(values, axis=0)
    peaks = (ranked[-1] - ranked[-2] > _PEAK) & (ranked[-2] - ranked[0] < _BASE)
    if peaks.sum() < max(_PIXELS, _SHARE * values.shape[1]):
        return []
    counts = np.bincount(values[:, peaks].argmax(0), minlength=len(names))
    highest = names[int(counts.argmax())]
    share = counts.max() / peaks.sum()
    if highest == infrared or share < 0.9:
        return []
    return [
        _finding(
            case,
            f"{highest} and {infrared} swapped",
            f"{share:.0%} of the vegetated pixels are brightest in {highest}, by more than {_PEAK} of reflectance",
            f"vegetation is brightest in {infrared}",
        )
    ]


def _by_soil(case: Case) -> list[Finding]:
    """Bare soil rises from blue to red. At the top of the atmosphere the air hides it: surface reflectance only."""
    names = ("B02", "B03", "B04", "B08")
    if not case.is_surface or any(band not in case.sample.with_data for band in names):
        return []
    blue, green, red, infrared = (case.sample.of(band) for band in names)
    land = infrared > np.maximum(blue, red) * 1.1
    falling = land & (blue > green) & (green > red) & (blue - red > _SLOPE)
    rising = land & (red > green) & (green > blue) & (red - blue > _SLOPE)
    if falling.sum() < max(_PIXELS, _SHARE * blue.size) or rising.sum() > 0.02 * falling.sum():
        return []
    return [
        _finding(
            case,
            "B02 and B04 swapped",
            f"{falling.mean():.0%} of the pixels fall from blue to red by more than {_SLOPE} of reflectance, "
            f"{rising.mean():.1%} rise",
            "bare soil rises from blue to red",
        )
    ]


def check_order_like(case: Case, standard: Standard) -> list[Finding]:
    """Name two bands whose numbers fit each other's quantiles in a dataset or run far better than their own.

    Args:
        case: A Sentinel-2 scene.
        standard: What to compare with.
    """
    theirs = standard.of_sensor("sentinel-2")
    if theirs is None or case.sample.values.shape[1] < _PIXELS:
        return []
    levels = levels_of(theirs.quantiles, theirs.scale, theirs.offset)
    bands = [band for band in SPECTRAL_BANDS if band in case.sample.with_data and band in levels]
    if len(bands) < 3:
        return []
    ours = {band: np.quantile(case.sample.of(band), (0.05, 0.5, 0.95)) for band in bands}
    # an offset that is wrong in all bands is another fault: quantiles are compared after the mean difference is taken out
    mean = np.mean([ours[band] - levels[band] for band in bands])
    spread = np.mean([levels[band][2] - levels[band][0] for band in bands])

    def cost(order: list[str]) -> float:
        return float(
            np.mean(
                [np.abs(ours[place] - mean - levels[band]).mean() for place, band in zip(bands, order, strict=True)]
            )
            / spread
        )

    name, best = min(((name, cost(order)) for name, order in orders(bands)), key=lambda pair: pair[1])
    own = cost(bands)
    if own < _LIKE_COST or best > _LIKE_RATIO * own:
        return []
    return [
        _finding(
            case,
            name,
            f"quantiles differ from those of {standard.name} by {own:.2f} of their range; with {name} by {best:.2f}",
            f"the quantiles of the same bands in {standard.name}",
        )
    ]


def levels_of(quantiles: Quantiles, scale: float, offset: float) -> dict[str, FloatArray]:
    """Quantiles of stored numbers as values, by band; of time windows the mean."""
    found: dict[str, list[FloatArray]] = {}
    for band, numbers in quantiles.items():
        found.setdefault(band.split("@", 1)[0], []).append(np.asarray(numbers) * scale + offset)
    return {band: np.mean(values, axis=0) for band, values in found.items()}


def _some(values: FloatArray) -> FloatArray:
    chosen = np.linspace(0, values.shape[1] - 1, min(_SPECTRA, values.shape[1])).astype(int)
    return values[:, chosen]


def _finding(case: Case, name: str, found: str, expected: str) -> Finding:
    return Finding(
        Fault.BANDS_PERMUTED,
        case.name,
        found,
        expected,
        f"correct the order: {name}. Give `bands` in the order of the file, or name the files after what they hold",
        band=name,
    )
