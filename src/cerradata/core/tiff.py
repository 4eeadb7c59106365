"""A TIFF file taken apart into pixels and tags, and put together again with the same pixels and the same tags."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import tifffile

from cerradata.core.errors import DatasetError
from cerradata.core.files import atomic_path
from cerradata.core.types import Array


class TiffTag(NamedTuple):
    """A tag: its code, its type and number of values as TIFF counts them, and its bytes, little-endian, as Latin-1 text."""

    code: int
    kind: int
    length: int
    value: str


@dataclass(frozen=True)
class TiffHeader:
    """What a TIFF file says beside its pixels and its place; the files of a layer mostly share one.

    Attributes:
        planar: 1 = the bands of a pixel lie together, 2 = band after band.
        compression: TIFF's number.
        predictor: TIFF's number.
        rows_per_strip: Rows of a strip; 0 in tiles.
        tile: Rows and columns of a tile, or None.
        big: Whether it is a BigTIFF.
        tags: Every tag but the place and where the strips or tiles lie in the file.
    """

    planar: int
    compression: int
    predictor: int
    rows_per_strip: int
    tile: tuple[int, int] | None
    big: bool
    tags: tuple[TiffTag, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "tile": self.tile and list(self.tile), "tags": [list(tag) for tag in self.tags]}

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> "TiffHeader":
        """The reverse of `to_dict`."""
        tile = plain["tile"]
        return TiffHeader(
            **{**plain, "tile": tile and tuple(tile), "tags": tuple(TiffTag(*tag) for tag in plain["tags"])}
        )


@dataclass(frozen=True)
class TakenApart:
    """A TIFF file as its parts.

    Attributes:
        pixels: (bands, rows, columns) in the file's dtype, in the machine's byte order.
        header: What it says of itself.
        place: The tags that say where it lies.
    """

    pixels: Array
    header: TiffHeader
    place: tuple[TiffTag, ...]


_PLACE: Final = (33550, 33922, 34264)
"""Size of a pixel, tie points, transformation."""
_OFFSETS, _BYTE_COUNTS = (273, 324), (279, 325)
_ELSEWHERE: Final[Mapping[int, str]] = {330: "sub-images", 34665: "EXIF", 34853: "GPS", 40965: "EXIF"}
"""Tags that point to further directories of the file."""
_CONTIGUOUS: Final = 1
_HORIZONTAL: Final = 2
_COMPRESSIONS: Final[Mapping[int, str]] = {1: "none", 5: "LZW", 8: "Deflate", 32946: "old Deflate", 50000: "Zstandard"}
_BYTES: Final[Mapping[int, str]] = {
    # NumPy's type of each of TIFF's; a fraction is two numbers
    **{1: "u1", 2: "u1", 3: "u2", 4: "u4", 5: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 10: "i4", 11: "f4", 12: "f8"},
    **{13: "u4", 16: "u8", 17: "i8", 18: "u8"},
}
_FRACTIONS: Final = (5, 10)


def take_apart(path: Path) -> TakenApart:
    """Read a TIFF file of one image.

    Raises:
        DatasetError: If it cannot be read, holds more than one image, or is encoded in a way that cannot be written again.
    """
    try:
        return _parse(path.read_bytes(), path)
    except DatasetError:
        raise
    except Exception as error:  # tifffile and its codecs raise many classes on damaged files
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DatasetError(f"{path} cannot be read ({said}): it is damaged or cut short. Fetch it again.") from error


def put_together(path: Path, parts: TakenApart) -> None:
    """Write a TIFF file of the parts of another one, whole or not at all. It is not flushed to the disk.

    Pixels and tags are those of the other file, number by number; only the bytes of a compressed strip may differ.

    Raises:
        OutputError: If there is no space or no permission.
    """
    encoded = encode(parts)  # in memory: a full disk is then an error of the write alone
    with atomic_path(path, durable=False) as temporary:
        temporary.write_bytes(encoded)


def encode(parts: TakenApart) -> bytes:
    """The bytes of a TIFF file of the parts of another one, little-endian."""
    strips = _encode_pixels(parts.pixels, parts.header)
    tags = [*parts.header.tags, *parts.place]
    return _assemble(strips, tags, tiled=parts.header.tile is not None, big=parts.header.big)


def check_round_trip(path: Path, parts: TakenApart) -> None:
    """Make sure that a file can be put together again with the pixels and tags that it has.

    Whether it can depends on its header and its pixels' type and shape, not on their values.

    Args:
        path: Where the parts come from, for the message.
        parts: The file, taken apart.

    Raises:
        DatasetError: If it cannot.
    """
    try:
        again = _parse(encode(parts), path)
    except Exception as error:  # what tifffile cannot write: tiles whose sides are no multiple of 16, for example
        raise DatasetError(
            f"{path} is encoded in a way that cannot be written again ({error}). Write it anew first (gdal_translate -co "
            "COMPRESS=DEFLATE), and index the dataset again."
        ) from error
    same = again.header == parts.header and again.place == parts.place and again.pixels.dtype == parts.pixels.dtype
    if not same or again.pixels.shape != parts.pixels.shape or again.pixels.tobytes() != parts.pixels.tobytes():
        raise DatasetError(
            f"{path} would not be the same when it is written again. Write it anew first (gdal_translate -co COMPRESS=DEFLATE), "
            "and index the dataset again."
        )


def _parse(data: bytes, path: Path) -> TakenApart:
    with tifffile.TiffFile(BytesIO(data)) as file:
        page = _only_page(path, file)
        tags = tuple(_read_tag(file, tag) for tag in page.tags if tag.code not in _OFFSETS + _BYTE_COUNTS)
        _refuse_pointers(path, tags)
        pixels = page.asarray()
        if pixels.ndim == 2:
            pixels = pixels[None]
        elif page.planarconfig == _CONTIGUOUS:
            pixels = pixels.transpose(2, 0, 1)
        header = TiffHeader(
            planar=int(page.planarconfig),
            compression=int(page.compression),
            predictor=int(page.predictor),
            rows_per_strip=0 if page.is_tiled else int(page.rowsperstrip),
            tile=(page.tilelength, page.tilewidth) if page.is_tiled else None,
            big=file.is_bigtiff,
            tags=tuple(tag for tag in tags if tag.code not in _PLACE),
        )
        native = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
        return TakenApart(native, header, tuple(tag for tag in tags if tag.code in _PLACE))


def _only_page(path: Path, file: tifffile.TiffFile) -> Any:  # noqa: ANN401 - of a partly typed library
    if len(file.pages) > 1:
        raise DatasetError(f"{path} holds {len(file.pages)} images (overviews, a mask?): a patch is one image.")
    page: Any = file.pages.first
    if int(page.compression) not in _COMPRESSIONS:
        raise DatasetError(
            f"{path} is compressed with {getattr(page.compression, 'name', page.compression)}: what is packed must be written "
            f"again as it was, which works for {', '.join(_COMPRESSIONS.values())}. Write it with one of them first "
            "(gdal_translate -co COMPRESS=DEFLATE), and index the dataset again."
        )
    if page.dtype is None or page.bitspersample != page.dtype.itemsize * 8:
        raise DatasetError(
            f"{path} has {page.bitspersample} bits a number of TIFF's format {page.sampleformat}: integers and floating-point "
            "numbers of 8, 16, 32 or 64 bits can be packed."
        )
    if page.fillorder != 1 or page.imagedepth != 1:
        raise DatasetError(f"{path} has reversed bits or several layers in depth: that cannot be packed.")
    file.filehandle.seek(page.offset)
    listed = int.from_bytes(
        file.filehandle.read(8 if file.is_bigtiff else 2), "little" if file.byteorder == "<" else "big"
    )
    if listed != len(page.tags):  # tifffile leaves out what it cannot read
        raise DatasetError(
            f"{path} has {listed - len(page.tags)} tags that cannot be read: it is damaged. Fetch it again."
        )
    return page


def _refuse_pointers(path: Path, tags: Sequence[TiffTag]) -> None:
    for tag in tags:
        if tag.code in _ELSEWHERE or tag.kind in (13, 18):
            raise DatasetError(
                f"{path} has {_ELSEWHERE.get(tag.code, 'further directories')} (tag {tag.code}), which cannot be packed. Write "
                "it anew first (gdal_translate), and index the dataset again."
            )


def _read_tag(file: tifffile.TiffFile, tag: tifffile.TiffTag) -> TiffTag:
    kind = np.dtype(_BYTES[int(tag.dtype)])
    count = tag.count * (2 if int(tag.dtype) in _FRACTIONS else 1)
    file.filehandle.seek(tag.valueoffset)
    values = np.frombuffer(file.filehandle.read(count * kind.itemsize), kind.newbyteorder(file.byteorder))
    return TiffTag(
        int(tag.code), int(tag.dtype), tag.count, values.astype(kind.newbyteorder("<")).tobytes().decode("latin-1")
    )


def _encode_pixels(pixels: Array, header: TiffHeader) -> list[bytes]:
    """The strips or tiles of an image in TIFF's order."""
    count, height, _ = pixels.shape
    contiguous = count > 1 and header.planar == _CONTIGUOUS
    layout: dict[str, Any] = (
        {"rowsperstrip": min(header.rows_per_strip, height)} if header.tile is None else {"tile": header.tile}
    )
    deflate = header.compression in (8, 32946)
    if header.predictor == _HORIZONTAL and pixels.dtype.kind == "f":
        # GDAL takes differences of the bits of floating-point numbers, as if they were integers
        pixels = pixels.view(f"u{pixels.dtype.itemsize}")
    file = BytesIO()
    tifffile.imwrite(
        file,
        pixels[0] if count == 1 else pixels.transpose(1, 2, 0) if contiguous else pixels,
        photometric="minisblack",
        planarconfig=None if count == 1 else "contig" if contiguous else "separate",
        compression=8 if deflate else header.compression,
        compressionargs={"level": 1} if deflate else None,
        predictor=header.predictor if header.predictor > 1 else None,
        metadata=None,
        maxworkers=1,
        **layout,
    )
    encoded = file.getbuffer()
    file.seek(0)
    with tifffile.TiffFile(file) as written:
        page: Any = written.pages.first
        return [bytes(encoded[o : o + n]) for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)]


def _assemble(strips: Sequence[bytes], tags: Sequence[TiffTag], *, tiled: bool, big: bool) -> bytes:
    """A little-endian TIFF: header, strips, directory, values that do not fit into the directory."""
    word, slot, first = ("<Q", 8, 16) if big else ("<I", 4, 8)
    start = np.cumsum([first, *(len(strip) + len(strip) % 2 for strip in strips)])  # everything starts at an even byte
    where, long = int(tiled), (16, "<u8") if big else (4, "<u4")
    own = [
        TiffTag(code, long[0], len(strips), np.asarray(values, long[1]).tobytes().decode("latin-1"))
        for code, values in (
            (_OFFSETS[where], start[:-1]),
            (_BYTE_COUNTS[where], [len(strip) for strip in strips]),
        )
    ]
    entries = sorted([*tags, *own])
    directory = int(start[-1])
    behind = directory + (8 + 20 * len(entries) + 8 if big else 2 + 12 * len(entries) + 4)
    listed, values = b"", b""
    for tag in entries:
        value = tag.value.encode("latin-1")
        listed += struct.pack("<HHQ" if big else "<HHI", tag.code, tag.kind, tag.length)
        if len(value) <= slot:
            listed += value.ljust(slot, b"\0")
        else:
            listed += struct.pack(word, behind + len(values))
            values += value + b"\0" * (len(value) % 2)
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, directory) if big else struct.pack("<2sHI", b"II", 42, directory)
    body = b"".join(strip + b"\0" * (len(strip) % 2) for strip in strips)
    size = struct.pack("<Q" if big else "<H", len(entries))
    return head + body + size + listed + struct.pack(word, 0) + values
