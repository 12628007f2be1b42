"""Metadata: what goes in comes out, in each format that has a place for it, or `dropped` names it."""

import io
import struct
from pathlib import Path

import pytest
from PIL import Image

from photorestore.imaging.metadata.attach import attach
from photorestore.imaging.metadata.attachments import Attachments
from photorestore.imaging.metadata.ifd import read_directory
from photorestore.options import FORMATS
from tests.container_pieces import png_chunk, segment
from tests.described_files import (
    CAPTION,
    EXIF,
    IIM,
    PHOTO,
    RESOURCES,
    TEXTS,
    TIFF_TAGS,
    UPLOADS,
    XMP,
    Tags,
    exiftool,
    itxt,
    jpeg,
    numbers,
    png,
    raw_profile,
    read_by_exiftool,
    resources,
    restored,
    saved,
    tiff,
)


@exiftool
@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("jpeg", "png", {"PNG-pHYs:PixelsPerUnitX": 23622}),
        ("jpeg", "tiff", {"IFD0:XResolution": 600, "IFD0:ResolutionUnit": 2}),
        ("png", "jpeg", {"JFIF:XResolution": 600, "JFIF:ResolutionUnit": 1}),
        ("png of 16 bits", "png", {"PNG-pHYs:PixelsPerUnitX": 23622}),
        ("tiff of 16 bits", "png", {"PNG-pHYs:PixelsPerUnitX": 23622}),
        ("tiff of 16 bits", "tiff", {"IFD0:XResolution": 600}),
        ("tiff", "jpeg", {"JFIF:XResolution": 600}),
    ],
)
def test_resolution_is_told_as_each_format_tells_it(
    tmp_path: Path, source: str, target: str, expected: dict[str, int]
) -> None:
    result, _ = restored(tmp_path, UPLOADS[source], format=target)
    fields = read_by_exiftool(tmp_path, result)
    assert {name: fields.get(name) for name in expected} == expected


@exiftool
@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_is_described_by_the_directory_of_its_full_picture(tmp_path: Path, bits: int) -> None:
    reduced: Tags = {
        0x010E: (2, b"the copy\0"),
        0x011A: numbers(5, 72, 1),
        0x011B: numbers(5, 72, 1),
        33723: (7, IIM.replace(b"family", b"copies")),
        34377: (7, RESOURCES.replace(b"family", b"copies")),
        0x8769: {0xA001: numbers(3, 2)},
    }
    upload = tiff(bits, TIFF_TAGS | {34377: (7, RESOURCES)}, reduced)
    result, report = restored(tmp_path, upload, format="tiff")
    fields = read_by_exiftool(tmp_path, result)
    assert fields["IFD0:XResolution"] == 600
    assert fields["IFD0:ImageDescription"] == CAPTION
    assert fields["IPTC:Keywords"] == ["family", "lake"]
    assert b"copies" not in result
    assert report["dropped"] == ["reduced copies"]
    assert report["source"]["icc"] is None  # which the copy's Adobe RGB would be converted by
    result, _ = restored(tmp_path, tiff(bits, {}, reduced), format="png")
    assert not [name for name in read_by_exiftool(tmp_path, result) if name.startswith(("IPTC", "PNG-pHYs"))]


@exiftool
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("target", FORMATS)
def test_no_metadata_is_invented(tmp_path: Path, bits: int, target: str) -> None:
    result, report = restored(tmp_path, png(bits=bits), format=target)
    fields = read_by_exiftool(tmp_path, result)
    assert not [
        name
        for name in fields
        if name.startswith(("ExifIFD", "IPTC", "XMP", "PNG-pHYs")) or ("XRes" in name and fields[name] != 1)
    ]
    assert [entry for entry in report["dropped"] if "bits" not in entry] == []


def test_comment_of_a_jpeg_is_text_of_a_png_and_named_elsewhere(tmp_path: Path) -> None:
    upload = jpeg(segment(0xFFFE, CAPTION.encode()), segment(0xFFFE, b"Latin-1: \xfc"))
    result, _ = restored(tmp_path, upload, format="png")
    assert itxt("Comment", CAPTION) in result
    assert png_chunk(b"tEXt", b"Comment\0Latin-1: \xfc") in result
    _, report = restored(tmp_path, upload, format="webp")
    assert report["dropped"] == ["comment: webp has no place for it"]


def test_texts_of_a_png_find_places_or_are_named(tmp_path: Path) -> None:
    result, report = restored(
        tmp_path, png(*TEXTS, itxt("Software", "scanner"), itxt("Warning", "torn")), format="jpeg"
    )
    block = Image.open(io.BytesIO(result)).getexif()
    assert block[305] == "scanner"
    assert CAPTION.encode() in result
    assert Image.open(io.BytesIO(result)).info["comment"] == b"packed"
    assert report["dropped"] == ["text Warning: jpeg has no place for it"]


def test_chunks_of_a_png_that_are_not_kept_are_named(tmp_path: Path) -> None:
    upload = png(png_chunk(b"bKGD", bytes(6)), png_chunk(b"vpAg", bytes(9)), png_chunk(b"vpAg", bytes(9)))
    _, report = restored(tmp_path, upload, format="jpeg")
    assert report["dropped"] == ["background colour: not kept", "chunk vpAg: not kept"]


@pytest.mark.parametrize(
    ("number", "content", "named"),
    [
        (0x0422, EXIF, []),
        (0x0422, EXIF.replace(b"Agfa", b"Ilfo"), ["photoshop: EXIF of its own: not kept"]),
        (0x0424, XMP + b"\n", []),
        (0x0424, XMP.replace(b"box 3", b"box 4"), ["photoshop: XMP of its own: not kept"]),
        (0x040C, bytes(40), ["photoshop: thumbnail: shows the picture as it was"]),
        (0x0421, bytes(9), ["photoshop: resources not kept: 0x0421"]),
        (0x040B, b"http://example.org", ["photoshop: webp has no place for it"]),
        (0x0404, IIM, ["iptc: webp has no place for it"]),
        (0x0425, bytes(16), ["iptc: webp has no place for it"]),
    ],
)
def test_photoshops_resources_are_copies_or_named(
    tmp_path: Path, number: int, content: bytes, named: list[str]
) -> None:
    blocks = (segment(0xFFE1, b"Exif\0\0" + EXIF), segment(0xFFE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP))
    _, report = restored(tmp_path, jpeg(*blocks, resources(number, content)), format="webp")
    assert report["dropped"] == named


def test_further_blocks_of_a_jpeg_are_named(tmp_path: Path) -> None:
    exif, main = b"Exif\0\0" + EXIF, b"http://ns.adobe.com/xap/1.0/\0" + XMP
    upload = jpeg(*(segment(0xFFE1, block) for block in (exif, main, exif, main)))
    _, report = restored(tmp_path, upload, format="jpeg")
    assert report["dropped"] == ["exif: a further block: not kept", "xmp: a further packet: not kept"]
    rest = jpeg(segment(0xFFE1, exif), segment(0xFFE1, b"Exif\0\0" + bytes(9)), segment(0xFFE1, main))
    _, report = restored(tmp_path, rest, format="jpeg")  # a block that goes on in a second segment
    assert report["dropped"] == []


@pytest.mark.parametrize("bits", [8, 16])
def test_further_frames_of_a_png_are_named(tmp_path: Path, bits: int) -> None:
    for count, named in ((1, []), (2, ["further frames"])):
        control = png_chunk(b"acTL", struct.pack(">II", count, 0))
        frames = [
            png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 64, 48, 0, 0, 1, 10, 0, 0))
            for number in range(count)
        ]
        _, report = restored(tmp_path, png(control, *frames, bits=bits), format="png")
        assert report["dropped"] == named


def test_what_a_gif_holds_besides_its_pixels_is_kept_or_named(tmp_path: Path) -> None:
    plain = saved("GIF", PHOTO[..., 0].copy(), comment=b"family")
    start = plain.index(b"\x21\xfe")
    extension = b"\x21\xff\x0bXMP DataXMP" + XMP + b"\1" + bytes(range(255, -1, -1)) + b"\0"
    looping = b"\x21\xff\x0bNETSCAPE2.0\x03\1\0\0\0"
    result, report = restored(tmp_path, plain[:start] + looping + extension + plain[start:], format="png")
    assert b"family" in result
    assert report["dropped"] == ["extension XMP DataXMP: not kept"]


def test_two_kinds_of_iptc_in_a_tiff_are_one_or_named(tmp_path: Path) -> None:
    photoshop = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IIM)) + IIM + bytes(len(IIM) % 2)
    for iptc, named in (
        (IIM, []),
        (IIM.replace(b"lake", b"Lake"), ["iptc: Photoshop's own, which differs: not kept"]),
    ):
        result, report = restored(tmp_path, tiff(8, {33723: (7, iptc), 34377: (7, photoshop)}), format="jpeg")
        assert iptc in result
        assert report["dropped"] == named


def test_resolution_that_a_png_rounds_is_the_same(tmp_path: Path) -> None:
    for density, named in ((23622, []), (11811, ["resolution: webp holds one; EXIF's is kept"])):
        phys = png_chunk(b"pHYs", struct.pack(">IIB", density, density, 1))
        _, report = restored(tmp_path, png(phys, png_chunk(b"eXIf", EXIF)), format="webp")
        assert report["dropped"] == named


def test_a_raw_profile_of_colours_is_named(tmp_path: Path) -> None:
    _, report = restored(tmp_path, png(raw_profile("icc", bytes(200))), format="png")
    assert report["dropped"] == ["icc: a raw profile that is not kept"]


def test_metadata_is_put_into_a_tiff_without_a_copy_of_its_pixels() -> None:
    file = io.BytesIO()
    Image.new("RGB", (2000, 1000), "teal").save(file, "TIFF")
    content = attach(file, "tiff", Attachments(xmp=XMP), [])
    assert isinstance(content, memoryview)
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.getpixel((1999, 999)) == (0, 128, 128)
        assert picture.info["xmp"] == XMP
    content[1000] = 77
    assert file.getvalue()[1000] == 77  # what is delivered is a view of what was encoded


def test_a_directory_that_no_file_could_hold_is_an_error_of_the_file() -> None:
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 1 << 63)
    with pytest.raises(ValueError, match="outside"):
        read_directory(head + bytes(100))
