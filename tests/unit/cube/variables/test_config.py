from pathlib import Path

import pytest
from jsonargparse import ArgumentParser

from cerradata.commands.parser import parse_file
from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.cube.variables import VariableConfig


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "roughness"}, "no variable of kind 'roughness': kinds are elevation, slope"),
        ({"kind": "index"}, "needs `index`"),
        ({"kind": "slope", "index": "NDVI"}, "takes no `index`: it takes nothing else"),
        ({"kind": "index", "index": "NDVI", "statistic": "mean"}, "takes no `statistic`: it takes index, constants"),
        ({"kind": "sar-ratio", "constants": {"L": 0.5}}, "takes no `constants`"),
        ({"kind": "temporal", "statistic": "mean"}, "either `index` or `band`"),
        ({"kind": "temporal", "index": "NDVI", "band": "B08", "statistic": "mean"}, "either `index` or `band`"),
        ({"kind": "temporal", "band": "B08"}, "needs a `statistic`, found none: give mean, std"),
        ({"kind": "temporal", "band": "B08", "statistic": "mode"}, "found 'mode'"),
        ({"kind": "temporal", "band": "B08", "statistic": "std", "constants": {"L": 1}}, "belong to an index"),
        ({"kind": "distance-to-water"}, "either `vector`"),
        ({"kind": "distance-to-water", "vector": Location("a.gpkg"), "index": "MNDWI"}, "either `vector`"),
        ({"kind": "distance-to-water", "vector": Location("a.gpkg"), "threshold": 0.0}, "is for a water `index`"),
        ({"kind": "distance-to-water", "index": "MNDWI", "layer": "rivers"}, "are for a `vector` file"),
        ({"kind": "distance-to-water", "index": "MNDWI", "target_only": True}, "are for a `vector` file"),
        ({"kind": "distance-to-water", "index": "MNDWI", "max_distance": 0.0}, "metres above 0"),
        ({"kind": "distance-to-water", "index": "MNDWI", "max_distance": float("inf")}, "metres above 0"),
    ],
)
def test_declarations_that_contradict_themselves_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VariableConfig(**fields)


def test_declarations_come_from_yaml_with_paths_relative_to_the_file(tmp_path: Path) -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Build:
        """A part of a build.

        Attributes:
            variables: Variables by name.
        """

        variables: dict[str, VariableConfig]

    file = tmp_path / "build.yaml"
    file.write_text(
        "variables:\n"
        "  slope: {kind: slope}\n"
        "  savi: {kind: index, index: SAVI, constants: {L: 0.5}}\n"
        "  ndvi_std: {kind: temporal, index: NDVI, statistic: std}\n"
        "  distance_to_water: {kind: distance-to-water, vector: rivers.gpkg, max_distance: 500}\n"
    )
    found = parse_file(Location(file), Build).variables
    assert list(found) == ["slope", "savi", "ndvi_std", "distance_to_water"]
    assert found["savi"] == VariableConfig("index", index="SAVI", constants={"L": 0.5})
    assert found["ndvi_std"] == VariableConfig("temporal", index="NDVI", statistic="std")
    assert found["distance_to_water"].vector == str(tmp_path / "rivers.gpkg")
    assert found["distance_to_water"].max_distance == 500


def test_unknown_keys_are_errors() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--variables", type=dict[str, VariableConfig])
    with pytest.raises(Exception, match="smoothing"):
        parser.parse_object({"variables": {"slope": {"kind": "slope", "smoothing": 3}}})
