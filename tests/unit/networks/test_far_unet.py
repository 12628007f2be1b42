"""What the networks of `deblur` and `weather` share."""

from itertools import pairwise

import pytest
import torch

from photorestore.networks.far_unet import FarUNet
from photorestore.stages.deblur.network import DeblurUNet
from photorestore.stages.weather.network import WeatherUNet


@pytest.mark.parametrize("kind", [DeblurUNet, WeatherUNet])
@pytest.mark.parametrize("hw", [(1, 1), (7, 9), (16, 24)])
def test_a_new_network_changes_nothing(kind: type[FarUNet], hw: tuple[int, int]) -> None:
    network, image = kind((8, 12, 16), (1, 1, 2)).eval(), torch.rand(2, 3, *hw)
    assert torch.equal(network(image), image)
    assert torch.equal(network.at_canary(image), torch.zeros_like(image))


def test_each_is_called_by_its_own_name() -> None:
    for kind, gives in ((DeblurUNet, "deblurred"), (WeatherUNet, "dry")):
        descriptor = kind((8, 12, 16), (1, 1, 1)).descriptor
        assert (descriptor.name, descriptor.output.name) == (kind.__name__, gives)


def test_depth_adds_to_the_reach() -> None:
    reaches = [WeatherUNet((8, 8, 8), (1, 1, depth)).descriptor.reach_px or 0 for depth in (1, 2, 3)]
    assert [after - before for before, after in pairwise(reaches)] == [24, 24]
