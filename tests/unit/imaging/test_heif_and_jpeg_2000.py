"""HEIC and JPEG 2000: read in their depth, their colours and their opacity, turned once, refused by name otherwise."""

import io
import struct
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from photorestore import pipeline
from photorestore.errors import CorruptImage, ImageTooLarge, NotAnImage, TruncatedImage
from photorestore.imaging import Limits, open_picture
from photorestore.imaging.colour import conversion
from photorestore.imaging.unchanged import CONVERTED_MODES
from photorestore.options import Options
from tests.conftest import make_photo
from tests.heif_files import box, heic
from tests.jp2_files import codestream, definitions, jp2
from tests.unit.imaging.test_imaging import decoded, hwc, wide_gamut_profile
from tests.unit.imaging.test_told_colour import ADOBE_EXIF

PHOTO = make_photo(48, 64, seed=3)
OPACITY = np.linspace(0, 255, 48 * 64).reshape(48, 64).astype(np.uint8)


def turned_heic(orientation: int, exif_says: int) -> bytes:
    """`orientation` stands in the container, as `irot` or `imir`, `exif_says` in the EXIF."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = pillow_heif.from_pillow(Image.fromarray(PHOTO))
    file = io.BytesIO()
    picture.save(file, quality=-1, chroma=444, exif=exif.tobytes())
    tag = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    assert file.getvalue().count(tag) == 1
    return file.getvalue().replace(tag, struct.pack(">HHIHH", 0x0112, 3, 1, exif_says, 0))


def test_heic_is_read_in_colour_grey_and_with_opacity() -> None:
    image, alpha = decoded(heic(PHOTO))
    assert alpha is None
    assert np.abs(hwc(image).astype(int) - PHOTO).max() <= 1
    image, alpha = decoded(heic(np.dstack([PHOTO, OPACITY]), "RGBA"))
    assert np.abs(hwc(image).astype(int) - PHOTO).max() <= 1
    assert alpha is not None
    np.testing.assert_array_equal(alpha[0], OPACITY)
    picture = open_picture(heic(PHOTO[..., 0], "L"))
    assert picture.header.is_grey
    image, _ = decoded(heic(PHOTO[..., 0].copy(), "L"))
    np.testing.assert_array_equal(hwc(image), PHOTO[..., :1].repeat(3, 2))


@pytest.mark.parametrize("mode", ["RGB;16", "RGBA;16", "I;16"])
def test_heic_of_ten_bits_is_deep_and_its_white_is_white(mode: str) -> None:
    count = {"RGB;16": 3, "RGBA;16": 4, "I;16": 1}[mode]
    pixels = np.linspace(0, 65535, 48 * 64 * count).reshape(48, 64, count).astype(np.uint16)
    image, alpha = decoded(heic(pixels, mode))
    assert image.dtype == np.uint16
    assert image.max() == 65535
    assert np.abs(hwc(image).astype(int) - pixels[..., : min(count, 3)]).max() <= 150
    if alpha is not None:
        assert (alpha.min(), alpha.max()) == (0, 65535)


def test_premultiplied_colours_of_heic_are_undone() -> None:
    opacity = np.full((48, 64), 128, np.uint8)
    picture = pillow_heif.from_pillow(Image.fromarray(np.dstack([PHOTO // 2, opacity])))
    picture.premultiplied_alpha = True
    file = io.BytesIO()
    picture.save(file, quality=-1, chroma=444)
    image, alpha = decoded(file.getvalue())
    assert alpha is not None
    assert (alpha == 128).all()
    assert np.abs(hwc(image).astype(int) - PHOTO).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("exif_says", [1, 6])
def test_what_the_container_says_of_turning_is_done_once(orientation: int, exif_says: int) -> None:
    upload = turned_heic(orientation, exif_says)
    image, _ = decoded(upload)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.fromarray(PHOTO)
    upright.info["exif"] = exif.tobytes()
    from PIL import ImageOps

    upright.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(upright))
    assert np.abs(hwc(image).astype(int) - expected).max() <= 1
    header = open_picture(upload).header
    assert header.orientation == 1
    is_named = any(entry.startswith("orientation") for entry in header.dropped)
    assert is_named == (orientation == 1 and exif_says == 6)


def test_a_profile_of_heic_is_converted() -> None:
    picture = pillow_heif.from_pillow(Image.fromarray(PHOTO))
    file = io.BytesIO()
    picture.info["icc_profile"] = wide_gamut_profile()
    picture.save(file, quality=-1, chroma=444)
    image, _ = decoded(file.getvalue())
    expected = np.asarray(conversion.to_srgb(Image.fromarray(PHOTO), wide_gamut_profile()))
    assert np.abs(hwc(image).astype(int) - expected).max() <= 3


@pytest.mark.parametrize("mode", ["RGB", "RGB;16"])
def test_colours_that_a_heic_tells_are_converted_or_named(mode: str) -> None:
    pixels = np.full((48, 64, 3), (128, 64, 32), np.uint8)
    whole = heic(pixels if mode == "RGB" else pixels.astype(np.uint16) * 257, mode)
    at = whole.index(b"colrnclx") + 8
    expected: dict[tuple[int, int], tuple[tuple[int, int, int], list[str]]]
    expected = {(1, 13): ((128, 64, 32), []), (12, 13): ((138, 59, 21), [])}
    expected[9, 16] = ((128, 64, 32), ["HEIC nclx 9/16: high dynamic range (PQ), taken for sRGB"])
    for code, (first, named) in expected.items():
        upload = whole[:at] + struct.pack(">HH", *code) + whole[at + 4 :]
        image, _ = decoded(upload)
        np.testing.assert_allclose(hwc(image)[0, 0] / (1 if mode == "RGB" else 257), first, atol=2)
        assert open_picture(upload).header.dropped == named


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 3), (48, 64, 4)], ids=str)
def test_jpeg_2000_is_read_to_the_last_bit(shape: tuple[int, ...], bits: int) -> None:
    most = 2**bits - 1
    dtype = np.uint8 if bits == 8 else np.uint16
    pixels = np.linspace(0, most, int(np.prod(shape))).round().reshape(shape).astype(dtype)
    boxes = [definitions((0, 1), (0, 2), (0, 3), (1, 0))] if shape[2:] == (4,) else []
    image, alpha = decoded(jp2(pixels, *boxes, space=17 if len(shape) == 2 else 16, bits=bits))
    full = 255 if bits == 8 else 65535
    expected = np.rint(pixels.astype(float) * full / most).reshape(48, 64, -1)
    assert image.dtype == dtype
    np.testing.assert_array_equal(hwc(image), np.broadcast_to(expected[..., :3], (48, 64, 3)))
    assert (alpha is None) == (not boxes)
    if alpha is not None:
        np.testing.assert_array_equal(alpha[0], expected[..., 3])
        assert image.max() > full * 0.99


def test_white_of_16_bits_stays_white() -> None:
    image, _ = decoded(jp2(np.full((48, 64, 3), 65535, np.uint16)))
    assert (image == 65535).all()


def test_a_further_channel_is_no_opacity_unless_it_is_said_to_be() -> None:
    pixels = np.dstack([PHOTO, OPACITY])
    for upload in (
        jp2(pixels),
        codestream(pixels),
        jp2(pixels, definitions((0, 1), (0, 2), (0, 3), (65535, 65535))),
    ):
        header = open_picture(upload).header
        assert not header.has_alpha
        assert header.dropped == ["1 further channel: not said to be opacity"]
        np.testing.assert_array_equal(hwc(decoded(upload)[0]), PHOTO)


def test_channels_are_put_in_the_order_told_and_palettes_are_applied() -> None:
    image, _ = decoded(jp2(PHOTO[..., ::-1].copy(), definitions((0, 3), (0, 2), (0, 1))))
    np.testing.assert_array_equal(hwc(image), PHOTO)
    colours = np.random.default_rng(2).integers(0, 256, (200, 3)).astype(np.uint8)
    index = (np.arange(48 * 64) % 200).reshape(48, 64).astype(np.uint8)
    palette = box(b"pclr", struct.pack(">HBBBB", 200, 3, 7, 7, 7) + colours.tobytes())
    mapping = box(b"cmap", struct.pack(">HBBHBBHBB", 0, 1, 0, 0, 1, 1, 0, 1, 2))
    image, _ = decoded(jp2(index, palette, mapping))
    np.testing.assert_array_equal(hwc(image), colours[index])


def test_luma_and_chroma_of_jpeg_2000_become_srgb() -> None:
    ycc = np.asarray(Image.fromarray(PHOTO).convert("YCbCr"))
    image, _ = decoded(jp2(ycc, space=18))
    expected = np.asarray(Image.fromarray(ycc, "YCbCr").convert("RGB"))
    assert np.abs(hwc(image).astype(int) - expected).max() <= 1


def test_cmyk_of_jpeg_2000_is_converted_in_both_depths() -> None:
    inks = np.dstack([255 - PHOTO, np.zeros((48, 64), np.uint8)])
    shallow, _ = decoded(jp2(inks, space=12))
    deep, _ = decoded(jp2(inks.astype(np.uint16) * 257, space=12))
    assert np.abs(shallow.astype(int) - deep / 257).max() <= 1.5
    assert np.abs(hwc(shallow).astype(int) - PHOTO).mean() < 60


def test_cmyk_with_opacity_is_not_handed_back_for_srgb() -> None:
    palette = box(b"pclr", struct.pack(">HB", 256, 5) + bytes([7] * 5) + bytes(5 * 256))
    kinds = definitions((0, 1), (0, 2), (0, 3), (0, 4), (1, 0))
    header = open_picture(jp2(PHOTO[..., 0].copy(), palette, kinds, space=12)).header
    assert header.has_alpha
    assert header.mode in CONVERTED_MODES


def test_a_colour_space_of_the_container_counts_before_exif() -> None:
    exif = box(b"uuid", b"JpgTiffExif->JP2" + ADOBE_EXIF.removeprefix(b"Exif\0\0"))
    assert open_picture(jp2(PHOTO, after=exif)).header.icc is None
    assert open_picture(jp2(PHOTO, space=None, after=exif)).header.icc is not None


def test_profile_and_metadata_of_jpeg_2000_are_found() -> None:
    icc, exif = wide_gamut_profile(), Image.Exif()
    exif[0x0112] = 6
    uuid = box(b"uuid", b"JpgTiffExif->JP2" + exif.tobytes().removeprefix(b"Exif\0\0"))
    xmp = box(b"uuid", bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC") + b"<x:xmpmeta/>")
    profile = box(b"colr", b"\2\0\0" + icc)
    upload = jp2(PHOTO, profile, space=None, after=uuid + xmp + box(b"xml ", b"<a/>"))
    header = open_picture(upload).header
    assert (header.orientation, header.icc, header.xmp) == (6, icc, b"<x:xmpmeta/>")
    assert header.dropped == ["xml: a box of its own"]
    expected = np.asarray(conversion.to_srgb(Image.fromarray(PHOTO), icc))
    assert np.abs(hwc(decoded(upload)[0]).astype(int) - np.rot90(expected, -1)).max() <= 2


@pytest.mark.parametrize(
    ("upload", "name"),
    [
        (jp2(PHOTO, space=14), "CIELab"),
        (jp2(PHOTO, space=21), "ROMM"),
        (b"\xff\x0a" + bytes(30), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(30), "JPEG XL"),
        (heic(PHOTO).replace(b"hvc1", b"vvc1").replace(b"vvc1", b"av01"), "AV1"),
    ],
    ids=["lab", "romm", "jxl codestream", "jxl", "heif of av1"],
)
def test_what_is_not_read_is_refused_by_its_name(upload: bytes, name: str) -> None:
    with pytest.raises(NotAnImage, match=name):
        open_picture(upload)


@pytest.mark.parametrize("upload", [heic(PHOTO), jp2(PHOTO), codestream(PHOTO)], ids=["heic", "jp2", "j2c"])
def test_limits_hold_before_pixels_are_decoded_and_what_breaks_off_says_so(upload: bytes) -> None:
    with pytest.raises(ImageTooLarge):
        open_picture(upload, Limits(pixels=48 * 64 - 1))
    for share in (0.5, 0.9):
        with pytest.raises((TruncatedImage, CorruptImage)):
            decoded(upload[: int(share * len(upload))])
    with pytest.raises(TruncatedImage):
        decoded(upload[: int(0.9 * len(upload))])


def test_the_coded_size_of_heic_counts_and_not_only_the_one_claimed() -> None:
    upload = heic(make_photo(400, 600))
    extent = upload.index(b"ispe") + 8
    small = upload[:extent] + struct.pack(">II", 16, 16) + upload[extent + 8 :]
    with pytest.raises(ImageTooLarge):
        open_picture(small, Limits(pixels=200_000))


def test_jpeg_2000_in_too_many_pieces_is_refused() -> None:
    upload = codestream(make_photo(400, 600))
    tiles = upload[:24] + struct.pack(">II", 1, 1) + upload[32:]
    style = upload.index(b"\xff\x52") + 4
    layers = upload[: style + 2] + b"\xff\xff" + upload[style + 4 :]
    for broken in (tiles, layers):
        with pytest.raises(CorruptImage):
            open_picture(broken)


@pytest.mark.parametrize("upload", [heic(PHOTO), jp2(PHOTO)], ids=["heic", "jp2"])
def test_they_go_through_the_pipeline(upload: bytes, tmp_path: Path) -> None:
    loaded = pipeline.load(root=tmp_path)
    kept = loaded.restore(upload, Options(stages=()))
    assert (kept.encoded, kept.content_type) == (
        upload,
        "image/jp2" if b"jP  " in upload else "image/heic",
    )
    restored = loaded.restore(upload, Options(format="png", stages=("denoise",)))
    assert restored.image.shape == PHOTO.shape
