"""`map_scenes`: the network of a run over whole scenes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from cerradata import __version__
from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.progress import track
from cerradata.core.types import SIMULATED_TAG, FloatArray
from cerradata.cube.grid import GridConfig, target_grid
from cerradata.cube.stack import Stack, build_stack, stack_from_dict, touches
from cerradata.cube.windows import TimeWindows, scenes_of_dates
from cerradata.mapping.merge import merge_strips
from cerradata.mapping.plan import Tile, plan_tiles
from cerradata.mapping.predict import PredictOptions, TileInput, predict_tiles
from cerradata.mapping.write import MapFiles, write_map
from cerradata.patches.layout import IMAGE_LAYERS
from cerradata.patches.stored import MSI_DTYPE, StoredLayer
from cerradata.runs import RunFolder, RunRecord
from cerradata.scenes import Radiometry, Scene, SceneSource, open_scene
from cerradata.scenes.bands import base_band
from cerradata.training import load_run


@dataclass(frozen=True)
class MapConfig:
    """What is mapped.

    Attributes:
        scenes: The scenes, in the order of preference where they overlap.
        grid: Grid of the map; by default 10 m in the UTM zone of the area's centroid.
        time_windows: First and last day by name, where the run has time windows; by default those of its dataset.
        dates: First and last day: scenes of other dates are left out.
        crop: Rows and columns of a tile that the network sees at once.
        overlap: Rows and columns that neighbouring tiles share and blend.
        predict: Batch size, device, precision.
        quiet: Show no progress.
    """

    scenes: tuple[SceneSource, ...]
    grid: GridConfig = field(default_factory=GridConfig)
    time_windows: Mapping[str, tuple[str, str]] | None = None
    dates: tuple[str, str] | None = None
    crop: int = 256
    overlap: int = 64
    predict: PredictOptions = field(default_factory=PredictOptions)
    quiet: bool = False


def map_scenes(run: RunFolder, config: MapConfig, out: Path) -> MapFiles:
    """Map scenes with the network of a run: plan, predict, merge, write.

    Scenes are brought to the bands, unit, offset and statistics that the run was trained with. Pixels without input in
    any band are nodata.

    Args:
        run: The run.
        config: What to map.
        out: The map (.tif), a Cloud-Optimized GeoTIFF; style and class names are written beside it.

    Returns:
        The files and the pixels of each class.

    Raises:
        CerradataError: If run, scenes or output do not allow it.
    """
    record, network = load_run(run)
    scenes = scenes_of_dates([open_scene(source) for source in config.scenes], config.dates)
    grid = target_grid(config.grid, [scene.footprint_grid for scene in scenes])
    reader = SceneReader.open(record, scenes, grid, config.time_windows)
    plan = plan_tiles(grid.shape[0], grid.shape[1], crop=config.crop, overlap=config.overlap)
    level = record.legend.level(record.level)
    tiles = predict_tiles(reader, network, plan, classes=len(level), options=config.predict)
    strips = merge_strips(track(tiles, what="Mapping", total=len(plan), quiet=config.quiet), plan, classes=len(level))
    simulated = tuple(sorted({*record.simulated, *(s.simulated for s in scenes if s.simulated is not None)}))
    tags = {
        "CERRADATA_RUN": run.path.resolve().name,
        "CERRADATA_SCENES": "; ".join(scene.name for scene in scenes),
        "CERRADATA_SOFTWARE": f"cerradata {__version__}",
    }
    if simulated:
        tags[SIMULATED_TAG] = "; ".join(simulated)
    return replace(write_map(out, strips, grid, level, record.legend, tags), simulated=simulated)


@dataclass(frozen=True)
class SceneReader:
    """Reads tiles of scenes as the numbers that a run was trained on.

    Attributes:
        grid: Grid of the map.
        bands: Bands that the network takes.
        layers: The stored form of each layer, and the stack of its scenes.
    """

    grid: GeoBox
    bands: tuple[str, ...]
    layers: tuple[tuple[StoredLayer, Stack], ...]

    @staticmethod
    def open(record: RunRecord, scenes: Sequence[Scene], grid: GeoBox, windows: TimeWindows | None) -> "SceneReader":
        """Match scenes to what the run needs: its bands, time windows, composites and passes.

        Raises:
            ConfigError: If a sensor that the run needs has no scene, or the scenes do not give its time windows.
            SceneError: If a scene lacks a band or does not touch the grid.
        """
        trained = record.dataset.get("time_windows", {})
        used = trained if windows is None else windows
        _require_windows(trained, used)
        layers = []
        for name, radiometry in record.radiometry.items():
            wanted = tuple(band for band in radiometry.bands if band in record.bands)
            own = tuple(scene for scene in scenes if scene.sensor == radiometry.sensor)
            if not wanted:
                continue
            if not own:
                given = ", ".join(sorted({scene.sensor for scene in scenes}))
                raise ConfigError(
                    f"The run was trained on {record.modality} and needs a {radiometry.sensor} scene; given are {given}."
                )
            source_bands = tuple(dict.fromkeys(base_band(band) for band in wanted))
            _require_bands(own, source_bands, grid)
            config = stack_from_dict(record.dataset.get("stacks", {}).get(name, {}), used)
            stack = build_stack(own, grid, source_bands, config)
            _require_groups(stack, wanted)
            layers.append((_stored(name, radiometry, source_bands), stack))
        return SceneReader(grid, record.bands, tuple(layers))

    def __call__(self, tile: Tile) -> TileInput:
        """The input of a tile: image (bands, crop, crop) float32 stored numbers, NaN = no data, and where every band has data.

        Raises:
            SceneError: If a file cannot be read.
        """
        place = self.grid.transform * Affine.translation(tile.col, tile.row)
        window = GeoBox((tile.height, tile.width), place, self.grid.crs)
        numbers: dict[str, FloatArray] = {}
        for layer, stack in self.layers:
            values = stack.read(window).values
            encoded = layer.encode(values).astype(np.float32)
            encoded[np.isnan(values)] = np.nan
            numbers |= dict(zip(stack.band_names, encoded, strict=True))
        image = np.stack([numbers[band] for band in self.bands])
        return TileInput(image, np.asarray(np.isfinite(image).all(axis=0)))


def _require_windows(trained: TimeWindows, given: TimeWindows) -> None:
    if sorted(given) != sorted(trained):
        raise ConfigError(
            f"The run was trained on the time windows {', '.join(sorted(trained)) or 'none'}; given are "
            f"{', '.join(sorted(given)) or 'none'}. Give first and last day of each by the same names."
        )


def _require_groups(stack: Stack, wanted: Sequence[str]) -> None:
    missing = [band for band in wanted if band not in stack.band_names]
    if missing:
        raise ConfigError(
            f"The run was trained on {', '.join(wanted)}; the scenes give {', '.join(stack.band_names)}. Give scenes of "
            "the same passes and orbits."
        )


def _require_bands(scenes: Sequence[Scene], bands: Sequence[str], grid: GeoBox) -> None:
    for scene in scenes:
        missing = [band for band in bands if band not in scene.bands]
        if missing:
            raise SceneError(
                f"The run needs {', '.join(bands)}; scene {scene.name} lacks {', '.join(missing)}: it has "
                f"{', '.join(scene.bands)}."
            )
        if not touches(scene, grid):
            raise SceneError(f"Scene {scene.name} does not touch the grid of the map: check `grid`.")


def _stored(name: str, radiometry: Radiometry, source_bands: tuple[str, ...]) -> StoredLayer:
    dtype = MSI_DTYPE if radiometry.sensor == "sentinel-2" else "float32"
    return StoredLayer(name, IMAGE_LAYERS[name][0], dtype, radiometry, source_bands)
