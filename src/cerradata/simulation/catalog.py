"""Simulated scenes as a static STAC catalogue: an item beside each scene's files, one catalogue that lists them.

Each asset has its band in `eo:bands` (EO 1.1) and `raster:bands` (raster 1.1), which are valid in STAC 1.0 and 1.1. The
addresses of the schemas are written here, not taken from pystac: they name the form written here, whatever its version.
"""

import datetime as dt
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pystac
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.warp import transform

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.files import write_json
from cerradata.core.types import Sensor

CATALOG_NAME: Final = "catalog.json"
SIMULATED: Final = "cerradata:simulated"
"""Property of every item and field of the catalogue: the text that says which simulation made the numbers."""
LICENSE: Final = "CC0-1.0"
"""Licence of an item whose `properties` name none: simulated numbers are nobody's."""
CLASSIFICATION: Final = "SCL"
"""The scene classification layer of Sentinel-2 L2A: classes without scale or unit, 0 = no data."""

_EXTENSIONS: Final = MappingProxyType(
    {
        "eo": "eo/v1.1.0",
        "processing": "processing/v1.1.0",
        "proj": "projection/v2.0.0",
        "raster": "raster/v1.1.0",
        "s2": "sentinel-2/v1.0.0",
        "sar": "sar/v1.0.0",
        "sat": "sat/v1.0.0",
        "view": "view/v1.0.0",
    }
)
_EDGE_POINTS = 8  # an edge of a tile, straight in UTM, strays less than a metre from its chords at these latitudes


@dataclass(frozen=True)
class MsiBand:
    """A band of the instrument MSI of Sentinel-2A.

    Attributes:
        name: The product's own name ("B8A").
        common_name: STAC's name for bands of this part of the spectrum.
        wavelength: Central wavelength in micrometres.
        width: Full width at half maximum in micrometres.
        resolution: Native ground sampling distance in metres.
    """

    name: str
    common_name: str
    wavelength: float
    width: float
    resolution: int


# ESA, Sentinel-2 MSI user guide, "Spatial and spectral resolutions": S2A
MSI: Final = MappingProxyType(
    {
        band.name: band
        for band in (
            MsiBand("B01", "coastal", 0.4427, 0.021, 60),
            MsiBand("B02", "blue", 0.4924, 0.066, 10),
            MsiBand("B03", "green", 0.5598, 0.036, 10),
            MsiBand("B04", "red", 0.6646, 0.031, 10),
            MsiBand("B05", "rededge", 0.7041, 0.015, 20),
            MsiBand("B06", "rededge", 0.7405, 0.015, 20),
            MsiBand("B07", "rededge", 0.7828, 0.020, 20),
            MsiBand("B08", "nir", 0.8328, 0.106, 10),
            MsiBand("B8A", "nir08", 0.8647, 0.021, 20),
            MsiBand("B09", "nir09", 0.9451, 0.020, 60),
            MsiBand("B10", "cirrus", 1.3735, 0.031, 60),
            MsiBand("B11", "swir16", 1.6137, 0.091, 20),
            MsiBand("B12", "swir22", 2.2024, 0.175, 20),
        )
    }
)
"""The 13 bands in the order of the instrument: the position is the `band_id` of ESA's metadata."""


@dataclass(frozen=True)
class SceneFiles:
    """A simulated scene on disk.

    Attributes:
        id: Identifier, and the name of the item's file.
        sensor: Whose scene it is.
        folder: Folder of the scene, or of its only file. The item is written into it.
        files: GeoTIFF of each band, one band a file; for Sentinel-2 also "SCL".
        datetime: Start of the acquisition, UTC.
        properties: Further properties of the STAC item ("s2:processing_baseline", "sat:orbit_state", "license", ...).
        scale: Value = number * scale + offset: reflectance of Sentinel-2.
        offset: See `scale`.
        unit: Unit of the value.
        nodata: Number that means "no data" in every file but SCL, or None.
        simulated: Which simulation made it ("cerradata simulation, parameters 1a2b3c, seed 1, world 0").
    """

    id: str
    sensor: Sensor
    folder: Path
    files: Mapping[str, Path]
    datetime: dt.datetime
    unit: str
    nodata: float | None
    simulated: str
    scale: float = 1.0
    offset: float = 0.0
    properties: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Check what would make a wrong item.

        Raises:
            ConfigError: If the id is no file name, there is no file, or the time is not in UTC.
        """
        if not re.fullmatch(r"[\w-][\w.-]*", self.id):
            raise ConfigError(f"The scene's id {self.id!r} is no file name: use letters, digits, '_', '-' and '.'.")
        if not self.files:
            raise ConfigError(f"Scene {self.id} has no file: give one band or more.")
        if self.datetime.utcoffset() != dt.timedelta(0):
            raise ConfigError(f"Scene {self.id}: its time {self.datetime} is not in UTC: give one with the UTC zone.")


def scene_item(scene: SceneFiles) -> pystac.Item:
    """The STAC item of a scene, with absolute addresses of its files. Reads their headers, no pixel.

    Raises:
        SceneError: As `open_band`.
    """
    with open_band(next(iter(scene.files.values()))) as first:
        geometry, bbox = _footprint(first)
        projection = _crs(first)
    assets = {band: _asset(scene, band, path) for band, path in scene.files.items()}
    gsd = min(asset.extra_fields["gsd"] for asset in assets.values())
    general = {"gsd": gsd, "license": LICENSE} | _sensor(scene) | projection
    properties = general | dict(scene.properties) | {SIMULATED: scene.simulated}
    item = pystac.Item(scene.id, geometry, bbox, scene.datetime, properties, assets=assets)
    item.stac_extensions = _extensions(item)
    return item


def write_item(scene: SceneFiles, *, catalog: Path | None = None) -> Path:
    """Write the item of a scene as `<folder>/<id>.json`, with relative addresses, whole or not at all.

    Args:
        scene: The scene.
        catalog: The catalogue that lists it; the item then links to it as its root and parent.

    Raises:
        SceneError: As `open_band`.
        OutputError: If there is no space or no permission.
    """
    path = scene.folder / f"{scene.id}.json"
    item = scene_item(scene)
    for asset in item.assets.values():
        asset.href = _relative(Path(asset.href), scene.folder)
    if catalog is not None:
        for relation in (pystac.RelType.ROOT, pystac.RelType.PARENT):
            item.add_link(pystac.Link(relation, _relative(catalog, scene.folder), pystac.MediaType.JSON))
    write_json(path, item.to_dict(include_self_link=False, transform_hrefs=False))
    return path


def write_catalog(root: Path, scenes: Sequence[SceneFiles], *, title: str, description: str, simulated: str) -> Path:
    """Write a static catalogue that can be moved as it is: the item of each scene, then the catalogue that lists them.

    Args:
        root: Folder of the catalogue, above those of the scenes. The catalogue is its `catalog.json`.
        scenes: The scenes in the order of the list.
        title: The catalogue's title.
        description: What it holds.
        simulated: Which simulation made it.

    Raises:
        ConfigError: If two scenes have the same id.
        SceneError, OutputError: As `write_item`.
    """
    ids = [scene.id for scene in scenes]
    if len(set(ids)) != len(ids):
        doubled = next(name for name in ids if ids.count(name) > 1)
        raise ConfigError(f"The catalogue would hold two scenes {doubled}: each needs an id of its own.")
    path = root / CATALOG_NAME
    catalog = pystac.Catalog("cerradata-simulation", description, title, extra_fields={SIMULATED: simulated})
    catalog.clear_links()
    catalog.add_link(pystac.Link(pystac.RelType.ROOT, _relative(path, root), pystac.MediaType.JSON, title))
    for scene in scenes:
        href = _relative(write_item(scene, catalog=path), root)
        catalog.add_link(pystac.Link(pystac.RelType.ITEM, href, pystac.MediaType.GEOJSON, scene.id))
    write_json(path, catalog.to_dict(include_self_link=False, transform_hrefs=False))
    return path


def open_band(path: Path) -> DatasetReader:
    """Open a file of a scene.

    Raises:
        SceneError: If it is missing, is no raster, has no CRS, or more than one band.
    """
    try:
        raster = rasterio.open(path)
    except RasterioError as error:
        raise SceneError(f"{path} cannot be opened as a raster: {error}.") from error
    if raster.crs is None or raster.count != 1:
        found = f"{raster.count} bands and {'no' if raster.crs is None else 'a'} CRS"
        raster.close()
        raise SceneError(f"{path} has {found}: a simulated scene has one band a file, with a CRS.")
    return raster


def _asset(scene: SceneFiles, band: str, path: Path) -> pystac.Asset:
    classes = band == CLASSIFICATION
    nodata = 0 if classes else scene.nodata
    with open_band(path) as raster:
        place = {"proj:shape": list(raster.shape), "proj:transform": list(raster.transform)[:6]}
        resolution, dtype = abs(raster.transform.a), raster.dtypes[0]
    numbers: dict[str, Any] = {"data_type": dtype, "spatial_resolution": resolution}
    if nodata is not None:
        numbers["nodata"] = "nan" if math.isnan(nodata) else nodata  # JSON has no NaN; the extension writes a word
    if not classes:
        numbers |= {"scale": scene.scale, "offset": scene.offset, "unit": scene.unit}
    fields: dict[str, Any] = {"gsd": resolution, **place, "raster:bands": [numbers]}
    if scene.sensor == "sentinel-2" and band in MSI:
        msi = MSI[band]
        names = {"name": band, "common_name": msi.common_name}
        fields["eo:bands"] = [names | {"center_wavelength": msi.wavelength, "full_width_half_max": msi.width}]
    if scene.sensor == "sentinel-1":
        fields["sar:polarizations"] = [band]
    title = "Scene classification" if classes else f"{band}, {scene.unit}"
    # Both roles, as in the catalogues of Earth Search: the layer is a product, and masks clouds
    roles = ["data", "mask"] if classes else ["data"]
    return pystac.Asset(str(path.absolute()), title, None, pystac.MediaType.GEOTIFF, roles, fields)


def _sensor(scene: SceneFiles) -> dict[str, Any]:
    """Properties that follow from the sensor; those of the scene go before them."""
    match scene.sensor:
        case "sentinel-2":
            msi = {"constellation": "sentinel-2", "platform": "sentinel-2a", "instruments": ["msi"]}
            return msi | {"s2:product_type": "S2MSI2A"}
        case "sentinel-1":
            return {
                "constellation": "sentinel-1",
                "platform": "sentinel-1a",
                "instruments": ["c-sar"],
                "sar:instrument_mode": "IW",
                "sar:frequency_band": "C",
                "sar:center_frequency": 5.405,
                "sar:polarizations": list(scene.files),
                "sar:product_type": "GRD",
            }
        case "elevation":
            return {}


def _extensions(item: pystac.Item) -> list[str]:
    """The extensions whose fields an item and its assets use."""
    names = [*item.properties, *(name for asset in item.assets.values() for name in asset.extra_fields)]
    prefixes = {name.split(":")[0] for name in names if ":" in name}
    used = (name for prefix, name in _EXTENSIONS.items() if prefix in prefixes)
    return [f"https://stac-extensions.github.io/{name}/schema.json" for name in used]


def _footprint(raster: DatasetReader) -> tuple[dict[str, Any], list[float]]:
    """Outline in WGS84, counter-clockwise, and its bounds; to 7 decimals, a centimetre on the ground."""
    there = np.arange(_EDGE_POINTS) / _EDGE_POINTS
    back, near, far = 1 - there, np.zeros(_EDGE_POINTS), np.ones(_EDGE_POINTS)
    across, down = np.concatenate([near, there, far, back, [0]]), np.concatenate([there, far, back, near, [0]])
    left, bottom, right, top = raster.bounds
    x, y = left + across * (right - left), top - down * (top - bottom)
    points = np.round(np.column_stack(transform(raster.crs, "EPSG:4326", x, y)), 7)
    bbox = [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]
    return {"type": "Polygon", "coordinates": [points.tolist()]}, bbox


def _crs(raster: DatasetReader) -> dict[str, Any]:
    authority = raster.crs.to_authority()
    if authority is None:
        return {"proj:code": None, "proj:wkt2": raster.crs.to_wkt(version="WKT2_2019")}
    return {"proj:code": ":".join(authority)}


def _relative(path: Path, folder: Path) -> str:
    address = Path(os.path.relpath(path, folder)).as_posix()
    return address if address.startswith(".") else f"./{address}"
