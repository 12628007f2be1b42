from typing import Any

import pytest
import torch
from torch.nn import functional as F

from photorestore.networks.runner import Runner
from photorestore.stages.upscale.network import CollapsibleConv, Upscaler, enlarge
from training.degradations.resize import bicubic

CPU = torch.device("cpu")


@pytest.fixture
def network() -> Upscaler:
    network = Upscaler(8, 2)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("hw", [(1, 1), (5, 7), (33, 20)])
def test_any_size_is_enlarged(network: Upscaler, hw: tuple[int, int], scale: int) -> None:
    h, w = hw
    assert network(torch.rand(2, 3, h, w), scale).shape == (2, 3, scale * h, scale * w)


def test_a_scale_without_a_tail_is_refused(network: Upscaler) -> None:
    with pytest.raises(ValueError, match="scale 3"):
        Runner(network)(torch.rand(1, 3, 8, 8), 3)


def test_a_new_network_enlarges_bicubically() -> None:
    image = torch.rand(1, 3, 12, 16)
    for scale in (2, 4):
        enlarged = Upscaler(8, 1)(image, scale)
        inner = slice(3 * scale, -3 * scale)  # at the borders the two treat what is missing differently
        expected = bicubic(image[0], scale)
        assert torch.allclose(enlarged[0, :, inner, inner], expected[:, inner, inner], atol=1e-5)


def test_branches_are_one_kernel() -> None:
    conv = CollapsibleConv(6)
    for parameter in conv.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    features = torch.rand(2, 6, 9, 11)
    expected = F.conv2d(features, conv.direct, conv.bias, padding=1)
    expected = expected + F.conv2d(F.conv2d(features, conv.expand[..., None, None]), conv.squeeze, padding=1)
    for mix, gain, kernel in zip(conv.edge_mix, conv.edge_gain, conv.edge_filters, strict=True):
        mixed = F.conv2d(features, mix[..., None, None])
        edges = F.conv2d(mixed, kernel.expand(6, 1, 3, 3), padding=1, groups=6)
        expected = expected + gain.view(1, 6, 1, 1) * edges
    assert torch.allclose(conv(features), expected, atol=1e-5)


def test_every_branch_is_learned() -> None:
    network = Upscaler(8, 1)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    before = {name: value.clone() for name, value in network.named_parameters()}
    lr, hr = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 16, 16)
    for _ in range(8):
        optimiser.zero_grad()
        F.mse_loss(network(lr, 2), hr).backward()
        optimiser.step()
    still = {name for name, value in network.named_parameters() if torch.equal(value, before[name])}
    assert still == {"tails.4.weight", "tails.4.bias"}  # only x2 was trained


def test_reparameterised_network_agrees_and_is_plain(network: Upscaler) -> None:
    plain = network.reparameterise()
    image = torch.rand(2, 3, 17, 23)
    for scale in (2, 4):
        assert (plain(image, scale) - network(image, scale)).abs().max() < 1e-4
    assert not any(isinstance(module, CollapsibleConv) for module in plain.modules())
    assert sum(value.numel() for value in plain.parameters()) < sum(
        value.numel() for value in network.parameters()
    )
    architecture: dict[str, Any] = plain.architecture
    again = Upscaler(**architecture)
    again.load_state_dict(plain.state_dict())
    assert torch.equal(again(image, 2), plain(image, 2))


def test_the_result_is_not_clamped(network: Upscaler) -> None:
    assert network(torch.full((1, 3, 16, 16), 2.0), 2).max() > 1


def test_under_autocast_the_image_keeps_its_precision() -> None:
    image = torch.rand(1, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(Upscaler(8, 1)(image, 4), enlarge(image, 4))
