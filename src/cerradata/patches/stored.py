"""How layers are stored: numbers, folder, names, tags; reading and writing one patch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.errors import RasterioError

from cerradata.core.errors import DatasetError
from cerradata.core.raster import RasterLook, write_geotiff
from cerradata.core.types import UNLABELLED, Array, FloatArray
from cerradata.cube.windows import band_names
from cerradata.legend import Legend
from cerradata.patches.config import BuildConfig
from cerradata.patches.layout import IMAGE_LAYERS, edge_layer, patch_file, semantic_layer
from cerradata.scenes import Radiometry, Scene

MSI_DTYPE = "uint16"


@dataclass(frozen=True)
class StoredLayer:
    """An image layer as a build stores it.

    Attributes:
        name: "msi", "sar" or "elevation".
        folder: Its folder.
        dtype: Type of the stored numbers.
        radiometry: What they mean; its bands are the stored ones (`B04@dry` where there are time windows).
        source_bands: Bands of the scenes that each time window takes.
    """

    name: str
    folder: str
    dtype: str
    radiometry: Radiometry
    source_bands: tuple[str, ...]

    def encode(self, values: FloatArray) -> Array:
        """Values as stored numbers.

        Args:
            values: (bands, rows, columns) in the unit that may be averaged, NaN = no data.

        Returns:
            Same shape, the layer's dtype. uint16 is rounded and kept within 1 to 65535, so that a value never becomes
            "no data", which is 0.
        """
        numbers = self.radiometry.to_numbers(values)
        if np.dtype(self.dtype).kind == "f":
            return numbers.astype(self.dtype)
        valid = np.isfinite(numbers)
        return np.where(valid, np.clip(np.rint(np.where(valid, numbers, 1)), 1, 65535), 0).astype(self.dtype)


def stored_layers(config: BuildConfig, scenes: list[Scene]) -> dict[str, StoredLayer]:
    """The image layers that a build makes of its scenes, by name."""
    layers = {}
    windows = tuple(config.time_windows)
    for name, sensor in (("msi", "sentinel-2"), ("sar", "sentinel-1"), ("elevation", "elevation")):
        own = [scene for scene in scenes if scene.sensor == sensor]
        if own:
            folder = config.folders.get(name, IMAGE_LAYERS[name][0])
            radiometry = _stored_radiometry(name, config, own)
            used = () if name == "elevation" else windows
            layers[name] = StoredLayer(
                name,
                folder,
                MSI_DTYPE if name == "msi" else "float32",
                radiometry.with_bands(band_names(radiometry.bands, used), used),
                radiometry.bands,
            )
    return layers


def write_patch(
    root: Path, config: BuildConfig, layers: Mapping[str, Array], stored: Mapping[str, StoredLayer], legend: Legend,
    *, patch_id: int, transform: Affine, crs: str,
) -> list[Path]:  # fmt: skip
    """Write every layer of a patch.

    Args:
        root: The dataset's folder; the layers' folders exist.
        config: The build.
        layers: (bands, rows, columns) stored numbers by layer name.
        stored: The image layers among them.
        legend: Legend of the labels.
        patch_id: Its id.
        transform: Pixel corner to map coordinates.
        crs: Coordinate reference system.

    Returns:
        The files written.

    Raises:
        OutputError: If there is no space or no permission.
    """
    looks = layer_looks(stored, legend)
    written = []
    for name, pixels in layers.items():
        folder = stored[name].folder if name in stored else name
        path = root / folder / patch_file(config.prefix, name, patch_id)
        write_geotiff(path, pixels, transform, crs, looks[name])
        written.append(path)
    return written


def layer_looks(stored: Mapping[str, StoredLayer], legend: Legend) -> dict[str, RasterLook]:
    """What the file of each layer says of itself."""
    looks = {}
    for name, layer in stored.items():
        nodata = layer.radiometry.nodata if layer.dtype == MSI_DTYPE else float("nan")
        tags: dict[str, str] = {"CERRADATA_UNIT": layer.radiometry.unit}
        if layer.dtype == MSI_DTYPE:
            tags |= {"CERRADATA_SCALE": repr(layer.radiometry.scale), "CERRADATA_OFFSET": repr(layer.radiometry.offset)}
        looks[name] = RasterLook(nodata=nodata, bands=layer.radiometry.bands, tags=tags)
    for level in legend.levels:
        looks[semantic_layer(level)] = RasterLook(nodata=UNLABELLED, tags=legend.tags(level.number))
        looks[edge_layer(level)] = RasterLook(tags={"CERRADATA_EDGES": f"boundaries of level {level.number}, 1 = edge"})
    return looks


def read_layer(path: Path) -> tuple[Array, str | None, Affine | None]:
    """Pixels, CRS and transform of a patch's file; None for both where it has no georeference.

    Returns:
        (bands, rows, columns) in the file's dtype, the CRS as text, the transform.

    Raises:
        DatasetError: If the file cannot be read.
    """
    try:
        with rasterio.open(path) as file:
            crs = str(file.crs) if file.crs else None
            return file.read(), crs, file.transform if crs else None
    except RasterioError as error:
        raise DatasetError(f"{path} cannot be read ({error}): it is damaged or cut short. Fetch it again.") from error


def _stored_radiometry(name: str, config: BuildConfig, scenes: list[Scene]) -> Radiometry:
    first = scenes[0]
    match name:
        case "msi":
            return Radiometry(
                sensor="sentinel-2",
                bands=config.msi.bands or tuple(first.bands),
                unit="reflectance",
                scale=1e-4,
                offset=-config.msi.stored_offset * 1e-4,
                nodata=0.0,
                product_level=_agreed(scenes, "product_level"),
                processing_baseline=_agreed(scenes, "processing_baseline"),
            )
        case "sar":
            return Radiometry(
                sensor="sentinel-1",
                bands=config.sar.bands or tuple(first.bands),
                unit=config.sar.unit or first.radiometry.unit,
                calibration=_agreed(scenes, "calibration"),
                orbit_pass=_agreed(scenes, "orbit_pass"),
                relative_orbit=_agreed(scenes, "relative_orbit"),
            )
        case _:
            return Radiometry(sensor="elevation", bands=tuple(first.bands), unit="metre")


def _agreed(scenes: list[Scene], name: str) -> Any:  # noqa: ANN401 - the type of the field
    """What all scenes say; None where they differ: the dataset then is of none of them (`provenance` has each)."""
    said = {getattr(scene.radiometry, name) for scene in scenes}
    return said.pop() if len(said) == 1 else None
