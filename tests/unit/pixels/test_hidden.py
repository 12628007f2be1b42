"""Colours of fully transparent pixels: no stage sees them, and they come back."""

import numpy as np
import pytest

from photorestore.pixels import hidden
from photorestore.pixels.hidden import cover, is_hidden, with_hidden
from photorestore.workspace import Workspace
from tests.conftest import make_photo

HW = (60, 80)
SEEN = np.s_[20:40, 30:60]


def window(dtype: type[np.uint8] | type[np.uint16] = np.uint8) -> np.ndarray:
    """Alpha of which only a window is opaque, (1, H, W)."""
    alpha = np.zeros((1, *HW), dtype)
    alpha[0][SEEN] = np.iinfo(dtype).max
    return alpha


def covered(workspace: Workspace, image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The picture as the stages see it; its planes are in the workspace."""
    image = image.copy()
    cover(workspace, image, alpha)
    workspace.write_plane("image", image)
    workspace.write_plane("alpha", alpha)
    return image


@pytest.mark.parametrize(
    ("dtype", "most"), [(np.uint8, 0), (np.uint16, 128)], ids=["8 bits", "16 bits that are 0 in 8"]
)
def test_pixels_are_hidden_whose_opacity_is_0_in_8_bits(
    dtype: type[np.uint8] | type[np.uint16], most: int
) -> None:
    alpha: np.ndarray = np.zeros((1, 1, 256), dtype)
    alpha[0, 0] = np.arange(256)
    assert np.flatnonzero(is_hidden(alpha)).tolist() == list(range(most + 1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_hidden_changes_nothing_that_a_stage_sees(
    workspace: Workspace, dtype: type[np.uint8] | type[np.uint16]
) -> None:
    photo = make_photo(*HW).transpose(2, 0, 1).astype(dtype)
    other = photo.copy()
    noise = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, photo.shape, dtype)
    np.copyto(other, noise, where=is_hidden(window()))
    seen = covered(workspace, photo, window(dtype))
    np.testing.assert_array_equal(seen, covered(workspace, other, window(dtype)))
    np.testing.assert_array_equal(seen[:, *SEEN], photo[:, *SEEN])


def test_hidden_pixels_take_the_colour_of_what_is_visible_beside_them(workspace: Workspace) -> None:
    image = np.zeros((3, *HW), np.uint8)
    image[:, *SEEN] = np.array([200, 100, 50]).reshape(3, 1, 1)
    image[:, 20:40, 45:60] = np.array([10, 220, 30]).reshape(3, 1, 1)
    seen = covered(workspace, image, window())
    assert seen[:, 30, 28].tolist() == [200, 100, 50]
    assert seen[:, 30, 61].tolist() == [10, 220, 30]
    assert (seen.max(axis=(1, 2)) <= [200, 220, 50]).all(), "no colour beyond those that are there"


def test_what_is_half_seen_counts_half(workspace: Workspace) -> None:
    image, alpha = np.zeros((3, *HW), np.uint8), np.zeros((1, *HW), np.uint8)
    image[0], alpha[0] = 100, 255
    image[0, 30, 41], alpha[0, 30, 41] = 200, 85  # a third
    alpha[0, 28:33, 40] = 0
    around = covered(workspace, image, alpha)[0, 30, 40]
    assert around == 100
    image[0, :, 41:], alpha[0, :, 41:] = 200, 85
    around = covered(workspace, image, alpha)[0, 30, 40]
    left, right = (
        8 * 17 + 12,
        8 * 17 / 3,
    )  # visible pixels within 8 px: the hidden column's own rest is 100, too
    assert around == pytest.approx((100 * left + 200 * right) / (left + right), abs=2)


def test_where_nothing_is_visible_everything_is_black(workspace: Workspace) -> None:
    photo = make_photo(*HW).transpose(2, 0, 1)
    assert not covered(workspace, photo, np.zeros((1, *HW), np.uint8)).any()
    np.testing.assert_array_equal(with_hidden(workspace, np.zeros_like(photo)), photo)


def test_bands_do_not_show(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = make_photo(*HW).transpose(2, 0, 1)
    whole = covered(workspace, photo, window())
    monkeypatch.setattr(hidden, "BAND_ROWS", 7)
    np.testing.assert_array_equal(covered(workspace, photo, window()), whole)


@pytest.mark.parametrize("alpha", [None, np.full((1, *HW), 255, np.uint8), np.full((1, *HW), 1, np.uint8)])
def test_a_picture_without_hidden_pixels_is_left_as_it_is(
    workspace: Workspace, alpha: np.ndarray | None
) -> None:
    photo = make_photo(*HW).transpose(2, 0, 1).copy()
    before = photo.copy()
    cover(workspace, photo, alpha)
    assert "hidden" not in workspace.envelope.planes
    assert (photo == before).all()
    assert with_hidden(workspace, photo) is photo


def test_colours_come_back_in_a_result_of_16_bits(workspace: Workspace) -> None:
    photo = make_photo(*HW).transpose(2, 0, 1)
    covered(workspace, photo, window())
    result = np.full((3, *HW), 7, np.uint16)
    back = with_hidden(workspace, result)
    seen = ~is_hidden(window())
    assert (back[:, seen] == 7).all()
    np.testing.assert_array_equal(back[:, ~seen], photo[:, ~seen].astype(np.uint16) * 257)
    assert (result == 7).all(), "the result itself is mapped, and stays"


def test_colours_do_not_come_back_where_the_caller_had_something_filled(workspace: Workspace) -> None:
    photo = make_photo(*HW).transpose(2, 0, 1)
    covered(workspace, photo, window())
    mask = np.zeros((1, *HW), np.uint8)
    mask[0, :10] = 255
    workspace.write_plane("hole_mask", mask)
    result = np.full((3, *HW), 7, np.uint8)
    back = with_hidden(workspace, result)
    assert (back[:, :10] == 7).all()
    np.testing.assert_array_equal(back[:, 10:15], photo[:, 10:15])
    np.testing.assert_array_equal(with_hidden(workspace, result, heed_mask=False)[:, :10], photo[:, :10])


def test_an_enlarged_result_has_no_place_for_them(workspace: Workspace) -> None:
    covered(workspace, make_photo(*HW).transpose(2, 0, 1), window())
    enlarged = np.zeros((3, 2 * HW[0], 2 * HW[1]), np.uint8)
    assert with_hidden(workspace, enlarged) is enlarged
