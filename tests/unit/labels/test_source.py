from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cerradata.core.errors import ConfigError, LegendError
from cerradata.core.locations import Location
from cerradata.core.types import SIMULATED_TAG
from cerradata.labels import ReferenceSource, open_reference
from cerradata.labels.polygons import PolygonReference
from cerradata.labels.raster import RasterReference
from cerradata.legend import load_legend

Factory = Callable[..., Path]
MAP, POLYGONS = Location("/map.tif"), Location("/polygons.gpkg")
POINTS, TABLE = Location("/points.csv"), Location("/crosswalk.csv")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "give exactly one of `raster`, `vector` and `points`"),
        ({"raster": MAP, "vector": POLYGONS}, "give exactly one of `raster`, `vector` and `points`"),
        ({"raster": MAP, "points": POINTS}, "give exactly one of `raster`, `vector` and `points`"),
        ({"points": POINTS, "attribute": "label"}, "are for `vector`, not for `points`"),
        ({"raster": MAP, "period": ("2022-01-01", "2022-12-31")}, "`period` is for `points`"),
        ({"points": POINTS, "period": ("2022-12-31", "2022-01-01")}, "before it starts on 2022-12-31"),
        ({"points": POINTS, "period": ("2022", "2023")}, "`period`: '2022' is no date"),
        ({"raster": MAP, "crosswalk": TABLE}, "give either `codes`"),
        ({"raster": MAP, "ambiguous": "unlabelled"}, "`ambiguous` is for `crosswalk`"),
        ({"vector": POLYGONS}, "needs `attribute`"),
        ({"vector": POLYGONS, "attribute": "fclass"}, "and `precedence`"),
        ({"vector": POLYGONS, "attribute": "fclass", "precedence": ("water", "farm", "water")}, "names water twice"),
        ({"raster": MAP, "attribute": "fclass"}, "are for `vector`, not for `raster`"),
        ({"raster": MAP, "precedence": ("water",)}, "are for `vector`, not for `raster`"),
        ({"raster": MAP, "layer": "a"}, "are for `vector`, not for `raster`"),
    ],
)
def test_declarations_that_contradict_each_other_are_told(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ReferenceSource("terraclass-cerrado-2022", **said)


def test_codes_or_a_crosswalk_must_say_what_the_codes_mean() -> None:
    with pytest.raises(ConfigError, match="give either `codes`"):
        ReferenceSource(raster=MAP)
    assert ReferenceSource(raster=MAP, crosswalk=TABLE).codebook == "crosswalk.csv"
    assert ReferenceSource("terraclass-cerrado-2022", raster=MAP).codebook == "terraclass-cerrado-2022"


def test_each_kind_is_opened(tmp_path: Path, make_reference_raster: Factory, make_reference_polygons: Factory) -> None:
    raster = ReferenceSource("terraclass-cerrado-2022", raster=Location(make_reference_raster(tmp_path / "map.tif")))
    assert isinstance(open_reference(raster, load_legend("cerradata-4mm")), RasterReference)
    path = Location(make_reference_polygons(tmp_path / "osm.gpkg"))
    vector = ReferenceSource(
        "geofabrik", vector=path, attribute="fclass", precedence=("water", "residential", "forest")
    )
    assert vector.location == path
    assert isinstance(open_reference(vector, load_legend("osm-landuse")), PolygonReference)


def test_a_simulated_map_says_so(
    tmp_path: Path, make_reference_raster: Factory, make_reference_polygons: Factory
) -> None:
    legend, tags = load_legend("cerradata-4mm"), {SIMULATED_TAG: "world 0"}
    for path, said in (
        (make_reference_raster(tmp_path / "simulated.tif", tags=tags), "world 0"),
        (make_reference_raster(tmp_path / "real.tif"), None),
    ):
        source = ReferenceSource("terraclass-cerrado-2022", raster=Location(path))
        assert open_reference(source, legend).simulated == said
    polygons = Location(make_reference_polygons(tmp_path / "osm.gpkg"))
    order = ("water", "residential", "forest")
    vector = ReferenceSource("geofabrik", vector=polygons, attribute="fclass", precedence=order)
    assert open_reference(vector, load_legend("osm-landuse")).simulated is None


def test_an_unknown_source_of_codes_is_told(tmp_path: Path, make_reference_raster: Factory) -> None:
    source = ReferenceSource("mapbiomas", raster=Location(make_reference_raster(tmp_path / "map.tif")))
    with pytest.raises(LegendError, match="has no source 'mapbiomas': it has terraclass-cerrado-2022"):
        open_reference(source, load_legend("cerradata-4mm"))
