"""The head of a JPEG 2000: what its boxes and its codestream tell, and where its bounds are."""

import struct

import pytest

from photorestore.errors import CorruptImage, NotAnImage
from photorestore.imaging.iso import jp2_header
from photorestore.imaging.iso.jp2_header import (
    CODESTREAM,
    MOST_CHANNELS,
    MOST_COLOURS,
    MOST_LAYERS,
    MOST_LEVELS,
    MOST_SEGMENTS,
    MOST_TILES,
    Jp2,
    Siz,
    read_boxes,
    read_siz,
)
from tests.container_pieces import segment
from tests.heif_files import box

START = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
EMPTY = box(b"jp2c")


def head_of(*boxes: bytes, after: bytes = EMPTY) -> Jp2:
    return read_boxes(START + box(b"jp2h", b"".join(boxes)) + after)


def siz(
    right: int = 40,
    bottom: int = 30,
    offset: tuple[int, int] = (0, 0),
    tile: tuple[int, int] = (40, 30),
    depths: tuple[int, ...] = (7, 7, 7),
    then: bytes = b"\xff\x90\0\x0a",
) -> bytes:
    """A codestream's SIZ segment, and what follows it; `tile` is width and height."""
    content = struct.pack(">HIIIIIIIIH", 0, right, bottom, *offset, *tile, 0, 0, len(depths))
    content += b"".join(bytes([depth, 1, 1]) for depth in depths)
    return b"\xff\x4f" + segment(0xFF51, content) + then


def cod(layers: int = 1, levels: int = 5, sizes: bytes = b"") -> bytes:
    style = struct.pack(">BBHB", bool(sizes), 0, layers, 0) + bytes([levels, 4, 4, 0, 1]) + sizes
    return segment(0xFF52, style) + b"\xff\x90\0\x0a"


@pytest.mark.parametrize(("space", "mode"), [(12, "CMYK"), (16, "RGB"), (17, "L"), (18, "YCbCr")])
def test_colour_spaces_that_are_listed_have_a_mode(space: int, mode: str) -> None:
    assert head_of(box(b"colr", struct.pack(">BBBI", 1, 0, 0, space))).mode == mode


@pytest.mark.parametrize(("space", "name"), [(14, "CIELab"), (21, "ROMM RGB"), (99, "colour space 99")])
def test_other_colour_spaces_are_refused_by_name(space: int, name: str) -> None:
    with pytest.raises(NotAnImage, match=f"in {name}; expected sRGB"):
        head_of(box(b"colr", struct.pack(">BBBI", 1, 0, 0, space)))


@pytest.mark.parametrize("kind", [2, 3])
def test_a_profile_may_stand_in_place_of_a_colour_space_and_the_first_counts(kind: int) -> None:
    found = head_of(
        box(b"colr", bytes([kind, 0, 0]) + b"profile"), box(b"colr", struct.pack(">BBBI", 1, 0, 0, 17))
    )
    assert (found.icc, found.mode) == (b"profile", None)
    assert head_of(box(b"colr", b"\4\0\0vendor's own")).icc is None


def test_palettes_mappings_and_definitions_are_read_the_first_of_each() -> None:
    palette = box(b"pclr", struct.pack(">HB", 2, 2) + bytes([7, 11]) + struct.pack(">BHBH", 1, 500, 2, 600))
    found = head_of(
        palette,
        box(b"pclr", struct.pack(">HB", 1, 1) + b"\7\x09"),
        box(b"cmap", struct.pack(">HBBHBB", 0, 1, 0, 0, 0, 1)),
        box(b"cdef", struct.pack(">HHHHHHH", 2, 0, 0, 1, 1, 1, 0)),
    )
    assert found.palette == [(8, [1, 2]), (12, [500, 600])]
    assert found.mapping == [(0, 0), (0, None)]
    assert found.definitions == {0: (0, 1), 1: (1, 0)}


@pytest.mark.parametrize(
    ("content", "error", "told"),
    [
        (
            struct.pack(">HB", MOST_COLOURS + 1, 1) + b"\7",
            CorruptImage,
            f"palette of {MOST_COLOURS + 1} colours",
        ),
        (struct.pack(">HB", 1, 1) + b"\x87\0", NotAnImage, "palette of signed entries"),
        (struct.pack(">HB", 1, 1) + b"\x10\0\0\0", NotAnImage, "or of more than 16 bits"),
        (struct.pack(">HB", 1, 0), NotAnImage, "palette"),
        (struct.pack(">HB", 3, 1) + b"\7\1\2", CorruptImage, "a box of the JP2 is broken"),
        (b"\0", CorruptImage, "a box of the JP2 is broken"),
    ],
)
def test_palettes_that_make_no_sense_are_refused(content: bytes, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        head_of(box(b"pclr", content))


@pytest.mark.parametrize("name", [b"cmap", b"cdef"])
def test_lists_longer_than_any_picture_needs_are_corrupt(name: bytes) -> None:
    with pytest.raises(CorruptImage):
        head_of(box(name, bytes(9000)))


def test_metadata_are_found_by_their_ids_and_other_boxes_are_named_once() -> None:
    xmp = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
    boxes = box(b"uuid", b"JpgTiffExif->JP2" + b"II*\0") + box(b"uuid", xmp + b"<x/>")
    others = box(b"uuid", bytes(16)) * 2 + box(b"xml ", b"<a/>") * 2
    found = head_of(after=boxes + others + EMPTY)
    assert found.blocks == {"exif": b"II*\0", "xmp": b"<x/>"}
    assert len(found.dropped) == len(set(found.dropped)) == 2
    assert "xml: a box of its own" in found.dropped


def test_a_file_without_a_codestream_is_corrupt() -> None:
    with pytest.raises(CorruptImage, match="holds no codestream"):
        head_of(after=b"")


def test_of_two_codestreams_the_first_counts() -> None:
    upload = START + box(b"jp2h") + box(b"jp2c", b"one") + box(b"jp2c", b"two")
    at = read_boxes(upload).codestream
    assert upload[at : at + 3] == b"one"


def test_a_bare_codestream_has_no_boxes() -> None:
    assert read_boxes(siz()) == Jp2()


def test_size_and_depths_are_those_of_the_codestream() -> None:
    assert read_siz(siz(), 0) == Siz(40, 30, (8, 8, 8))
    assert read_siz(b"before" + siz(50, 60, offset=(10, 20), depths=(15, 0)), 6) == Siz(40, 40, (16, 1))


@pytest.mark.parametrize(
    ("codestream", "error", "told"),
    [
        (b"\xff\x4f\xff\x52" + bytes(60), CorruptImage, "does not begin with its size"),
        (siz(0), CorruptImage, "of 0x30 px"),
        (siz(40, 30, offset=(41, 0)), CorruptImage, "of -1x30 px"),
        (siz(tile=(0, 30)), CorruptImage, "in tiles of 0x30"),
        (siz(depths=()), CorruptImage, "0 channels"),
        (siz(depths=(7,) * (MOST_CHANNELS + 1)), NotAnImage, f"of {MOST_CHANNELS + 1} channels"),
        (siz(4000, 3000, tile=(1, 1)), CorruptImage, f"expected at most {MOST_TILES}"),
        (siz(depths=(7, 16)), NotAnImage, "samples of 17 bits or signed ones"),
        (siz(depths=(0x87,)), NotAnImage, "or signed ones"),
        (siz()[:30], CorruptImage, "head of the JPEG 2000 codestream is broken"),
        (siz()[:-4], CorruptImage, "head of the JPEG 2000 codestream is broken"),
        (siz(then=cod(MOST_LAYERS + 1)), CorruptImage, f"more than {MOST_LAYERS} layers"),
        (siz(then=cod(levels=MOST_LEVELS + 1)), CorruptImage, f"of {MOST_LEVELS + 1} resolutions"),
        (siz(8000, 8000, tile=(8000, 8000), then=cod(0, 0, b"\0")), CorruptImage, "precincts"),
        (siz(then=segment(0xFF53, b"\0\0" + bytes([40, 4, 4, 0, 1]))), CorruptImage, "of 40 resolutions"),
        (siz(then=segment(0xFF64) * MOST_SEGMENTS), CorruptImage, "pieces"),
    ],
)
def test_what_a_decoder_would_work_on_for_long_is_refused(
    codestream: bytes, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        read_siz(codestream, 0)


@pytest.mark.parametrize(
    "then",
    [
        b"\xff\xd9\0\0",
        b"\xff\x64\0\1",  # a length that no segment has
        segment(0xFF64, b"comment") + cod(MOST_LAYERS, MOST_LEVELS),
        segment(0xFF53, b"\0\0" + bytes([5, 4, 4, 0, 1])) + cod(),
        cod(1, 2, b"\xff\xff\xff"),
    ],
)
def test_ordinary_heads_are_read_up_to_the_first_tile(then: bytes) -> None:
    assert read_siz(siz(then=then), 0).width == 40


def test_codestreams_begin_with_their_start_and_size() -> None:
    assert siz().startswith(CODESTREAM)
    assert jp2_header.COUNTS["CMYK"] == 4
