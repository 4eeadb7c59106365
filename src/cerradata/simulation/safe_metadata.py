"""The XML metadata of a simulated Sentinel-2 product, reduced to what readers look for."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from odc.geo.geobox import GeoBox

from cerradata.simulation.catalog import MSI, SceneFiles

Level = Literal["L1C", "L2A"]
UTM: Final = {326: "N", 327: "S"}
"""The hundreds of the EPSG codes of WGS84 / UTM."""


@dataclass(frozen=True)
class Product:
    """What the names and the metadata of a product say.

    Attributes:
        scene: The scene.
        level: "L1C" (top of atmosphere) or "L2A" (surface).
        tile: Tile of the military grid.
        baseline: Processing baseline.
        relative_orbit: Number of the relative orbit.
        epsg: Code of the UTM zone.
        grids: Grid of each resolution.
        resolutions: Resolution of each image in metres.
    """

    scene: SceneFiles
    level: Level
    tile: str
    baseline: str
    relative_orbit: int
    epsg: int
    grids: Mapping[int, GeoBox]
    resolutions: Mapping[str, int]

    @property
    def time(self) -> str:
        """The acquisition as it stands in names."""
        return self.scene.datetime.strftime("%Y%m%dT%H%M%S")

    @property
    def instant(self) -> str:
        """The acquisition as it stands in metadata."""
        return self.scene.datetime.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @property
    def orbit(self) -> str:
        """The absolute orbit as it stands in names."""
        return f"A{self.scene.properties.get('sat:absolute_orbit', 0):06d}"

    @property
    def name(self) -> str:
        """Name of the product's folder."""
        number = self.baseline.replace(".", "")
        return f"S2A_MSI{self.level}_{self.time}_N{number}_R{self.relative_orbit:03d}_T{self.tile}_{self.time}.SAFE"

    @property
    def granule(self) -> str:
        """Address of the tile's folder in the product."""
        return f"GRANULE/{self.level}_T{self.tile}_{self.orbit}_{self.time}"

    def image(self, band: str) -> str:
        """Address of an image in the product, without its suffix."""
        if self.level == "L1C":
            return f"{self.granule}/IMG_DATA/T{self.tile}_{self.time}_{band}"
        resolution = self.resolutions[band]
        return f"{self.granule}/IMG_DATA/R{resolution}m/T{self.tile}_{self.time}_{band}_{resolution}m"

    def identifier(self, kind: str) -> str:
        """ESA's identifier of the tile ("TL") or the data strip ("DS")."""
        place = f"{self.orbit}_T{self.tile}" if kind == "TL" else f"S{self.time}"
        return f"S2A_OPER_MSI_{self.level}_{kind}_SIMU_{self.time}_{place}_N{self.baseline}"


def product_metadata(product: Product) -> ET.Element:
    """`MTD_MSIL1C.xml` or `MTD_MSIL2A.xml`."""
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
        _element("PROCESSING_LEVEL", f"Level-{product.level[1:]}"),
        _element("PRODUCT_TYPE", f"S2MSI{product.level[1:]}"),
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
    general = _element("n1:General_Info", info, _image_characteristics(product))
    cover = _element("Cloud_Coverage_Assessment", str(scene.properties.get("eo:cloud_cover", "")))
    quality = [_element("n1:Quality_Indicators_Info", cover)] if cover.text else []
    level = f"Level-{product.level[1:]}"
    return _root(f"{level}_User_Product", f"User_Product_{level}.xsd", general, *quality)


def _image_characteristics(product: Product) -> ET.Element:
    """What the numbers mean: reflectance = (number + BOA_ADD_OFFSET) / BOA_QUANTIFICATION_VALUE, or as L1C names them."""
    quantification = round(1 / product.scene.scale)
    offset = round(product.scene.offset * quantification)
    scaling = _scaling_l1c if product.level == "L1C" else _scaling_l2a
    special = [
        _element("Special_Values", _element("SPECIAL_VALUE_TEXT", text), _element("SPECIAL_VALUE_INDEX", number))
        for text, number in (("NODATA", "0"), ("SATURATED", "65535"))
    ]
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
        *scaling(quantification, offset),
        _element("Spectral_Information_List", *bands),
    )


def _scaling_l1c(quantification: int, offset: int) -> list[ET.Element]:
    scale = _element("QUANTIFICATION_VALUE", str(quantification), unit="none")
    return [scale, *_offsets("Radiometric_Offset_List", "RADIO_ADD_OFFSET", offset)]


def _scaling_l2a(quantification: int, offset: int) -> list[ET.Element]:
    scale = _element("BOA_QUANTIFICATION_VALUE", str(quantification), unit="none")
    offsets = _offsets("BOA_ADD_OFFSET_VALUES_LIST", "BOA_ADD_OFFSET", offset)
    return [_element("QUANTIFICATION_VALUES_LIST", scale), *offsets]


def _offsets(tag: str, name: str, offset: int) -> list[ET.Element]:
    """The offset of each band; nothing for 0, as in products before baseline 04.00."""
    bands = [_element(name, str(offset), band_id=str(number)) for number in range(len(MSI))]
    return [_element(tag, *bands)] if offset else []


def tile_metadata(product: Product) -> ET.Element:
    """`MTD_TL.xml`: where the tile lies."""
    zone, hemisphere = product.epsg % 100, UTM[product.epsg // 100]
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
    level = f"Level-{product.level[1:]}"
    return _root(f"{level}_Tile_ID", f"S2_PDI_{level}_Tile_Metadata.xsd", general, geometric)


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
