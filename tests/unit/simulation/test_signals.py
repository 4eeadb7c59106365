"""Reflectance, sky and backscatter of a surface."""

import datetime as dt

import numpy as np
import pytest

from cerradata.simulation.classes import Cover
from cerradata.simulation.noise import Window
from cerradata.simulation.optics import BANDS, materials, reflectance
from cerradata.simulation.radar import backscatter, speckle
from cerradata.simulation.sky import (
    CIRRUS,
    CLOUD_HIGH,
    CLOUD_MEDIUM,
    SHADOW,
    Sky,
    Sun,
    classify,
    is_seen,
    sky_over,
    through,
)
from cerradata.simulation.surface import Surface, draw_surface
from cerradata.simulation.world import World

JULY, JANUARY, MAY = dt.date(2022, 7, 11), dt.date(2022, 1, 22), dt.date(2022, 5, 27)


@pytest.fixture(scope="module")
def surface(world: World) -> Surface:
    return draw_surface(world, world.area.window)


def test_shares_of_materials_are_shares(world: World, surface: Surface) -> None:
    shares = materials(surface, JULY, world.parameters, world.seed)
    assert shares.min() >= -1e-5
    assert shares.max() <= 1 + 1e-5
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=2e-3)


def test_each_class_looks_as_it_should(world: World, surface: Surface) -> None:
    july = reflectance(surface, JULY, world.parameters, world.seed)
    mean = {cover: july[:, surface.cover == cover].mean(axis=1) for cover in Cover}
    red, nir, swir = (BANDS.index(b) for b in ("B04", "B08", "B11"))
    assert mean[Cover.WATER][nir] < 0.05
    assert mean[Cover.PRIMARY][red] < mean[Cover.PASTURE][red]  # pasture is dry
    assert mean[Cover.PRIMARY][swir] < mean[Cover.PASTURE][swir]
    assert mean[Cover.URBAN][0] > mean[Cover.PASTURE][0]  # roofs are bright in the blue
    assert july.min() > 0
    assert july.max() < 0.8


def test_the_seasons_differ(world: World, surface: Surface) -> None:
    def greenness(date: dt.date, cover: Cover) -> float:
        values = reflectance(surface, date, world.parameters, world.seed)[:, surface.cover == cover].mean(axis=1)
        red, nir = values[BANDS.index("B04")], values[BANDS.index("B08")]
        return float((nir - red) / (nir + red))

    assert greenness(JANUARY, Cover.PASTURE) > greenness(JULY, Cover.PASTURE) + 0.15
    assert greenness(MAY, Cover.MORE_CYCLES) > greenness(MAY, Cover.ONE_CYCLE) + 0.07  # the second crop
    assert abs(greenness(JULY, Cover.MORE_CYCLES) - greenness(JULY, Cover.ONE_CYCLE)) < 0.15


def test_what_is_cleared_later_in_the_year_still_stands(world: World, surface: Surface) -> None:
    felled = surface.cover == Cover.DEFORESTATION
    late = felled & (surface.clear_day > JULY.timetuple().tm_yday)
    if not late.any():
        pytest.skip("nothing is cleared after July in this small world")
    values = reflectance(surface, JULY, world.parameters, world.seed)
    december = reflectance(surface, dt.date(2022, 12, 20), world.parameters, world.seed)
    shade = materials(surface, JULY, world.parameters, world.seed)[-1]
    after = materials(surface, dt.date(2022, 12, 20), world.parameters, world.seed)[-1]
    assert shade[late].mean() > after[late].mean()
    assert values[:, late].mean() != december[:, late].mean()


def test_clouds_hide_and_shade(world: World, surface: Surface) -> None:
    ground = reflectance(surface, JULY, world.parameters, world.seed)
    zeros = np.zeros(surface.window.shape, np.float32)
    clear = through(Sky(zeros, zeros, zeros), ground, world.parameters)
    np.testing.assert_allclose(clear, ground, atol=1e-6)
    covered = through(Sky(zeros + 1, zeros, zeros), ground, world.parameters)
    assert np.ptp(covered[0]) < 1e-6
    assert covered[0].mean() > 0.5
    shaded = through(Sky(zeros, zeros + 1, zeros), ground, world.parameters)
    np.testing.assert_allclose(shaded, 0.38 * ground, rtol=1e-4)
    veiled = through(Sky(zeros, zeros, zeros + 0.1), ground, world.parameters)
    assert (veiled[0] - ground[0]).mean() > (veiled[-1] - ground[-1]).mean() > 0


def test_the_classification_sees_clouds_and_makes_the_errors_of_real_ones(world: World, surface: Surface) -> None:
    window = surface.window
    sun = Sun.at(192, -7.0)
    sky = sky_over(window, JANUARY, 0.4, sun, world.parameters, world.seed)
    assert (sky.cloud > 0.8).any()
    values = through(sky, reflectance(surface, JANUARY, world.parameters, world.seed), world.parameters)
    scl = classify(sky, surface, values, JANUARY, world.parameters, world.seed)
    assert np.isin(scl[sky.cloud > 0.8], (CLOUD_HIGH,)).all()
    shaded = (sky.shadow > 0.5) & (sky.cloud == 0) & (sky.veil < 0.3)
    assert (np.isin(scl[shaded], (SHADOW, CLOUD_MEDIUM))).mean() > 0.95
    clear = (sky.cloud == 0) & (sky.shadow == 0) & (sky.veil < 0.2)
    tricked = 0
    for date in (JANUARY, MAY, JULY, dt.date(2022, 8, 30), dt.date(2022, 10, 29)):
        own = classify(sky, surface, values, date, world.parameters, world.seed)
        tricked += int(np.isin(own[clear & (surface.cover == Cover.URBAN)], (CLOUD_MEDIUM, CIRRUS)).sum())
    towns = int((clear & (surface.cover == Cover.URBAN)).sum())
    assert 0.1 < tricked / (5 * towns) < 0.7  # bright towns are taken for cloud on some dates


def test_clouds_cover_what_was_asked_for(world: World) -> None:
    wide = Window(0, 0, 700, 700, step=30)  # 210 x 210 km: many groups of clouds
    for cover in (0.05, 0.4):
        sky = sky_over(wide, JANUARY, cover, Sun.at(22, -7.0), world.parameters, world.seed)
        assert (sky.cloud > 0).mean() == pytest.approx(cover, abs=0.05)


def test_shadows_fall_away_from_the_sun(world: World) -> None:
    window = Window(world.area.window.row, world.area.window.col, 250, 250)
    sky = sky_over(window, JANUARY, 0.3, Sun(azimuth=90, elevation=45), world.parameters, world.seed)
    far = round(world.parameters.number("sky.cloud_height_m") / 10)  # the sun stands in the east: shadows lie west
    np.testing.assert_array_equal(sky.shadow[:, :-far], sky.cloud[:, far:])


def test_the_sun_is_where_it_was() -> None:
    """Solar elevation at 7 S at 10.7 h local solar time: high in February, lower in June; in the north in June."""
    assert Sun.at(45, -7.0).elevation > 65
    june = Sun.at(172, -7.0)
    assert 45 < june.elevation < 56
    assert june.azimuth < 50


def test_orbits_leave_wedges_in_opposite_corners(world: World) -> None:
    window = world.area.window
    west, east = is_seen(window, 0, window), is_seen(window, 1, window)
    assert west[:, 0].all()
    assert not west[:, -1].all()
    assert east[:, -1].all()
    assert not east[:, 0].all()
    assert (west | east).all()


def test_speckle_has_mean_1_and_the_stated_looks() -> None:
    values = speckle(7, (600, 500), 4.4)
    assert values.mean() == pytest.approx(1, abs=0.01)
    assert 1 / values.var() == pytest.approx(4.4, rel=0.05)
    np.testing.assert_array_equal(values, speckle(7, (600, 500), 4.4))
    assert (values != speckle(8, (600, 500), 4.4)).any()


def test_backscatter_is_plausible(world: World, surface: Surface) -> None:
    power = backscatter(surface, JULY, world.parameters, world.seed)
    db = {cover: 10 * np.log10(power[:, surface.cover == cover].mean(axis=1)) for cover in Cover}
    assert db[Cover.WATER][0] < -17
    assert -14 < db[Cover.PASTURE][0] < -10.5
    assert db[Cover.URBAN][0] > db[Cover.PRIMARY][0] > db[Cover.PASTURE][0]
    ratio = np.sqrt(power[1]).mean() / np.sqrt(power[0]).mean()
    assert 0.44 < ratio < 0.55  # as in the real samples
