"""Acquisition: what is read, how it is turned and converted, and where the limits are."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from photorestore.errors import CorruptImage, ImageTooLarge, NotAnImage, PayloadTooLarge
from photorestore.imaging import Limits, open_picture, to_array, write_array
from photorestore.imaging.colour import conversion
from photorestore.imaging.decoders.sixteen_bits import cmyk_profile, vips
from photorestore.imaging.heads import has_short_head
from photorestore.imaging.negotiate import Needs, choose_format
from photorestore.imaging.planes import luma, to_u8
from photorestore.options import Options
from photorestore.workspace import Workspace
from tests.conftest import make_photo, source_of

PHOTO = Image.fromarray(make_photo(60, 90, seed=3))


def saved(picture: Image.Image, kind: str, **settings: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return file.getvalue()


def saved_16(values: np.ndarray, suffix: str, **blocks: bytes) -> bytes:
    """A 16-bit PNG or TIFF of an array (H, W, C)."""
    h, w, c = values.shape
    picture = vips().Image.new_from_memory(np.ascontiguousarray(values).tobytes(), w, h, c, "ushort")
    picture = picture.copy(interpretation="rgb16" if c >= 3 else "grey16")
    for name, content in blocks.items():
        picture.set_type(vips().GValue.blob_type, name.replace("_", "-"), content)
    return picture.write_to_buffer(suffix)


def decoded(upload: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Planes (3, H, W) and (1, H, W) of an upload."""
    picture = open_picture(upload)
    h, w = picture.header.upright_hw
    dtype = f"uint{picture.header.bits}"
    image = np.zeros((3, h, w), dtype)
    alpha = np.zeros((1, h, w), dtype) if picture.header.has_alpha else None
    picture.decode(image, alpha)
    return image, alpha


def as_rgb(picture: Image.Image) -> Image.Image:
    """In sRGB; inks without a profile by the one that is taken for them."""
    if picture.mode != "CMYK":
        return picture.convert("RGB")
    converted = conversion.to_srgb(picture, cmyk_profile())
    assert converted is not None
    return converted


def hwc(plane: np.ndarray) -> np.ndarray:
    return np.moveaxis(plane, 0, -1)


def wide_gamut_profile() -> bytes:
    """An RGB profile unlike sRGB, made from it by exchanging the red and the green primary."""
    icc = conversion.srgb_profile()
    return icc.replace(b"rXYZ", b"zXYZ").replace(b"gXYZ", b"rXYZ").replace(b"zXYZ", b"gXYZ")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_of_every_format_is_decoded_as_pillow_decodes_it(kind: str, mode: str) -> None:
    try:
        upload = saved(PHOTO.convert(mode), kind)
    except (OSError, ValueError):
        pytest.skip("the format does not hold this mode")
    image, alpha = decoded(upload)
    expected = Image.open(io.BytesIO(upload))
    tolerance = 1 if (mode, kind) == ("YCbCr", "TIFF") else 0  # Pillow rounds its tables
    np.testing.assert_allclose(hwc(image), np.asarray(as_rgb(expected)), rtol=0, atol=tolerance)
    if alpha is not None:
        np.testing.assert_array_equal(alpha[0], np.asarray(expected.convert("RGBA").getchannel("A")))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_are_kept(suffix: str, channels: int) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (31, 45, channels), np.uint16)
    image, alpha = decoded(saved_16(values, suffix))
    assert image.dtype == np.uint16
    colours = values[..., : 3 if channels >= 3 else 1]
    np.testing.assert_array_equal(hwc(image), np.broadcast_to(colours, (31, 45, 3)))
    if channels in (2, 4):
        assert alpha is not None
        np.testing.assert_array_equal(alpha[0], values[..., -1])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_baked_once(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upload = saved(PHOTO, kind, exif=exif.tobytes())
    image, _ = decoded(upload)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(upload)))
    np.testing.assert_array_equal(hwc(image), np.asarray(expected))
    header = open_picture(upload).header
    assert (header.orientation, header.upright_hw) == (orientation, expected.size[::-1])


@pytest.mark.parametrize("orientation", [3, 6])
def test_exif_orientation_is_baked_into_16_bits(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    values = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), np.uint16)
    image, _ = decoded(saved_16(values, ".png", exif_data=exif.tobytes()))
    np.testing.assert_array_equal(hwc(image), np.rot90(values, 2 if orientation == 3 else -1))


def test_orientation_after_the_pixels_of_a_png_is_found() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upload = saved(PHOTO, "PNG", exif=exif.tobytes())
    start = upload.index(b"eXIf") - 4
    length = 12 + struct.unpack(">I", upload[start : start + 4])[0]
    chunk, rest = upload[start : start + length], upload[:start] + upload[start + length :]
    moved = rest[:-12] + chunk + rest[-12:]
    assert open_picture(moved).header.orientation == 6


def test_a_profile_is_converted_to_srgb_and_remembered() -> None:
    icc = wide_gamut_profile()
    upload = saved(PHOTO, "PNG", icc_profile=icc)
    image, _ = decoded(upload)
    expected = ImageCms.profileToProfile(
        PHOTO,
        ImageCms.ImageCmsProfile(io.BytesIO(icc)),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    np.testing.assert_array_equal(hwc(image), np.asarray(expected))
    assert open_picture(upload).header.icc == icc


def test_a_profile_is_converted_in_16_bits() -> None:
    values = hwc(np.moveaxis(np.asarray(PHOTO), -1, 0)).astype(np.uint16) * 257
    image, _ = decoded(saved_16(values, ".png", icc_profile_data=wide_gamut_profile()))
    shallow, _ = decoded(saved(PHOTO, "PNG", icc_profile=wide_gamut_profile()))
    assert np.abs(to_u8(image).astype(int) - shallow).max() <= 2
    assert len(np.unique(image)) > 256


def test_srgb_by_profile_is_left_bit_by_bit_as_it_is() -> None:
    image, _ = decoded(saved(PHOTO, "PNG", icc_profile=conversion.srgb_profile()))
    np.testing.assert_array_equal(hwc(image), np.asarray(PHOTO))
    grey, _ = decoded(saved(PHOTO.convert("L"), "PNG", icc_profile=conversion.grey_profile()))
    np.testing.assert_array_equal(grey[0], np.asarray(PHOTO.convert("L")))


@pytest.mark.parametrize("icc", [b"no profile at all" * 20, conversion.grey_profile()])
def test_a_profile_that_does_not_fit_is_reported(icc: bytes) -> None:
    upload = saved(PHOTO, "PNG", icc_profile=icc)
    header = open_picture(upload).header
    assert header.icc is None
    assert header.dropped == ["icc: the profile does not fit the picture"]
    np.testing.assert_array_equal(hwc(decoded(upload)[0]), np.asarray(PHOTO))


def test_first_frame_of_an_animation_is_taken_and_the_rest_reported() -> None:
    frames = [PHOTO, Image.new("RGB", PHOTO.size, "red")]
    for kind in ("GIF", "PNG", "WEBP"):
        upload = saved(
            frames[0],
            kind,
            save_all=True,
            append_images=frames[1:],
            **({"lossless": True} if kind == "WEBP" else {}),
        )
        assert open_picture(upload).header.dropped == ["further frames"]
        first = np.asarray(Image.open(io.BytesIO(upload)).convert("RGB"))
        np.testing.assert_array_equal(hwc(decoded(upload)[0]), first)


def test_32_bit_samples_are_refused() -> None:
    with pytest.raises(NotAnImage, match="floating-point"):
        open_picture(saved(PHOTO.convert("F"), "TIFF"))


def test_limits_hold_before_pixels_are_decoded() -> None:
    upload = saved(PHOTO, "PNG")
    with pytest.raises(PayloadTooLarge, match="the limit is 100"):
        open_picture(upload, Limits(upload_bytes=100))
    with pytest.raises(ImageTooLarge, match="90x60 px; the longest side may have 80"):
        open_picture(upload, Limits(side_px=80))
    with pytest.raises(ImageTooLarge, match="megapixels"):
        open_picture(upload, Limits(pixels=5000))
    with pytest.raises(ImageTooLarge):
        open_picture(saved_16(np.zeros((9, 9, 3), np.uint16), ".png"), Limits(side_px=8))
    open_picture(upload, Limits(side_px=90, pixels=5400))


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    upload = saved(PHOTO, "JPEG", progressive=True)
    with pytest.raises(CorruptImage, match="scans"):
        open_picture(upload, Limits(jpeg_scans=2))


def test_16_bits_become_8_by_rounding() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256)
    np.testing.assert_array_equal(to_u8(values), np.round(values / 257).astype(np.uint8))


def test_luma_keeps_grey() -> None:
    grey = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256)
    np.testing.assert_array_equal(luma(np.repeat(grey, 3, axis=0)), grey)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_arrays_go_in_and_come_out(
    workspace: Workspace, channels: int, dtype: type[np.unsignedinteger]
) -> None:
    array: np.ndarray = np.random.default_rng(0).integers(0, 255, (11, 13, channels)).astype(dtype)
    write_array(workspace, array)
    envelope = workspace.envelope
    alpha = workspace.plane("alpha") if "alpha" in envelope.planes else None
    image = workspace.current()[:1] if source_of(workspace).is_grey else workspace.current()
    back = to_array(image, alpha)
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 5), np.uint8), np.zeros(4, np.uint8)]
)
def test_other_arrays_are_refused(workspace: Workspace, array: np.ndarray) -> None:
    with pytest.raises(NotAnImage, match="uint8 or uint16"):
        write_array(workspace, array)


def test_an_array_without_area_is_refused(workspace: Workspace) -> None:
    with pytest.raises(CorruptImage, match="no area"):
        write_array(workspace, np.zeros((0, 4, 3), np.uint8))


def test_profiles_are_the_same_bytes_always() -> None:
    conversion.srgb_profile.cache_clear()
    first = conversion.srgb_profile()
    conversion.srgb_profile.cache_clear()
    assert conversion.srgb_profile() == first


def test_needs_are_only_asked_where_formats_are_named() -> None:
    needs = Needs(10, 10, has_alpha=True)
    assert choose_format(Options(), "image/*", needs) == "jpeg"
    assert choose_format(Options(), "image/jpeg, image/png", needs) == "png"


@pytest.mark.parametrize(
    ("upload", "expected"),
    [
        (saved(PHOTO, "JPEG"), True),
        (saved(PHOTO, "JPEG", progressive=True, comment=b"of a family", exif=Image.Exif()), True),
        (saved(PHOTO, "PNG"), False),
        (saved(PHOTO, "JPEG")[:100], False),
        (saved(PHOTO, "JPEG", comment=b"x" * 5000), False),
        (b"\xff\xd8" + 64 * b"\xff\xfe\0\2" + saved(PHOTO, "JPEG")[2:], False),
        (b"\xff\xd8" + b"\xff\xff" + saved(PHOTO, "JPEG")[2:], False),
        (b"\xff\xd8" + 1000 * b"\xff\xfe\0\0", False),
        (b"", False),
    ],
)
def test_head_is_short_if_it_ends_soon_after_few_segments(upload: bytes, *, expected: bool) -> None:
    assert has_short_head(upload[:4096]) is expected


@pytest.mark.parametrize(
    ("bits", "compression", "masks"), [(2, 0, 0), (16, 3, 0x0F0), (32, 3, 0x3FF), (24, 4, 0)]
)
def test_bitmaps_of_kinds_that_are_not_read_are_refused_by_their_name(
    bits: int, compression: int, masks: int
) -> None:
    head = struct.pack("<IiiHHIIiiII", 108, 8, 8, 1, bits, compression, 512, 0, 0, 0, 0)
    head += struct.pack("<IIII", masks << 20, masks << 10, masks, 0).ljust(68, b"\0")
    upload = b"BM" + struct.pack("<IHHI", 14 + len(head) + 512, 0, 0, 14 + len(head)) + head + bytes(512)
    with pytest.raises(NotAnImage, match="BMP of a kind that is not read"):
        open_picture(upload)
