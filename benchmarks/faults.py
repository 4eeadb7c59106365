"""Faults put into good scenes, without a file being written: what `cerradata doctor` is to name."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from cerradata.core.types import Array, BoolArray
from cerradata.scenes import BandFile, Radiometry, Scene
from cerradata.scenes.doctor import Case, Fault
from cerradata.scenes.metadata import ProductMetadata
from cerradata.scenes.radiometry import SarUnit, from_power, to_power

Change = Callable[[Array], Array]

SAD69 = (49.9, 40.7)
"""Metres east and north by which coordinates of SAD69 differ from those of SIRGAS 2000 in zone 22 S (EPSG:29192)."""


@dataclass(frozen=True)
class Altered:
    """A band whose numbers or grid are not those of its file."""

    source: BandFile
    change: Change | None = None
    moved: GeoBox | None = None
    margin: int = 0

    @property
    def grid(self) -> GeoBox:
        return self.source.grid if self.moved is None else self.moved

    @property
    def nodata(self) -> float | None:
        return self.source.nodata

    @property
    def location(self) -> str:
        return self.source.location

    def read(
        self, rows: slice, columns: slice, *, what: str, shape: tuple[int, int] | None = None
    ) -> tuple[Array, BoolArray | None]:
        numbers, hidden = self.source.read(rows, columns, what=what, shape=shape)
        return (numbers if self.change is None else self.change(numbers)), hidden


@dataclass(frozen=True)
class Injection:
    """A fault to be put into a scene.

    Attributes:
        name: For the table.
        sensor: Of the scenes that can have it.
        expected: The name that it must be given.
        apply: The scene with the fault.
        stated: What the product's metadata then say.
        alone: Whether a single scene can show it.
        where: Which scenes can have it.
    """

    name: str
    sensor: str
    expected: Fault
    apply: Callable[[Scene], Scene]
    stated: Callable[[Scene], ProductMetadata] = field(default=lambda scene: ProductMetadata())
    alone: bool = True
    where: Callable[[Scene], bool] = field(default=lambda scene: True)

    def case(self, scene: Scene) -> Case:
        faulty = self.apply(scene)
        return Case(faulty, self.stated(faulty))


def numbers_of(scene: Scene, change: Change, only: tuple[str, ...] | None = None, **radiometry: object) -> Scene:
    bands = {
        name: Altered(band, change) if only is None or name in only else band for name, band in scene.bands.items()
    }
    return replace(scene, bands=bands, radiometry=replace(scene.radiometry, **radiometry))


def carried_offset(scene: Scene) -> int:
    return round(scene.radiometry.offset / scene.radiometry.scale)


def offset_missing(scene: Scene) -> Scene:
    """1000 more in the numbers than declared."""
    if carried_offset(scene) < 0:
        return replace(scene, radiometry=replace(scene.radiometry, offset=0.0))
    return numbers_of(scene, lambda n: np.where(n == 0, n, n + 1000))


def offset_twice(scene: Scene) -> Scene:
    """1000 less in the numbers than declared."""
    if carried_offset(scene) == 0:
        return replace(scene, radiometry=replace(scene.radiometry, offset=-1000 * scene.radiometry.scale))
    return numbers_of(scene, lambda n: np.where(n == 0, n, np.maximum(n.astype(np.int32) - 1000, 1)))


def reflectance_as_numbers(scene: Scene) -> Scene:
    radiometry = scene.radiometry

    def change(numbers: Array) -> Array:
        values = numbers.astype(np.float32) * radiometry.scale + radiometry.offset
        return np.where(numbers == 0, 0, values).astype(np.float32)

    return numbers_of(scene, change, offset=0.0)


def no_scale(scene: Scene) -> Scene:
    return replace(scene, radiometry=replace(scene.radiometry, scale=1.0, offset=float(carried_offset(scene))))


def reordered(order: Callable[[list[str]], list[str]]) -> Callable[[Scene], Scene]:
    def apply(scene: Scene) -> Scene:
        names = list(scene.bands)
        return replace(scene, bands={name: scene.bands[lies] for name, lies in zip(names, order(names), strict=True)})

    return apply


def swapped(one: str, other: str) -> Callable[[Scene], Scene]:
    def order(names: list[str]) -> list[str]:
        return [{one: other, other: one}.get(name, name) for name in names]

    return reordered(order)


def last_b8a(names: list[str]) -> list[str]:
    return [name for name in names if name != "B8A"] + ["B8A"]


def in_unit(true: SarUnit, declared: SarUnit) -> Callable[[Scene], Scene]:
    """Numbers in one unit, declared as another."""

    def apply(scene: Scene) -> Scene:
        radiometry: Radiometry = scene.radiometry

        def change(numbers: Array) -> Array:
            data = numbers.astype(np.float32)
            empty = ~np.isfinite(radiometry.to_values(numbers))
            found = from_power(to_power(data, radiometry.unit), true)
            return np.where(empty, np.nan, found).astype(np.float32)

        return numbers_of(scene, change, unit=declared, nodata=None)

    return apply


def gridded(change: Callable[[GeoBox], GeoBox]) -> Callable[[Scene], Scene]:
    def apply(scene: Scene) -> Scene:
        bands = {name: Altered(band, moved=change(band.grid)) for name, band in scene.bands.items()}
        return replace(scene, bands=bands, masks=())

    return apply


def shifted_by(east: float, north: float) -> Callable[[Scene], Scene]:
    return gridded(lambda grid: GeoBox(grid.shape, Affine.translation(east, north) * grid.transform, grid.crs))


def in_brazil(scene: Scene) -> bool:
    code = scene.footprint_grid.crs.epsg
    return code - 32700 in range(18, 26)


def next_zone(grid: GeoBox) -> GeoBox:
    code = grid.crs.epsg
    return GeoBox(grid.shape, grid.transform, f"EPSG:{code + (1 if code % 100 < 40 and code % 2 == 0 else -1)}")


def half_pixel_content(scene: Scene) -> Scene:
    """The numbers of half a pixel beside, as a careless resampling leaves them, on the grid as it was."""

    def change(numbers: Array) -> Array:
        moved = ndimage.shift(numbers.astype(np.float32), 0.5, order=3, mode="nearest")
        return np.where(numbers == 0, numbers, moved).astype(np.float32)

    return numbers_of(scene, change, only=("B02", "B03", "B04", "B08"))


def copied(onto: str, source: str) -> Callable[[Scene], Scene]:
    return lambda scene: replace(scene, bands={**scene.bands, onto: scene.bands[source]})


def filled(value: float, only: tuple[str, ...] | None) -> Callable[[Scene], Scene]:
    return lambda scene: numbers_of(scene, lambda n: np.full_like(n, value), only)


def without_datum(scene: Scene) -> Scene:
    return replace(scene, radiometry=replace(scene.radiometry, vertical_datum=None))


def holes_as_heights(scene: Scene) -> Scene:
    def change(numbers: Array) -> Array:
        found = numbers.astype(np.float32)
        found[::7] = -32768
        return found

    return numbers_of(scene, change)


def states_what_is_declared(scene: Scene) -> ProductMetadata:
    return ProductMetadata(offsets=(carried_offset(scene),))


_UNITS: tuple[SarUnit, ...] = ("amplitude", "linear", "db")
_S2, _S1 = "sentinel-2", "sentinel-1"

INJECTIONS: tuple[Injection, ...] = (
    Injection("offset missing", _S2, Fault.OFFSET_MISSING, offset_missing),
    Injection("offset missing, and the metadata are wrong", _S2, Fault.OFFSET_MISSING, offset_missing, states_what_is_declared),
    Injection("offset applied twice", _S2, Fault.OFFSET_TWICE, offset_twice),
    Injection("offset applied twice, and the metadata are wrong", _S2, Fault.OFFSET_TWICE, offset_twice, states_what_is_declared),
    Injection("reflectance 0..1 read as numbers", _S2, Fault.SCALE_TWICE, reflectance_as_numbers),
    Injection("scale 0.0001 missing", _S2, Fault.SCALE_MISSING, no_scale),
    Injection("B04 and B08 swapped", _S2, Fault.BANDS_PERMUTED, swapped("B04", "B08")),
    Injection("B02 and B04 swapped (BGR)", _S2, Fault.BANDS_PERMUTED, swapped("B02", "B04")),
    Injection("B11 and B03 swapped", _S2, Fault.BANDS_PERMUTED, swapped("B11", "B03")),
    Injection("order reversed", _S2, Fault.BANDS_PERMUTED, reordered(lambda names: names[::-1])),
    Injection("B8A last", _S2, Fault.BANDS_PERMUTED, reordered(last_b8a)),
    Injection("all bands one place too early", _S2, Fault.BANDS_PERMUTED, reordered(lambda names: names[1:] + names[:1])),
    *(
        Injection(f"radar: {true}, declared {declared}", _S1, Fault.SAR_UNIT, in_unit(true, declared))
        for true in _UNITS
        for declared in _UNITS
        if true != declared
    ),
    Injection("VV and VH swapped", _S1, Fault.BANDS_PERMUTED, swapped("VV", "VH")),
    Injection("wrong UTM zone", _S2, Fault.WRONG_ZONE, gridded(next_zone), alone=False),
    Injection("wrong UTM zone, radar", _S1, Fault.WRONG_ZONE, gridded(next_zone), alone=False),
    Injection("SAD69 labelled as SIRGAS", _S2, Fault.WRONG_DATUM, shifted_by(*SAD69), alone=False, where=in_brazil),
    Injection("SAD69 labelled as SIRGAS, radar", _S1, Fault.WRONG_DATUM, shifted_by(*SAD69), alone=False, where=in_brazil),
    Injection("grid half a pixel off", _S2, Fault.HALF_PIXEL, shifted_by(5, -5), alone=False),
    Injection("content half a pixel off", _S2, Fault.HALF_PIXEL, half_pixel_content, alone=False),
    Injection("shifted by 2 pixels", _S2, Fault.SHIFTED, shifted_by(20, 10), alone=False),
    Injection("all bands without data", _S2, Fault.NO_DATA, filled(0, None)),
    Injection("one band without data", _S2, Fault.NO_DATA, filled(0, ("B05",))),
    Injection("radar without data", _S1, Fault.NO_DATA, filled(np.nan, None)),
    Injection("constant band", _S2, Fault.BAND_CONSTANT, filled(1234, ("B03",))),
    Injection("duplicated band", _S2, Fault.BAND_DUPLICATED, copied("B03", "B04")),
    Injection("VH is a copy of VV", _S1, Fault.BAND_DUPLICATED, copied("VH", "VV")),
    Injection("vertical datum not declared", "elevation", Fault.DATUM_UNDECLARED, without_datum),
    Injection("holes of -32768 not declared", "elevation", Fault.ELEVATION, holes_as_heights),
)  # fmt: skip
