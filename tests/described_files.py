"""Uploads of each format that are described in all the ways that it knows, and how results are read."""

import io
import json
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests import delivered
from tests.conftest import make_photo
from tests.container_pieces import png_chunk, segment

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


def resources(number: int, content: bytes) -> bytes:
    block = b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + bytes(len(content) % 2)
    return segment(0xFFED, b"Photoshop 3.0\0" + block)


def bound_note(start: int) -> bytes:
    """A maker note with the place of its string counted from the start of the block, which the note has at `start`."""
    return struct.pack("<HHHIII", 1, 6, 2, 32, start + 18, 0) + b"Canon EOS 5D".ljust(32, b"\0")


def raw_profile(kind: str, block: bytes) -> bytes:
    text = f"\n{kind}\n{len(block):8}\n{block.hex()}\n".encode()
    return png_chunk(b"zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text))
