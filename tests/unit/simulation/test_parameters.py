import numpy as np
import pytest

from cerradata.core.errors import ConfigError
from cerradata.simulation.parameters import Parameters


def test_each_parameter_has_a_reason() -> None:
    parameters = Parameters.load()
    entries = [(s, n, e) for s, own in parameters.tree.items() for n, e in own.items()]
    assert len(entries) > 60
    assert all(len(entry["why"]) > 15 for _, _, entry in entries)
    assert all(0 < entry.get("range", 0.1) < 0.5 for _, _, entry in entries)


def test_world_0_has_the_values_as_they_stand() -> None:
    parameters = Parameters.load()
    assert parameters.number("terrain.hills_m") == parameters.tree["terrain"]["hills_m"]["value"]
    assert parameters.table("phenology.green")["Pa"].shape == (6,)
    assert parameters.numbers("spectra.noise").shape == (12,)


def test_other_worlds_stay_within_the_ranges_and_differ() -> None:
    plain, first, second = (Parameters.load(world) for world in (0, 1, 2))
    moved = 0
    for section, own in plain.tree.items():
        for name, entry in own.items():
            path = f"{section}.{name}"
            if not isinstance(entry["value"], int | float):
                continue
            values = [p.number(path) for p in (first, second)]
            spread = entry.get("range", 0.0)
            assert all(abs(v / entry["value"] - 1) <= spread + 1e-6 for v in values)
            moved += spread > 0 and values[0] != values[1]
    assert moved > 30
    assert first.digest == plain.digest
    assert "world 1" in first.label(7)


@pytest.mark.parametrize("path", ["terrain.hills", "nothing.at_all", "terrain"])
def test_unknown_parameters_are_told(path: str) -> None:
    with pytest.raises(ConfigError, match="has no entry"):
        Parameters.load().number(path)


def test_the_wrong_kind_is_told() -> None:
    parameters = Parameters.load()
    with pytest.raises(ConfigError, match="a number is needed"):
        parameters.number("spectra.noise")
    with pytest.raises(ConfigError, match="numbers by name are needed"):
        parameters.table("terrain.hills_m")
    with pytest.raises(ConfigError, match="There is no world -1"):
        Parameters.load(-1)


def test_the_label_names_file_seed_and_world() -> None:
    parameters = Parameters.load()
    assert parameters.label(5) == f"cerradata simulation, parameters {parameters.digest[:12]}, seed 5, world 0"
    assert np.isfinite(parameters.number("terrain.base_m"))
