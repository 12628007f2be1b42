import pytest
import torch

from photorestore.stages.denoise.network import DenoiseUNet


@pytest.fixture
def network() -> DenoiseUNet:
    network = DenoiseUNet((8, 16), (1, 1))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


@pytest.mark.parametrize("hw", [(1, 1), (5, 7), (64, 64), (33, 90)])
def test_any_size_comes_back_as_it_went_in(network: DenoiseUNet, hw: tuple[int, int]) -> None:
    assert network(torch.rand(2, 3, *hw)).shape == (2, 3, *hw)


def test_a_negative_sigma_is_blind(network: DenoiseUNet) -> None:
    image = torch.rand(2, 3, 16, 16)
    assert torch.equal(network(image), network(image, torch.tensor([-1.0, -1.0])))
    assert not torch.equal(network(image), network(image, torch.tensor([0.1, 0.1])))


def test_each_picture_has_its_own_sigma(network: DenoiseUNet) -> None:
    image = torch.rand(2, 3, 16, 16)
    both = network(image, torch.tensor([0.1, 0.3]))
    assert torch.allclose(both[:1], network(image[:1], torch.tensor([0.1])), atol=1e-6)
    assert torch.allclose(both[1:], network(image[1:], torch.tensor([0.3])), atol=1e-6)


def test_a_map_of_one_level_is_that_level(network: DenoiseUNet) -> None:
    image = torch.rand(2, 3, 15, 22)
    level = torch.tensor([0.1, -1.0])
    spread = level.view(2, 1, 1, 1).expand(2, 1, 15, 22)
    assert torch.allclose(network(image, spread), network(image, level), atol=1e-6)


def test_a_map_acts_where_it_differs(network: DenoiseUNet) -> None:
    image = torch.rand(1, 3, 64, 256)
    level = torch.full((1, 1, 64, 256), 0.1)
    changed = level.clone()
    changed[..., 200:] = 0.4
    before, after = network(image, level), network(image, changed)
    assert network.descriptor.reach_px is not None
    untouched = 200 - network.descriptor.reach_px
    assert torch.allclose(before[..., :untouched], after[..., :untouched], atol=1e-6)
    assert not torch.allclose(before[..., 200:], after[..., 200:], atol=1e-3)


def test_the_result_is_not_clamped(network: DenoiseUNet) -> None:
    assert network(torch.full((1, 3, 16, 16), 2.0)).max() > 1


def test_under_autocast_the_image_keeps_its_precision() -> None:
    network = DenoiseUNet((8, 16), (1, 1))
    torch.nn.init.zeros_(network.tail.weight)
    image = torch.rand(1, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network(image), image)
