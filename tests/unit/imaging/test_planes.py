"""Pixel orders: planes, arrays and Pillow's pictures hold the same samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from photorestore.imaging import to_array, write_array
from photorestore.imaging.planes import as_stored, copy_bands, luma, to_pillow, to_u8
from photorestore.workspace import Workspace
from tests.conftest import make_photo


def test_every_value_of_16_bits_is_rounded_to_the_nearest_of_8() -> None:
    values = np.arange(65_536, dtype=np.uint16).reshape(1, 256, 256)
    np.testing.assert_array_equal(to_u8(values), np.rint(values / 257))
    eight = values.astype(np.uint8)
    assert to_u8(eight) is eight
    np.testing.assert_array_equal(to_u8(eight.astype(np.uint16) * 257), eight)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_written_as_stored_stands_upright(orientation: int) -> None:
    photo = Image.fromarray(make_photo(20, 30))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = photo.copy()
    turned.info["exif"] = exif.tobytes()
    expected = np.asarray(ImageOps.exif_transpose(turned)).transpose(2, 0, 1)
    upright = np.zeros_like(expected)
    copy_bands(photo, as_stored(upright, orientation))
    np.testing.assert_array_equal(upright, expected)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_bands_of_a_picture_fill_a_plane_and_alpha_is_left_out(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr("photorestore.pixels.bands.STRIP_PX", 100)
    photo = Image.fromarray(make_photo(23, 30)).convert(mode)
    plane = np.zeros((3, 23, 30), np.uint8)
    copy_bands(photo, plane)
    np.testing.assert_array_equal(plane, np.asarray(photo.convert("RGB")).transpose(2, 0, 1))


@given(value=st.integers(0, 65_535))
def test_luma_of_equal_channels_is_their_value(value: int) -> None:
    assert luma(np.full((3, 1, 1), value, np.uint16)).item() == value
    assert luma(np.full((3, 1, 1), value % 256, np.uint8)).item() == value % 256


def test_luma_is_that_of_pillow_to_within_rounding() -> None:
    photo = make_photo(40, 50)
    expected = np.asarray(Image.fromarray(photo).convert("L")).astype(int)
    assert abs(luma(photo.transpose(2, 0, 1))[0].astype(int) - expected).max() <= 1
    assert luma(np.array([[[65_535]], [[0]], [[0]]], np.uint16)).item() == round(0.299 * 65_535)


@given(channels=st.sampled_from([1, 3]), has_alpha=st.booleans(), h=st.integers(1, 9), w=st.integers(1, 9))
def test_planes_become_arrays_and_pictures_of_the_same_samples(
    channels: int, has_alpha: bool, h: int, w: int
) -> None:
    rng = np.random.default_rng(h * 10 + w)
    plane = rng.integers(0, 256, (channels, h, w), dtype=np.uint8)
    alpha = rng.integers(0, 256, (1, h, w), dtype=np.uint8) if has_alpha else None
    array = to_array(plane, alpha)
    assert array.shape == (h, w, channels + has_alpha)
    np.testing.assert_array_equal(array[..., :channels], plane.transpose(1, 2, 0))
    if alpha is not None:
        np.testing.assert_array_equal(array[..., -1], alpha[0])
    picture = np.asarray(to_pillow(plane)).reshape(h, w, channels)
    np.testing.assert_array_equal(picture, plane.transpose(1, 2, 0))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("shape", "mode", "is_grey", "has_alpha"),
    [
        ((5, 7), "L", True, False),
        ((5, 7, 1), "L", True, False),
        ((5, 7, 2), "LA", True, True),
        ((5, 7, 3), "RGB", False, False),
        ((5, 7, 4), "RGBA", False, True),
    ],
)
def test_a_callers_array_becomes_planes_and_a_source(
    workspace: Workspace,
    dtype: type[np.uint8] | type[np.uint16],
    shape: tuple[int, ...],
    mode: str,
    is_grey: bool,
    has_alpha: bool,
) -> None:
    array = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)
    write_array(workspace, array)
    colours = array.reshape(5, 7, -1)[..., : 1 if is_grey else 3].transpose(2, 0, 1)
    np.testing.assert_array_equal(workspace.current(), np.broadcast_to(colours, (3, 5, 7)))
    alpha = workspace.alpha()
    assert (alpha is not None) == has_alpha
    if alpha is not None:
        np.testing.assert_array_equal(alpha[0], array[..., -1])
    source = workspace.source
    assert (source.mode, source.is_grey, source.has_alpha) == (mode, is_grey, has_alpha)
    assert (source.width, source.height, source.bits) == (7, 5, 8 * array.itemsize)
