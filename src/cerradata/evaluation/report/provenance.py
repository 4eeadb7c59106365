"""What a dataset was made of, and what its data may be used for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cerradata.core.errors import DatasetError
from cerradata.evaluation.report.layers import SENSORS
from cerradata.evaluation.report.page import Fact, quantity
from cerradata.patches.info import DatasetInfo

_UNKNOWN = "not known"
_METHODS = {
    "first": "the first scene of the list that shows the ground",
    "least-cloudy": "the scene with the fewest clouds that shows the ground",
    "nearest": "the scene nearest to the date that shows the ground",
    "mean": "of all observations, band by band",
    "median": "of all observations, band by band",
    "medoid": "the observation nearest to all others",
}
_ORBITS = {
    "one": "all scenes are of one pass and relative orbit",
    "separate": "an image for each pass and relative orbit",
    "by-pass": "an image for each pass",
    "mixed": "passes and relative orbits may meet in one image",
}


@dataclass(frozen=True)
class SceneRow:
    """A scene in a table.

    Attributes:
        name: Its name.
        sensor: Its sensor, for people.
        product: Product level, processing baseline and orbit, as far as they are known.
        date: Its date.
    """

    name: str
    sensor: str
    product: str
    date: str


@dataclass(frozen=True)
class ProvenanceView:
    """Provenance and licences on a page.

    Attributes:
        scenes: The scenes; none for a copy.
        facts: Reference, grid, time windows, resampling, composites, legend.
        licences: Whose licence it is, and its text, beside those of the dataset itself.
    """

    scenes: tuple[SceneRow, ...]
    facts: tuple[Fact, ...]
    licences: tuple[tuple[str, str], ...]


def describe_provenance(info: DatasetInfo) -> ProvenanceView:
    """Scenes, reference and grid of a dataset on a page.

    Raises:
        DatasetError: If `provenance` or `grid` of `dataset.json` is not what this release writes.
    """
    try:
        reference = info.provenance.get("reference") or {}
        licences = [("Reference", reference.get("licence")), ("Legend", info.legend.citation)]
        return ProvenanceView(
            scenes=tuple(_scene(scene) for scene in info.provenance.get("scenes", [])),
            facts=tuple(_facts(info, reference)),
            licences=tuple((whose, text) for whose, text in licences if text),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DatasetError(
            f"`provenance` or `grid` in dataset.json is not what this release writes ({error!r}): build the dataset again."
        ) from error


def _scene(scene: Mapping[str, Any]) -> SceneRow:
    radiometry = scene.get("radiometry") or {}
    words = [
        ("", radiometry.get("product_level")),
        ("baseline ", radiometry.get("processing_baseline")),
        ("", radiometry.get("orbit_pass")),
        ("orbit ", radiometry.get("relative_orbit")),
    ]
    return SceneRow(
        name=scene["name"],
        sensor=SENSORS.get(scene["sensor"], scene["sensor"]),
        product=", ".join(f"{label}{value}" for label, value in words if value is not None),
        date=scene.get("date") or _UNKNOWN,
    )


def _facts(info: DatasetInfo, reference: Mapping[str, Any]) -> list[Fact]:
    facts = []
    if reference:
        note = f"codes {reference.get('codes', _UNKNOWN)}, date {reference.get('date') or _UNKNOWN}"
        facts.append(Fact("Reference", reference["name"], note))
    if info.grid is not None:
        size = f"{quantity(info.grid['rows'], 'row')} and {quantity(info.grid['columns'], 'column')} of patches"
        facts.append(Fact("Grid", info.grid["crs"], size))
    windows = info.provenance.get("time_windows", {})
    if windows:
        facts.append(Fact("Time windows", "; ".join(f"{name}: {a} to {b}" for name, (a, b) in windows.items())))
    for name, stack in info.provenance.get("stacks", {}).items():
        facts += _stack_facts(name, stack, info.layers[name].radiometry.sensor)
    facts.append(Fact("Legend", info.legend.title, info.legend.name))
    if info.edge_width is not None:
        facts.append(Fact("Edge masks", f"{quantity(info.edge_width, 'pixel')} deep"))
    return facts


def _stack_facts(name: str, stack: Mapping[str, Any], sensor: str) -> list[Fact]:
    facts = [Fact(f"Resampling of {name}", stack["resampling"])]
    if sensor == "elevation":
        return facts
    method, date = stack["composite"]["method"], stack["composite"].get("date")
    label = f"nearest to {date}" if date is not None else method
    facts.append(Fact(f"Composite of {name}", label, _METHODS.get(method, "")))
    if sensor == "sentinel-1" and "orbits" in stack:
        facts.append(Fact(f"Orbits of {name}", stack["orbits"], _ORBITS.get(stack["orbits"], "")))
    return facts
