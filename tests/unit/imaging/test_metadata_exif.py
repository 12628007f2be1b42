"""EXIF and maker notes: kept whole, or named; without the place if so asked for."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from photorestore.imaging import open_picture
from photorestore.options import FORMATS
from tests.container_pieces import png_chunk, segment
from tests.described_files import (
    CAPTION,
    EXIF,
    IIM,
    PHOTO,
    Tags,
    bound_note,
    directory,
    exiftool,
    jpeg,
    numbers,
    png,
    read_by_exiftool,
    resources,
    restored,
    saved,
    tiff,
)

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


def test_avif_keeps_exif_whose_orientation_does_not_count(tmp_path: Path) -> None:
    block = b"II*\0\x08\0\0\0" + directory({0x0132: numbers(3, 6), 0x010E: (2, CAPTION.encode() + b"\0")}, 8)
    as_date, as_orientation = (struct.pack("<HHIH", tag, 3, 1, 6) for tag in (0x0132, 0x0112))
    upload = saved("AVIF", exif=block).replace(as_date, as_orientation)
    assert open_picture(upload).header.upright_hw == (48, 64)  # the container tells of no turn
    result, report = restored(tmp_path, upload, format="jpeg")
    assert CAPTION.encode() in result
    assert Image.open(io.BytesIO(result)).getexif()[0x0112] == 1
    assert report["dropped"] == []
