import numpy as np
import pytest
import torch

from photorestore.pixels.grain import FLOOR_255, QUANTILE, Grain, _low_quantile
from photorestore.stages.face.geometry import Alignment
from photorestore.stages.face.surface import give_grain_back
from training.degradations.fading import blur

HW = (320, 400)
HOLE = np.s_[120:200, 150:250]


def noise(sigma_255: float, width_px: float = 0.0, seed: int = 0, channels: int = 1) -> np.ndarray:
    """Grain of a standard deviation and a width, (channels, H, W)."""
    drawn = torch.from_numpy(np.random.default_rng(seed).standard_normal((channels, *HW)).astype(np.float32))
    soft = blur(drawn, width_px) if width_px else drawn
    return (soft * (sigma_255 / soft.std())).numpy()


def print_with_hole(
    grain: np.ndarray, hole: tuple[slice, slice] = HOLE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A soft picture under grain, the same with its hole filled smoothly, and the mask: uint8 planes."""
    smooth = np.broadcast_to(np.linspace(70, 180, HW[1]), (3, *HW))
    grainy = (smooth + grain).clip(0, 255).round().astype(np.uint8)
    mask = np.zeros((1, *HW), np.uint8)
    mask[0][hole] = 255
    return grainy, np.where(mask > 0, smooth.round().astype(np.uint8), grainy), mask


def neighbours_alike(residual: np.ndarray) -> float:
    return float((residual[:, 1:] * residual[:, :-1]).mean() / (residual**2).mean())


@pytest.mark.parametrize(("sigma_255", "width_px"), [(7, 0), (8, 0.8), (12, 1.5)])
def test_a_filling_gets_the_strength_and_the_width_of_the_grain_around_it(
    sigma_255: int, width_px: float
) -> None:
    grainy, filled, mask = print_with_hole(noise(sigma_255, width_px))
    grain = Grain.of(filled, mask)
    assert grain is not None
    before = filled.copy()
    grain.add(filled, mask)
    assert (filled[:, mask[0] == 0] == before[:, mask[0] == 0]).all()
    given, true = (image[0][HOLE].astype(float) - before[0][HOLE] for image in (filled, grainy))
    assert given.std() == pytest.approx(true.std(), rel=0.2)
    assert neighbours_alike(given) == pytest.approx(neighbours_alike(true), abs=0.1)
    assert (filled == filled[:1]).all(), "grey grain stays grey"


def test_grain_in_colours_is_of_their_strengths() -> None:
    _, filled, mask = print_with_hole(noise(8, channels=3) * np.array([1, 0.5, 2]).reshape(3, 1, 1))
    before = filled.copy()
    grain = Grain.of(filled, mask)
    assert grain is not None
    grain.add(filled, mask)
    red, green, blue = (filled.astype(float) - before)[:, *HOLE].std(axis=(1, 2))
    assert red / green == pytest.approx(2, rel=0.2)
    assert blue / red == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize("sigma_255", [0.0, FLOOR_255 / 2])
def test_a_clean_picture_has_no_grain(sigma_255: float) -> None:
    grainy, filled, mask = print_with_hole(noise(sigma_255) if sigma_255 else np.zeros((1, *HW)))
    assert Grain.of(grainy) is None
    assert Grain.of(filled, mask) is None


@pytest.mark.parametrize("hw", [(1, 1), (15, 200), (40, 40)])
def test_a_tiny_picture_has_no_grain_that_could_be_known(hw: tuple[int, int]) -> None:
    assert Grain.of(np.random.default_rng(0).integers(0, 256, (3, *hw)).astype(np.uint8)) is None


def test_only_the_side_that_has_grain_gets_some() -> None:
    planes = [print_with_hole(noise(8)), *2 * [print_with_hole(np.zeros((1, *HW)))]]
    filled, mask = (np.concatenate([plane[index] for plane in planes], axis=-1) for index in (1, 2))
    before = filled.copy()
    found = Grain.of(filled, mask)
    assert found is not None
    found.add(filled, mask)
    given = (filled.astype(float) - before)[0]
    assert given[HOLE].std() > 6
    assert (given[:, 2 * HW[1] :] == 0).all()


def test_what_has_grain_gets_no_more() -> None:
    grainy, _, mask = print_with_hole(noise(8))
    kept = grainy.copy()
    grain = Grain.of(grainy, mask)
    assert grain is not None
    grain.add(kept, mask)
    assert (kept.astype(float) - grainy)[:, *HOLE].std() < 3


def test_the_same_picture_gets_the_same_grain_and_half_the_strength_half_of_it() -> None:
    _, filled, mask = print_with_hole(noise(10))
    filled = filled.astype(np.uint16) * 257
    once, twice, half = (filled.copy() for _ in range(3))
    for target, strength in ((once, 1.0), (twice, 1.0), (half, 0.5)):
        grain = Grain.of(filled, mask)
        assert grain is not None
        grain.add(target, mask, strength)
    assert (once == twice).all()
    assert np.abs((once.astype(float) + filled) / 2 - half).max() <= 1


def test_texture_does_not_pass_for_grain_where_none_is_expected() -> None:
    _, filled, mask = print_with_hole(noise(10))
    assert Grain.of(filled, mask, 0.0) is None


def test_a_refined_face_gets_its_grain_back_and_nothing_beside_it() -> None:
    grainy, _, _ = print_with_hole(noise(9))
    alignment = Alignment(0.6, 0.0, 120.0, 80.0)  # the ellipse's centre lies at 197, 160
    target = grainy.copy()
    face = np.s_[:, 130:190, 170:225]
    smooth = np.broadcast_to(np.linspace(70, 180, HW[1]), (3, *HW)).round().astype(np.uint8)
    target[face] = smooth[face]
    give_grain_back(target, grainy, alignment)
    assert (target.astype(float) - smooth)[:, 145:175, 180:215].std() == pytest.approx(9, rel=0.25)
    assert (target[:, :70] == grainy[:, :70]).all()
    assert (target[:, :, 300:] == grainy[:, :, 300:]).all()


def test_flat_places_with_a_little_colour_do_not_colour_the_grain() -> None:
    image = 120 + np.repeat(noise(8), 3, axis=0)  # of no colour
    drawn = noise(2, seed=1, channels=3)[:, :, -16:]
    image[:, :, -16:] = 120 + drawn - (0.299 * drawn[0] + 0.587 * drawn[1] + 0.114 * drawn[2])
    grain = Grain.of(image[:, :240].round().astype(np.uint8))
    assert grain is not None
    assert np.ptp(grain.texture, axis=0).std() < 0.2  # beside a luma of 1


@pytest.mark.parametrize("count", [2, 11, 12, 13, 400])
def test_the_low_quantile_is_numpys(count: int) -> None:
    values = np.random.default_rng(count).gamma(2, 30, (count, 15)).astype(np.float32)
    found = _low_quantile(values)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.quantile(values, QUANTILE, axis=0))
