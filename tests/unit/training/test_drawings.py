"""Drawings, halftones and screenshots made for training."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from training.degradations.drawings import draw_line_art, draw_screenshot, halftone


@pytest.mark.parametrize("draw", [draw_line_art, draw_screenshot])
def test_drawings_have_the_size_asked_for_and_come_back_with_their_seed(draw: Callable[..., Any]) -> None:
    for seed in range(12):
        drawn = draw(70, 101, torch.Generator().manual_seed(seed))
        assert drawn.shape == (3, 70, 101)
        assert drawn.min() >= 0
        assert drawn.max() <= 1
        torch.testing.assert_close(draw(70, 101, torch.Generator().manual_seed(seed)), drawn, rtol=0, atol=0)


def test_halftones_keep_the_tone_of_what_they_screen() -> None:
    slope = torch.linspace(0, 1, 96).expand(3, 64, 96)
    for seed in range(12):
        screened = halftone(slope, torch.Generator().manual_seed(seed))
        assert screened.shape == slope.shape
        assert 0 <= screened.min() <= screened.max() <= 1
        dark, light = screened[..., :32].mean(), screened[..., -32:].mean()
        assert light > dark + 0.3
