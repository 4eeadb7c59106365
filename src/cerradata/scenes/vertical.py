"""The vertical datum of heights: what they are above."""

from pyproj import CRS
from pyproj.exceptions import CRSError

from cerradata.core.errors import ConfigError, SceneError

WGS84_ELLIPSOID = "WGS84 ellipsoid"

_HEIGHT = " height"  # PROJ's names are those of coordinate systems, "EGM2008 height"; the datum is named without it


def named_datum(text: str) -> str:
    """The name of a declared vertical datum: one name for what may be written in several ways.

    Args:
        text: "EGM2008", "EGM96", "WGS84 ellipsoid", or what PROJ knows as a vertical coordinate reference system
            ("EPSG:3855", "NAVD88 height", "NAVD88").

    Raises:
        ConfigError: If it is none.
    """
    if "".join(text.lower().split()) == "".join(WGS84_ELLIPSOID.lower().split()):
        return WGS84_ELLIPSOID
    for candidate in (text, text + _HEIGHT):
        try:
            crs = CRS.from_user_input(candidate)
        except CRSError:
            continue
        # PROJ takes the nearest name: "Instantaneous Water Level height" for "sea level height"
        is_meant = any(mark in text for mark in ":[") or str(crs.name).casefold() == candidate.casefold()
        datum = datum_of(crs)
        if is_meant and datum is not None:
            return datum
    raise ConfigError(
        f"{text!r} is no vertical datum that is known: write EGM2008, EGM96, {WGS84_ELLIPSOID}, or a vertical coordinate "
        "reference system of PROJ, as EPSG:3855."
    )


def datum_of(crs: CRS) -> str | None:
    """The vertical datum of a coordinate reference system; None if it has horizontal axes only.

    Args:
        crs: Vertical, compound ("WGS 84 + EGM2008 height") or three-dimensional (heights above the ellipsoid).
    """
    vertical = (
        crs if crs.is_vertical and not crs.is_compound else next((s for s in crs.sub_crs_list if s.is_vertical), None)
    )
    if vertical is not None:
        return str(vertical.name).removesuffix(_HEIGHT)
    if len(crs.axis_info) < 3 or crs.ellipsoid is None:
        return None
    return WGS84_ELLIPSOID if crs.ellipsoid.name == "WGS 84" else f"{crs.ellipsoid.name} ellipsoid"


def settled_datum(declared: str | None, crs: str, scene: str) -> str | None:
    """The vertical datum of a raster of heights: that declared, else that of its coordinate reference system.

    Args:
        declared: What the user says, or None.
        crs: The raster's own coordinate reference system, as WKT.
        scene: Name of the scene, for messages.

    Raises:
        SceneError: If both say something and contradict each other.
    """
    own = datum_of(CRS.from_wkt(crs))
    if declared is None:
        return own
    said = named_datum(declared)
    if own is not None and own != said:
        raise SceneError(
            f"Scene {scene}: `vertical_datum` is {said}, but the file's coordinate reference system says {own}. Leave it "
            "out, or correct the file (`gdal_edit.py -a_srs`)."
        )
    return said
