"""Build configurations for a simulated area, as a user would write them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from cerradata.core.files import write_text
from cerradata.simulation.area import WORLD_CRS, Area
from cerradata.simulation.catalog import SceneFiles
from cerradata.simulation.classes import CODES, LEGEND
from cerradata.simulation.reference import NAME
from cerradata.simulation.sentinel2 import scene_order

_BORDER_M = 500
_WINDOWS = {"dry": ["2022-05-15", "2022-09-30"], "wet": ["2022-01-01", "2022-04-30"]}


def write_configurations(root: Path, area: Area, scenes: Sequence[SceneFiles], *, name: str) -> list[Path]:
    """Write `build.yaml` (one composite of 12 and 2 bands, as published) and `build-seasons.yaml` (dry and wet season).

    Args:
        root: Folder of the simulation.
        area: Its extent.
        scenes: Its scenes.
        name: Name of the datasets, for people.
    """
    plain = _configuration(root, area, scenes, name)
    # in the wet season clouds leave holes in every pixel's two dates
    seasons = {**plain, "name": f"{name}, two seasons", "time_windows": _WINDOWS}
    seasons["selection"] = {**plain["selection"], "max_invalid": 0.25}
    paths = []
    for file, content in (("build.yaml", plain), ("build-seasons.yaml", seasons)):
        write_text(root / file, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
        paths.append(root / file)
    return paths


def _configuration(root: Path, area: Area, scenes: Sequence[SceneFiles], name: str) -> dict[str, Any]:
    box = area.grid.boundingbox
    optical = [
        {"sensor": "sentinel-2", "path": str(scene.folder.relative_to(root)), "product_level": "L2A"}
        for scene in scene_order([scene for scene in scenes if scene.sensor == "sentinel-2"])
    ]
    # one pass only: two passes look at the land from two sides
    radar = [
        {
            "sensor": "sentinel-1",
            "path": str(scene.folder.relative_to(root)),
            "unit": scene.unit,
            "calibration": "gamma0",
            "border": _BORDER_M,
        }
        for scene in scene_order([scene for scene in scenes if scene.sensor == "sentinel-1"])
        if scene.properties["sat:orbit_state"] == "descending"
    ]
    return {
        "name": name,
        "legend": LEGEND,
        "scenes": [*optical, *radar],
        "reference": {
            "raster": f"reference/{NAME}",
            "codes": CODES,
            "date": 2022,
            "licence": "Simulated; CC0-1.0",
        },
        "grid": {
            "crs": WORLD_CRS,
            "resolution": 10,
            "bounds": [box.left, box.bottom, box.right, box.top],
        },
        # as published: no unlabelled pixel; some are hidden by clouds on all dates
        "selection": {"max_unlabelled": 0.0, "max_invalid": 0.05},
        "attribution": ["Simulated data, not observations of a real place."],
    }
