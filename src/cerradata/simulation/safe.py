"""A simulated Sentinel-2 scene as ESA distributes them: a SAFE folder with JPEG 2000 images and XML metadata, or its zip.

The structure is that of a Level-1C or Level-2A product of format PSD 14, reduced to what readers look for (GDAL's driver
SENTINEL2 opens it). That the numbers are simulated is said in a comment and the DOI of each metadata file, and in a tag
of each image.
"""

import re
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import get_args

from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile

from cerradata.core.errors import ConfigError
from cerradata.core.files import atomic_folder, atomic_path, reported_output_errors, write_text
from cerradata.core.types import SIMULATED_TAG
from cerradata.simulation.catalog import CLASSIFICATION, SceneFiles, open_band
from cerradata.simulation.safe_metadata import UTM, Level, Product, product_metadata, tile_metadata

_TILE = re.compile(r"\d\d[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]")
_BASELINE = re.compile(r"\d\d\.\d\d")
_JPEG2000 = {
    "driver": "JP2OpenJPEG",
    "CODEC": "JP2",  # in memory there is no file suffix that tells the boxes (which hold the CRS) from a bare codestream
    "QUALITY": "100",  # with REVERSIBLE: no loss
    "REVERSIBLE": "YES",
    "WRITE_METADATA": "YES",  # tags in a box of the file, not in an .aux.xml beside it
}


def write_safe(root: Path, scene: SceneFiles, *, tile: str, level: Level = "L2A") -> Path:
    """Write a Sentinel-2 scene as a minimal SAFE folder, whole or not at all. One that is there is replaced.

    Args:
        root: Folder in which the product is made.
        scene: The scene: digital numbers in uint16 (0 = no data, 65535 = saturated), each band at its own resolution;
            for L2A also SCL in uint8, and no B10. An offset of 0 is not written, as before baseline 04.00. Needed of its
            properties are "s2:processing_baseline" and "sat:relative_orbit"; used where given are "sat:orbit_state",
            "sat:absolute_orbit", "view:sun_elevation", "view:sun_azimuth", "eo:cloud_cover".
        tile: Tile of the military grid, as "22MGU".
        level: "L1C" (numbers are top-of-atmosphere reflectance) or "L2A" (surface reflectance).

    Returns:
        The folder `S2A_MSI<level>_<time>_N<baseline>_R<orbit>_T<tile>_<time>.SAFE`. Both times are that of the acquisition,
        so that the same scene has the same name.

    Raises:
        ConfigError: If the scene is none of Sentinel-2, or lacks what the product's name or metadata must say.
        SceneError: If a file is missing, is no raster, has no CRS, or more than one band.
        OutputError: If there is no space or no permission.
    """
    product = _product(scene, tile, level)
    with atomic_folder(root / product.name) as folder:
        for band, path in scene.files.items():
            _write_image(folder / f"{product.image(band)}.jp2", path, scene.simulated)
        write_xml(folder / product.granule / "MTD_TL.xml", tile_metadata(product), scene.simulated)
        write_xml(folder / f"MTD_MSI{level}.xml", product_metadata(product), scene.simulated)
    return root / product.name


def zip_safe(folder: Path) -> Path:
    """Pack a product as it is distributed: a zip with the SAFE folder in it, whole or not at all. The folder stays.

    Args:
        folder: The SAFE folder.

    Returns:
        `<folder>.zip` beside it. The same product gives the same bytes.

    Raises:
        OutputError: If there is no space or no permission.
    """
    target = folder.with_name(f"{folder.name}.zip")
    with (
        reported_output_errors(target),
        atomic_path(target) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
    ):
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            member = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")  # its time is 1980
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, path.read_bytes())
    return target


def _product(scene: SceneFiles, tile: str, level: Level) -> Product:
    """Check what is given and read the headers of the files."""
    if scene.sensor != "sentinel-2":
        raise ConfigError(f"Scene {scene.id} is of {scene.sensor}: only Sentinel-2 is distributed in this SAFE format.")
    if not _TILE.fullmatch(tile):
        raise ConfigError(f"{tile!r} is no tile of the military grid: write it as 22MGU.")
    foreign = {"L1C": CLASSIFICATION, "L2A": "B10"}.get(level)
    if foreign is None or foreign in scene.files:
        said = f"{level} has no {foreign}" if foreign else f"there is no level {level!r}"
        raise ConfigError(f"Scene {scene.id}: {said}. Levels are {' and '.join(get_args(Level))}.")
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
    if codes or code is None or code // 100 not in UTM:
        raise ConfigError(f"Scene {scene.id}: all its files must be in one UTM zone of WGS84 (EPSG:326xx or 327xx).")
    return Product(scene, level, tile, baseline, orbit, code, dict(sorted(grids.items())), resolutions)


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


def write_xml(path: Path, root: ET.Element, simulated: str) -> None:
    """Write a metadata file that says in a comment that it is simulated."""
    ET.indent(root)
    said = re.sub("-(?=-)", "- ", simulated)  # a comment must not hold two hyphens in a row
    head = f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n<!-- Simulated, not observed: {said} -->\n'
    write_text(path, head + ET.tostring(root, encoding="unicode") + "\n")
