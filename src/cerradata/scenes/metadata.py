"""`ProductMetadata`: what the metadata of a product say, and which offset its digital numbers carry.

Whether digital numbers carry an offset is decided here and nowhere else. The date does not tell it: since processing
baseline 04.00 (January 2022) the numbers have 1000 added, and reprocessed older scenes have it too.
"""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location

LEVELS = ("L1C", "L2A")

QUANTIFICATION = 10_000.0
"""Digital numbers of a reflectance of 1 where the metadata say nothing else."""

# S2B_MSIL2A_20220710T132229_N0510_R038_T22MGU_20220710T163213.SAFE, also as .zip and .SAFE.zip
# https://sentiwiki.copernicus.eu/web/s2-products, "Naming convention"
_PRODUCT_NAME = re.compile(r"S2[A-D]_MSI(L1C|L2A)_\d{8}T\d{6}_N(\d\d)(\d\d)_R(\d{3})_T[0-9A-Z]{5}_\d{8}T\d{6}")


@dataclass(frozen=True)
class ProductMetadata:
    """What the metadata of a product say. None: they do not say.

    Attributes:
        offsets: Distinct offsets of the bands, to be added to a digital number; empty if they are not known. Metadata
            of a product before baseline 04.00 have no offset, which means 0.
        quantification: Digital numbers of a reflectance of 1.
        date: Day of acquisition.
        product_level: "L1C" or "L2A".
        processing_baseline: For example "05.10".
        orbit_pass: "ascending" or "descending".
        relative_orbit: Number of the relative orbit.
        simulated: Which simulation made the product; None for a real one.
        trouble: Why what is said of the offset cannot be trusted, or "".
        images: Names, without folder and suffix, of the images that the product is said to have.
        files: The metadata files read.
    """

    offsets: tuple[int, ...] = ()
    quantification: float | None = None
    date: dt.date | None = None
    product_level: str | None = None
    processing_baseline: str | None = None
    orbit_pass: str | None = None
    relative_orbit: int | None = None
    simulated: str | None = None
    trouble: str = ""
    images: tuple[str, ...] = ()
    files: tuple[Location, ...] = ()

    def completed(self, other: "ProductMetadata") -> "ProductMetadata":
        """These metadata, with what they do not say taken from others; offsets and files are those of both."""
        missing = {
            field.name: getattr(other, field.name)
            for field in fields(self)
            if getattr(self, field.name) in (None, "", ())
        }
        offsets = distinct((*self.offsets, *other.offsets))
        return replace(self, **missing | {"offsets": offsets, "files": (*self.files, *other.files)})


def product_offset(metadata: ProductMetadata, scene: str) -> int | None:
    """The offset of a product from its metadata; None if they do not say.

    Args:
        metadata: What the metadata say.
        scene: Name of the scene, for messages.

    Raises:
        SceneError: If they contradict themselves, or the offset is not the same for all bands.
    """
    where = " and ".join(metadata.files)
    if metadata.trouble:
        raise SceneError(f"Scene {scene}: {metadata.trouble} ({where}). Look at the numbers and give `offset`.")
    if len(metadata.offsets) > 1:
        raise SceneError(
            f"Scene {scene}: {where} state several offsets ({', '.join(map(str, metadata.offsets))}), one for all bands "
            "is needed. If the bands in use share one, give it as `offset`."
        )
    return metadata.offsets[0] if metadata.offsets else None


def read_name(name: str | None) -> ProductMetadata:
    """What the name of a Sentinel-2 product says: level, processing baseline and relative orbit.

    Args:
        name: Name of the folder or zip, or PRODUCT_URI of its metadata; any other text says nothing.
    """
    match = None if name is None else _PRODUCT_NAME.match(name)
    if match is None:
        return ProductMetadata()
    level, major, minor, orbit = match.groups()
    return ProductMetadata(
        product_level=level, processing_baseline=f"{major}.{minor}", relative_orbit=int(orbit) or None
    )


def distinct(offsets: Iterable[float]) -> tuple[int, ...]:
    """The different offsets, rounded to whole digital numbers, sorted."""
    return tuple(sorted({round(offset) for offset in offsets}))


def day(text: str | None) -> dt.date | None:
    """The day of an instant in ISO format.

    Raises:
        ValueError: If the text does not begin with a day.
    """
    return None if text is None else dt.date.fromisoformat(text[:10])
