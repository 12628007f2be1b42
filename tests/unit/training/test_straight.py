"""Photographs of straight things are told from others by their upright and level lines."""

import pytest
import torch
from torch import Tensor

from tests.conftest import make_photo
from training.straight import MANY, SMALLEST_PX, of_straight_things, straight_lines


def facade(h: int = 300, w: int = 400) -> Tensor:
    """Rows of dark windows in a bright wall: uint8 (3, H, W)."""
    wall = torch.full((3, h, w), 200, dtype=torch.uint8)
    for top in range(h // 15, h - h // 5, h // 3):
        for left in range(w // 20, w - w // 6, w // 5):
            wall[:, top : top + h // 5, left : left + w // 8] = 60
    return wall


def hills() -> Tensor:
    return torch.from_numpy(make_photo(300, 400)).permute(2, 0, 1)


def railing() -> Tensor:
    """Upright lines alone, as of grass and stems."""
    bars = torch.full((3, 300, 400), 200, dtype=torch.uint8)
    bars[:, :, ::20] = bars[:, :, 1::20] = 40
    return bars


def test_a_facade_is_straight_and_hills_are_not() -> None:
    assert straight_lines(facade()) > MANY
    assert straight_lines(hills()) < MANY
    assert straight_lines(torch.full((3, 300, 400), 90, dtype=torch.uint8)) == 0


def test_lines_of_one_direction_are_not_enough() -> None:
    assert straight_lines(railing()) < MANY


def test_its_size_says_little_of_how_straight_a_photograph_is() -> None:
    assert straight_lines(facade(600, 800)[:, ::2, ::2]) == pytest.approx(
        straight_lines(facade(600, 800)), rel=0.2
    )


def test_small_photographs_are_passed_over() -> None:
    large, small = facade(), facade(SMALLEST_PX // 2, SMALLEST_PX - 10)
    chosen = of_straight_things([hills(), large, small])
    assert len(chosen) == 1
    assert chosen[0] is large
