import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.cube.variables import Availability, VariableConfig, open_variables

Bands = dict[str, tuple[str, ...]]

SLOPE = VariableConfig("slope")
NDVI = VariableConfig("index", index="NDVI")


def test_variables_say_what_they_are(everything: Bands) -> None:
    configs = {
        "slope": SLOPE,
        "ndvi": NDVI,
        "ndvi_std": VariableConfig("temporal", index="NDVI", statistic="std"),
        "vh_mean": VariableConfig("temporal", band="VH", statistic="mean"),
        "red_max": VariableConfig("temporal", band="B04", statistic="max"),
        "seen": VariableConfig("temporal", band="B04", statistic="count"),
        "vh_vv": VariableConfig("sar-ratio"),
        "water": VariableConfig("distance-to-water", index="MNDWI", max_distance=105),
    }
    available = Availability(everything, 10.0, ("dry", "wet"), vertical_datum="EGM2008")
    found = {variable.name: variable for variable in open_variables(configs, available)}
    assert list(found) == list(configs)
    assert {name: v.bands for name, v in found.items()} == {
        "slope": ("slope",),
        "ndvi": ("ndvi@dry", "ndvi@wet"),
        "ndvi_std": ("ndvi_std",),
        "vh_mean": ("vh_mean",),
        "red_max": ("red_max",),
        "seen": ("seen",),
        "vh_vv": ("vh_vv@dry", "vh_vv@wet"),
        "water": ("water@dry", "water@wet"),
    }
    units = ("degree", "one", "one", "linear", "reflectance", "one", "db", "metre")
    assert tuple(v.unit for v in found.values()) == units
    assert {name: v.margin for name, v in found.items() if v.margin} == {"slope": 1, "water": 11}
    assert found["water"].needs == {"sentinel-2": ("B03", "B11")}
    assert found["slope"].vertical_datum == "EGM2008"
    assert found["ndvi"].vertical_datum is None


def test_description_is_plain_and_says_formula_and_source(everything: Bands) -> None:
    available = Availability(everything, 10.0, vertical_datum="EGM2008")
    configs = {"savi": VariableConfig("index", index="SAVI", constants={"L": 0.5}), "slope": SLOPE}
    savi, slope = (json.loads(json.dumps(v.describe())) for v in open_variables(configs, available))
    assert savi["kind"] == "index"
    assert savi["parameters"]["constants"] == {"L": 0.5}
    assert savi["parameters"]["symbols"] == {"N": "B08", "R": "B04"}
    assert savi["parameters"]["formula"] in savi["source"]
    assert savi["bands"] == ["savi"]
    assert "Horn" in slope["source"]
    assert slope["vertical_datum"] == "EGM2008"
    assert slope["needs"] == {"elevation": ["elevation"]}


def test_variables_travel_between_processes(everything: Bands) -> None:
    variables = open_variables({"ndvi": NDVI, "slope": SLOPE}, Availability(everything, 10.0))
    assert pickle.loads(pickle.dumps(variables)) == variables


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("two words", "letters, digits, _ and -"),
        ("../up", "letters, digits, _ and -"),
        ("", "letters, digits, _ and -"),
        ("ndvi@dry", "letters, digits, _ and -"),
        ("-x", "begins with a letter or digit"),
        ("elevation", "stored without being declared"),
        ("semantic_14c", "name of another layer"),
        ("edge_7c", "name of another layer"),
        ("msi_images", "name of another layer"),
        ("MSI_Images", "msi_images is the name of another layer"),
        ("train", "name of another layer"),
        ("B04", "or band"),
        ("vh", "VH is the name"),
    ],
)
def test_names_that_cannot_be_told_apart_are_refused(everything: Bands, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_variables({name: SLOPE}, Availability(everything, 10.0, taken=("msi_images",)))


def test_names_that_differ_by_case_only_are_refused(everything: Bands) -> None:
    with pytest.raises(ConfigError, match="'NDVI': ndvi is the name"):
        open_variables({"ndvi": NDVI, "NDVI": NDVI}, Availability(everything, 10.0))


@pytest.mark.parametrize(
    ("config", "lost", "message"),
    [
        (SLOPE, {"elevation": ()}, r"Variable 'it' needs elevation .*no scene of it"),
        (NDVI, {"sentinel-2": ()}, r"needs sentinel-2 \(B08, B04\)"),
        (NDVI, {"sentinel-2": ("B02", "B04")}, "needs B08 of sentinel-2: its scenes have B02, B04"),
        (VariableConfig("sar-ratio"), {"sentinel-1": ("VV",)}, "needs VH of sentinel-1"),
        (VariableConfig("temporal", band="B10", statistic="mean"), {}, "needs B10"),
        (VariableConfig("temporal", band="HH", statistic="mean"), {}, "no band 'HH'"),
        (VariableConfig("distance-to-water", index="MNDWI"), {"sentinel-2": ("B03",)}, "needs B11"),
        (
            VariableConfig("index", index="ndvi"),
            {},
            "Variable 'it': There is no spectral index 'ndvi': Nearest are NDVI",
        ),
    ],
)
def test_what_is_missing_is_told_before_anything_is_read(
    everything: Bands, config: VariableConfig, lost: Bands, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        open_variables({"it": config}, Availability({**everything, **lost}, 10.0))


def test_spread_of_one_date_is_refused(everything: Bands) -> None:
    config = {"it": VariableConfig("temporal", band="B04", statistic="std")}
    with pytest.raises(ConfigError, match="needs two dates of sentinel-2, there is 1"):
        open_variables(config, Availability(everything, 10.0, dates={"sentinel-2": 1}))
    assert open_variables(config, Availability(everything, 10.0, dates={"sentinel-2": 2}))


def test_missing_vector_file_is_named(everything: Bands, tmp_path: Path) -> None:
    config = VariableConfig("distance-to-water", vector=Location(tmp_path / "rivers.gpkg"))
    with pytest.raises(ConfigError, match=r"Variable 'it': There is no vector file .*rivers\.gpkg"):
        open_variables({"it": config}, Availability({}, 10.0))
    (tmp_path / "rivers.gpkg").write_text("no vector data")
    with pytest.raises(ConfigError, match="cannot be read as vector data"):
        open_variables({"it": config}, Availability({}, 10.0))


def test_distance_to_the_reference_itself_is_a_target_only(
    make_reference_polygons: Callable[..., Path], tmp_path: Path
) -> None:
    reference = Location(make_reference_polygons(tmp_path / "reference.gpkg"))
    available = Availability({}, 10.0, reference=reference)
    with pytest.raises(ConfigError, match="would tell the labels"):
        open_variables({"it": VariableConfig("distance-to-water", vector=reference)}, available)
    declared = VariableConfig("distance-to-water", vector=reference, target_only=True)
    (variable,) = open_variables({"it": declared}, available)
    assert variable.target_only
    assert variable.describe()["target_only"] is True
    assert str(tmp_path) not in json.dumps(variable.describe()), "a description tells no path of the machine"
