"""Kinds of TIFF that scanners, museums and cameras write: each is read rightly, or refused by its name."""

import struct
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from photorestore.errors import CorruptImage, NotAnImage, TruncatedImage
from photorestore.imaging import open_picture
from tests.layouts import tiff
from tests.unit.imaging.test_imaging import decoded, hwc, saved

H, W = 12, 20
COLOUR = (200, 60, 40)


def page(
    pixels: np.ndarray, photometric: int, **more: tuple[int, list[int]]
) -> dict[int, tuple[int, list[int]]]:
    """Tags of an uncompressed page; further ones as `t338=(3, [0])`."""
    height, width, samples = pixels.shape
    tags = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [8 * pixels.dtype.itemsize] * samples),
        259: (3, [1]),
        262: (3, [photometric]),
        277: (3, [samples]),
        278: (4, [height]),
    }
    return tags | {int(name[1:]): value for name, value in more.items()}


def file(
    pixels: np.ndarray, photometric: int, order: Literal["<", ">"] = "<", **more: tuple[int, list[int]]
) -> bytes:
    raw = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    return tiff(page(pixels, photometric, **more), [raw], order, is_big=False)


def full(values: tuple[int, ...], kind: type = np.uint8) -> np.ndarray:
    return np.full((H, W, len(values)), values, kind)


def chained(*pages: bytes) -> bytes:
    """Little-endian TIFFs of one page each as the pages of one; their tags of type 4 in 273 and beyond move along."""
    body, links = bytearray(pages[0]), []
    for further in pages[1:]:
        links.append((len(body), further))
        body += _moved(further, len(body))
    starts = [start + struct.unpack_from("<I", further, 4)[0] for start, further in links]
    at = struct.unpack_from("<I", pages[0], 4)[0]
    for start in starts:
        struct.pack_into("<I", body, _end_of(bytes(body), at), start)
        at = start
    return bytes(body)


def _end_of(body: bytes, at: int) -> int:
    return at + 2 + 12 * struct.unpack_from("<H", body, at)[0]


def _moved(part: bytes, by: int) -> bytes:
    moved = bytearray(part)
    at = struct.unpack_from("<I", part, 4)[0]
    for entry in range(at + 2, _end_of(part, at), 12):
        tag, kind, count, value = struct.unpack_from("<HHII", part, entry)
        if tag == 273 or count * {3: 2, 4: 4}[kind] > 4:
            struct.pack_into("<I", moved, entry + 8, value + by)
    return bytes(moved)


@pytest.mark.parametrize(("kind", "unit"), [(np.uint8, 1), (np.uint16, 257)])
def test_an_extra_channel_of_unknown_meaning_is_no_alpha_and_is_named(kind: type, unit: int) -> None:
    infrared = full(tuple(value * unit for value in (*COLOUR, 128)), kind)
    upload = file(infrared, 2, t338=(3, [0]))
    image, alpha = decoded(upload)
    assert alpha is None
    assert tuple(image[:, 5, 5] // unit) == COLOUR
    assert open_picture(upload).header.dropped == ["extra channels: 4 of 4, not said to be alpha"]


def test_alpha_stands_behind_other_extra_channels() -> None:
    upload = file(full((*COLOUR, 9, 128)), 2, t338=(3, [0, 2]))
    image, alpha = decoded(upload)
    assert alpha is not None
    assert (*image[:, 5, 5], alpha[0, 5, 5]) == (*COLOUR, 128)
    assert open_picture(upload).header.dropped == ["extra channels: 4 of 5, not said to be alpha"]


@pytest.mark.parametrize(("kind", "unit"), [(np.uint8, 1), (np.uint16, 257)])
def test_cmyk_keeps_its_alpha(kind: type, unit: int) -> None:
    inks = tuple(value * unit for value in (220, 160, 20, 30))
    plain, none = decoded(file(full(inks, kind), 5))
    image, alpha = decoded(file(full((*inks, 128 * unit), kind), 5, t338=(3, [2])))
    assert none is None
    assert alpha is not None
    assert alpha[0, 5, 5] == 128 * unit
    np.testing.assert_array_equal(image, plain)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("photometric", "kind", "lab"),
    [
        (8, np.uint8, (128, 40, 256 - 40)),
        (9, np.uint8, (128, 168, 88)),
        (8, np.uint16, (32768, 40 * 256, 65536 - 40 * 256)),
        (9, np.uint16, (32640, 168 * 256, 88 * 256)),
    ],
)
def test_lab_becomes_srgb(
    photometric: int, kind: type, lab: tuple[int, ...], order: Literal["<", ">"]
) -> None:
    upload = file(full(lab, kind), photometric, order)
    image, _ = decoded(upload)
    colour = image[:, 5, 5] / (257 if kind == np.uint16 else 1)
    np.testing.assert_allclose(colour, (159, 93, 189), atol=1)  # of L* 50, a* 40, b* -40, by Little CMS
    assert open_picture(upload).header.mode.startswith("LAB")


def test_lab_of_many_colours_is_what_it_was_made_of() -> None:
    levels = np.linspace(0, 1, 6)
    rgb = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(6, 36, 3)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [
        (0.4360747, 0.3850649, 0.1430804),
        (0.2225045, 0.7168786, 0.0606169),
        (0.0139322, 0.0971045, 0.7141733),
    ]
    ratios = linear @ np.array(to_xyz).T / (0.9642, 1, 0.8249)  # to D50 by Bradford
    f = np.where(ratios > 216 / 24389, np.cbrt(ratios), (24389 / 27 * ratios + 16) / 116)
    lightness, a, b = 116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])
    stored = (
        np.stack([lightness * 652.8, (a + 128) * 256, (b + 128) * 256], axis=-1).round().astype(np.uint16)
    )
    image, _ = decoded(file(stored, 9))
    assert np.abs(hwc(image) / 65535 - rgb).max() <= 1 / 255


def test_ycbcr_of_16_bits_becomes_rgb() -> None:
    image, _ = decoded(file(full((99 * 257, 94 * 257, 199 * 257), np.uint16), 6, t530=(3, [1, 1])))
    np.testing.assert_allclose(image[:, 5, 5] / 257, COLOUR, atol=1)


@pytest.mark.parametrize(("across", "down"), [(2, 1), (2, 2), (4, 2), (4, 4)])
def test_uncompressed_ycbcr_of_reduced_colour_is_read(across: int, down: int) -> None:
    unit = bytes([99] * across * down + [94, 200])
    units = -(-W // across) * -(-H // down)
    tags = page(full((0, 0, 0)), 6, t530=(3, [across, down]))
    image, _ = decoded(tiff(tags, [unit * units], "<", is_big=False))
    np.testing.assert_allclose(image.reshape(3, -1).T, np.tile(COLOUR, (H * W, 1)), atol=1)


def test_a_ramp_of_12_bits_is_read_in_16() -> None:
    ramp = np.arange(0, 4096, 273, dtype=np.uint16)  # 16 levels
    digits = (ramp[:, np.newaxis] >> np.arange(11, -1, -1) & 1).astype(np.uint8)
    tags = page(np.zeros((1, 16, 1), np.uint8), 1, t258=(3, [12]))
    image, _ = decoded(tiff(tags, [np.packbits(digits).tobytes()], "<", is_big=False))
    np.testing.assert_array_equal(image[0, 0], np.arange(16) * 4369)


def test_16_bits_of_many_strips_and_the_last_one_short() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (H, W, 3), np.uint16)
    strips = [values[top : top + 5].tobytes() for top in range(0, H, 5)]
    image, _ = decoded(tiff(page(values, 2, t278=(3, [5])), strips, "<", is_big=False))
    np.testing.assert_array_equal(hwc(image), values)


def test_the_full_picture_is_read_and_not_the_reduced_copy_before_it() -> None:
    reduced, whole = file(full((9, 9, 9))[::4, ::4], 2, t254=(4, [1])), file(full(COLOUR), 2, t254=(4, [0]))
    for upload in (chained(reduced, whole), chained(whole, reduced)):
        picture = open_picture(upload)
        assert picture.header.upright_hw == (H, W)
        assert picture.header.dropped == ["reduced copies"]
        assert tuple(decoded(upload)[0][:, 5, 5]) == COLOUR


def test_further_pages_and_masks_are_named() -> None:
    first, mask = file(full(COLOUR), 2), file(full((1,)), 4, t254=(4, [4]))
    assert open_picture(chained(first, first, mask)).header.dropped == ["further pages", "transparency mask"]


@pytest.mark.parametrize(
    ("kind", "upload"),
    [
        ("dng", file(full(COLOUR), 2, t50706=(1, [1]))),
        ("cr2", file(full(tuple(b"CR\2")), 2)),
        ("raw", file(full((9,), np.uint16), 32803)),
        ("raw", file(full(COLOUR, np.uint16), 34892)),
        ("raw", chained(file(full(COLOUR), 2, t254=(4, [1])), file(full((9,), np.uint16), 32803))),
    ],
)
def test_camera_raw_is_told_from_tiff(kind: str, upload: bytes) -> None:
    header = open_picture(upload).header
    assert (header.format, header.upright_hw, header.bits) == (kind, (H, W), 16)


def below(preview: bytes, further: bytes) -> bytes:
    """A TIFF whose page points to another with tag 330."""
    at = preview.index(struct.pack("<HHI", 330, 4, 1)) + 8
    start = len(preview) + struct.unpack_from("<I", further, 4)[0]
    return preview[:at] + struct.pack("<I", start) + preview[at + 4 :] + _moved(further, len(preview))


@pytest.mark.parametrize(("make", "kind"), [("NIKON CORPORATION", "nef"), ("SONY", "arw")])
def test_camera_raw_below_the_preview_has_the_size_of_the_sensor(make: str, kind: str) -> None:
    preview = file(full(COLOUR)[:4], 2, t254=(4, [1]), t271=(1, [*make.encode(), 0]), t330=(4, [0]))
    header = open_picture(below(preview, file(full((9,), np.uint16), 32803))).header
    assert (header.format, header.upright_hw) == (kind, (H, W))


def test_the_full_picture_below_a_reduced_one_is_refused_and_a_reduced_one_below_the_full_is_named() -> None:
    reduced, whole = (file(full(COLOUR), 2, t254=(4, [kind]), t330=(4, [0])) for kind in (1, 0))
    with pytest.raises(NotAnImage, match="below a reduced copy"):
        open_picture(below(reduced, file(full(COLOUR), 2)))
    assert open_picture(below(whole, file(full(COLOUR), 2, t254=(4, [1])))).header.dropped == [
        "reduced copies"
    ]


def test_more_tiles_than_a_picture_needs_are_corrupt() -> None:
    tags = page(full((1,)), 1, t322=(3, [1]), t323=(3, [1])) | {256: (4, [5000]), 257: (4, [5000])}
    with pytest.raises(CorruptImage, match="strips or tiles"):
        decoded(tiff(tags, [b"a"], "<", is_big=False))


@pytest.mark.parametrize(
    ("name", "upload"),
    [
        ("floating-point", file(full((1, 1, 1), np.uint32), 2, t339=(3, [3, 3, 3]))),
        ("floating-point numbers .16", file(full((1,), np.uint16), 1, t339=(3, [3]))),
        (
            "floating-point numbers .32",
            file(full((*COLOUR, 1)), 2, t258=(3, [8, 8, 8, 32]), t338=(3, [2]), t339=(3, [1, 1, 1, 3])),
        ),
        ("signed", file(full((1, 1, 1), np.uint16), 2, t339=(3, [2, 2, 2]))),
        ("JPEG 2000", file(full(COLOUR), 2, t259=(3, [34712]))),
        ("JPEG XL", file(full(COLOUR), 2, t259=(3, [50002]))),
        ("ITULab", file(full(COLOUR), 10)),
        ("LogLuv", file(full(COLOUR), 32845)),
        ("other inks", file(full((1, 1, 1, 1)), 5, t332=(3, [2]))),
        ("differ in depth", file(full(COLOUR), 2, t258=(3, [5, 6, 5]))),
        ("differ in depth: 8, 8, 8, 16", file(full((*COLOUR, 1)), 2, t258=(3, [8, 8, 8, 16]), t338=(3, [0]))),
        *((f"with {bits} bits", file(full((1,)), 1, t258=(3, [bits]))) for bits in (17, 20, 24, 31, 33)),
        ("24 bits", file(full(COLOUR), 2, t258=(3, [24, 24, 24]), t259=(3, [8]))),
        ("64 bits", file(full(COLOUR), 2, t258=(3, [64, 64, 64]))),
        ("palette with 16 bits a sample; expected at most 8$", file(full((1,), np.uint16), 3)),
        ("predictor 3", file(full(COLOUR), 2, t259=(3, [8]), t317=(3, [3]))),
        ("associated alpha", file(full((*COLOUR, 9)), 6, t338=(3, [1]), t530=(3, [1, 1]))),
        ("transparency mask", file(full((1,)), 4)),
    ],
)
def test_what_is_not_read_is_refused_by_name(name: str, upload: bytes) -> None:
    with pytest.raises(NotAnImage, match=name):
        open_picture(upload)


def test_a_lossless_jpeg_in_a_tiff_is_refused_by_name() -> None:
    stream = b"\xff\xd8\xff\xc3\0\x0b\x08" + struct.pack(">HH", H, W) + b"\1\1\x11\0"
    with pytest.raises(NotAnImage, match="lossless JPEG"):
        open_picture(tiff(page(full((1,)), 1, t259=(3, [7])), [stream], "<", is_big=False))


def test_webp_in_a_tiff_is_read() -> None:
    stream = saved(Image.fromarray(full(COLOUR)), "WEBP", lossless=True)
    image, _ = decoded(tiff(page(full(COLOUR), 2, t259=(3, [50001])), [stream], "<", is_big=False))
    assert tuple(image[:, 5, 5]) == COLOUR


def test_missing_strips_and_short_ones_break_off() -> None:
    whole = file(full(COLOUR), 2)
    fewer = tiff(page(full(COLOUR), 2, t278=(3, [5])), [bytes(5 * W * 3)], "<", is_big=False)
    short = tiff(page(full(COLOUR), 2, t259=(3, [8])), [b"\x78\x9c\x63\0\0\0\1\0\1"], "<", is_big=False)
    pointer = struct.pack("<HHII", 273, 4, 1, 8)
    beyond = whole.replace(pointer, pointer[:8] + struct.pack("<I", len(whole) - 9))
    for upload in (fewer, short, beyond):
        with pytest.raises(TruncatedImage):
            decoded(upload)


def test_tiles_without_area_or_beyond_all_measure_are_corrupt() -> None:
    for side in (0, 65_535):
        tags = page(full(COLOUR), 2, t322=(3, [side]), t323=(3, [side]))
        with pytest.raises(CorruptImage):
            open_picture(tiff(tags, [b"a"], "<", is_big=False))
