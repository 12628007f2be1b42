import torch
from torch import nn

from training.batch_norm import LARGEST_VARIANCE, bound_statistics, freeze_statistics


def network_of(scale: float) -> nn.Sequential:
    """Two layers, of which the first one's kernels make large values."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=None), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2)
    )
    with torch.no_grad():
        for parameter in network[0].parameters():
            parameter.mul_(scale)
    network(torch.rand(8, 3, 16, 16))
    return network.eval()


@torch.no_grad()
def test_bounded_statistics_make_the_same_of_a_picture_and_fit_into_16_bits() -> None:
    network, image = network_of(5000), torch.rand(2, 3, 16, 16)
    norm = network[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    assert float(norm.running_var.max()) > 65_504
    before = network(image)
    bound_statistics(network)
    assert float(norm.running_var.max()) <= LARGEST_VARIANCE * 1.001
    assert all(torch.isfinite(value.half()).all() for value in network.state_dict().values())
    torch.testing.assert_close(network(image), before, rtol=1e-3, atol=1e-3)


def test_small_statistics_are_left_as_they_are() -> None:
    network = network_of(1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    bound_statistics(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_frozen_statistics_stay_while_weights_are_trained() -> None:
    network = network_of(1).train()
    freeze_statistics(network)
    norm, before = network[1], network[1].running_mean
    assert isinstance(before, torch.Tensor)
    before = before.clone()
    network(torch.rand(8, 3, 16, 16) + 5)
    assert network.training
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert torch.equal(norm.running_mean, before)
