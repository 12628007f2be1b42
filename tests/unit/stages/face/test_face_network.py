from pathlib import Path
from typing import Any

import pytest
import torch

from photorestore.networks.blocks import count_parameters
from photorestore.stages.face.network import FaceUNet, ModulatedBlock
from training.config import read_config
from training.train_face import Config

CONFIGS = Path(__file__).resolve().parents[4] / "training/configs"
SMALL: dict[str, Any] = {"widths": (8, 12, 16), "depths": (1, 1, 2), "hidden": 6}


def trained() -> FaceUNet:
    network = FaceUNet(**SMALL).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def test_an_untrained_network_is_the_identity() -> None:
    image = torch.rand((2, 3, 256, 256))
    assert torch.equal(FaceUNet(**SMALL)(image), image)


def test_strength_scales_the_change_of_each_face() -> None:
    image = torch.rand((3, 3, 64, 64))
    network = trained()
    with torch.inference_mode():
        full = network(image) - image
        part = network(image, torch.tensor([0.0, 0.5, 1.0])) - image
    assert float(full.abs().mean()) > 1e-3
    assert torch.equal(part[0], torch.zeros_like(part[0]))
    torch.testing.assert_close(part[1], full[1] / 2, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(part[2], full[2])


def test_faces_of_a_batch_do_not_meet() -> None:
    image, other = torch.rand((1, 3, 64, 64)), torch.rand((1, 3, 64, 64))
    network = trained()
    with torch.inference_mode():
        alone, together = network(image), network(torch.cat([image, other]))[:1]
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-4)


def test_the_result_is_in_float32_under_autocast_and_not_clamped() -> None:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        result = trained()(torch.ones((1, 3, 64, 64)))
    assert result.dtype == torch.float32
    assert float(result.max()) > 1


def test_a_block_is_modulated_by_the_face() -> None:
    block = ModulatedBlock(8, hidden=4)
    torch.nn.init.normal_(block.second.weight)
    features = torch.rand((1, 8, 16, 16))
    with torch.inference_mode():
        first, second = (block(features, torch.rand((1, 3, 16, 16))) for _ in range(2))
    assert float((first - second).abs().max()) > 1e-3


@pytest.mark.parametrize(("tier", "millions"), [("fast", (5, 7)), ("quality", (7, 9))])
def test_the_configured_networks_have_the_stated_size(tier: str, millions: tuple[int, int]) -> None:
    config = read_config(Config, CONFIGS / f"face.{tier}.toml")
    network = FaceUNet(config.widths, config.depths, config.hidden)
    low, high = millions
    assert low < count_parameters(network) / 1e6 < high
    assert 256 % network.descriptor.stride == 0
    assert config.tier == tier
    assert len(config.photos) == len(config.repeats)
