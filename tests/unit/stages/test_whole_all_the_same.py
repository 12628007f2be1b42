"""PNGs, JPEGs and GIFs that are whole, although a decoder stumbles over something in them."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photorestore.errors import CorruptImage, NotAnImage, TruncatedImage
from photorestore.imaging import open_picture
from photorestore.imaging.files.png import LONGEST_TEXT, LONGEST_TEXTS
from tests.conftest import make_photo
from tests.layouts_other import png_chunk
from tests.unit.imaging.test_imaging import decoded, hwc, saved, saved_16

PHOTO = Image.fromarray(make_photo(90, 120, seed=5))


def with_chunks(upload: bytes, *chunks: bytes) -> bytes:
    return upload[:33] + b"".join(chunks) + upload[33:]


def packed_text(keyword: bytes, length: int) -> bytes:
    return png_chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(b"x" * length))


def packed_xmp(length: int) -> bytes:
    text = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + b" " * length + b"</x:xmpmeta>"
    return png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(text))


DEEP = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), np.uint16)
SHALLOW_PNG, DEEP_PNG = saved(PHOTO, "PNG"), saved_16(DEEP, ".png")


@pytest.mark.parametrize("upload", [SHALLOW_PNG, DEEP_PNG])
@pytest.mark.parametrize("chunk", [packed_text(b"workflow", 3_000_000), packed_xmp(3_000_000)])
def test_a_png_with_a_long_packed_text_is_read(upload: bytes, chunk: bytes) -> None:
    long = with_chunks(upload, chunk)
    np.testing.assert_array_equal(decoded(long)[0], decoded(upload)[0])
    assert open_picture(long).header.dropped == []


@pytest.mark.parametrize("upload", [SHALLOW_PNG, DEEP_PNG])
def test_texts_beyond_all_measure_are_left_out_and_named(upload: bytes) -> None:
    length = LONGEST_TEXT + 1
    profile = png_chunk(b"iCCP", b"wide\0\0" + zlib.compress(bytes(length)))
    long = with_chunks(
        upload, packed_text(b"workflow", length), packed_xmp(length), profile, packed_text(b"a", 9)
    )
    np.testing.assert_array_equal(decoded(long)[0], decoded(upload)[0])
    assert open_picture(long).header.dropped == [
        "text 'workflow': too long",
        "xmp: too long",
        "icc: too long",
    ]


def test_texts_too_long_together_are_left_out_from_there() -> None:
    count = LONGEST_TEXTS // LONGEST_TEXT + 3
    long = with_chunks(SHALLOW_PNG, *(packed_text(b"%d" % index, LONGEST_TEXT) for index in range(count)))
    dropped = open_picture(long).header.dropped
    assert dropped[-1] == f"text '{count - 1}': too long"
    assert 2 <= len(dropped) <= 4


@pytest.mark.parametrize("upload", [SHALLOW_PNG, DEEP_PNG])
def test_a_png_with_a_text_of_many_megabytes_is_read(upload: bytes) -> None:
    long = with_chunks(upload, png_chunk(b"tEXt", b"workflow\0" + b"x" * 9_000_000))
    np.testing.assert_array_equal(decoded(long)[0], decoded(upload)[0])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_transparent_grey_of_few_bits_is_the_one_that_is_meant(bits: int) -> None:
    values = np.arange(8) % (1 << bits)
    digits = (values[:, np.newaxis] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8)
    head = struct.pack(">IIBBBBB", 8, 1, bits, 0, 0, 0, 0)
    upload = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"tRNS", struct.pack(">H", 1))
    upload += png_chunk(b"IDAT", zlib.compress(b"\0" + np.packbits(digits).tobytes())) + png_chunk(
        b"IEND", b""
    )
    _, alpha = decoded(upload)
    assert alpha is not None
    np.testing.assert_array_equal(alpha[0, 0] == 0, values == 1)


@pytest.mark.parametrize("settings", [{}, {"progressive": True}, {"subsampling": "4:4:4", "quality": 98}])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_that_lacks_only_its_end_is_read(mode: str, settings: dict[str, Any]) -> None:
    whole = saved(PHOTO.convert(mode), "JPEG", **settings)
    np.testing.assert_array_equal(decoded(whole[:-2])[0], decoded(whole)[0])


@pytest.mark.parametrize("settings", [{}, {"progressive": True}])
@pytest.mark.parametrize("missing", [40, 200, 1000])
def test_a_jpeg_that_lacks_pixels_breaks_off(missing: int, settings: dict[str, Any]) -> None:
    whole = saved(PHOTO, "JPEG", quality=95, **settings)
    with pytest.raises(TruncatedImage):
        decoded(whole[:-missing])


def frame(marker: int, bits: int, height: int = 90) -> bytes:
    """A JPEG with another frame in its head."""
    whole = saved(PHOTO, "JPEG")
    at = whole.index(b"\xff\xc0")
    return (
        whole[: at + 1]
        + bytes([marker])
        + whole[at + 2 : at + 4]
        + struct.pack(">BH", bits, height)
        + whole[at + 7 :]
    )


@pytest.mark.parametrize(
    ("name", "upload"),
    [
        ("JPEG of 12 bits", frame(0xC1, 12)),
        ("lossless JPEG of 16 bits", frame(0xC3, 16)),
        ("lossless JPEG of 8 bits", frame(0xC3, 8)),
        ("hierarchical", frame(0xC5, 8)),
        ("DNL", frame(0xC0, 8, 0)),
    ],
)
def test_a_jpeg_of_a_coding_that_is_not_read_is_refused_by_name(name: str, upload: bytes) -> None:
    with pytest.raises(NotAnImage, match=name):
        open_picture(upload)


def gif(width: int, height: int, left: int, top: int, *, transparent: bool) -> bytes:
    """A GIF whose only frame, of another size, lies on a canvas of 30x20 px."""
    file = io.BytesIO()
    canvas = Image.new("P", (width, height), 1)
    canvas.putpalette([255, 0, 0, 0, 0, 255])
    canvas.save(file, "GIF", **({"transparency": 0} if transparent else {}))
    content = bytearray(file.getvalue())
    at = content.index(b"," + struct.pack("<HHHH", 0, 0, width, height))
    struct.pack_into("<HH", content, 6, 30, 20)
    struct.pack_into("<HH", content, at + 1, left, top)
    return bytes(content)


@pytest.mark.parametrize("transparent", [False, True])
def test_what_the_first_frame_of_a_gif_leaves_free_is_transparent(*, transparent: bool) -> None:
    image, alpha = decoded(gif(10, 8, 5, 6, transparent=transparent))
    expected = np.zeros((20, 30), np.uint8)
    expected[6:14, 5:15] = 255
    assert alpha is not None
    np.testing.assert_array_equal(alpha[0], expected)
    np.testing.assert_array_equal(hwc(image)[6:14, 5:15], np.full((8, 10, 3), (0, 0, 255)))


def test_a_frame_that_fills_the_canvas_leaves_none_transparent() -> None:
    assert decoded(gif(30, 20, 0, 0, transparent=False))[1] is None


def test_a_broken_png_of_16_bits_is_never_read_in_8() -> None:
    with pytest.raises((CorruptImage, TruncatedImage)):
        decoded(DEEP_PNG[: len(DEEP_PNG) // 2])
