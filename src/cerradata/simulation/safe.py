"""A simulated Sentinel-2 scene as ESA distributes them: a SAFE folder with JPEG 2000 images and XML metadata.

The structure is that of a Level-2A product of format PSD 14, reduced to what readers look for (GDAL's driver SENTINEL2
opens it). That the numbers are simulated is said in a comment and the DOI of each metadata file, and in a tag of each image.
"""

import os
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile

from cerradata.core.errors import ConfigError
from cerradata.core.files import atomic_path, reported_output_errors, write_text
from cerradata.core.types import SIMULATED_TAG
from cerradata.simulation.catalog import MSI, SceneFiles, open_band

_TILE = re.compile(r"\d\d[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]")
_BASELINE = re.compile(r"\d\d\.\d\d")
_UTM = {326: "N", 327: "S"}  # the hundreds of the EPSG codes of WGS84 / UTM
_JPEG2000 = {
    "driver": "JP2OpenJPEG",
    "CODEC": "JP2",  # in memory there is no file suffix that tells the boxes (which hold the CRS) from a bare codestream
    "QUALITY": "100",  # with REVERSIBLE: no loss
    "REVERSIBLE": "YES",
    "WRITE_METADATA": "YES",  # tags in a box of the file, not in an .aux.xml beside it
}


@dataclass(frozen=True)
class _Product:
    """What the names and the metadata of a product say."""

    scene: SceneFiles
    tile: str
    baseline: str
    relative_orbit: int
    epsg: int
    grids: Mapping[int, GeoBox]
    resolutions: Mapping[str, int]

    @property
    def time(self) -> str:
        return self.scene.datetime.strftime("%Y%m%dT%H%M%S")

    @property
    def instant(self) -> str:
        return self.scene.datetime.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @property
    def orbit(self) -> str:
        return f"A{self.scene.properties.get('sat:absolute_orbit', 0):06d}"

    @property
    def name(self) -> str:
        number = self.baseline.replace(".", "")
        return f"S2A_MSIL2A_{self.time}_N{number}_R{self.relative_orbit:03d}_T{self.tile}_{self.time}.SAFE"

    @property
    def granule(self) -> str:
        return f"GRANULE/L2A_T{self.tile}_{self.orbit}_{self.time}"

    def image(self, band: str) -> str:
        """Address of an image in the product, without its suffix."""
        resolution = self.resolutions[band]
        return f"{self.granule}/IMG_DATA/R{resolution}m/T{self.tile}_{self.time}_{band}_{resolution}m"

    def identifier(self, kind: str) -> str:
        """ESA's identifier of the tile ("TL") or the data strip ("DS")."""
        place = f"{self.orbit}_T{self.tile}" if kind == "TL" else f"S{self.time}"
        return f"S2A_OPER_MSI_L2A_{kind}_SIMU_{self.time}_{place}_N{self.baseline}"


def write_safe(root: Path, scene: SceneFiles, *, tile: str) -> Path:
    """Write a Sentinel-2 L2A scene as a minimal SAFE folder, whole or not at all. One that is there is replaced.

    Args:
        root: Folder in which the product is made.
        scene: The scene: digital numbers in uint16 (0 = no data, 65535 = saturated), each band at its own resolution,
            and SCL in uint8. Needed of its properties are "s2:processing_baseline" and "sat:relative_orbit"; used where
            given are "sat:orbit_state", "sat:absolute_orbit", "view:sun_elevation", "view:sun_azimuth", "eo:cloud_cover".
        tile: Tile of the military grid, as "22MGU".

    Returns:
        The folder `S2A_MSIL2A_<time>_N<baseline>_R<orbit>_T<tile>_<time>.SAFE`. Both times are that of the acquisition,
        so that the same scene has the same name.

    Raises:
        ConfigError: If the scene is none of Sentinel-2, or lacks what the product's name or metadata must say.
        SceneError: If a file is missing, is no raster, has no CRS, or more than one band.
        OutputError: If there is no space or no permission.
    """
    product = _product(scene, tile)
    with _atomic_folder(root / product.name) as folder:
        for band, path in scene.files.items():
            _write_image(folder / f"{product.image(band)}.jp2", path, scene.simulated)
        _write_xml(folder / product.granule / "MTD_TL.xml", _tile_metadata(product), scene.simulated)
        _write_xml(folder / "MTD_MSIL2A.xml", _product_metadata(product), scene.simulated)
    return root / product.name


def _product(scene: SceneFiles, tile: str) -> _Product:
    """Check what is given and read the headers of the files."""
    if scene.sensor != "sentinel-2":
        raise ConfigError(f"Scene {scene.id} is of {scene.sensor}: only Sentinel-2 is distributed in this SAFE format.")
    if not _TILE.fullmatch(tile):
        raise ConfigError(f"{tile!r} is no tile of the military grid: write it as 22MGU.")
    baseline = str(scene.properties.get("s2:processing_baseline"))
    orbit = scene.properties.get("sat:relative_orbit")
    if not _BASELINE.fullmatch(baseline) or not isinstance(orbit, int):
        raise ConfigError(
            f"Scene {scene.id}: give the properties s2:processing_baseline (as 05.10), sat:relative_orbit."
        )
    grids: dict[int, GeoBox] = {}
    resolutions: dict[str, int] = {}
    codes = set()
    for band, path in scene.files.items():
        with open_band(path) as raster:
            size = raster.transform.a
            if size not in (10, 20, 60) or raster.dtypes[0] not in ("uint8", "uint16"):
                raise ConfigError(f"{path}: {size} m, {raster.dtypes[0]}. It must be 10, 20 or 60 m, uint16 or uint8.")
            resolutions[band] = int(size)
            grids.setdefault(int(size), GeoBox(raster.shape, raster.transform, str(raster.crs)))
            codes.add(raster.crs.to_epsg())
    code = codes.pop()
    if codes or code is None or code // 100 not in _UTM:
        raise ConfigError(f"Scene {scene.id}: all its files must be in one UTM zone of WGS84 (EPSG:326xx or 327xx).")
    return _Product(scene, tile, baseline, orbit, code, dict(sorted(grids.items())), resolutions)


def _write_image(path: Path, source: Path, simulated: str) -> None:
    """A GeoTIFF of one band as JPEG 2000 without loss.

    The format has no field for no data: as in ESA's images, the product's metadata say it.
    """
    with open_band(source) as raster:
        pixels, tags = raster.read(1), raster.tags() | {SIMULATED_TAG: simulated}
        place = {"crs": raster.crs, "transform": raster.transform, "width": raster.width, "height": raster.height}
    tags.pop("AREA_OR_POINT", None)  # a field of GeoTIFF that GDAL shows among the tags
    with MemoryFile(ext=".jp2") as memory:
        with memory.open(**_JPEG2000, **place, count=1, dtype=pixels.dtype.name) as file:
            file.write(pixels, 1)
            file.update_tags(**tags)
        with atomic_path(path) as temporary:
            temporary.write_bytes(memory.getbuffer())


def _product_metadata(product: _Product) -> ET.Element:
    scene = product.scene
    granule = _element(
        "Granule",
        *(_element("IMAGE_FILE", product.image(band)) for band in scene.files),
        datastripIdentifier=product.identifier("DS"),
        granuleIdentifier=product.identifier("TL"),
        imageFormat="JPEG2000",
    )
    info = _element(
        "Product_Info",
        _element("PRODUCT_START_TIME", product.instant),
        _element("PRODUCT_STOP_TIME", product.instant),
        _element("PRODUCT_URI", product.name),
        _element("PROCESSING_LEVEL", "Level-2A"),
        _element("PRODUCT_TYPE", "S2MSI2A"),
        _element("PROCESSING_BASELINE", product.baseline),
        _element("PRODUCT_DOI", f"Simulated, not observed: {scene.simulated}"),
        _element("GENERATION_TIME", product.instant),
        _element(
            "Datatake",
            _element("SPACECRAFT_NAME", "Sentinel-2A"),
            _element("DATATAKE_TYPE", "INS-NOBS"),
            _element("DATATAKE_SENSING_START", product.instant),
            _element("SENSING_ORBIT_NUMBER", str(product.relative_orbit)),
            _element("SENSING_ORBIT_DIRECTION", scene.properties.get("sat:orbit_state", "descending").upper()),
            datatakeIdentifier=f"GS2A_{product.time}_{product.orbit[1:]}_N{product.baseline}",
        ),
        _element("Query_Options", _element("PRODUCT_FORMAT", "SAFE_COMPACT"), completeSingleTile="true"),
        _element("Product_Organisation", _element("Granule_List", granule)),
    )
    general = _element("n1:General_Info", info, _image_characteristics(scene))
    cover = _element("Cloud_Coverage_Assessment", str(scene.properties.get("eo:cloud_cover", "")))
    quality = [_element("n1:Quality_Indicators_Info", cover)] if cover.text else []
    return _root("Level-2A_User_Product", "User_Product_Level-2A.xsd", general, *quality)


def _image_characteristics(scene: SceneFiles) -> ET.Element:
    """What the numbers mean: reflectance = (number + BOA_ADD_OFFSET) / BOA_QUANTIFICATION_VALUE."""
    quantification = round(1 / scene.scale)
    offset = round(scene.offset * quantification)
    special = [
        _element("Special_Values", _element("SPECIAL_VALUE_TEXT", text), _element("SPECIAL_VALUE_INDEX", number))
        for text, number in (("NODATA", "0"), ("SATURATED", "65535"))
    ]
    offsets = [_element("BOA_ADD_OFFSET", str(offset), band_id=str(number)) for number in range(len(MSI))]
    bands = [
        _element(
            "Spectral_Information",
            _element("RESOLUTION", str(band.resolution)),
            _element("Wavelength", _element("CENTRAL", f"{1000 * band.wavelength:.1f}", unit="nm")),
            bandId=str(number),
            physicalBand=re.sub("^B0", "B", band.name),  # ESA writes "B1" here, "B01" in the names of files
        )
        for number, band in enumerate(MSI.values())
    ]
    return _element(
        "Product_Image_Characteristics",
        *special,
        _element("QUANTIFICATION_VALUES_LIST", _element("BOA_QUANTIFICATION_VALUE", str(quantification), unit="none")),
        *([_element("BOA_ADD_OFFSET_VALUES_LIST", *offsets)] if offset else []),
        _element("Spectral_Information_List", *bands),
    )


def _tile_metadata(product: _Product) -> ET.Element:
    zone, hemisphere = product.epsg % 100, _UTM[product.epsg // 100]
    sizes, places = [], []
    for resolution, grid in product.grids.items():
        (rows, columns), corner = grid.shape, grid.transform
        sizes.append(_fields("Size", resolution, NROWS=rows, NCOLS=columns))
        places.append(_fields("Geoposition", resolution, ULX=corner.c, ULY=corner.f, XDIM=corner.a, YDIM=corner.e))
    geocoding = _element(
        "Tile_Geocoding",
        _element("HORIZONTAL_CS_NAME", f"WGS84 / UTM zone {zone}{hemisphere}"),
        _element("HORIZONTAL_CS_CODE", f"EPSG:{product.epsg}"),
        *sizes,
        *places,
        metadataLevel="Brief",
    )
    general = _element(
        "n1:General_Info",
        _element("TILE_ID", product.identifier("TL"), metadataLevel="Brief"),
        _element("DATASTRIP_ID", product.identifier("DS"), metadataLevel="Standard"),
        _element("SENSING_TIME", product.instant, metadataLevel="Standard"),
    )
    geometric = _element("n1:Geometric_Info", geocoding, *_sun(product.scene.properties))
    return _root("Level-2A_Tile_ID", "S2_PDI_Level-2A_Tile_Metadata.xsd", general, geometric)


def _sun(properties: Mapping[str, Any]) -> list[ET.Element]:
    """The mean angles of the sun, where they are given."""
    if not {"view:sun_elevation", "view:sun_azimuth"} <= set(properties):
        return []
    zenith = _element("ZENITH_ANGLE", f"{90 - properties['view:sun_elevation']:.6f}", unit="deg")
    azimuth = _element("AZIMUTH_ANGLE", f"{properties['view:sun_azimuth']:.6f}", unit="deg")
    return [_element("Tile_Angles", _element("Mean_Sun_Angle", zenith, azimuth), metadataLevel="Standard")]


def _fields(tag: str, resolution: int, **values: float) -> ET.Element:
    """An element of whole numbers for one resolution."""
    numbers = [_element(name, f"{value:.0f}") for name, value in values.items()]
    return _element(tag, *numbers, resolution=str(resolution))


def _element(tag: str, *content: str | ET.Element, **attributes: str) -> ET.Element:
    element = ET.Element(tag, attributes)
    for part in content:
        if isinstance(part, str):
            element.text = part
        else:
            element.append(part)
    return element


def _root(tag: str, schema: str, *children: ET.Element) -> ET.Element:
    """A root element in ESA's namespace, with its prefix: some readers look for "n1:" as text."""
    root = _element(f"n1:{tag}", *children)
    root.set("xmlns:n1", f"https://psd-14.sentinel2.eo.esa.int/PSD/{schema}")
    return root


def _write_xml(path: Path, root: ET.Element, simulated: str) -> None:
    ET.indent(root)
    said = re.sub("-(?=-)", "- ", simulated)  # a comment must not hold two hyphens in a row
    head = f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n<!-- Simulated, not observed: {said} -->\n'
    write_text(path, head + ET.tostring(root, encoding="unicode") + "\n")


@contextmanager
def _atomic_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; it becomes `path`, in place of what is there, when the block ends well."""
    making, old = path.with_name(f".{path.name}.making"), path.with_name(f".{path.name}.old")
    with reported_output_errors(path):
        for left_by_a_kill in (making, old):
            shutil.rmtree(left_by_a_kill, ignore_errors=True)
        making.mkdir(parents=True)
        try:
            yield making
            if path.exists():
                os.replace(path, old)
            os.replace(making, path)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
