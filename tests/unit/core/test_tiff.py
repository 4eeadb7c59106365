"""A TIFF file taken apart and put together again: what GDAL reads of both is the same, tag by tag."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import tifffile
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.enums import ColorInterp, Resampling

from cerradata.core.errors import DatasetError, NoSpaceError, OutputError
from cerradata.core.tiff import TakenApart, TiffHeader, TiffTag, check_round_trip, encode, put_together, take_apart

Pixels = npt.NDArray[Any]
PLACE = {"crs": "EPSG:32722", "transform": Affine(10, 0, 700_020, 0, -10, 9_000_000)}
NOT_KEPT = {273, 279, 324, 325}  # where strips and tiles lie in the file, and their sizes


def numbers(bands: int, rows: int, columns: int, dtype: str) -> Pixels:
    """Number = 1000 * band + 100 * row + column, as far as the type goes."""
    found = np.arange(bands)[:, None, None] * 1000 + np.arange(rows)[:, None] * 100 + np.arange(columns)
    return found.astype(dtype)


def write(path: Path, pixels: Pixels, *, described: bool = True, **options: object) -> Path:
    """A GeoTIFF with everything that GDAL says of one beside its pixels."""
    count, height, width = pixels.shape
    shape = {"count": count, "height": height, "width": width, "dtype": pixels.dtype.name}
    with rasterio.open(path, "w", driver="GTiff", **shape, **{**PLACE, **options}) as file:
        file.write(pixels)
        if described:
            file.descriptions = tuple(f"Band {i} µm, faixa é" for i in file.indexes)
            file.update_tags(AUTHOR="Conceição", LONG="x" * 300)
            file.update_tags(1, WAVELENGTH="0,49 µm")
            file.scales, file.offsets, file.units = (0.5,) * count, (-1.0,) * count, ("m",) * count
    return path


def said(path: Path) -> dict[str, Any]:
    """What GDAL and tifffile read, beside the pixels."""
    with rasterio.open(path) as file:
        found = {
            "profile": {name: str(value) for name, value in file.profile.items()},
            "tags": [file.tags(), file.tags(ns="IMAGE_STRUCTURE"), *(file.tags(i) for i in file.indexes)],
            "bands": [file.descriptions, file.scales, file.offsets, file.units, file.colorinterp, file.nodatavals],
            "shapes": file.block_shapes,
        }
        if file.colorinterp[0] == ColorInterp.palette:
            found["palette"] = file.colormap(1)
    with tifffile.TiffFile(path) as tiff:
        found["raw"] = {
            tag.code: (int(tag.dtype), tag.count, tag.value if isinstance(tag.value, bytes) else str(tag.value))
            for tag in tiff.pages.first.tags
            if tag.code not in NOT_KEPT
        }
        found["big"] = tiff.is_bigtiff
    found["bands"] = str(found["bands"])  # NaN is not equal to itself
    return found


def read(path: Path) -> Pixels:
    with rasterio.open(path) as file:
        return np.asarray(file.read())


def same_bits(one: Pixels, other: Pixels) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def through_json(parts: TakenApart) -> TakenApart:
    """As a store keeps them."""
    header = TiffHeader.from_dict(json.loads(json.dumps(parts.header.to_dict())))
    return TakenApart(parts.pixels, header, tuple(TiffTag(*tag) for tag in json.loads(json.dumps(parts.place))))


def check(path: Path) -> TakenApart:
    """Take apart, put together, compare."""
    parts = take_apart(path)
    assert same_bits(parts.pixels, read(path))
    check_round_trip(path, parts)
    again = path.with_name(f"again-{path.name}")
    put_together(again, through_json(parts))
    assert same_bits(read(again), read(path))
    assert said(again) == said(path)
    return parts


def encodings() -> Iterator[dict[str, Any]]:
    for compress in ("none", "lzw", "deflate", "zstd"):
        for tiled in (False, True):
            for interleave in ("band", "pixel"):
                for predictor in (1,) if compress == "none" else (1, 2, 3):
                    own = {"blockxsize": 16, "blockysize": 16} if tiled else {"blockysize": 7}
                    yield {
                        "compress": compress,
                        "tiled": tiled,
                        "interleave": interleave,
                        "predictor": predictor,
                        **own,
                    }


@pytest.mark.parametrize("options", list(encodings()), ids=lambda o: "-".join(str(v) for v in o.values()))
def test_every_encoding(tmp_path: Path, options: dict[str, Any]) -> None:
    without = options if options["predictor"] > 1 else {k: v for k, v in options.items() if k != "predictor"}
    for dtype, bands in (("uint16", 3), ("float32", 1), ("float32", 3)):
        if options["predictor"] < 3 or dtype == "float32":
            check(write(tmp_path / f"{dtype}_{bands}.tif", numbers(bands, 40, 50, dtype), **without))


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "int32", "uint32", "int64", "uint64", "float64", "complex64"]
)
def test_every_type(tmp_path: Path, dtype: str) -> None:
    nodata = None if dtype == "complex64" else 7
    parts = check(write(tmp_path / "a.tif", numbers(2, 40, 50, dtype), nodata=nodata, compress="deflate"))
    assert parts.pixels.dtype == np.dtype(dtype)
    assert parts.pixels.dtype.isnative


@pytest.mark.parametrize("compress", ["none", "deflate"])
@pytest.mark.parametrize("big", ["YES", "NO"])
def test_bigtiff_and_big_endian(tmp_path: Path, big: str, compress: str) -> None:
    for dtype in ("uint16", "float64"):
        path = write(
            tmp_path / f"{dtype}.tif", numbers(3, 20, 30, dtype), BIGTIFF=big, ENDIANNESS="BIG", compress=compress
        )
        parts = check(path)
        assert parts.header.big == (big == "YES")
        assert parts.pixels.dtype.isnative


def test_palette_no_georeference_and_control_points(tmp_path: Path) -> None:
    labels = write(tmp_path / "labels.tif", numbers(1, 20, 20, "uint8"), described=False, nodata=255, compress="lzw")
    with rasterio.open(labels, "r+") as file:
        file.write_colormap(1, {0: (1, 2, 3, 255), 200: (9, 8, 7, 255)})
    assert said(labels)["palette"][200] == (9, 8, 7, 255)
    check(labels)
    bare = check(write(tmp_path / "bare.tif", numbers(2, 20, 20, "int16"), described=False, crs=None, transform=None))
    assert bare.place == ()
    turned = write(
        tmp_path / "turned.tif", numbers(1, 20, 20, "uint8"), transform=Affine(7, 3, 500_000, 3, -7, 9_000_000)
    )
    assert {tag.code for tag in check(turned).place} == {34264}


def test_place_is_apart_from_what_files_share(tmp_path: Path) -> None:
    one = take_apart(write(tmp_path / "one.tif", numbers(2, 20, 20, "uint16")))
    other = take_apart(
        write(tmp_path / "other.tif", numbers(2, 20, 20, "uint16"), transform=Affine(10, 0, 0, 0, -10, 0))
    )
    assert one.header == other.header
    assert hash(one.header) == hash(other.header)
    assert one.place != other.place


def test_strips_that_were_never_written(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    shape = {"width": 40, "height": 40, "count": 2, "dtype": "uint16", "nodata": 7, "compress": "deflate"}
    with rasterio.open(path, "w", driver="GTiff", SPARSE_OK=True, **shape, **PLACE):
        pass
    parts = take_apart(path)
    assert np.unique(parts.pixels).tolist() == [7]
    check_round_trip(path, parts)


def test_bits_of_numbers_that_compare_equal_or_to_nothing(tmp_path: Path) -> None:
    bits = np.asarray([0x7FC00000, 0x7F800001, 0xFFC12345, 0x80000000, 0x00000000, 0x7F800000, 0x00000001, 0xFF7FFFFF])
    pixels = np.tile(bits.astype(np.uint32), 32)[None].reshape(1, 16, 16).view(np.float32)
    for i, options in enumerate(({}, {"compress": "lzw", "predictor": 2}, {"compress": "deflate", "predictor": 3})):
        parts = check(write(tmp_path / f"{i}.tif", pixels, **options))
        assert same_bits(parts.pixels, pixels)


@given(
    bands=st.integers(1, 4),
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    planar=st.sampled_from(["contig", "separate"]),
    layout=st.sampled_from([{"rowsperstrip": 1}, {"rowsperstrip": 7}, {"rowsperstrip": 64}, {"tile": (16, 32)}]),
    compression=st.sampled_from([None, "lzw", "adobe_deflate", "deflate", "zstd"]),
    order=st.sampled_from("<>"),
    big=st.booleans(),
    dtype=st.sampled_from(["u1", "i2", "u2", "i4", "f4", "f8"]),
    seed=st.integers(0, 1000),
)
def test_any_shape_and_any_bits(
    tmp_path_factory: pytest.TempPathFactory,
    bands: int, rows: int, columns: int, planar: str, layout: dict[str, Any], compression: str | None, order: str, big: bool,
    dtype: str, seed: int,
) -> None:  # fmt: skip
    path = tmp_path_factory.getbasetemp() / "any.tif"
    count = bands * rows * columns * np.dtype(dtype).itemsize
    pixels = np.random.default_rng(seed).integers(0, 256, count, np.uint8).view(dtype).reshape(bands, rows, columns)
    stored = pixels[0] if bands == 1 else pixels.transpose(1, 2, 0) if planar == "contig" else pixels
    tifffile.imwrite(
        path, stored, byteorder=order, bigtiff=big, compression=compression, photometric="minisblack", metadata=None,
        planarconfig=None if bands == 1 else planar, extratags=[(65000, 12, 3, (0.1, -0.0, np.pi), True)], **layout,
    )  # fmt: skip
    parts = take_apart(path)
    assert same_bits(parts.pixels, pixels)
    check_round_trip(path, parts)
    again = path.with_name("any-again.tif")
    again.write_bytes(encode(through_json(parts)))
    assert said(again) == said(path)
    assert take_apart(again).header == parts.header


def refused(path: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        check_round_trip(path, take_apart(path))
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_what_could_not_be_written_again_is_refused(tmp_path: Path) -> None:
    pixels = numbers(3, 64, 64, "uint8")
    jpeg = write(tmp_path / "jpeg.tif", pixels, described=False, compress="jpeg")
    assert "JPEG" in refused(jpeg)
    assert "COMPRESS=DEFLATE" in refused(jpeg)
    assert "1 bits" in refused(write(tmp_path / "bit.tif", pixels[:1] % 2, described=False, nbits=1))
    assert "12 bits" in refused(write(tmp_path / "twelve.tif", pixels[:1].astype(np.uint16), described=False, nbits=12))
    overviews = write(tmp_path / "overviews.tif", pixels)
    with rasterio.open(overviews, "r+") as file:
        file.build_overviews([2], Resampling.nearest)
    assert "2 images (overviews, a mask?)" in refused(overviews)
    below = tmp_path / "below.tif"
    with tifffile.TiffWriter(below) as file:
        file.write(pixels[0], subifds=1, metadata=None)
        file.write(pixels[0, ::2, ::2], subfiletype=1, metadata=None)
    assert "sub-images (tag 330)" in refused(below)
    reversed_bits = bytearray(write(tmp_path / "order.tif", pixels[:1], described=False).read_bytes())
    at = reversed_bits.index((262).to_bytes(2, "little") + (3).to_bytes(2, "little"))  # photometric becomes fill order
    reversed_bits[at : at + 12] = np.asarray([266, 3, 1, 0, 2, 0], "<u2").tobytes()
    (tmp_path / "order.tif").write_bytes(reversed_bits)
    assert "reversed bits" in refused(tmp_path / "order.tif")


def test_tiles_that_nobody_else_writes_are_refused_before_they_are_packed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", numbers(1, 40, 40, "uint8"))
    parts = take_apart(path)
    odd = replace(parts, header=replace(parts.header, tile=(10, 10), rows_per_strip=0))
    with pytest.raises(DatasetError, match=r"a\.tif is encoded in a way that cannot be written again .*gdal_translate"):
        check_round_trip(path, odd)
    other = replace(parts, header=replace(parts.header, rows_per_strip=3))  # its tags say another number of rows
    with pytest.raises(DatasetError, match="would not be the same"):
        check_round_trip(path, other)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("compress", ["none", "lzw", "deflate", "zstd"])
def test_damaged_files_are_errors_that_name_them(tmp_path: Path, compress: str) -> None:
    whole = write(tmp_path / "a.tif", numbers(2, 20, 30, "uint16"), described=False, compress=compress).read_bytes()
    rng, path = np.random.default_rng(0), tmp_path / "damaged.tif"
    caught = []
    for length in (0, 7, 8, 100, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:length])
        with pytest.raises(DatasetError, match=r"damaged\.tif.*Fetch it again"):
            take_apart(path)
    for _ in range(60):
        data = bytearray(whole)
        data[int(rng.integers(0, 200))] ^= int(rng.integers(1, 256))
        path.write_bytes(data)
        try:
            take_apart(path)
        except DatasetError as error:
            caught.append(str(error))
    assert len(caught) > 20
    assert all(str(path) in message for message in caught)
    with pytest.raises(DatasetError, match=r"nowhere\.tif cannot be read \(No such file"):
        take_apart(tmp_path / "nowhere.tif")


def test_a_tag_that_cannot_be_read_is_not_left_out_in_silence(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", numbers(1, 20, 20, "uint8"))
    data = bytearray(path.read_bytes())
    at = data.index((42112).to_bytes(2, "little") + (2).to_bytes(2, "little"))  # GDAL's metadata
    data[at + 2] = 200  # a type that TIFF does not have
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="1 tags that cannot be read"):
        take_apart(path)


def test_output_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = take_apart(write(tmp_path / "a.tif", numbers(1, 20, 20, "uint8")))
    with pytest.raises(OutputError):
        put_together(tmp_path / "a.tif" / "below.tif", parts)

    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(NoSpaceError, match=r"new\.tif"):
        put_together(tmp_path / "new.tif", parts)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.shared_data
def test_real_samples(shared_data: Path, tmp_path: Path) -> None:
    samples = sorted(shared_data.glob("terramesh/*/*.tif"))
    assert samples
    for sample in [path for i, path in enumerate(samples) if i % 5 == 0][:8]:
        path = tmp_path / sample.name
        path.write_bytes(sample.read_bytes())
        check(path)


def test_what_a_build_writes(golden_dataset: Path, tmp_path: Path) -> None:
    for folder in ("msi_images", "sar_images", "semantic_14c", "edge_7c"):
        original = next((golden_dataset / folder).glob("*_9.tif"))
        path = tmp_path / original.name
        path.write_bytes(original.read_bytes())
        parts = check(path)
        assert {tag.code for tag in parts.place} == {33550, 33922}
