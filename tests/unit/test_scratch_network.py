"""The detector keeps sizes, takes grey and colour, and gives the same in tiles as whole."""

import numpy as np
import pytest
import torch

from photorestore.networks.blocks import count_parameters
from photorestore.networks.scratch import BlurDown, ScratchUNet
from photorestore.tiling import TileJob, run_tiles, tile_spec, to_float, to_integers
from tests.conftest import make_photo

WIDTHS, DEPTHS = (16, 16, 16, 16), (1, 1, 1, 1)


def make_network() -> ScratchUNet:
    """Random weights everywhere, also where training starts from zero."""
    network = ScratchUNet(WIDTHS, DEPTHS).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.08)
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
    assert ScratchUNet(WIDTHS, DEPTHS)(torch.rand(1, 3, 64, 64)).sigmoid().mean() < 0.1


def test_nothing_outside_the_receptive_field_matters() -> None:
    network = make_network()
    size = 2 * (network.receptive_field_px + 2 * network.stride)
    image = torch.rand(1, 3, size, size, requires_grad=True)
    centre = size // 2
    network(image)[0, 0, centre, centre].backward()
    assert image.grad is not None
    rows, columns = image.grad.abs().sum((0, 1)).nonzero().unbind(1)
    reach = max(int((rows - centre).abs().max()), int((columns - centre).abs().max()))
    assert reach <= network.receptive_field_px


@pytest.mark.parametrize("hw", [(301, 437), (288, 530)])
def test_tiled_equals_whole(hw: tuple[int, int]) -> None:
    network = make_network()
    image = np.ascontiguousarray(make_photo(*hw).transpose(2, 0, 1))
    target = np.zeros((1, *hw), np.uint16)
    spec = tile_spec(network, 288, 2)
    run_tiles(
        lambda tiles, _: network(tiles).sigmoid(), [TileJob((image,), target)], spec, torch.device("cpu")
    )
    whole = to_integers(network(to_float(image)[None])[0].sigmoid(), target.dtype)
    assert np.abs(target.astype(int) - whole).max() <= 65535 / 255


def test_blur_pool_keeps_a_constant_and_hides_a_checkerboard() -> None:
    down = BlurDown(1, 1)
    torch.nn.init.ones_(down.mix.weight)
    torch.nn.init.zeros_(down.mix.bias)
    assert torch.allclose(down(torch.ones(1, 1, 16, 16))[..., 1:-1, 1:-1], torch.ones(1, 1, 6, 6))
    checkerboard = torch.ones(1, 1, 16, 16)
    checkerboard[..., ::2, 1::2] = checkerboard[..., 1::2, ::2] = -1
    assert down(checkerboard)[..., 1:-1, 1:-1].abs().max() < 1e-6


def test_the_fast_tier_fits_in_six_megabytes() -> None:
    assert 2 * count_parameters(ScratchUNet((64, 96, 128, 192), (1, 1, 1, 1))) < 6e6
