"""Metadata: what goes in comes out, in each format that has a place for it, or `dropped` names it."""

import io
import json
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from photorestore.imaging import open_picture
from photorestore.imaging.metadata.attach import attach
from photorestore.imaging.metadata.attachments import Attachments
from photorestore.imaging.metadata.ifd import read_directory
from photorestore.options import FORMATS
from tests import delivered
from tests.conftest import make_photo
from tests.hostile_containers import png_chunk, segment

PHOTO = make_photo(48, 64, seed=3)
CAPTION = "Großmutter am See, Łódź 1931 祖母"
PLACE = b"GPS-SECRET"
UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 12: 8}
Tags = dict[int, "tuple[int, bytes] | Tags"]


def numbers(kind: int, *values: int) -> tuple[int, bytes]:
    return kind, struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)


def directory(tags: Tags, start: int, further: int = 0) -> bytes:
    """A TIFF directory, little endian, to stand at `start`; dicts among the tags are directories below it."""
    table, behind = struct.pack("<H", len(tags)), b""
    after = start + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        here = after + len(behind)
        if isinstance(value, dict):
            table += struct.pack("<HHII", tag, 4, 1, here)
            behind += directory(value, here)
            continue
        kind, content = value
        table += struct.pack("<HHI", tag, kind, len(content) // UNITS[kind])
        if len(content) <= 4:
            table += content.ljust(4, b"\0")
        else:
            table += struct.pack("<I", here)
            behind += content + b"\0" * (len(content) % 2)
    return table + struct.pack("<I", further) + behind


DETAILS: Tags = {
    0x9003: (2, b"1931:07:14 12:00:00\0"),
    0x9000: (7, b"0231"),
    0x9286: (7, b"UNICODE\0" + "Käthe".encode("utf-16-le")),
    0xA001: numbers(3, 1),
    0xA002: numbers(4, 64),
    0xA003: numbers(4, 48),
    0xA301: (7, b"\1"),
    0x829A: numbers(5, 1, 125),
    0xA005: {1: (2, b"R98\0"), 2: (7, b"0100")},
}
WHERE: Tags = {
    1: (2, b"N\0"),
    2: numbers(5, 48, 1, 8, 1, 1234, 100),
    3: (2, b"E\0"),
    0x1D: (2, PLACE + b"\0"),
}
DESCRIBED: Tags = {
    0x010E: (2, CAPTION.encode() + b"\0"),
    0x010F: (2, b"Agfa\0"),
    0x0131: (2, b"VueScan\0"),
    0x013B: (2, "Ångström".encode() + b"\0"),
    0x013C: (2, b"host\0"),
    0x011D: (2, b"page name\0"),
    0x8298: (2, "© Müller".encode("latin-1") + b"\0"),
    0x011A: numbers(5, 600, 1),
    0x011B: numbers(5, 600, 1),
    0x0128: numbers(3, 2),
    0x8769: DETAILS,
    0x8825: WHERE,
}
EXIF = b"II*\0\x08\0\0\0" + directory(DESCRIBED, 8)
IIM = b"\x1c\x01\x5a\0\x03\x1b%G" + b"".join(
    b"\x1c\x02" + bytes([number]) + struct.pack(">H", len(text.encode())) + text.encode()
    for number, text in ((120, CAPTION), (25, "family"), (25, "lake"), (116, "© Studio 1931"))
)
RESOURCES = (
    b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IIM)) + IIM + b"\0" * (len(IIM) % 2)
    + b"8BIM\x04\x22\0\0" + struct.pack(">I", len(EXIF)) + EXIF + b"\0" * (len(EXIF) % 2)
)  # fmt: skip
APP13 = segment(0xFFED, b"Photoshop 3.0\0" + RESOURCES)


def packet(attributes: str = "", body: str = "") -> bytes:
    spaces = {
        "dc": "http://purl.org/dc/elements/1.1/",
        "tiff": "http://ns.adobe.com/tiff/1.0/",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "GPano": "http://ns.google.com/photos/1.0/panorama/",
        "GCamera": "http://ns.google.com/photos/1.0/camera/",
        "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
        "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
        "stArea": "http://ns.adobe.com/xmp/sType/Area#",
        "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
        "xmpNote": "http://ns.adobe.com/xmp/note/",
        "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
        "MP": "http://ns.microsoft.com/photo/1.2/",
        "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
    }
    declared = " ".join(f'xmlns:{prefix}="{space}"' for prefix, space in spaces.items())
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {declared} {attributes}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


XMP = packet(
    'dc:source="box 3" exif:GPSLatitude="48,8.2N"',
    f"<exif:GPSAreaInformation>{PLACE.decode()}</exif:GPSAreaInformation>"
    f"<dc:description><rdf:Alt><rdf:li xml:lang='x-default'>{CAPTION}</rdf:li></rdf:Alt></dc:description>",
)


def saved(kind: str, picture: np.ndarray = PHOTO, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()


def jpeg(*segments: bytes, **options: Any) -> bytes:
    plain = saved("JPEG", quality=95, dpi=(600, 600), **options)
    return plain[:20] + b"".join(segments) + plain[20:]


def png(*chunks: bytes, bits: int = 8) -> bytes:
    """Of PHOTO in 8 or 16 bits."""
    if bits == 8:
        plain = saved("PNG")
    else:
        rows = (PHOTO.astype(">u2") * 257).tobytes()
        width = 64 * 6
        filtered = b"".join(b"\0" + rows[start : start + width] for start in range(0, len(rows), width))
        plain = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 16, 2, 0, 0, 0))
        plain += png_chunk(b"IDAT", zlib.compress(filtered)) + png_chunk(b"IEND")
    return plain[:33] + b"".join(chunks) + plain[33:]


def tiff(bits: int, further: Tags, before: Tags | None = None) -> bytes:
    """Of PHOTO in 8 or 16 bits; `before` are tags of a reduced page that stands before it."""
    pixels = (PHOTO if bits == 8 else PHOTO.astype("<u2") * 257).tobytes()
    layout: Tags = {
        256: numbers(4, 64), 257: numbers(4, 48), 258: numbers(3, bits, bits, bits), 259: numbers(3, 1),
        262: numbers(3, 2), 273: numbers(4, 8), 277: numbers(3, 3), 278: numbers(4, 48),
        279: numbers(4, len(pixels)),
    }  # fmt: skip
    first = 8 + len(pixels)
    if before is None:
        return b"II*\0" + struct.pack("<I", first) + pixels + directory(layout | further, first)
    reduced = layout | {254: numbers(4, 1), 278: numbers(4, 1), 257: numbers(4, 1)} | before
    second = first + len(directory(reduced, first))
    pages = directory(reduced, first, second) + directory(layout | further, second)
    return b"II*\0" + struct.pack("<I", first) + pixels + pages


def itxt(keyword: str, text: str) -> bytes:
    return png_chunk(b"iTXt", keyword.encode() + b"\0\0\0\0\0" + text.encode())


PHYS = png_chunk(b"pHYs", struct.pack(">IIB", 23622, 23622, 1))
TEXTS = (
    png_chunk(b"tEXt", b"Title\0Wedding 1931"),
    png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"packed")),
    itxt("Description", CAPTION),
)
TIFF_TAGS: Tags = DESCRIBED | {700: (1, XMP), 33723: (7, IIM)}
UPLOADS = {
    "jpeg": jpeg(
        segment(0xFFE1, b"Exif\0\0" + EXIF),
        segment(0xFFE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        APP13,
        segment(0xFFFE, b"written on the back"),
    ),
    "png": png(PHYS, png_chunk(b"eXIf", EXIF), itxt("XML:com.adobe.xmp", XMP.decode()), *TEXTS),
    "png of 16 bits": png(
        PHYS, png_chunk(b"eXIf", EXIF), itxt("XML:com.adobe.xmp", XMP.decode()), *TEXTS, bits=16
    ),
    "tiff": tiff(8, TIFF_TAGS),
    "tiff of 16 bits": tiff(16, TIFF_TAGS),
    "webp": saved("WEBP", exif=EXIF, xmp=XMP),
    "avif": saved("AVIF", exif=EXIF, xmp=XMP),
}


def restored(root: Path, upload: bytes, **options: Any) -> tuple[bytes, dict[str, Any]]:
    """Result and report, of a picture in which nothing but the encoding is changed."""
    _, result, report = delivered.restored(root, upload, **({"quality": 94} | options))
    return result, report


exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")


def read_by_exiftool(root: Path, content: bytes) -> dict[str, object]:
    """Every field, by its group and name, as stored."""
    path = root / "picture"
    path.write_bytes(content)
    command = ["exiftool", "-a", "-G1", "-n", "-j", "-struct", "-api", "largefilesupport=1", str(path)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)[0]
    return {name: value for name, value in found.items() if ":" in name}


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


def resources(number: int, content: bytes) -> bytes:
    block = b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + bytes(len(content) % 2)
    return segment(0xFFED, b"Photoshop 3.0\0" + block)


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


MAP: Tags = {
    33550: (12, struct.pack("<3d", 1.5, 1.5, 0)),
    33922: (12, struct.pack("<6d", 0, 0, 0, 11.5754, 48.1371, 0)),
    34735: numbers(3, 1, 1, 0, 0),
    34737: (2, b"WGS 84|\0"),
}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("target", FORMATS)
def test_places_of_pixels_on_earth_are_kept_for_pixels_that_stay(
    tmp_path: Path, bits: int, target: str
) -> None:
    stays, turns = tiff(bits, MAP), tiff(bits, MAP | {274: numbers(3, 3)})
    tie = struct.pack("<d", 48.1371)
    result, report = restored(tmp_path, stays, format=target)
    assert tie in result
    result, report = restored(tmp_path, turns, format=target)
    assert tie not in result
    assert "exif: geographic coordinates: not brought up to date" in report["dropped"]
    result, report = restored(tmp_path, stays, format=target, metadata="no-gps")
    assert tie not in result
    assert b"WGS" not in result
    assert "exif: geographic coordinates: tell the place" in report["dropped"]


@pytest.mark.parametrize("tag", ["geo:lat=48.1371", "GEO:LON=11.5", "see geo:48.1371,11.5754", "geo:-48.1,7"])
def test_tags_that_tell_the_place_go(tmp_path: Path, tag: str) -> None:
    iptc = IIM + b"\x1c\x02\x19" + struct.pack(">H", len(tag)) + tag.encode()
    upload = jpeg(
        segment(
            0xFFE1, b"Exif\0\0" + b"II*\0\x08\0\0\0" + directory({0x9C9E: (1, tag.encode("utf-16-le"))}, 8)
        ),
        resources(0x0404, iptc),
        segment(0xFFFE, tag.encode()),
    )
    result, report = restored(tmp_path, upload, format="jpeg", metadata="no-gps")
    assert tag.encode() not in result.replace(b"\0", b"")
    assert b"family" in result
    assert report["dropped"] == [
        "iptc: data sets that speak of GPS", "comment: speaks of GPS", "exif: tag 0x9c9e: speaks of GPS",
    ]  # fmt: skip


def bound_note(start: int) -> bytes:
    """A maker note with the place of its string counted from the start of the block, which the note has at `start`."""
    return struct.pack("<HHHIII", 1, 6, 2, 32, start + 18, 0) + b"Canon EOS 5D".ljust(32, b"\0")


def with_note(note: bytes = bound_note(0)) -> bytes:
    """EXIF with a maker note."""

    def block(content: bytes) -> bytes:
        tags: Tags = {0x010F: (2, b"Canon\0"), 0x0110: (2, b"Canon EOS 5D\0"), 0x8769: {0x927C: (7, content)}}
        return b"II*\0\x08\0\0\0" + directory(tags, 8)

    return block(bound_note(block(note).index(note))) if note == bound_note(0) else block(note)


@exiftool
@pytest.mark.parametrize("target", FORMATS)
def test_maker_note_is_whole_or_named(tmp_path: Path, target: str) -> None:
    result, report = restored(tmp_path, saved("JPEG", exif=b"Exif\0\0" + with_note()), format=target)
    fields = read_by_exiftool(tmp_path, result)
    if target == "tiff":
        assert report["dropped"] == ["exif: maker note: it would point to other places"]
        assert "Canon:CanonImageType" not in fields
    else:
        assert fields["Canon:CanonImageType"] == "Canon EOS 5D"
    assert not [value for name, value in fields.items() if name.endswith(":Warning")]


def test_maker_note_goes_with_the_place(tmp_path: Path) -> None:
    exif = with_note(b"Apple iOS\0 somewhere")
    result, report = restored(
        tmp_path, saved("JPEG", exif=b"Exif\0\0" + exif), format="png", metadata="no-gps"
    )
    assert b"somewhere" not in result
    assert report["dropped"] == ["exif: maker note: may tell the place"]


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


@pytest.mark.parametrize("bits", [8, 16])
def test_exif_in_a_raw_profile_of_a_png_is_read(tmp_path: Path, bits: int) -> None:
    block = b"Exif\0\0II*\0\x08\0\0\0" + directory(
        {0x0112: numbers(3, 6), 0x010E: (2, CAPTION.encode() + b"\0")}, 8
    )
    digits = "\n".join(block.hex()[start : start + 72] for start in range(0, 2 * len(block), 72))
    profile = f"\nexif\n{len(block):8}\n{digits}\n".encode()
    upload = png(png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile)), bits=bits)
    assert open_picture(upload).header.upright_hw == (64, 48)
    result, report = restored(tmp_path, upload, format="png")
    assert CAPTION.encode() in result
    assert report["dropped"] == []


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


@pytest.mark.parametrize("tag", [0x8769, 0x8825])
@pytest.mark.parametrize("pointer", [0, 1 << 20])
def test_a_directory_of_exif_that_cannot_be_read_is_named_and_the_rest_is_kept(
    tmp_path: Path, tag: int, pointer: int
) -> None:
    start = struct.unpack_from("<I", EXIF, EXIF.index(struct.pack("<HHI", tag, 4, 1)) + 8)[0]
    broken = EXIF.replace(struct.pack("<HHII", tag, 4, 1, start), struct.pack("<HHII", tag, 4, 1, pointer))
    result, report = restored(tmp_path, jpeg(segment(0xFFE1, b"Exif\0\0" + broken)))
    assert CAPTION.encode() in result
    assert report["dropped"] == [f"exif: cannot be read: tags 0x{tag:04x}"]


@pytest.mark.parametrize("kind", [4, 13, 16, 18])
@pytest.mark.parametrize("order", "<>")
def test_exif_of_a_big_tiff_is_kept_whatever_its_pointer_is(tmp_path: Path, order: str, kind: int) -> None:
    def entry(tag: int, kind: int, count: int, *value: int) -> bytes:
        inline = struct.pack(order + {3: "H", 4: "I", 13: "I"}.get(kind, "Q") * count, *value)
        return struct.pack(order + "HHQ", tag, kind, count) + inline.ljust(8, b"\0")

    below = struct.pack(order + "Q", 1) + struct.pack(order + "HHQ", 0x9003, 2, 20)
    below += struct.pack(order + "Q", 44 + 9216) + bytes(8) + b"1931:07:14 12:00:00\0"
    entries = [
        entry(256, 4, 1, 64), entry(257, 4, 1, 48), entry(258, 3, 3, 8, 8, 8), entry(259, 3, 1, 1),
        entry(262, 3, 1, 2), entry(273, 4, 1, 16), entry(277, 3, 1, 3), entry(279, 4, 1, 9216),
        entry(0x8769, kind, 1, 16 + 9216),
    ]  # fmt: skip
    start = 16 + 9216 + len(below)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HHHQ", 43, 8, 0, start)
    page = struct.pack(order + "Q", len(entries)) + b"".join(entries) + bytes(8)
    below = below[:20] + struct.pack(order + "Q", 16 + 9216 + 36) + below[28:]
    result, report = restored(tmp_path, head + PHOTO.tobytes() + below + page, format="png")
    assert b"1931:07:14 12:00:00" in result
    assert report["dropped"] == []


def raw_profile(kind: str, block: bytes) -> bytes:
    text = f"\n{kind}\n{len(block):8}\n{block.hex()}\n".encode()
    return png_chunk(b"zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text))


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


def test_a_raw_profile_of_colours_is_named(tmp_path: Path) -> None:
    _, report = restored(tmp_path, png(raw_profile("icc", bytes(200))), format="png")
    assert report["dropped"] == ["icc: a raw profile that is not kept"]


def test_avif_keeps_exif_whose_orientation_does_not_count(tmp_path: Path) -> None:
    block = b"II*\0\x08\0\0\0" + directory({0x0132: numbers(3, 6), 0x010E: (2, CAPTION.encode() + b"\0")}, 8)
    as_date, as_orientation = (struct.pack("<HHIH", tag, 3, 1, 6) for tag in (0x0132, 0x0112))
    upload = saved("AVIF", exif=block).replace(as_date, as_orientation)
    assert open_picture(upload).header.upright_hw == (48, 64)  # the container tells of no turn
    result, report = restored(tmp_path, upload, format="jpeg")
    assert CAPTION.encode() in result
    assert Image.open(io.BytesIO(result)).getexif()[0x0112] == 1
    assert report["dropped"] == []


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
