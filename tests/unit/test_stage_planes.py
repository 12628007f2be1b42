"""What room a request's planes take, and which of them hold what."""

import pytest

from photorestore.stage_planes import PLANES, planes_that_hold, room_bytes_px
from photorestore.stage_row import ALPHA, DAMAGE, ENLARGED, OPACITY, PICTURE

CONDITIONS = ("has_alpha", "has_mask", "is_blurred", "is_weathered", "is_coloured", "has_impulses")
PLAIN = dict.fromkeys(CONDITIONS, False)


def room(sample_bytes: int = 1, scale: int = 1, **given: bool) -> int:
    return room_bytes_px(sample_bytes, scale=scale, **PLAIN | given)


@pytest.mark.parametrize(
    ("given", "more_px"),
    [
        ({"has_alpha": True}, 1 + 3),  # the opacity, and the colours that it hides
        ({"has_mask": True}, 1),
        ({"is_blurred": True}, 3 * 2),
        ({"is_weathered": True}, 3 * 2),
        ({"is_coloured": True}, 3 * 2),
        ({"has_impulses": True}, 1),
    ],
)
def test_what_is_asked_for_takes_its_planes_and_no_others(given: dict[str, bool], more_px: int) -> None:
    assert room(**given) - room() == more_px


@pytest.mark.parametrize("scale", [2, 4])
def test_an_enlarged_picture_takes_room_by_its_area(scale: int) -> None:
    assert room(scale=scale) - room() == 3 * 2 * scale**2
    assert room(scale=scale, has_alpha=True) - room(has_alpha=True) == (3 * 2 + 1) * scale**2


def test_uploads_of_16_bits_take_more_only_for_the_planes_of_their_own_depth() -> None:
    assert room(2) - room(1) == 3
    assert room(2, has_alpha=True) - room(1, has_alpha=True) == 3 + 1 + 3
    assert room(2, has_mask=True) - room(1, has_mask=True) == 3


def test_results_stand_in_the_order_in_which_stages_write_them() -> None:
    assert planes_that_hold(PICTURE)[0] == "image"
    assert planes_that_hold(PICTURE)[-1] == "upscaled"
    assert planes_that_hold(OPACITY) == ("alpha", "upscaled_alpha")
    assert planes_that_hold(DAMAGE)[0] == "hole_mask"  # the caller's stands above what was found


def test_planes_are_named_once_and_opacity_is_there_only_with_an_alpha_channel() -> None:
    names = [plane.name for plane in PLANES]
    assert len(names) == len(set(names))
    for plane in PLANES:
        if plane.holds == OPACITY:
            assert ALPHA in plane.needs
        if plane.name.startswith("upscaled"):
            assert ENLARGED in plane.needs
