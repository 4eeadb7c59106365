"""`open_scene`: a `Scene` from how a user declares it and what its files say."""

import datetime as dt
import re

from cerradata.core.errors import SceneError
from cerradata.core.types import SIMULATED_TAG
from cerradata.scenes.band_file import BandFile
from cerradata.scenes.bands import BANDS, ELEVATION
from cerradata.scenes.clouds import CLOUD_BANDS, CloudDetection, CloudlessMask, require_s2cloudless
from cerradata.scenes.files import (
    folder_bands,
    raster_crs,
    raster_tag,
    require_bands,
    require_one_footprint,
    require_whole_product,
    scl_file,
    stack_bands,
)
from cerradata.scenes.grd import is_grd, open_grd
from cerradata.scenes.mask import BorderMask, ClassMask, SceneMask
from cerradata.scenes.metadata import QUANTIFICATION, ProductMetadata, product_offset
from cerradata.scenes.product import holds_product
from cerradata.scenes.radiometry import Radiometry
from cerradata.scenes.scene import Scene
from cerradata.scenes.scl import is_scl_file
from cerradata.scenes.source import SceneSource, parse_date
from cerradata.scenes.stated import metadata_of
from cerradata.scenes.vertical import settled_datum

_DATE_IN_NAME = re.compile(r"(?<!\d)(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?!\d)")


def open_scene(source: SceneSource) -> Scene:
    """Open a scene: find its files, check them, read their metadata and no pixel.

    Raises:
        SceneError: If files are missing, unreadable, without CRS, or do not belong together; or if neither the declaration
            nor metadata say which offset a Sentinel-2 scene has.
    """
    if not source.path.is_remote and not source.path.path.exists():
        raise SceneError(
            f"There is no scene {source.path}: check the path (a relative one is relative to the configuration)."
        )
    if source.sensor == "sentinel-1" and is_grd(source):
        return open_grd(source)
    name = source.path.name
    found = _find_bands(source)
    require_one_footprint(found, name)
    metadata = metadata_of(source.path)
    first = next(iter(found.values()))
    # a plain dictionary: the default, a read-only view, cannot be sent to another process
    radiometry = _radiometry(source, metadata, found)
    return Scene(
        name,
        source.sensor,
        _date(source, metadata, first),
        found,
        radiometry,
        _masks(source, metadata, found, radiometry),
        metadata.simulated or raster_tag(first.location, SIMULATED_TAG),
    )


def stated_metadata(source: SceneSource) -> ProductMetadata:
    """What the product itself says of a scene, whatever is declared.

    A declaration wins over it, without a word: `open_scene` keeps to what the user says. This tells what it overruled.

    Returns:
        The metadata of the folder or zip, or those beside a single file that bear its name; empty where there are none.

    Raises:
        SceneError: If a metadata file is damaged, there are several of a kind, or a zip cannot be read.
    """
    return metadata_of(source.path)


def _find_bands(source: SceneSource) -> dict[str, BandFile]:
    # a remote zip is refused there too, with the reason
    if holds_product(source.path) or source.path.lower().endswith(".zip"):
        found = folder_bands(source.path, source.sensor)
        if source.bands is None:
            return found
        require_bands(found, source.bands, source.path.name)
        return {band: found[band] for band in source.bands}
    if source.sensor == "elevation":
        return stack_bands(source.path, tuple(ELEVATION), source.sensor)
    if source.bands is None:
        raise SceneError(
            f"{source.path} is one file: say which bands it holds, in its order (`bands: [B02, B03, ...]`). "
            f"{source.sensor} has {', '.join(BANDS[source.sensor])}."
        )
    return stack_bands(source.path, source.bands, source.sensor)


def _date(source: SceneSource, metadata: ProductMetadata, first: BandFile) -> dt.date | None:
    """The day declared, else that of the metadata, else that in a file name."""
    if source.date is not None:
        return parse_date(source.date)
    if metadata.date is not None:
        return metadata.date
    for name in (source.path.name, first.location.name):
        match = _DATE_IN_NAME.search(name)
        if match:
            year, month, day = (int(part) for part in match.groups())
            try:
                return dt.date(year, month, day)
            except ValueError:  # 20220231 is some other number
                continue
    return None


def _offset(source: SceneSource, metadata: ProductMetadata) -> int:
    """The offset declared, else that of the metadata. There is no third way."""
    if source.offset is not None:
        return source.offset
    stated = product_offset(metadata, source.path.name)
    if stated is None:
        looked = (
            "neither MTD_MSIL1C.xml or MTD_MSIL2A.xml nor a STAC item with scale and offset is in it"
            if holds_product(source.path)
            else "one file has no metadata beside it (a STAC item of its name, as s2.json for s2.tif)"
        )
        raise SceneError(
            f"Sentinel-2 scene {source.path}: `offset` is missing, and {looked}. Give the product's BOA_ADD_OFFSET (L2A) or "
            "RADIO_ADD_OFFSET (L1C): -1000, or 0 for products without one. It is in MTD_MSIL*.xml, not in the date."
        )
    return stated


def _masks(
    source: SceneSource, metadata: ProductMetadata, found: dict[str, BandFile], radiometry: Radiometry
) -> tuple[SceneMask, ...]:
    name = source.path.name
    if source.border > 0:
        return (BorderMask(next(iter(found.values())), radiometry, source.border, name),)
    if source.sensor != "sentinel-2":
        return ()
    classes = scl_file(source.path) if holds_product(source.path) and source.cloud_mask in ("scl", None) else None
    if source.bands is None:
        wanted = (
            image for image in metadata.images if source.cloud_mask in ("scl", None) or not is_scl_file(f"{image}.jp2")
        )
        require_whole_product(found if classes is None else {**found, "SCL": classes}, wanted, name)
    if source.cloud_mask == "s2cloudless":
        return (_cloudless(source, found, radiometry),)
    if classes is None:
        if source.cloud_mask == "scl":
            raise SceneError(_no_classification(source, radiometry.product_level))
        return ()
    require_one_footprint({**found, "SCL": classes}, name)
    return (ClassMask(classes, source.masked_scl, name, source.cloud_buffer),) if source.masked_scl else ()


def _no_classification(source: SceneSource, level: str | None) -> str:
    wanted = f"Scene {source.path}: `cloud_mask` is scl, but "
    if level == "L1C":
        return (
            f"{wanted}an L1C product has no scene classification layer. Use `cloud_mask: s2cloudless`, or leave it out."
        )
    return (
        f"{wanted}there is no scene classification layer (a file like ..._SCL_20m.jp2 in the scene's folder). Add it, or "
        "leave `cloud_mask` out."
    )


def _cloudless(source: SceneSource, found: dict[str, BandFile], radiometry: Radiometry) -> CloudlessMask:
    """The clouds of an L1C scene. All the bands it needs are used, also those that the scene leaves out."""
    name = source.path.name
    if radiometry.product_level != "L1C":
        known = radiometry.product_level or "not known (declare `product_level`)"
        raise SceneError(
            f"Scene {source.path}: `cloud_mask` is s2cloudless, which takes top-of-atmosphere reflectance, that is L1C. The "
            f"level of this scene is {known}. For L2A use `cloud_mask: scl`."
        )
    require_s2cloudless(name)
    there = folder_bands(source.path, source.sensor) if holds_product(source.path) else found
    missing = [band for band in CLOUD_BANDS if band not in there]
    if missing:
        raise SceneError(
            f"Scene {source.path}: `cloud_mask` is s2cloudless, which takes {', '.join(CLOUD_BANDS)}: "
            f"{', '.join(missing)} are missing. Add them, or leave `cloud_mask` out."
        )
    bands = {band: there[band] for band in CLOUD_BANDS}
    require_one_footprint(bands, name)
    detection = CloudDetection(source.cloud_threshold, source.cloud_average, source.cloud_dilation)
    return CloudlessMask(bands, radiometry, detection, name)


def _radiometry(source: SceneSource, metadata: ProductMetadata, found: dict[str, BandFile]) -> Radiometry:
    nodata, bands = source.nodata, tuple(found)
    match source.sensor:
        case "sentinel-2":
            scale = 1 / (metadata.quantification or QUANTIFICATION)
            return Radiometry(
                sensor="sentinel-2",
                bands=bands,
                unit="reflectance",
                scale=scale,
                offset=_offset(source, metadata) * scale,
                nodata=0.0 if nodata is None else nodata,
                product_level=source.product_level or metadata.product_level,
                processing_baseline=source.processing_baseline or metadata.processing_baseline,
                orbit_pass=metadata.orbit_pass,
                relative_orbit=metadata.relative_orbit,
            )
        case "sentinel-1":
            assumed = None if source.unit == "db" else 0.0  # 0 dB is a good value, an amplitude or power of 0 is none
            declared_orbit = source.relative_orbit
            return Radiometry(
                sensor="sentinel-1",
                bands=bands,
                unit=source.unit or "amplitude",
                nodata=assumed if nodata is None else nodata,
                calibration=source.calibration,
                orbit_pass=source.orbit_pass or metadata.orbit_pass,
                relative_orbit=metadata.relative_orbit if declared_orbit is None else declared_orbit,
            )
        case "elevation":
            datum = settled_datum(source.vertical_datum, raster_crs(found[bands[0]].location), source.path.name)
            return Radiometry(sensor="elevation", bands=bands, unit="metre", nodata=nodata, vertical_datum=datum)
