"""In the dark what is small and shines is a light; longer things are damage."""

import numpy as np
import pytest

from photorestore.stages.scratch.lights import LIGHT_PX, is_dark, leave_lights
from photorestore.stages.scratch.masks import ROWS

HEIGHT, WIDTH = ROWS + 200, 300


def night(dtype: type = np.uint8) -> np.ndarray:
    return np.full((3, HEIGHT, WIDTH), 0.05 * np.iinfo(dtype).max, dtype)


def mask_of(*places: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    for rows, columns in places:
        mask[0, rows, columns] = 255
    return mask


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("top", [0, 40, ROWS - 4, HEIGHT - 6])
def test_a_star_is_left_and_a_hair_is_not(dtype: type, top: int) -> None:
    image = night(dtype)
    star, hair = (slice(top, top + 6), slice(20, 40)), (slice(top, top + 2), slice(100, 100 + 2 * LIGHT_PX))
    for place in (star, hair):
        image[:, *place] = np.iinfo(dtype).max
    mask = mask_of(star, hair)
    leave_lights(mask, image)
    assert np.array_equal(mask, mask_of(hair))


@pytest.mark.parametrize(("side", "is_left"), [(4, False), (6, True)])
def test_where_as_much_is_a_hair_specks_are_dust(side: int, is_left: bool) -> None:
    image = night()
    speck, hair = (
        (slice(100, 100 + side), slice(20, 20 + side)),
        (slice(200, 201), slice(100, 101 + LIGHT_PX)),
    )
    for place in (speck, hair):
        image[:, *place] = 255
    mask = mask_of(speck, hair)
    leave_lights(mask, image)
    assert np.array_equal(mask, mask_of(hair) if is_left else mask_of(speck, hair))


def test_an_upright_scratch_across_bands_stays_whole() -> None:
    image, scratch = night(), (slice(ROWS - 200, ROWS + 150), slice(50, 52))
    image[:, *scratch] = 255
    mask = mask_of(scratch)
    leave_lights(mask, image)
    assert np.array_equal(mask, mask_of(scratch))


def test_what_is_dark_or_lies_on_something_bright_is_no_light() -> None:
    image = night()
    image[:, 300:400, 100:200] = 150
    speck, hole = (slice(350, 354), slice(150, 154)), (slice(100, 104), slice(150, 154))
    image[:, *speck] = 255
    image[:, *hole] = 0
    mask = mask_of(speck, hole)
    leave_lights(mask, image)
    assert np.array_equal(mask, mask_of(speck, hole))


def test_a_picture_is_dark_where_half_of_it_is() -> None:
    image = night(np.uint16)
    assert is_dark(image)
    image[:, : HEIGHT // 2 + 1] = 30000
    assert not is_dark(image)


def test_nothing_found_is_nothing() -> None:
    mask = mask_of()
    leave_lights(mask, night())
    assert not mask.any()
