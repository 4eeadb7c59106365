"""`TerrainSource`: the heights with which a radar image is corrected for terrain, and what they are above."""

from dataclasses import dataclass

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.scenes.vertical import WGS84_ELLIPSOID, named_datum


@dataclass(frozen=True)
class TerrainSource:
    """Heights of the ground for the terrain correction of a Sentinel-1 GRD product.

    The geometry of an orbit needs heights above the ellipsoid. Elevation models have them above a geoid as a rule, which lies
    up to 100 m away: an error of that height moves a pixel by 1.3 times as much.

    Attributes:
        elevation: Raster of heights in metres, in any coordinate reference system.
        vertical_datum: What they are above: "WGS84 ellipsoid", or "EGM96", "EGM2008" or another geoid with `geoid`.
        geoid: Raster of the height of that geoid above the WGS84 ellipsoid in metres, which is added to the heights.
    """

    elevation: Location
    vertical_datum: str
    geoid: Location | None = None

    def __post_init__(self) -> None:
        """Check that heights above the ellipsoid come out.

        Raises:
            ConfigError: If the datum is unknown, a geoid without its raster, or the ellipsoid with one.
        """
        datum = named_datum(self.vertical_datum)
        if datum != WGS84_ELLIPSOID and self.geoid is None:
            raise ConfigError(
                f"{self.elevation}: its heights are above {datum}, terrain correction needs them above the ellipsoid. Give "
                f"`geoid`: a raster of the height of {datum} above the WGS84 ellipsoid, as those of https://cdn.proj.org "
                "(us_nga_egm96_15.tif, us_nga_egm08_25.tif); or an elevation model above the ellipsoid."
            )
        if datum == WGS84_ELLIPSOID and self.geoid is not None:
            raise ConfigError(
                f"{self.elevation}: its heights are declared above the ellipsoid, so no geoid is to be added: leave `geoid` out, "
                "or correct `vertical_datum`."
            )
