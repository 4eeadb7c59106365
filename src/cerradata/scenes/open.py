"""`open_scene`: a `Scene` from how a user declares it and what its files say."""

import datetime as dt
import re

from cerradata.core.errors import SceneError
from cerradata.core.types import SIMULATED_TAG
from cerradata.scenes.band_file import BandFile
from cerradata.scenes.bands import BANDS, ELEVATION
from cerradata.scenes.files import (
    folder_bands,
    raster_tag,
    require_bands,
    require_one_footprint,
    scl_file,
    stack_bands,
)
from cerradata.scenes.mask import BorderMask, ClassMask, SceneMask
from cerradata.scenes.metadata import QUANTIFICATION, ProductMetadata, product_offset, read_metadata
from cerradata.scenes.radiometry import Radiometry
from cerradata.scenes.scene import Scene
from cerradata.scenes.source import SceneSource, parse_date

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
    name = source.path.name
    found = _find_bands(source)
    require_one_footprint(found, name)
    metadata = read_metadata(source.path.path) if _is_folder(source) else ProductMetadata()
    first = next(iter(found.values()))
    radiometry = _radiometry(source, metadata, tuple(found))
    return Scene(
        name,
        source.sensor,
        _date(source, metadata, first),
        found,
        radiometry,
        _masks(source, found, radiometry),
        metadata.simulated or raster_tag(first.location, SIMULATED_TAG),
    )


def _is_folder(source: SceneSource) -> bool:
    return not source.path.is_remote and source.path.path.is_dir()


def _find_bands(source: SceneSource) -> dict[str, BandFile]:
    if _is_folder(source):
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
            "neither MTD_MSIL1C.xml or MTD_MSIL2A.xml nor a STAC item with scale and offset is in the folder"
            if _is_folder(source)
            else "one file has no metadata beside it"
        )
        raise SceneError(
            f"Sentinel-2 scene {source.path}: `offset` is missing, and {looked}. Give the product's BOA_ADD_OFFSET (L2A) or "
            "RADIO_ADD_OFFSET (L1C): -1000, or 0 for products without one. It is in MTD_MSIL*.xml, not in the date."
        )
    return stated


def _masks(source: SceneSource, found: dict[str, BandFile], radiometry: Radiometry) -> tuple[SceneMask, ...]:
    name = source.path.name
    if source.border > 0:
        return (BorderMask(next(iter(found.values())), radiometry, source.border, name),)
    if source.sensor != "sentinel-2" or source.cloud_mask == "none":
        return ()
    classes = scl_file(source.path) if _is_folder(source) else None
    if classes is None:
        if source.cloud_mask == "scl":
            raise SceneError(
                f"Scene {source.path}: `cloud_mask` is scl, but there is no scene classification layer (a file like "
                "..._SCL_20m.jp2 in the scene's folder). Add it, or leave `cloud_mask` out."
            )
        return ()
    require_one_footprint({**found, "SCL": classes}, name)
    return (ClassMask(classes, source.masked_scl, name),) if source.masked_scl else ()


def _radiometry(source: SceneSource, metadata: ProductMetadata, bands: tuple[str, ...]) -> Radiometry:
    nodata = source.nodata
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
                processing_baseline=metadata.processing_baseline,
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
            return Radiometry(sensor="elevation", bands=bands, unit="metre", nodata=nodata)
