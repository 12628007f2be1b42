import numpy as np
import pytest

from photorestore.pixels.squares import CELL_PX
from photorestore.pixels.surroundings import Surroundings
from tests.conftest import make_photo


def box_mask(hw: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((1, *hw), np.uint8)
    mask[:, rows, columns] = 255
    return mask


@pytest.mark.parametrize("corner", [(0, 0), (130, 100), (272, 193)])
def test_a_wide_hole_in_one_colour_gets_this_colour(corner: tuple[int, int]) -> None:
    colour = np.array([200, 60, 40], np.uint16).reshape(3, 1, 1) * 257
    image = np.broadcast_to(colour, (3, 400, 321)).copy()
    mask = box_mask((400, 321), slice(corner[0], corner[0] + 128), slice(corner[1], corner[1] + 128))
    filled = np.where(mask > 0, np.uint16(30000), image)
    Surroundings.of(filled, mask).hold(filled, image, mask)
    assert (filled == colour).all()


def test_a_gradient_goes_on_through_a_hole() -> None:
    image = np.linspace(10_000, 50_000, 400).astype(np.uint16)[None, None].repeat(3, 0).repeat(300, 1)
    mask = box_mask((300, 400), slice(100, 200), slice(150, 250))
    filled = np.where(mask > 0, np.uint16(0), image)
    Surroundings.of(filled, mask).hold(filled, image, mask)
    assert (np.abs(filled.astype(int) - image)[:, mask[0] > 0]).max() < 10_000


def test_texture_may_stay_and_what_is_outside_the_mask_does() -> None:
    image = np.random.default_rng(0).integers(0, 65536, (3, 200, 200)).astype(np.uint16)
    mask = box_mask((200, 200), slice(80, 96), slice(80, 96))
    filled, wild = image.copy(), np.where(mask > 0, np.uint16(65535), np.uint16(0) + image)
    Surroundings.of(filled, mask).hold(filled, image, mask)
    assert (filled == image).all()
    Surroundings.of(wild, mask).hold(wild, image, mask)
    assert (wild[:, mask[0] == 0] == image[:, mask[0] == 0]).all()


def test_what_may_have_been_sound_is_kept() -> None:
    """A bird in an even sky that the detector marked, and that the network left alone."""
    image = np.full((3, 100, 100), 200, np.uint8)
    image[:, 50:56, 50:56] = 20
    mask = box_mask((100, 100), slice(48, 58), slice(48, 58))
    filled = image.astype(np.uint16) * 257
    kept, marked = filled.copy(), filled.copy()
    surroundings = Surroundings.of(filled, mask)
    surroundings.hold(kept, image, mask, keeps_image=True)
    surroundings.hold(marked, image, mask)
    assert (kept == filled).all()
    assert (marked == 200 * 257).all()


def test_half_the_strength_is_held_half_way() -> None:
    image = np.full((3, 100, 100), 200, np.uint8)
    mask = box_mask((100, 100), slice(40, 60), slice(40, 60))
    image[:, mask[0] > 0] = 100
    filled = image.astype(np.uint16) * 257
    Surroundings.of(filled, mask).hold(filled, image, mask, 0.5)
    assert (filled[:, mask[0] > 0] == 150 * 257).all()


@pytest.mark.parametrize("hw", [(1, 1), (5, 40), (CELL_PX, CELL_PX), (33, 16)])
def test_a_picture_that_is_one_hole_passes_through(hw: tuple[int, int]) -> None:
    image = make_photo(*hw).transpose(2, 0, 1)
    mask = np.full((1, *hw), 255, np.uint8)
    filled = image.astype(np.uint16) * 257
    before = filled.copy()
    Surroundings.of(filled, mask).hold(filled, image, mask)
    assert (filled == before).all()
