"""Losses by hand, and what is drawn where the network is weakest."""

import math

import pytest
import torch

from training.losses import FAINT, LOSSES, l0, l1, l2, psnr
from training.on_demand import OnDemand


def test_known_errors_have_known_losses() -> None:
    target = torch.zeros(2, 3, 4, 4)
    pred = torch.full_like(target, 0.2)
    assert float(l1(pred, target, 0.5)) == pytest.approx(0.2)
    assert float(l2(pred, target, 0.5)) == pytest.approx(0.2, abs=1e-6)
    assert float(l0(pred, target, 0.5)) == pytest.approx(0.2, abs=1e-6)  # gamma is 1 in the middle
    assert float(l0(pred, target, 0.0)) == pytest.approx(0.04, abs=1e-6)  # and 2 at the beginning
    assert float(psnr(pred, target, 0.5, faint=0.0)) == pytest.approx(math.log(0.2))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("progress", [0.0, 0.5, 0.99])
def test_equal_pictures_cost_least_and_have_a_gradient(name: str, progress: float) -> None:
    target = torch.rand((2, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    equal = target.clone().requires_grad_()
    loss = LOSSES[name](equal, target, progress)
    loss.backward()
    assert equal.grad is not None
    assert equal.grad.isfinite().all()
    assert loss < LOSSES[name](target + 0.05, target, progress)


def test_the_annealed_loss_ends_by_counting_what_is_wrong_however_much() -> None:
    target, little, much = torch.zeros(1, 1, 10, 10), torch.zeros(1, 1, 10, 10), torch.zeros(1, 1, 10, 10)
    little[..., 0], much[..., 0] = 0.1, 0.9
    assert float(l0(much, target, 0.0)) > 50 * float(l0(little, target, 0.0))
    assert float(l0(much, target, 0.999)) == pytest.approx(float(l0(little, target, 0.999)), rel=0.02)


def test_samples_count_alike_in_decibels() -> None:
    target = torch.zeros(2, 3, 4, 4)
    pred = torch.stack([torch.full((3, 4, 4), 0.02), torch.full((3, 4, 4), 0.2)])
    halved = [pred.clone(), pred.clone()]
    halved[0][0] /= 2
    halved[1][1] /= 2
    gains = [float(psnr(pred, target, 0) - psnr(one, target, 0)) for one in halved]
    assert gains[1] == pytest.approx(math.log(2) / 2, rel=5e-3)
    assert 0.9 * gains[1] < gains[0] <= gains[1]


def test_what_is_nearly_clean_asks_for_no_more() -> None:
    target = torch.zeros(1, 3, 4, 4)
    tiny = torch.full_like(target, math.sqrt(FAINT) / 100)
    assert float(psnr(tiny, target, 0) - psnr(target, target, 0)) < 1e-3


@pytest.mark.parametrize(("name", "centre"), [("l2", "mean"), ("l1", "median"), ("l0", "mode")])
def test_noisy_targets_lead_to_mean_median_or_mode(name: str, centre: str) -> None:
    """What Noise2Noise rests on: the value that costs least over many targets of one picture."""
    targets = torch.cat([torch.full((40,), 0.2), torch.full((30,), 0.5), torch.full((30,), 0.9)])
    candidates = torch.linspace(0, 1, 101)
    costs = [LOSSES[name](value.expand_as(targets), targets, 0.95) for value in candidates]
    expected = {"mean": float(targets.mean()), "median": float(targets.median()), "mode": 0.2}[centre]
    assert float(candidates[torch.stack(costs).argmin()]) == pytest.approx(expected, abs=0.011)


def test_levels_cut_the_range_into_equal_parts() -> None:
    difficulty = OnDemand(4)
    spans = [difficulty.span(level) for level in range(4)]
    assert spans == [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]
    assert OnDemand(1).draw(torch.Generator().manual_seed(0)) == (0, 1)


def test_what_is_restored_worst_is_drawn_most() -> None:
    difficulty = OnDemand(3)
    difficulty.update([40.0, 20.0, 10.0])
    assert difficulty.shares.tolist() == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    rng = torch.Generator().manual_seed(0)
    drawn = [round(3 * difficulty.draw(rng)[0]) for _ in range(700)]
    assert [drawn.count(level) for level in range(3)] == pytest.approx([100, 200, 400], abs=45)


def test_processes_that_make_samples_see_new_shares() -> None:
    difficulty = OnDemand(2)
    assert difficulty.shares.is_shared()
    held = difficulty.shares
    difficulty.update([30.0, 10.0])
    assert held.tolist() == pytest.approx([0.25, 0.75])
