"""The command that names what is wrong with scenes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from rich.markup import escape
from rich.table import Table

from cerradata.commands.scene_list import read_scene_list
from cerradata.commands.show import Format, console, show_json, show_lines, show_simulated
from cerradata.core.errors import CerradataError, ConfigError, SceneError
from cerradata.core.locations import Location
from cerradata.core.types import Array, BoolArray, Sensor
from cerradata.patches.index import lacking, read_index
from cerradata.patches.info import DatasetInfo, LayerInfo
from cerradata.patches.layout import INFO_FILE
from cerradata.patches.source import PatchSource, open_source
from cerradata.patches.store.remote import dataset_folder
from cerradata.runs import RunFolder
from cerradata.runs.folder import RECORD_FILE
from cerradata.scenes import BandFile, Radiometry, SarUnit, Scene, SceneSource, open_scene
from cerradata.scenes.bands import base_band
from cerradata.scenes.doctor import Case, Finding, Standard, examine, unreadable
from cerradata.scenes.metadata import ProductMetadata
from cerradata.scenes.open import stated_metadata

_EXIT_FAULT = 1
_PATCHES = 48
"""Patches of a dataset that content is compared with."""
_SENSOR_LAYERS = {"msi": "sentinel-2", "sar": "sentinel-1"}


@dataclass(frozen=True)
class DoctorSettings:
    """How the scenes are declared.

    Attributes:
        bands: Band names in the order of the file, for a file with all bands.
        offset: Sentinel-2: the product's BOA_ADD_OFFSET or RADIO_ADD_OFFSET, -1000 or 0; by default read from the metadata
            in the scene's folder, where there are any.
        unit: Sentinel-1: amplitude, linear or db.
        product_level: Sentinel-2: L1C or L2A; by default that of the metadata. More can be told of surface reflectance.
    """

    bands: tuple[str, ...] | None = None
    offset: int | None = None
    unit: SarUnit | None = None
    product_level: Literal["L1C", "L2A"] | None = None


def doctor(
    scenes: tuple[Location, ...], settings: DoctorSettings, *, like: Location | None = None, format: Format = "text"
) -> int:
    """Compare scenes with what is plausible, with each other, and with a dataset or run; name what is wrong.

    Named are: an offset that is missing or applied twice, a scale that is, decibels taken for amplitude or power, bands in
    another order, a wrong zone or datum, a shift, heights without a vertical datum, bands without data, and declarations
    that contradict the product's metadata. The exit code is 1 if there is any fault, 0 if there are only notes.

    Args:
        scenes: A folder with one file a band, or a file with all bands (say --bands, and --offset or --unit); or a YAML
            file with `scenes:`, a build configuration for example, where there are several.
        settings: How the scenes are declared.
        like: Folder of a dataset or a run to compare with, or the URI of a packed dataset.
        format: text or json.
    """
    for location in scenes:
        if (location.path / INFO_FILE).is_file():
            raise ConfigError(
                f"{location} is a dataset, and doctor looks at scenes: `cerradata verify {location}` checks a dataset, and "
                f"`cerradata doctor SCENES --like {location}` compares scenes with it."
            )
    sources = read_scene_list(
        scenes,
        bands=settings.bands,
        offset=settings.offset,
        unit=settings.unit,
        product_level=settings.product_level,
    ).scenes
    cases, findings = _cases(sources)
    standard = None if like is None else read_standard(dataset_folder(like))
    findings = [*findings, *examine(cases, standard)]
    faults = sum(finding.severity == "fault" for finding in findings)
    if format == "json":
        show_json(
            {
                "scenes": len(sources),
                "faults": faults,
                "notes": len(findings) - faults,
                "findings": [finding.to_dict() for finding in findings],
                "simulated": list(_simulated(cases)),
            }
        )
    else:
        _show(findings, len(sources), faults)
        show_simulated(_simulated(cases))
    return _EXIT_FAULT if faults else 0


def _cases(sources: Sequence[SceneSource]) -> tuple[list[Case], list[Finding]]:
    """The scenes that can be opened, with names of their own, and findings on the others."""
    cases: list[Case] = []
    findings = []
    for source in sources:
        try:
            case = open_case(source)
        except CerradataError as error:
            findings.append(unreadable(source.path.name, error))
            continue
        taken = any(other.name == case.name for other in cases)
        cases.append(replace(case, scene=replace(case.scene, name=str(source.path))) if taken else case)
    return cases, findings


def open_case(source: SceneSource) -> Case:
    """A scene to be examined, with what its metadata say.

    A Sentinel-2 scene whose offset nobody states, or on which the metadata contradict themselves, is opened without one:
    its numbers are to tell.

    Raises:
        CerradataError: If it cannot be opened.
    """
    try:
        stated = stated_metadata(source)
    except SceneError:
        stated = ProductMetadata()
    try:
        return Case(open_scene(source), stated)
    except SceneError:
        if source.sensor != "sentinel-2" or source.offset is not None:
            raise
        return Case(open_scene(replace(source, offset=0)), stated, offset_declared=False)


def read_standard(path: Path) -> Standard:
    """A dataset or run to compare scenes with.

    Args:
        path: Its folder.

    Raises:
        CerradataError: If it is neither.
    """
    if (path / RECORD_FILE).is_file():
        record = RunFolder(path).read()
        return Standard(f"run {path.name}", tuple(record.radiometry.values()))
    if not (path / INFO_FILE).is_file():
        raise ConfigError(
            f"{path} is no dataset and no run: it has neither {INFO_FILE} nor {RECORD_FILE}. Run `cerradata index` for a copy "
            "of a dataset."
        )
    info = DatasetInfo.read(path)
    index = read_index(path)
    source = open_source(path, info, index)
    patches = tuple(
        patch
        for name, layer in info.layers.items()
        if name in _SENSOR_LAYERS
        for patch in _patches(source, index, layer, name)
    )
    return Standard(f"dataset {info.name}", tuple(layer.radiometry for layer in info.layers.values()), patches)


def _patches(source: PatchSource, index: gpd.GeoDataFrame, layer: LayerInfo, name: str) -> list[Scene]:
    """Some georeferenced patches that have a layer, spread over the index, as scenes."""
    there = index[index["crs"].notna() & ~index["id"].isin(lacking(index).get(name, frozenset()))]
    if there.empty:
        return []
    chosen = there.iloc[np.linspace(0, len(there) - 1, min(_PATCHES, len(there))).astype(int)]
    pixels = source.read(name, [int(i) for i in chosen["id"]])
    places = zip(chosen["id"], chosen["transform"], chosen["crs"], strict=True)
    return [
        _patch(f"{name} of patch {patch_id}", GeoBox(own.shape[1:], Affine(*transform), crs), own, layer.radiometry)
        for (patch_id, transform, crs), own in zip(places, pixels, strict=True)
    ]


def _patch(name: str, grid: GeoBox, pixels: Array, radiometry: Radiometry) -> Scene:
    # of time windows the first: where its content lies, that of the others does
    suffix = f"@{radiometry.time_windows[0]}" if radiometry.time_windows else ""
    bands = {
        base_band(band): _BandInMemory(Location(name), index, grid, numbers=pixels[index - 1])
        for index, band in enumerate(radiometry.bands, start=1)
        if band.endswith(suffix)
    }
    sensor: Sensor = "sentinel-1" if radiometry.sensor == "sentinel-1" else "sentinel-2"
    return Scene(name, sensor, None, bands, replace(radiometry, bands=tuple(bands), time_windows=()))


@dataclass(frozen=True)
class _BandInMemory(BandFile):
    """A band of a patch that was read: packed, it is no file.

    Attributes:
        numbers: (rows, columns) stored numbers.
    """

    numbers: Array = field(kw_only=True, compare=False)

    def read(
        self, rows: slice, columns: slice, *, what: str, shape: tuple[int, int] | None = None
    ) -> tuple[Array, BoolArray | None]:
        """See `BandFile`."""
        window = self.numbers[rows, columns]
        if shape is None:
            return window, None
        down, right = (
            ((np.arange(wanted) + 0.5) * size / wanted).astype(int)
            for wanted, size in zip(shape, window.shape, strict=True)
        )
        return window[np.ix_(down, right)], None


def _simulated(cases: Sequence[Case]) -> list[str]:
    return sorted({case.scene.simulated for case in cases if case.scene.simulated})


def _show(findings: Sequence[Finding], scenes: int, faults: int) -> None:
    if findings:
        table = Table(title="Findings", title_justify="left", title_style="bold", show_lines=True)
        for column in ("scene", "fault or note", "evidence, and what to do"):
            table.add_column(column, overflow="fold")
        for f in findings:
            name = f"{f.severity}: {f.fault}" + (f"\n{f.band}" if f.band else "")
            told = f"found: {f.found}\nexpected: {f.expected}\nto do: {f.remedy}"
            table.add_row(*(escape(text) for text in (f.scene, name, told)))
        console().print(table)
    notes = len(findings) - faults
    show_lines([f"{scenes} scenes: {faults} faults, {notes} notes"])
