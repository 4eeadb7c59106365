"""What the metadata files of a product say, all together."""

from pathlib import PurePosixPath

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.scenes.metadata import LEVELS, ProductMetadata, read_name
from cerradata.scenes.product import ProductFiles, files_beside, holds_product, product_files
from cerradata.scenes.safe_sentinel2 import read_safe
from cerradata.scenes.stac import read_stac, stac_item

_SAFE_METADATA = tuple(f"MTD_MSI{level}.xml" for level in LEVELS)


def metadata_of(location: Location) -> ProductMetadata:
    """The metadata of a scene: those in its folder or zip, or those beside its one file that bear the file's name.

    Raises:
        SceneError: As `read_metadata`, or if a zip cannot be read.
    """
    if holds_product(location):
        return read_metadata(product_files(location))
    return read_metadata(files_beside(location), location.name)


def read_metadata(files: ProductFiles, file: str | None = None) -> ProductMetadata:
    """The metadata of the product in a folder or zip; an empty answer if it holds none.

    What several say is taken from the SAFE file, else from the STAC item, else from the product's name; offsets are
    collected from both files.

    Args:
        files: `MTD_MSIL2A.xml` or `MTD_MSIL1C.xml` is looked for at any depth, a STAC item (*.json) at the top.
        file: The one file with all bands that they lie beside, if they do not lie in a product.

    Raises:
        SceneError: If a metadata file is damaged, or there are several of a kind.
    """
    found = ProductMetadata()
    safe = _one([name for name in files.names if PurePosixPath(name).name.endswith(_SAFE_METADATA)], files)
    if safe is not None:
        found = read_safe(files.read_bytes(safe), files.location(safe))
    contents = {n: files.read_bytes(n) for n in files.names if n.lower().endswith(".json") and "/" not in n}
    items = {n: item for n, content in contents.items() if (item := stac_item(content, files.location(n))) is not None}
    chosen = _one(list(items), files)
    if chosen is not None:
        found = found.completed(read_stac(items[chosen], files.location(chosen), file))
    return found.completed(read_name(files.top if file is None else file))


def _one(names: list[str], files: ProductFiles) -> str | None:
    if len(names) > 1:
        raise SceneError(
            f"{files.root} holds the metadata of several products: {', '.join(files.location(n) for n in names)}. One "
            "folder is one scene of one date: give each its own folder."
        )
    return names[0] if names else None
