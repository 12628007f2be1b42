"""The detector keeps sizes, takes grey and colour, and gives the same in tiles as whole."""

import pytest
import torch
from torch.nn import functional as F

from photorestore.networks.blocks import count_parameters
from photorestore.stages.scratch.network import (
    INPUTS,
    ScratchUNet,
    _highest,
    describe,
    narrow_maps,
    squares,
)

WIDTHS = (16, 16, 16, 16)


def make_network() -> ScratchUNet:
    """Answers that differ from place to place."""
    network = ScratchUNet(WIDTHS).eval()
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    return network.requires_grad_(False)


@pytest.mark.parametrize("hw", [(1, 1), (33, 47), (64, 80)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_and_luma_or_colour(hw: tuple[int, int], channels: int) -> None:
    scratch_logits = make_network()(torch.rand(2, channels, *hw))
    assert scratch_logits.shape == (2, 1, *hw)
    assert scratch_logits.dtype == torch.float32
    assert scratch_logits.isfinite().all()


def test_luma_is_a_picture_of_three_equal_channels() -> None:
    luma = torch.rand(1, 1, 32, 32)
    network = make_network()
    assert torch.equal(network(luma), network(luma.expand(-1, 3, -1, -1)))


def test_an_untrained_detector_finds_little() -> None:
    assert ScratchUNet(WIDTHS)(torch.rand(1, 3, 64, 64)).sigmoid().mean() < 0.1


def test_narrow_maps_show_lines_of_both_polarities_and_no_edges() -> None:
    luma = torch.full((1, 1, 64, 64), 0.5)
    luma[..., 40:] = 0.8  # an edge
    luma[..., 10:12] = 0.9
    luma[..., 20:22] = 0.1
    brighter, darker = narrow_maps(luma)[0, :2]
    assert torch.allclose(brighter[:, 10:12], torch.tensor(0.4))
    assert torch.allclose(darker[:, 20:22], torch.tensor(0.4))
    assert brighter[:, 14:].abs().max() < 1e-6
    assert darker[:, 24:].abs().max() < 1e-6


@pytest.mark.parametrize("radius", [1, 2, 5])
@pytest.mark.parametrize("hw", [(1, 9), (24, 7), (40, 33)])
def test_the_highest_value_is_that_of_a_square(radius: int, hw: tuple[int, int]) -> None:
    luma = torch.rand(2, 1, *hw)
    assert torch.equal(_highest(luma, radius), F.max_pool2d(luma, 2 * radius + 1, 1, radius))


def test_squares_are_channels_last_and_as_precise_as_what_is_computed_of_them() -> None:
    maps = torch.rand(2, 5, 6, 8)
    assert torch.equal(squares(maps), F.pixel_unshuffle(maps, 2))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = squares(maps)
    assert torch.equal(rounded, F.pixel_unshuffle(maps, 2).bfloat16())
    assert rounded.is_contiguous(memory_format=torch.channels_last)


def test_what_the_network_is_given_is_finite_on_flat_pictures() -> None:
    described = describe(torch.zeros(1, 3, 32, 48))
    assert described.shape == (1, INPUTS, 32, 48)
    assert described.isfinite().all()


def test_the_fast_tier_fits_in_six_megabytes() -> None:
    assert 2 * count_parameters(ScratchUNet((32, 48, 64, 96))) < 6e6
