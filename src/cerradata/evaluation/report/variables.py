"""The variables that were computed beside the bands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cerradata.core.errors import DatasetError
from cerradata.evaluation.report.layers import BandRow, describe_layer
from cerradata.patches.info import DatasetInfo, LayerInfo

_UNITS = {"one": "none", "db": "dB", "degree": "degrees", "metre": "metres", "linear": "linear power"}


@dataclass(frozen=True)
class VariableRow:
    """A band of a variable in a table.

    Attributes:
        title: What it is; "" where that is not known, like the source.
        source: Where formula or data come from.
        unit: Unit of its values.
        target_only: Whether it must not be an input of a model.
        band: Its name and statistics.
        decimals: Decimals of the statistics.
    """

    title: str
    source: str
    unit: str
    target_only: bool
    band: BandRow
    decimals: int


def describe_variables(info: DatasetInfo) -> tuple[VariableRow, ...]:
    """The computed variables of a dataset on a page, one row a band.

    Raises:
        DatasetError: If `provenance.variables` of `dataset.json` is not what this release writes.
    """
    known = info.provenance.get("variables", {})
    try:
        return tuple(
            row
            for name, layer in info.layers.items()
            if layer.radiometry.sensor == "derived"
            for row in _rows(layer, known.get(name, {}))
        )
    except (TypeError, AttributeError) as error:
        raise DatasetError(
            f"`provenance.variables` in dataset.json is not what this release writes ({error!r}): build the dataset again."
        ) from error


def _rows(layer: LayerInfo, known: Mapping[str, Any]) -> tuple[VariableRow, ...]:
    view = describe_layer(layer)
    return tuple(
        VariableRow(
            title=known.get("title") or "",
            source=known.get("source") or "",
            unit=_UNITS.get(layer.radiometry.unit, layer.radiometry.unit),
            target_only=bool(known.get("target_only")),
            band=band,
            decimals=view.decimals,
        )
        for band in view.bands
    )
