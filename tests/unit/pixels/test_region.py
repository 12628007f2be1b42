"""Where the picture is inside its border, and that estimates ask nothing else."""

import numpy as np
import pytest
from PIL import Image

from photorestore.pixels.region import Region, find_region
from photorestore.stages.preprocess.estimates import estimate
from tests.conftest import add_noise, make_photo
from tests.unit.stages.preprocess.test_estimates import textured

WHITE, BLACK, PAPER, LID = (255, 255, 255), (0, 0, 0), (236, 226, 200), (120, 122, 118)


def plane(photo: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(photo.transpose(2, 0, 1))


def picture(h: int = 240, w: int = 320) -> np.ndarray:
    """(3, h, w) with texture up to its edges."""
    return plane(add_noise(textured(h, w), 12))


def framed(
    image: np.ndarray,
    colour: float | tuple[int, ...],
    top: int,
    bottom: int,
    left: int,
    right: int,
    sigma: float = 0.0,
) -> np.ndarray:
    _, h, w = image.shape
    frame = np.empty((3, h + top + bottom, w + left + right))
    frame[:] = np.reshape(colour, (3, 1, 1))
    frame += np.random.default_rng(0).normal(0, sigma, frame.shape)
    frame[:, top : top + h, left : left + w] = image
    return frame.clip(0, 255).astype(np.uint8)


def assert_found(found: Region, top: int, left: int, h: int, w: int, slack: int = 8) -> None:
    """All of the border left out, and little of the picture."""
    assert top <= found.top <= top + slack
    assert left <= found.left <= left + slack
    assert h - 2 * slack <= found.height <= h - (found.top - top)
    assert w - 2 * slack <= found.width <= w - (found.left - left)


@pytest.mark.parametrize("colour", [WHITE, BLACK, PAPER, LID])
@pytest.mark.parametrize("sigma", [0, 5])
@pytest.mark.parametrize("sides", [(20, 20, 20, 20), (12, 70, 14, 14), (40, 40, 0, 0), (0, 0, 50, 50)])
def test_borders_of_all_kinds_are_left_out(
    colour: tuple[int, int, int], sigma: int, sides: tuple[int, int, int, int]
) -> None:
    top, _, left, _ = sides
    assert_found(find_region(framed(picture(), colour, *sides, sigma)), top, left, 240, 320)


def test_borders_in_each_other_are_left_out() -> None:
    image = framed(framed(picture(), PAPER, 15, 15, 15, 15, 3), BLACK, 25, 25, 30, 30, 3)
    assert_found(find_region(image), 40, 45, 240, 320)


def test_the_lid_of_a_scanner_on_one_side_is_left_out() -> None:
    assert_found(find_region(framed(picture(), LID, 0, 25, 0, 0)), 0, 0, 240, 320)


def test_rounded_corners_and_a_slight_turn_are_tolerated() -> None:
    h, w = 300, 400
    y, x = np.mgrid[:h, :w]
    inside = (abs(y - 150 + 0.01 * (x - 200)) < 120) & (abs(x - 200 - 0.01 * (y - 150)) < 160)
    corner = np.hypot(np.maximum(abs(y - 150) - 105, 0), np.maximum(abs(x - 200) - 145, 0)) < 15
    image = np.where(inside & corner, picture(h, w), np.reshape(PAPER, (3, 1, 1))).astype(np.uint8)
    assert_found(find_region(image), 30, 40, 240, 320, slack=12)


def test_a_large_picture_costs_no_more_and_is_measured_in_its_own_pixels() -> None:
    image = framed(picture(), WHITE, 20, 20, 20, 20).repeat(6, 1).repeat(6, 2)
    assert_found(find_region(image), 120, 120, 1440, 1920, slack=48)


@pytest.mark.parametrize("seed", range(3))
def test_pictures_without_a_border_are_asked_as_a_whole(seed: int) -> None:
    for image in (plane(make_photo(200, 300, seed)), plane(textured(seed=seed)), picture()):
        assert find_region(image) == Region.whole(image)


def test_a_sky_is_no_border() -> None:
    image = picture()
    skyline = 60 + (15 * np.sin(np.arange(320) / 20)).astype(int)
    image[:, np.arange(240)[:, None] < skyline] = np.reshape((190, 210, 240), (3, 1))
    assert find_region(image) == Region.whole(image)


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("hw", [(1, 1), (5, 300), (64, 64)])
def test_flat_pictures_have_no_border(value: int, hw: tuple[int, int]) -> None:
    image = np.full((3, *hw), value, np.uint8)
    assert find_region(image, np.zeros((1, *hw), np.uint8)) == Region.whole(image)


def test_16_bits_have_the_same_region() -> None:
    image = framed(picture(), PAPER, 20, 30, 25, 25, 3)
    assert find_region(image.astype(np.uint16) * 257) == find_region(image)


def faded() -> np.ndarray:
    return (plane(textured()) * 0.35 + 85).astype(np.uint8)


@pytest.mark.parametrize("colour", [WHITE, BLACK, PAPER])
def test_a_border_flips_no_estimate(colour: tuple[int, int, int]) -> None:
    alone, bordered = estimate(faded()), estimate(framed(faded(), colour, 20, 60, 24, 24, 2))
    assert alone.faded
    assert bordered.faded
    assert bordered.fading == pytest.approx(alone.fading, abs=0.05)
    assert bordered.cast == pytest.approx(alone.cast, abs=0.02)
    noisy = framed(plane(add_noise(textured(), 25)), colour, 40, 40, 80, 80)
    assert estimate(noisy).noisy
    assert estimate(noisy).region == find_region(noisy).as_tuple()


def test_toned_paper_round_a_grey_picture_leaves_it_grey() -> None:
    grey = plane(make_photo(200, 240)[..., :1].repeat(3, 2))
    assert estimate(framed(grey, PAPER, 20, 20, 20, 20)).is_grey


@pytest.mark.parametrize("hidden", [0, 255])
def test_hidden_colours_flip_no_estimate(hidden: int) -> None:
    image, alpha = faded(), np.full((1, 256, 320), 255, np.uint8)
    y, x = np.mgrid[:256, :320]
    alpha[0, np.hypot(y - 128, x - 160) > 110] = 0
    image[:, alpha[0] == 0] = hidden
    assert not estimate(image).faded
    found = estimate(image, alpha=alpha)
    assert found.faded
    assert found.fading == pytest.approx(estimate(faded()).fading, abs=0.12)


def test_noise_is_measured_at_opaque_pixels() -> None:
    image, alpha = plane(add_noise(textured(), 25)), np.zeros((1, 256, 320), np.uint8)
    alpha[:, :128] = 255
    smooth = np.asarray(Image.fromarray(image[0, 128:]).resize((320, 128)))
    image[:, 128:] = smooth // 64 * 64
    assert estimate(image, alpha=alpha).sigma_255 == pytest.approx(25, rel=0.3)


def test_a_picture_that_is_nowhere_opaque_is_estimated_all_the_same() -> None:
    image = plane(textured())
    found = estimate(image, alpha=np.zeros((1, 256, 320), np.uint8))
    assert found.region == (0, 0, 256, 320)
    assert found.fading == estimate(image).fading


def test_opaque_pictures_are_estimated_as_those_without_alpha() -> None:
    image = picture()
    assert estimate(image, alpha=np.full((1, 240, 320), 255, np.uint8)) == estimate(image)
