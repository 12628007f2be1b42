"""XMP: found wherever a format keeps it, whole with its extension, and true of the picture as it is delivered."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from photorestore.imaging import open_picture
from photorestore.options import FORMATS
from tests.container_pieces import png_chunk, segment
from tests.described_files import (
    PHOTO,
    PLACE,
    XMP,
    Tags,
    directory,
    exiftool,
    itxt,
    jpeg,
    numbers,
    packet,
    png,
    raw_profile,
    read_by_exiftool,
    restored,
    saved,
    tiff,
)

LONG = packet("", "<dc:source>" + "long " * 30_000 + "THE END</dc:source>")


def extended(main: bytes, extension: bytes, guid: bytes = b"A" * 32) -> bytes:
    pieces = [extension[start : start + 60_000] for start in range(0, len(extension), 60_000)]
    head = b"http://ns.adobe.com/xmp/extension/\0" + guid + struct.pack(">I", len(extension))
    return jpeg(
        segment(0xFFE1, b"http://ns.adobe.com/xap/1.0/\0" + main),
        *(segment(0xFFE1, head + struct.pack(">I", 60_000 * n) + piece) for n, piece in enumerate(pieces)),
    )


MAIN = packet(
    f'xmpNote:HasExtendedXMP="{"A" * 32}"',
    "<dc:creator><rdf:Seq><rdf:li>Somebody</rdf:li></rdf:Seq></dc:creator>",
)


@exiftool
@pytest.mark.parametrize("target", FORMATS)
def test_long_xmp_is_kept_with_its_extension(tmp_path: Path, target: str) -> None:
    result, report = restored(tmp_path, extended(MAIN, LONG), format=target)
    fields = read_by_exiftool(tmp_path, result)
    assert str(fields["XMP-dc:Source"]).endswith("THE END")
    assert fields["XMP-dc:Creator"] == ["Somebody"] or fields["XMP-dc:Creator"] == "Somebody"
    assert report["dropped"] == []
    assert (b"HasExtendedXMP" in result) == (target == "jpeg")


def test_extension_that_is_not_whole_is_named(tmp_path: Path) -> None:
    result, report = restored(tmp_path, extended(MAIN, LONG, guid=b"B" * 32))
    assert report["dropped"] == ["xmp: extension: not whole"]
    assert b"Somebody" in result
    assert b"HasExtendedXMP" not in result


def test_place_in_an_extension_goes(tmp_path: Path) -> None:
    result, _ = restored(
        tmp_path,
        extended(
            MAIN,
            LONG.replace(
                b"<dc:source>", XMP[XMP.index(b"<exif:GPSA") : XMP.index(b"<dc:desc")] + b"<dc:source>"
            ),
        ),
        metadata="no-gps",
    )
    assert PLACE not in result
    assert b"THE END" in result


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    "form", ['tiff:Orientation="{}"', "<tiff:Orientation>{}</tiff:Orientation>", "tiff:Orientation = '{}'"]
)
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_orientation_told_by_xmp_alone_is_turned_once(
    tmp_path: Path, kind: str, form: str, orientation: int
) -> None:
    text = form.format(orientation)
    xmp = packet("", text) if text.startswith("<") else packet(text)
    upload = (
        tiff(8, {700: (1, xmp)})
        if kind == "TIFF"
        else png(itxt("XML:com.adobe.xmp", xmp.decode()))
        if kind == "PNG"
        else saved(kind, xmp=xmp)
    )
    result, report = restored(tmp_path, upload, format="png")
    expected = np.rot90(
        np.asarray(Image.open(io.BytesIO(upload)).copy() if kind != "TIFF" else PHOTO),
        {1: 0, 3: 2, 6: -1}[orientation],
    )
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(result))), expected)
    assert report["source"]["orientation"] == orientation
    assert (
        b'tiff:Orientation="1"' in result
        or b"tiff:Orientation = '1'" in result
        or b"<tiff:Orientation>1<" in result
    )


FACE = packet(
    "",
    '<mwg-rs:AppliedToDimensions stDim:w="64" stDim:h="48"/>'
    '<mwg-rs:Area stArea:x="0.25" stArea:y="0.3" stArea:w="0.1" stArea:h="0.2" stArea:unit="normalized"/>',
)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_faces_in_a_heic_that_its_container_turns_are_where_they_are_in_a_jpeg_that_exif_turns(
    tmp_path: Path, orientation: int
) -> None:
    tags: Tags = {0x0112: numbers(3, orientation), 0x8769: {0x9214: numbers(3, 20, 10, 8, 4)}}
    blocks: dict[str, Any] = {"exif": b"Exif\0\0II*\0\x08\0\0\0" + directory(tags, 8), "xmp": FACE}
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(PHOTO)).save(file, **blocks)
    results = [
        restored(tmp_path, upload, format="png")[0] for upload in (saved("JPEG", **blocks), file.getvalue())
    ]
    jpegs, heics = (Image.open(io.BytesIO(result)) for result in results)
    assert heics.size == jpegs.size
    assert heics.info["xmp"] == jpegs.info["xmp"]
    assert (heics.info["xmp"] == FACE) == (orientation == 1)
    areas = [picture.getexif().get_ifd(0x8769)[0x9214] for picture in (jpegs, heics)]
    assert areas[0] == areas[1]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "chunk",
    [
        itxt("XML:com.adobe.xmp", XMP.decode()),
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)),
        png_chunk(b"tEXt", b"XML:com.adobe.xmp\0" + XMP),
        png_chunk(b"zTXt", b"XML:com.adobe.xmp\0\0" + zlib.compress(XMP)),
        raw_profile("xmp", XMP),
        raw_profile("APP1", b"http://ns.adobe.com/xap/1.0/\0" + XMP),
    ],
)
def test_xmp_of_a_png_is_read_wherever_it_stands(tmp_path: Path, chunk: bytes, bits: int) -> None:
    plain = png(bits=bits)
    for upload in (plain[:33] + chunk + plain[33:], plain[:-12] + chunk + plain[-12:]):
        result, report = restored(tmp_path, upload, format="png")
        assert itxt("XML:com.adobe.xmp", XMP.decode()) in result
        assert report["dropped"] == []
    turned = plain[:-12] + chunk.replace(XMP, packet('tiff:Orientation="6"')) + plain[-12:]
    if XMP in chunk:
        assert open_picture(turned).header.orientation == 6
