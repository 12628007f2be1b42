"""Colour spaces that files tell by something else than a profile: chunks, boxes and tags."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from photorestore.imaging import LIMITS, open_picture
from photorestore.imaging.colour import conversion
from photorestore.imaging.colour.profiles import ADOBE_RGB, BT709, gamma_curve, grey_profile, rgb_profile
from photorestore.imaging.colour.told import CICP_PRIMARIES, find_told
from photorestore.imaging.decoders.sixteen_bits import vips
from photorestore.imaging.iso.heif_header import read_head
from tests.delivered import restored
from tests.heif_files import Part, coded, heif, nclx
from tests.unit.imaging.test_hostile_bytes import changed, often
from tests.unit.imaging.test_imaging import decoded, saved, saved_16

COLOUR, WHITE = (128, 64, 32), (255, 255, 255)
ADOBE_EXIF = (
    b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0"
    b"\0\x02\xa0\x01\0\x03\0\0\0\x01\xff\xff\0\0\xa0\x05\0\x04\0\0\0\x01\0\0\0\x38\0\0\0\0"
    b"\0\x01\0\x01\0\x02\0\0\0\x04R03\0\0\0\0\0"
)
"""Colour space not calibrated, interoperability index R03."""


def pixels(colour_: tuple[int, ...] = COLOUR) -> np.ndarray:
    """(24, 32, C), the right half white."""
    values = np.empty((24, 32, len(colour_)), np.uint8)
    values[:, :16], values[:, 16:] = colour_, WHITE[: len(colour_)]
    return values


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(bits: int, *chunks: bytes, colour_: tuple[int, ...] = COLOUR) -> bytes:
    values = pixels(colour_)
    if bits == 16:
        upload = saved_16(values.astype(np.uint16) * 257, ".png[keep=none]")
    else:
        upload = saved(Image.fromarray(values.squeeze()), "PNG")
    return upload[:33] + b"".join(chunks) + upload[33:]


def gamma(exponent: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(exponent * 100_000)))


def primaries(number: int) -> bytes:
    told = CICP_PRIMARIES[number]
    points = (*told.white, *told.red, *told.green, *told.blue)
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in points)))


def code(*values: int) -> bytes:
    return chunk(b"cICP", bytes(values))


def icc_chunk(icc: bytes) -> bytes:
    return chunk(b"iCCP", b"name\0\0" + zlib.compress(icc))


def ends(upload: bytes) -> tuple[list[int], list[int]]:
    """The first pixel and the last, in 8 bits."""
    image, _ = decoded(upload)
    scale = 257 if image.dtype == np.uint16 else 1
    first, last = (np.round(image[:, y, y] / scale).astype(int).tolist() for y in (0, -1))
    return first, last


def dropped(upload: bytes) -> list[str]:
    return open_picture(upload).header.dropped


PNGS = {  # expected: what Chromium shows
    "linear": ([gamma(1.0)], [188, 137, 99]),
    "of an old Macintosh": ([gamma(1 / 1.8)], [146, 81, 43]),
    "BT.2020 by chromaticities": ([gamma(0.45455), primaries(9)], [157, 45, 9]),
    "Display P3 by code": ([code(12, 13, 0, 1)], [138, 59, 21]),
    "code before gamma": ([gamma(1.0), code(12, 13, 0, 1)], [138, 59, 21]),
    "sRGB before gamma": ([chunk(b"sRGB", b"\0"), gamma(1.0)], list(COLOUR)),
    "a gamma that stands for sRGB": ([gamma(0.45455)], list(COLOUR)),
    "sRGB by all chunks": ([gamma(0.45455), primaries(1)], list(COLOUR)),
    "sRGB by code": ([code(1, 13, 0, 1)], list(COLOUR)),
}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", PNGS)
def test_colours_that_a_png_tells_are_converted(name: str, bits: int) -> None:
    chunks, expected = PNGS[name]
    first, last = ends(png(bits, *chunks))
    np.testing.assert_allclose(first, expected, atol=1)
    assert last == list(WHITE)
    assert dropped(png(bits, *chunks)) == []


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_has_a_gamma_too(bits: int) -> None:
    first, last = ends(png(bits, gamma(1.0), colour_=(128,)))
    assert first == [188, 188, 188]
    assert last == list(WHITE)
    assert ends(png(bits, gamma(0.45455), primaries(9), colour_=(20,)))[0] == [20, 20, 20]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_profile_counts_before_all_else(bits: int) -> None:
    icc = rgb_profile("linear", BT709, (gamma_curve(1.0),) * 3)
    upload = png(bits, icc_chunk(icc), gamma(1 / 1.8), code(12, 13, 0, 1))
    assert ends(upload)[0] == [188, 137, 99]
    assert open_picture(upload).header.icc == icc


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("chunks", "named"),
    [
        ([code(9, 16, 0, 1)], "PNG cICP 9/16: high dynamic range (PQ), taken for sRGB"),
        ([code(9, 18, 0, 1)], "PNG cICP 9/18: high dynamic range (HLG), taken for sRGB"),
        ([code(10, 13, 0, 1)], "PNG cICP 10/13: a colour space that is not converted, taken for sRGB"),
        ([code(12, 13, 0, 0)], "PNG cICP: not RGB of full range, taken for sRGB"),
        ([gamma(0)], "PNG gAMA: no exponent of a curve, taken for sRGB"),
        ([chunk(b"cHRM", bytes(32))], "PNG cHRM: no colour space, taken for sRGB"),
    ],
)
def test_what_cannot_be_converted_is_named(chunks: list[bytes], named: str, bits: int) -> None:
    upload = png(bits, *chunks)
    assert dropped(upload) == [named]
    assert ends(upload)[0] == list(COLOUR)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("icc", [grey_profile("grey", gamma_curve(2.2)), b"no profile at all" * 20])
def test_a_profile_that_does_not_fit_is_named(icc: bytes, bits: int) -> None:
    assert dropped(png(bits, icc_chunk(icc))) == ["icc: the profile does not fit the picture"]
    values = pixels().astype(f"uint{bits}")
    assert dropped(tiff(values, {34675: (7, icc)})) == ["icc: the profile does not fit the picture"]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_profile_without_its_curves_is_named(bits: int) -> None:
    icc = rgb_profile("lost", BT709, (gamma_curve(1.0),) * 3).replace(b"rTRC", b"xTRC")
    upload = png(bits, icc_chunk(icc))
    picture = open_picture(upload)
    image = np.zeros((3, 24, 32), f"uint{bits}")
    picture.decode(image, None)
    assert picture.header.dropped == ["icc: the profile cannot be applied"]
    assert ends(upload)[0] == list(COLOUR)


def test_a_profile_in_pieces_that_are_not_all_there_is_named() -> None:
    upload = saved(Image.fromarray(pixels()), "JPEG", icc_profile=conversion.srgb_profile())
    at = upload.index(b"ICC_PROFILE\0") + 12
    assert dropped(upload[:at] + b"\1\2" + upload[at + 2 :]) == ["icc: the profile does not fit the picture"]


def avif(colours: tuple[int, int]) -> bytes:
    upload = saved(Image.fromarray(pixels((200, 60, 40))), "AVIF", quality=100, subsampling="4:4:4")
    at = upload.index(b"colrnclx") + 8
    return upload[:at] + struct.pack(">HH", *colours) + upload[at + 4 :]


def test_colours_that_an_avif_tells_are_converted() -> None:
    np.testing.assert_allclose(ends(avif((12, 13)))[0], [217, 43, 23], atol=3)
    np.testing.assert_allclose(ends(avif((1, 13)))[0], [200, 60, 40], atol=3)
    assert dropped(avif((9, 16))) == ["AVIF nclx 9/16: high dynamic range (PQ), taken for sRGB"]


@pytest.mark.parametrize("is_wide", [False, True])
def test_code_points_are_those_of_the_picture_and_not_of_its_thumbnail(*, is_wide: bool) -> None:
    def part(*code: int) -> Part:
        picture = coded(pixels())
        return replace(picture, properties=[*picture.properties[:-1], nclx(*code)])

    upload = heif([part(9, 16), part(12, 13)], [(b"thmb", 1, [2])], primary=2, wide=is_wide)
    assert read_head(upload, b"hvc1", LIMITS).nclx == (12, 13)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_adobe_rgb_that_exif_tells_is_converted(kind: str) -> None:
    settings = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
    picture = Image.fromarray(pixels((60, 160, 60)))
    icc = rgb_profile("Adobe RGB", ADOBE_RGB, (gamma_curve(563 / 256),) * 3)
    expected = ends(saved(picture, kind, icc_profile=icc, **settings))[0]
    told = saved(picture, kind, exif=ADOBE_EXIF, **settings)
    assert ends(told)[0] == expected
    assert expected[0] == 0
    plain = saved(picture, kind, exif=ADOBE_EXIF.replace(b"R03", b"R98"), **settings)
    np.testing.assert_allclose(ends(plain)[0], [60, 160, 60], atol=1)


@pytest.mark.parametrize("depth", [1, 257])
def test_adobe_rgb_that_the_exif_of_a_tiff_tells_is_converted(depth: int) -> None:
    values = pixels((60, 160, 60)).astype(np.uint16) * np.uint16(depth)
    plain = tiff(values.astype(f"uint{8 if depth == 1 else 16}"), {34665: (4, [0])}, ">")
    start = len(plain)
    entry = struct.pack(">HHI", 34665, 4, 1)
    at = plain.index(entry) + len(entry)
    details = struct.pack(">HHHIIHHIII", 2, 40961, 3, 1, 0xFFFF << 16, 40965, 4, 1, start + 30, 0)
    interoperable = struct.pack(">HHHI4sI", 1, 1, 2, 4, b"R03\0", 0)
    upload = plain[:at] + struct.pack(">I", start) + plain[at + 4 :] + details + interoperable
    icc = rgb_profile("Adobe RGB", ADOBE_RGB, (gamma_curve(563 / 256),) * 3)
    expected = ends(saved(Image.fromarray(pixels((60, 160, 60))), "PNG", icc_profile=icc))[0]
    np.testing.assert_allclose(ends(upload)[0], expected, atol=1)


def test_srgb_that_the_container_tells_counts_before_exif() -> None:
    upload = saved(Image.fromarray(pixels()), "PNG", exif=ADOBE_EXIF)
    assert ends(upload[:33] + chunk(b"sRGB", b"\0") + upload[33:])[0] == list(COLOUR)


def _packed(order: str, kind: int, numbers: Sequence[int]) -> bytes:
    return struct.pack(f"{order}{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)


def tiff(
    values: np.ndarray, tags: Mapping[int, tuple[int, Sequence[int]]], order: Literal["<", ">"] = "<"
) -> bytes:
    """One strip of (H, W, C), of its own depth; tags by number: type and values (fractions as two) or bytes."""
    h, w, c = values.shape
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    bits = 8 * values.dtype.itemsize
    entries = {256: (3, [w]), 257: (3, [h]), 258: (3, [bits] * c), 259: (3, [1]), 262: (3, [2 if c == 3 else 1]),
               273: (4, [8]), 277: (3, [c]), 278: (3, [h]), 279: (4, [len(data)]), **tags}  # fmt: skip
    at = 8 + len(data)
    directory, further = struct.pack(order + "H", len(entries)), b""
    behind = at + 2 + 12 * len(entries) + 4
    for tag, (kind, numbers) in sorted(entries.items()):
        raw = numbers if isinstance(numbers, bytes) else _packed(order, kind, numbers)
        count = len(numbers) // (2 if kind == 5 else 1)
        where = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack(order + "I", behind + len(further))
        directory += struct.pack(order + "HHI", tag, kind, count) + where
        further += raw if len(raw) > 4 else b""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "I", at) + data + directory + bytes(4) + further


def fractions(*values: float) -> tuple[int, list[int]]:
    return 5, [part for value in values for part in (round(value * 10_000), 10_000)]


WHOLES = [
    ("png", png(8, gamma(1.0), primaries(9))),
    ("png", png(8, code(12, 13, 0, 1))),
    ("avif", avif((12, 13))),
    (
        "tiff",
        tiff(pixels(), {318: fractions(0.31, 0.33), 319: fractions(0.68, 0.32, 0.26, 0.69, 0.15, 0.06)}),
    ),
    ("tiff", tiff(pixels(), {301: (3, list(range(256)))}, ">")),
    ("bmp", saved(Image.fromarray(pixels()), "BMP")),
]
P3 = {318: fractions(0.3127, 0.3290), 319: fractions(0.68, 0.32, 0.265, 0.69, 0.15, 0.06)}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("depth", [1, 257])
def test_colours_that_a_tiff_tells_are_converted(depth: int, order: Literal["<", ">"]) -> None:
    values = pixels() if depth == 1 else pixels().astype(np.uint16) * 257
    assert ends(tiff(values, {}, order))[0] == list(COLOUR)
    first, last = ends(tiff(values, P3, order))
    np.testing.assert_allclose(first, [138, 59, 21], atol=1)
    assert last == list(WHITE)
    linear = np.linspace(0, 65535, 256 * (1 if depth == 1 else 256)).round().astype(int).tolist()
    np.testing.assert_allclose(ends(tiff(values, {301: (3, linear)}, order))[0], [188, 137, 99], atol=1)
    assert (
        ends(tiff(values, {301: (3, linear * 3)}, order))[0]
        == ends(tiff(values, {301: (3, linear)}, order))[0]
    )
    named = ["TIFF PrimaryChromaticities: no colour space, taken for sRGB"]
    assert dropped(tiff(values, {319: fractions(0, 0, 0, 0, 0, 0)}, order)) == named


def test_a_big_tiff_tells_its_colours_too() -> None:
    points = struct.pack("<12I", *P3[319][1])
    entry = struct.pack("<HHQQ", 319, 5, 6, 52) + bytes(8)
    upload = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1) + entry + points
    told = find_told(upload, "tiff", None, "RGB")
    assert told is not None
    assert conversion.describe(told.icc) == "colours by TIFF PrimaryChromaticities"


@often
@given(data=st.data())
def test_whatever_bytes_come_they_tell_a_colour_space_or_none(data: st.DataObject) -> None:
    kind, whole = data.draw(st.sampled_from(WHOLES))
    upload, exif = data.draw(changed([whole])), data.draw(changed([ADOBE_EXIF]))
    for mode in ("RGB", "L"):
        told = find_told(upload, kind, exif, mode)
        assert told is None or told.icc is None or conversion.can_be_applied(told.icc)


def test_cielab_knows_its_white_by_itself() -> None:
    values = np.full((24, 32, 3), (128, 30, 226), np.uint8)
    white = {318: fractions(0.3457, 0.3585)}
    assert ends(tiff(values, {262: (3, [8])})) == ends(tiff(values, {262: (3, [8]), **white}))


def test_adobe_primaries_bring_adobes_curve() -> None:
    tags = {318: fractions(0.3127, 0.3290), 319: fractions(0.64, 0.33, 0.21, 0.71, 0.15, 0.06)}
    icc = rgb_profile("Adobe RGB", ADOBE_RGB, (gamma_curve(563 / 256),) * 3)
    expected = ends(saved(Image.fromarray(pixels()), "PNG", icc_profile=icc))[0]
    assert ends(tiff(pixels(), tags))[0] == expected


def test_a_profile_in_a_bmp_is_converted_and_calibrated_colours_are_named() -> None:
    icc = rgb_profile("linear", BT709, (gamma_curve(1.0),) * 3)
    rows = pixels()[::-1, :, ::-1].tobytes()
    for space, named in ((b"DEBM", []), (bytes(4), ["BMP calibrated RGB: not converted, taken for sRGB"])):
        head = struct.pack("<IiiHHIIiiII", 124, 32, 24, 1, 24, 0, len(rows), 0, 0, 0, 0) + bytes(16) + space
        head += bytes(range(48)) + struct.pack("<IIII", 0, 124 + len(rows), len(icc), 0)
        upload = b"BM" + struct.pack("<IHHI", 138 + len(rows) + len(icc), 0, 0, 138) + head + rows + icc
        assert dropped(upload) == named
        assert ends(upload)[0] == ([188, 137, 99] if space != bytes(4) else list(COLOUR))


def test_untagged_cmyk_is_the_same_in_8_and_16_bits() -> None:
    values = np.random.default_rng(0).integers(0, 256, (24, 32, 4), np.uint8)
    values[0, :5] = [(0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 0, 255), (220, 160, 20, 30), (255, 255, 255, 255)]
    inks = {262: (3, [5])}
    shallow, _ = decoded(tiff(values, inks))
    deep, _ = decoded(tiff(values.astype(np.uint16) * 257, inks))
    np.testing.assert_allclose(shallow, deep / 257, atol=1.01)
    assert shallow[:, 0, 0].tolist() == list(WHITE)
    assert ends(saved(Image.fromarray(values, "CMYK"), "JPEG", quality=100))[0] == list(WHITE)


def test_dark_inks_of_a_profile_are_the_same_in_8_and_16_bits() -> None:
    values = np.random.default_rng(0).integers(192, 256, (24, 32, 4), np.uint8)
    tagged = {262: (3, [5]), 34675: (7, bytes(vips().Image.profile_load("cmyk")))}
    shallow, _ = decoded(tiff(values, tagged))
    deep, _ = decoded(tiff(values.astype(np.uint16) * 257, tagged))
    np.testing.assert_allclose(shallow, deep / 257, atol=1.01)
    assert shallow.min() == 0


@pytest.mark.parametrize(("wanted", "named"), [("srgb", True), ("source", False)])
def test_an_upload_that_goes_back_in_colours_that_were_not_asked_for_names_them(
    tmp_path: Path, wanted: str, *, named: bool
) -> None:
    upload = png(8, code(9, 16, 0, 1))
    _, result, report = restored(tmp_path, upload, colour=wanted, format="png")
    assert result == upload
    expected = ["PNG cICP 9/16: high dynamic range (PQ), taken for sRGB"]
    assert report["dropped"] == (expected if named else [])
