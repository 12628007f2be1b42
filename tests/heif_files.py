"""HEIF files put together box by box, around pictures that libheif has coded."""

import io
import struct
from dataclasses import dataclass, field

import numpy as np
import pillow_heif
from PIL import Image


def box(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


@dataclass
class Part:
    """An item of a file.

    Attributes:
        properties: boxes.
        in_idat: its content lies within `meta`.
        info: what follows its kind in `infe`.
    """

    content: bytes
    properties: list[bytes] = field(default_factory=list)
    kind: bytes = b"hvc1"
    is_hidden: bool = False
    in_idat: bool = False
    info: bytes = b"\0"


def heic(pixels: np.ndarray, mode: str = "RGB", **settings: object) -> bytes:
    file = io.BytesIO()
    pillow_heif.encode(mode, pixels.shape[1::-1], pixels.tobytes(), file, quality=-1, chroma=444, **settings)
    return file.getvalue()


def coded(pixels: np.ndarray, mode: str = "RGB", *further: bytes, **settings: object) -> Part:
    """A picture without opacity, with its size, its decoder's record, its code points, and further properties."""
    upload = heic(pixels, mode, **settings)
    found = [_property(upload, name) for name in (b"ispe", b"hvcC", b"colr")]
    return Part(upload[upload.index(b"mdat") + 4 :], [*found, *further])


def coded_av1(pixels: np.ndarray, *further: bytes) -> Part:
    """As `coded`, for an AVIF."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "AVIF", quality=100, subsampling="4:4:4")
    upload = file.getvalue()
    found = [_property(upload, name) for name in (b"ispe", b"pixi", b"av1C", b"colr")]
    return Part(upload[upload.index(b"mdat") + 4 :], [*found, *further], kind=b"av01")


def _property(upload: bytes, name: bytes) -> bytes:
    at = upload.index(name) - 4
    return upload[at : at + int.from_bytes(upload[at : at + 4], "big")]


def size(width: int, height: int) -> bytes:
    return box(b"ispe", struct.pack(">III", 0, width, height))


def turn(quarters: int) -> bytes:
    """To the left."""
    return box(b"irot", bytes([quarters]))


def mirror(axis: int) -> bytes:
    return box(b"imir", bytes([axis]))


def cut(width: int, height: int, x: int = 0, y: int = 0, parts: int = 1) -> bytes:
    """To the middle, moved; all numbers are given as fractions of so many parts."""
    numbers = (parts * width, parts * height, parts * x, parts * y)
    return box(b"clap", b"".join(struct.pack(">iI", number, parts) for number in numbers))


def nclx(primaries: int, transfer: int) -> bytes:
    return box(b"colr", b"nclx" + struct.pack(">HHHB", primaries, transfer, 1, 128))


def auxiliary(name: bytes) -> bytes:
    return box(b"auxC", bytes(4) + name + b"\0")


ALPHA = auxiliary(b"urn:mpeg:hevc:2015:auxid:1")


def grid(columns: int, rows: int, width: int, height: int, *properties: bytes, wide: bool = False) -> Part:
    content = struct.pack(">BBBB", 0, wide, rows - 1, columns - 1)
    content += struct.pack(">II" if wide else ">HH", width, height)
    return Part(content, [size(width, height), *properties], kind=b"grid", in_idat=True)


def heif(
    parts: list[Part],
    references: list[tuple[bytes, int, list[int]]] | None = None,
    primary: int = 1,
    *,
    wide: bool = False,
    brand: bytes = b"heic",
) -> bytes:
    """A file of parts, counted from 1.

    Args:
        references: kind, source and targets.
        wide: numbers of items in 4 bytes, of properties in 2.
    """
    number = ">I" if wide else ">H"
    properties = [entry for part in parts for entry in part.properties]
    links, index = b"", 0
    for number_, part in enumerate(parts, 1):
        links += struct.pack(number, number_) + bytes([len(part.properties)])
        for entry in part.properties:
            index += 1
            essential = entry[4:8] not in (b"ispe", b"pixi", b"colr", b"auxC")
            links += struct.pack(">H" if wide else ">B", index | (essential << (15 if wide else 7)))
    infos = b"".join(
        box(b"infe", bytes([3 if wide else 2, 0, 0, part.is_hidden]) + struct.pack(number, index) + b"\0\0"
            + part.kind + part.info)
        for index, part in enumerate(parts, 1)
    )  # fmt: skip
    refs = b"".join(
        box(kind, struct.pack(number, source) + struct.pack(">H", len(targets))
            + b"".join(struct.pack(number, target) for target in targets))
        for kind, source, targets in references or []
    )  # fmt: skip
    version = bytes([wide, 0, 0, 0])
    fixed = [
        box(b"hdlr", bytes(8) + b"pict" + bytes(13)),
        box(b"pitm", version + struct.pack(number, primary)),
        box(b"iinf", version + struct.pack(number, len(parts)) + infos),
        box(b"iref", version + refs) if refs else b"",
        box(b"iprp", box(b"ipco", b"".join(properties))
            + box(b"ipma", bytes([wide, 0, 0, wide]) + struct.pack(">I", len(parts)) + links)),
        box(b"idat", inner) if (inner := b"".join(part.content for part in parts if part.in_idat)) else b"",
    ]  # fmt: skip
    head = box(b"ftyp", brand + bytes(4) + brand + b"mif1")
    places = _places(parts, 0, wide=wide)
    start = len(head) + 12 + sum(map(len, fixed)) + len(places) + 8
    meta = box(b"meta", bytes(4) + b"".join([*fixed, _places(parts, start, wide=wide)]))
    return head + meta + box(b"mdat", b"".join(part.content for part in parts if not part.in_idat))


def _places(parts: list[Part], start: int, *, wide: bool) -> bytes:
    """`iloc`, of version 1 or 2."""
    number, entries, at = (">I" if wide else ">H"), [], {False: start, True: 0}
    for index, part in enumerate(parts, 1):
        entry = struct.pack(number, index) + struct.pack(">HHH", part.in_idat, 0, 1)
        entries.append(entry + struct.pack(">II", at[part.in_idat], len(part.content)))
        at[part.in_idat] += len(part.content)
    return box(
        b"iloc",
        bytes([2 if wide else 1, 0, 0, 0, 0x44, 0]) + struct.pack(number, len(parts)) + b"".join(entries),
    )
