from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from training.muon import MuonAdamW


def make(seed: int = 0) -> tuple[nn.Sequential, MuonAdamW]:
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 16, 2, 2),
        nn.Conv2d(16, 1, 3, padding=1),
    ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, MuonAdamW(network, 0.01, betas=(0.9, 0.99), weight_decay=0.0)


def learn(network: nn.Module, optimiser: MuonAdamW, steps: int) -> list[float]:
    rng = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(steps):
        image = torch.rand((4, 3, 12, 12), generator=rng).contiguous(memory_format=torch.channels_last)
        target = image.mean(1, keepdim=True).repeat_interleave(2, -1).repeat_interleave(2, -2)
        loss = (network(image) - target).square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_every_parameter_learns() -> None:
    network, optimiser = make()
    before = [parameter.detach().clone() for parameter in network.parameters()]
    losses = learn(network, optimiser, 60)
    assert losses[-1] < losses[0] / 10
    assert all((now != then).any() for now, then in zip(network.parameters(), before, strict=True))


def first_weight(network: nn.Sequential) -> Tensor:
    weight = network[0].weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def test_a_kernels_step_is_orthogonal() -> None:
    network, optimiser = make()
    before = first_weight(network).clone()
    learn(network, optimiser, 1)
    values = torch.linalg.svdvals((first_weight(network) - before).flatten(1))
    assert float(values.max() / values.min()) < 3


def test_a_resumed_run_goes_on_as_it_would_have() -> None:
    network, optimiser = make()
    learn(network, optimiser, 3)
    resumed, other = make(seed=5)
    resumed.load_state_dict(network.state_dict())
    other.load_state_dict(deepcopy(optimiser.state_dict()))
    assert learn(resumed, other, 3) == pytest.approx(learn(network, optimiser, 3))


def test_the_learning_rate_reaches_both_halves() -> None:
    network, optimiser = make()
    for group in optimiser.param_groups:
        group["lr"] = 0.0
    before = [parameter.detach().clone() for parameter in network.parameters()]
    learn(network, optimiser, 1)
    assert all((now == then).all() for now, then in zip(network.parameters(), before, strict=True))


def test_a_kernel_whose_steps_would_be_lost_is_refused() -> None:
    with pytest.raises(RuntimeError):
        MuonAdamW(nn.Conv2d(3, 16, 3), 0.01, betas=(0.9, 0.99), weight_decay=0.0)


def test_what_needs_no_gradient_stays_as_it_is() -> None:
    network, _ = make()
    frozen = network[0]
    assert isinstance(frozen, nn.Conv2d)
    frozen.requires_grad_(False)
    before = frozen.weight.detach().clone()
    learn(network, MuonAdamW(network, 0.01, betas=(0.9, 0.99), weight_decay=0.1), 3)
    assert torch.equal(frozen.weight, before)


def test_momentum_is_a_mean_of_gradients_in_the_shapes_of_parameters() -> None:
    network, optimiser = make()
    assert not any(value.any() for value in optimiser.momentum())
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter) * torch.arange(parameter.numel()).view(parameter.shape)
    optimiser.step()
    for value, parameter in zip(optimiser.momentum(), network.parameters(), strict=True):
        assert parameter.grad is not None
        share = (
            value.flatten()[-1] / parameter.grad.flatten()[-1] if parameter.numel() > 1 else torch.ones(())
        )
        torch.testing.assert_close(value, share * parameter.grad)


def test_an_optimiser_goes_on_with_the_momentum_of_another() -> None:
    network, optimiser = make()
    learn(network, optimiser, 3)
    other_network, other = make(seed=5)
    learn(other_network, other, 1)
    other.load_momentum(optimiser.momentum())
    for taken, given in zip(other.momentum(), optimiser.momentum(), strict=True):
        torch.testing.assert_close(taken, given)
    learn(network, optimiser, 1)  # what was handed over is a copy
    assert any(
        not torch.equal(taken, given)
        for taken, given in zip(other.momentum(), optimiser.momentum(), strict=True)
    )
