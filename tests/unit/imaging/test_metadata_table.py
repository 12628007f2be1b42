"""What exiftool reads in an upload, in every format that tells much, and in what comes back, in every format."""

import hashlib
import json
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from photorestore.options import FORMATS
from tests.container_pieces import png_chunk, segment
from tests.described_files import (
    CAPTION,
    DESCRIBED,
    DETAILS,
    IIM,
    PHOTO,
    PHYS,
    TEXTS,
    WHERE,
    Tags,
    bound_note,
    directory,
    itxt,
    jpeg,
    numbers,
    packet,
    png,
    restored,
    saved,
    tiff,
)
from tests.heif_files import heic

pytestmark = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
SPACES = " ".join(
    f'xmlns:{prefix}="{space}"'
    for prefix, space in {
        "aux": "http://ns.adobe.com/exif/1.0/aux/",
        "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
        "drone-dji": "http://www.dji.com/drone-dji/1.0/",
        "geo": "http://www.w3.org/2003/01/geo/wgs84_pos#",
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "shelf": "http://example.org/shelf/",
        "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    }.items()
)
XMP = packet(
    f'{SPACES} dc:source="box 3" xmp:Rating="5" photoshop:City="Lindau" aux:Lens="50 mm" shelf:Row="3 &amp; 4" '
    'exif:GPSLatitude="48,8.2N" geo:lat="48.1371" drone-dji:GpsLongitude="11.5754" '
    'drone-dji:AbsoluteAltitude="+520.30" crs:Exposure2012="+0.50"',
    "<exif:GPSAreaInformation>GPS-SECRET</exif:GPSAreaInformation>"
    f"<dc:description><rdf:Alt><rdf:li xml:lang='x-default'>{CAPTION}</rdf:li>"
    "<rdf:li xml:lang='de'>Oma</rdf:li></rdf:Alt></dc:description>"
    "<dc:subject><rdf:Bag><rdf:li>family</rdf:li><rdf:li>lake</rdf:li></rdf:Bag></dc:subject>"
    "<xmpMM:History><rdf:Seq><rdf:li stEvt:action='scanned'/></rdf:Seq></xmpMM:History>"
    "<Iptc4xmpExt:LocationCreated><rdf:Bag><rdf:li rdf:parseType='Resource'>"
    "<Iptc4xmpExt:City>Lindau</Iptc4xmpExt:City><exif:GPSLongitude>11,34.5E</exif:GPSLongitude>"
    "<exif:GPSAltitude>5203/10</exif:GPSAltitude></rdf:li></rdf:Bag></Iptc4xmpExt:LocationCreated>"
    '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="64" stDim:h="48"/>'
    "<mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description mwg-rs:Name='A'>"
    '<mwg-rs:Area stArea:x="0.25" stArea:y="0.3" stArea:w="0.1" stArea:h="0.2" stArea:unit="normalized"/>'
    "</rdf:Description></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>",
)
EXTENSION = packet(
    "",
    f"<dc:rights><rdf:Alt><rdf:li xml:lang='x-default'>{'long ' * 15_000}</rdf:li></rdf:Alt></dc:rights>"
    "<exif:GPSDestLatitude>48,8.2N</exif:GPSDestLatitude>",
)
THUMBNAIL = saved(
    "JPEG", PHOTO[::4, ::4].copy(), exif=b"Exif\0\0II*\0\x08\0\0\0" + directory({0x8825: WHERE}, 8)
)
CAMERA: Tags = DESCRIBED | {
    0x010F: (2, b"Canon\0"), 0x0110: (2, b"Canon EOS 5D\0"), 0x0132: (2, b"2001:02:03 04:05:06\0"),
    0x4746: numbers(3, 5), 0x9C9B: (1, "Käthe\0".encode("utf-16-le")),
}  # fmt: skip
SHOT: Tags = DETAILS | {
    0x9010: (2, b"+01:00\0"), 0x9214: numbers(3, 32, 24, 10, 8), 0xA20E: numbers(5, 2000, 1),
    0xA20F: numbers(5, 2000, 1), 0xA434: (2, b"EF 50mm f/1.8\0"),
}  # fmt: skip


def exif_with(note: bytes) -> bytes:
    """With a thumbnail, too, which has EXIF of its own."""
    tags: Tags = CAMERA | {0x0213: numbers(3, 1), 0x8769: SHOT | {0x927C: (7, note)}}
    second = 8 + len(directory(tags, 8))
    small: Tags = {0x0103: numbers(3, 6), 0x0201: numbers(4, 0), 0x0202: numbers(4, len(THUMBNAIL))}
    small[0x0201] = numbers(4, second + len(directory(small, second)))
    return b"II*\0\x08\0\0\0" + directory(tags, 8, second) + directory(small, second) + THUMBNAIL


NOTE = bound_note(exif_with(bound_note(0)).index(bound_note(0)))
EXIF = exif_with(NOTE)


def data_set(number: int, text: bytes) -> bytes:
    return b"\x1c\x02" + struct.pack(">BH", number, len(text)) + text


IPTC = IIM + b"".join(
    data_set(*item)
    for item in ((25, b"geo:lat=48.1371"), (55, b"19310714"), (90, b"Lindau"), (92, b"harbour"))
)


def resource(number: int, content: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + bytes(len(content) % 2)


RESOURCES = (
    resource(0x03ED, struct.pack(">IHHIHH", 600 << 16, 1, 1, 600 << 16, 1, 1))
    + resource(0x0404, IPTC)
    + resource(0x040A, b"\1")
    + resource(0x040B, b"http://example.org")
    + resource(0x040C, struct.pack(">6I2H", 1, 16, 12, 48, 576, len(THUMBNAIL), 24, 1) + THUMBNAIL)
    + resource(0x0421, struct.pack(">IBI", 1, 1, 0) + bytes(8))
    + resource(0x0425, hashlib.md5(IPTC, usedforsecurity=False).digest())
)
COPIES = resource(0x0422, EXIF) + resource(0x0424, XMP)


def with_extension() -> Iterator[bytes]:
    guid = hashlib.md5(EXTENSION, usedforsecurity=False).hexdigest().upper().encode()
    main = XMP.replace(b"dc:source", b'xmpNote:HasExtendedXMP="' + guid + b'" dc:source', 1)
    yield segment(0xFFE1, b"http://ns.adobe.com/xap/1.0/\0" + main)
    for start in range(0, len(EXTENSION), 40_000):
        place = struct.pack(">II", len(EXTENSION), start)
        piece = EXTENSION[start : start + 40_000]
        yield segment(0xFFE1, b"http://ns.adobe.com/xmp/extension/\0" + guid + place + piece)


RAW_PROFILE = f"\niptc\n{len(RESOURCES + COPIES):8}\n{(RESOURCES + COPIES).hex()}\n".encode()
CHUNKS = (
    PHYS,
    png_chunk(b"bKGD", struct.pack(">3H", 1, 2, 3)),
    png_chunk(b"sBIT", b"\5\6\5"),
    png_chunk(b"oFFs", struct.pack(">iiB", 1, 2, 0)),
    png_chunk(b"tIME", struct.pack(">HBBBBB", 2001, 2, 3, 4, 5, 6)),
    png_chunk(b"eXIf", EXIF),
    itxt("XML:com.adobe.xmp", XMP.decode()),
    png_chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(RAW_PROFILE)),
    *TEXTS,
    png_chunk(b"iTXt", b"Author\0\0\0de\0Autor\0" + "Käthe".encode()),
    png_chunk(b"tEXt", b"exif:GPSLatitude\x0048/1, 8/1, 1234/100"),
    png_chunk(b"tEXt", b"Source\0scanner"),
    png_chunk(b"tEXt", b"own key\0own value"),
)
SCANNED: Tags = CAMERA | {
    700: (1, XMP), 33723: (7, IPTC), 34377: (7, RESOURCES), 337: (2, b"printer\0"), 65000: (2, b"private\0"),
    0x8769: SHOT | {0x927C: (7, b"Apple iOS\0\0\1MM\0\0 own format")},
    33550: (12, struct.pack("<3d", 1.5, 1.5, 0)), 33922: (12, struct.pack("<6d", 0, 0, 0, 11.5754, 48.1371, 0)),
    34735: numbers(3, 1, 1, 0, 1, 1024, 0, 1, 2), 34737: (2, b"WGS 84|\0"), 42112: (2, b"<GDALMetadata/>\0"),
}  # fmt: skip
SOURCES = {
    "jpeg": jpeg(
        segment(0xFFE1, b"Exif\0\0" + EXIF),
        *with_extension(),
        segment(0xFFED, b"Photoshop 3.0\0" + RESOURCES + COPIES),
        segment(0xFFEC, b"Ducky\0\1\0\4\0\0\0\x50\0\0"),
        segment(0xFFFE, b"written on the back"),
    ) + b"\0\0\0\x18ftypmp42" + bytes(30),
    "png": png(*CHUNKS),
    "png of 16 bits": png(*CHUNKS, bits=16),
    "tiff": tiff(8, SCANNED),
    "tiff of 16 bits": tiff(16, SCANNED),
    "webp": saved("WEBP", exif=EXIF, xmp=XMP),
    "avif": saved("AVIF", exif=EXIF, xmp=XMP),
    "heic": heic(PHOTO, exif=b"Exif\0\0" + EXIF, xmp=XMP),
}  # fmt: skip
MODES = ("keep", "no-gps", "strip")
Fields = dict[str, tuple[str, Any]]


@dataclass(frozen=True)
class Row:
    """What exiftool reads in an upload and in what came back of it: number or keyword, and value, by group and name."""

    before: Fields
    after: Fields
    content: bytes
    dropped: list[str]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], Row]:
    """By source, target and `metadata`; exiftool is started once for all of them."""
    root, spaces = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("spaces")
    answers = {}
    for source, upload in SOURCES.items():
        (root / source).write_bytes(upload)
        for target in FORMATS:
            for mode in MODES:
                content, report = restored(spaces, upload, format=target, metadata=mode)
                (root / f"{source}, {target}, {mode}").write_bytes(content)
                answers[source, target, mode] = content, report["dropped"]
    fields = read_by_exiftool(root)
    return {
        names: Row(fields[names[0]], fields[", ".join(names)], *answer) for names, answer in answers.items()
    }


def read_by_exiftool(folder: Path) -> dict[str, Fields]:
    command = ["exiftool", "-a", "-G1", "-n", "-j", "-D", "-ee", "-struct", *map(str, folder.iterdir())]
    found = subprocess.run(command, capture_output=True, check=True)
    return {
        Path(file["SourceFile"]).name: {
            name.replace("IPTC2", "IPTC"): (str(value["id"]), value["val"])  # in a TIFF it stands twice
            for name, value in file.items()
            if ":" in name
        }
        for file in json.loads(found.stdout)
    }


CONTAINER_GROUPS = ("System", "ExifTool", "ICC", "Composite", "RIFF", "QuickTime", "Meta", "Track", "File")
CONTAINER_FIELDS = {
    "ImageWidth", "ImageHeight", "BitsPerSample", "BitDepth", "ColorType", "Compression", "Filter", "Interlace",
    "ProfileName", "PhotometricInterpretation", "StripOffsets", "StripByteCounts", "RowsPerStrip", "SamplesPerPixel",
    "PlanarConfiguration", "SampleFormat", "Predictor", "Orientation", "XMPToolkit", "HasExtendedXMP", "JFIFVersion",
}  # fmt: skip
RESOLUTION = re.compile(
    r"(JFIF|PNG-pHYs|IFD0):(X|Y)?(Resolution|ResolutionUnit|PixelUnits|PixelsPerUnit[XY])"
)
ELSEWHERE = {
    "PNG:Title": "IFD0:DocumentName", "PNG:Comment": "File:Comment", "File:Comment": "PNG:Comment",
    "PNG:Description": "IFD0:ImageDescription", "File:CurrentIPTCDigest": "Photoshop:IPTCDigest",
}  # fmt: skip
NAMED = {
    "IFD1": "exif: thumbnail", "Canon": "exif: maker note", "Apple": "exif: maker note", "Ducky": "app12",
    "IPTC": "iptc", "Photoshop": "photoshop", "IPTCDigest": "iptc", "EmbeddedVideo": "trailer", "Comment": "comment",
    "BackgroundColor": "background colour", "SignificantBits": "significant bits", "ImageOffset": "offset",
}  # fmt: skip


def tells_of_the_picture(name: str) -> bool:
    group, _, field = name.partition(":")
    is_of_container = group.startswith(CONTAINER_GROUPS) and field not in ("Comment", "EmbeddedVideo")
    return not (is_of_container or field in CONTAINER_FIELDS or RESOLUTION.fullmatch(name))


def is_named(name: str, number: str, dropped: list[str]) -> bool:
    """By a tag's number, a PNG's keyword, or what else stands for it in `dropped`."""
    group, _, field = name.partition(":")
    words = [NAMED[key] for key in (group, field) if key in NAMED]
    if number.isdigit():
        words.append(f"exif: tag 0x{int(number):04x}")
    elif group == "PNG":
        words.append(f"text {number.removesuffix('-de')}:")
    return any(entry.startswith(tuple(words)) for entry in dropped)


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", SOURCES)
def test_every_field_comes_back_or_is_named(
    rows: dict[tuple[str, str, str], Row], source: str, target: str
) -> None:
    row = rows[source, target, "keep"]
    told = {name: value for name, value in row.before.items() if tells_of_the_picture(name)}
    assert len(told) > 40
    lost = {
        name: (value, row.after.get(name), row.after.get(ELSEWHERE.get(name, "")))
        for name, (number, value) in told.items()
        if value not in (row.after.get(place, ("", None))[1] for place in (name, ELSEWHERE.get(name, "")))
        and not is_named(name, number, row.dropped)
    }
    assert not lost, row.dropped
    assert not [value for name, value in row.after.items() if name.endswith(":Warning")]


def resolutions(fields: Fields) -> list[float]:
    """In pixels per inch, across, wherever they are told in inches; a PNG's are told in metres."""
    inches = {"JFIF:": 1, "IFD0:": 2}
    found = [
        float(fields[f"{group}XResolution"][1])
        for group, unit in inches.items()
        if fields.get(f"{group}ResolutionUnit", ("", None))[1] == unit
    ]
    per_metre = fields.get("PNG-pHYs:PixelsPerUnitX")
    return found if per_metre is None else [*found, float(per_metre[1]) * 0.0254]


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", SOURCES)
def test_resolution_comes_back(rows: dict[tuple[str, str, str], Row], source: str, target: str) -> None:
    row = rows[source, target, "keep"]
    assert {round(value) for value in resolutions(row.before)} == {600}
    assert {round(value) for value in resolutions(row.after)} == {600}
    assert not [entry for entry in row.dropped if entry.startswith("resolution")]


def unpacked(content: bytes) -> Iterator[bytes]:
    """A file, and what is packed in a PNG's texts."""
    yield content
    for found in re.finditer(rb"(?:zTXt|iTXt)[\x20-\x7e]{1,79}\0", content):
        for start in range(found.end(), found.end() + 8):
            try:
                text = zlib.decompressobj().decompress(content[start:])
            except zlib.error:
                continue
            yield text
            yield bytes.fromhex("".join(re.findall(r"[0-9a-f]+", text.decode().partition("\n")[2][14:])))


PLACES = (
    b"GPS", "GPS".encode("utf-16-le"), struct.pack("<II", 1234, 100), struct.pack(">II", 1234, 100), b"48,8.2",
    b"11,34.5", b"5203/10", b"48.1371", b"11.5754", b"520.30", struct.pack("<d", 48.1371), b"WGS 84", b"GDALMeta",
)  # fmt: skip


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", SOURCES)
def test_nothing_tells_the_place_where_it_is_not_to_be_told(
    rows: dict[tuple[str, str, str], Row], source: str, target: str
) -> None:
    row = rows[source, target, "no-gps"]
    assert any(place in part for part in unpacked(SOURCES[source]) for place in PLACES)
    assert not [place for part in unpacked(row.content) for place in PLACES if place in part]
    assert not [name for name in row.after if re.search(r"GPS|Geo(?!metric)|itude", name)]
    assert not [
        value for _, value in row.after.values() if re.search(r"GPS|48\.137|11\.575|geo:", str(value))
    ]
    assert row.after["XMP-dc:Source"][1] == "box 3"
    assert row.after["ExifIFD:LensModel"][1] == "EF 50mm f/1.8"
    assert CAPTION in str(row.after["IFD0:ImageDescription"][1])


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", SOURCES)
def test_nothing_but_the_container_is_left_when_stripped(
    rows: dict[tuple[str, str, str], Row], source: str, target: str
) -> None:
    row = rows[source, target, "strip"]
    assert not [name for name in row.after if tells_of_the_picture(name)]
    assert not resolutions(row.after)
    words = (
        CAPTION,
        "Canon",
        "family",
        "back",
        "Wedding",
        "xmpmeta",
        "packed",
        "private",
        "scanner",
        "8BIM",
        "Exif",
    )
    assert not [word for part in unpacked(row.content) for word in words if word.encode() in part]
    assert not [entry for entry in row.dropped if "bits" not in entry]
