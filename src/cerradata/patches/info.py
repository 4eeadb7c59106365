"""`DatasetInfo`: what `dataset.json` says of a dataset, checked against the JSON Schema that the package ships."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

from cerradata import __version__
from cerradata.core.errors import DatasetError
from cerradata.core.files import write_json
from cerradata.legend import Legend, legend_from_dict
from cerradata.patches.layout import INFO_FILE
from cerradata.scenes import Radiometry

SCHEMA_VERSION = 1

BandStatistics = Mapping[str, Mapping[str, float]]
"""By band: mean, std, min and max of the stored numbers of valid pixels."""


@dataclass(frozen=True)
class LayerInfo:
    """An image layer of a dataset.

    Attributes:
        folder: Its folder.
        dtype: NumPy name of the stored numbers' type.
        radiometry: What the numbers mean.
        statistics: Statistics of the stored numbers by band, over the patches that have the layer.
        optional: Whether a patch may lack the layer; the index says which do (column `lacks`).
    """

    folder: str
    dtype: str
    radiometry: Radiometry
    statistics: BandStatistics
    optional: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain: dict[str, Any] = {
            "folder": self.folder,
            "dtype": self.dtype,
            "radiometry": self.radiometry.to_dict(),
            "statistics": {band: dict(values) for band, values in self.statistics.items()},
        }
        return plain | {"optional": True} if self.optional else plain  # whole datasets are described as ever

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> "LayerInfo":
        """The reverse of `to_dict`."""
        return LayerInfo(
            plain["folder"],
            plain["dtype"],
            Radiometry.from_dict(plain["radiometry"]),
            plain["statistics"],
            plain.get("optional", False),
        )


@dataclass(frozen=True)
class DatasetInfo:
    """What a dataset is.

    Attributes:
        name: Name for people.
        legend: Its legend.
        patch_size: Rows and columns of a patch.
        patches: Number of patches.
        layers: Image layers by name ("msi", "sar", "elevation").
        labels: Levels that have label files, coarse to fine.
        edge_width: Depth of the edge masks in pixels; None where it is not known.
        grid: CRS, transform, rows and columns of patches; None for a copy whose grid is not known.
        selection: What was kept and rejected, and why; empty for a copy.
        provenance: Scenes and reference that it was made of; empty for a copy.
        attribution: Licences and attributions of the data.
    """

    name: str
    legend: Legend
    patch_size: int
    patches: int
    layers: Mapping[str, LayerInfo]
    labels: tuple[int, ...]
    edge_width: int | None = None
    grid: Mapping[str, Any] | None = None
    selection: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    attribution: tuple[str, ...] = ()

    @property
    def optional(self) -> tuple[str, ...]:
        """Image layers that a patch may lack."""
        return tuple(name for name, layer in self.layers.items() if layer.optional)

    @property
    def simulated(self) -> tuple[str, ...]:
        """Which simulations made its scenes or its reference; nothing for real data."""
        return tuple(self.provenance.get("simulated", ()))

    def layer(self, name: str) -> LayerInfo:
        """An image layer by its name.

        Raises:
            DatasetError: If the dataset has none of that name.
        """
        if name not in self.layers:
            raise DatasetError(f"The dataset has no layer {name!r}: it has {', '.join(self.layers)}.")
        return self.layers[name]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "version": SCHEMA_VERSION,
            "software": f"cerradata {__version__}",
            "name": self.name,
            "patch_size": self.patch_size,
            "patches": self.patches,
            "layers": {name: layer.to_dict() for name, layer in self.layers.items()},
            "labels": list(self.labels),
            "edge_width": self.edge_width,
            "grid": None if self.grid is None else dict(self.grid),
            "selection": dict(self.selection),
            "provenance": dict(self.provenance),
            "attribution": list(self.attribution),
            "legend": self.legend.to_dict(),
        }

    def write(self, root: Path) -> None:
        """Write `dataset.json`, checked against the schema.

        Raises:
            OutputError: If it cannot be written.
        """
        plain = json.loads(
            json.dumps(self.to_dict())
        )  # tuples to lists and integer keys to text, as a reader sees them
        _validate(plain, root / INFO_FILE)
        write_json(root / INFO_FILE, plain)

    @staticmethod
    def read(root: Path) -> "DatasetInfo":
        """Read `dataset.json`.

        Raises:
            DatasetError: If it is missing, no JSON, or not what the schema asks for.
        """
        path = root / INFO_FILE
        if not path.is_file():
            raise DatasetError(f"{root} has no {INFO_FILE}: run `cerradata index {root}` to make it for a copy.")
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DatasetError(
                f"{path} is no JSON ({error}): fetch it again, or run `cerradata index {root}`."
            ) from error
        _validate(plain, path)
        return DatasetInfo(
            name=plain["name"],
            legend=legend_from_dict(plain["legend"], origin=str(path)),
            patch_size=plain["patch_size"],
            patches=plain["patches"],
            layers={name: LayerInfo.from_dict(layer) for name, layer in plain["layers"].items()},
            labels=tuple(plain["labels"]),
            edge_width=plain["edge_width"],
            grid=plain["grid"],
            selection=plain["selection"],
            provenance=plain["provenance"],
            attribution=tuple(plain["attribution"]),
        )


def _validate(plain: Any, path: Path) -> None:  # noqa: ANN401 - any JSON value
    try:
        jsonschema.validate(plain, _schema())
    except jsonschema.ValidationError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the whole"
        raise DatasetError(f"{path} is not valid at {where}: {error.message}.") from error


@cache
def _schema() -> dict[str, Any]:
    text = (files("cerradata.patches") / "dataset.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
