"""How layers are stored: numbers, folder, names, tags; reading and writing one patch."""

from collections.abc import Mapping, Sequence
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
from cerradata.cube import Stack
from cerradata.cube.variables import Variable
from cerradata.cube.windows import band_names
from cerradata.legend import Legend
from cerradata.patches.config import BuildConfig
from cerradata.patches.layout import IMAGE_LAYERS, edge_layer, patch_file, semantic_layer
from cerradata.scenes import Radiometry, Scene

MSI_DTYPE = "uint16"
SOURCE_BANDS = ("scene", "observations")
"""Bands of a source layer: 1 + place of the scene in `provenance.scenes` (0 = none, 65535 = several), observations."""


@dataclass(frozen=True)
class StoredLayer:
    """An image layer as a build stores it.

    Attributes:
        name: "msi", "sar", "elevation" or the name of a variable.
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
            return numbers.astype(self.dtype, copy=False)
        empty = ~np.isfinite(numbers)
        np.rint(numbers, out=numbers)
        np.clip(numbers, 1, 65535, out=numbers)
        numbers[empty] = 0
        return numbers.astype(self.dtype)


def stored_layers(
    config: BuildConfig, stacks: Mapping[str, Stack], variables: Sequence[Variable] = ()
) -> dict[str, StoredLayer]:
    """The image layers that a build makes of its scenes, and its variables, by name."""
    layers = {}
    for name, stack in stacks.items():
        folder = config.folders.get(name, IMAGE_LAYERS[name][0])
        dtype = MSI_DTYPE if name == "msi" else "float32"
        radiometry = _stored_radiometry(name, config, stack).with_bands(stack.band_names, stack.group_names)
        layers[name] = StoredLayer(name, folder, dtype, radiometry, stack.bands)
    for variable in variables:
        radiometry = Radiometry(
            sensor="derived",
            bands=variable.bands,
            unit=variable.unit,
            time_windows=variable.time_windows,
            vertical_datum=variable.vertical_datum,
        )
        layers[variable.name] = StoredLayer(variable.name, variable.name, "float32", radiometry, (variable.name,))
    for name, stack in stacks.items() if config.sources else ():
        if name != "elevation":
            own = source_layer(name)
            bands = band_names(SOURCE_BANDS, stack.group_names)
            radiometry = Radiometry(sensor="derived", bands=bands, unit="one", time_windows=stack.group_names)
            layers[own] = StoredLayer(own, own, "float32", radiometry, SOURCE_BANDS)
    return layers


def source_layer(name: str) -> str:
    """Name of the layer that says where each pixel of an image layer came from."""
    return f"{name}_source"


def write_patch(
    root: Path, config: BuildConfig, layers: Mapping[str, Array], stored: Mapping[str, StoredLayer], legend: Legend,
    *, patch_id: int, transform: Affine, crs: str,
) -> dict[Path, str]:  # fmt: skip
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
        The files written, with the SHA-256 of each.

    Raises:
        OutputError: If there is no space or no permission.
    """
    looks = layer_looks(stored, legend)
    written = {}
    for name, pixels in layers.items():
        folder = stored[name].folder if name in stored else name
        path = root / folder / patch_file(config.prefix, name, patch_id)
        written[path] = write_geotiff(path, pixels, transform, crs, looks[name])
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


def _stored_radiometry(name: str, config: BuildConfig, stack: Stack) -> Radiometry:
    scenes = stack.scenes
    match name:
        case "msi":
            return Radiometry(
                sensor="sentinel-2",
                bands=stack.bands,
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
                bands=stack.bands,
                unit=config.sar.unit or scenes[0].radiometry.unit,
                calibration=_agreed(scenes, "calibration"),
                orbit_pass=_agreed(scenes, "orbit_pass"),
                relative_orbit=_agreed(scenes, "relative_orbit"),
            )
        case _:
            datum = _agreed(scenes, "vertical_datum")
            return Radiometry(sensor="elevation", bands=stack.bands, unit="metre", vertical_datum=datum)


def _agreed(scenes: Sequence[Scene], name: str) -> Any:  # noqa: ANN401 - the type of the field
    """What all scenes say; None where they differ: the dataset then is of none of them (`provenance` has each)."""
    said = {getattr(scene.radiometry, name) for scene in scenes}
    return said.pop() if len(said) == 1 else None
