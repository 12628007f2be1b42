"""Adversaries of pictures: what they see, that it is drawn anew, and that gradients reach the network through it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.adversary import DEGRADED, NONE, PLAIN, PictureOpponent, picture_opponent
from training.adversary_experiment import feature_distance, summed
from training.degradations.sources import DamageSources
from training.old_photos import damage_anew
from training.place import Place


def darker(images: Tensor) -> Tensor:
    return 0.5 * images


def opponent_of(kind: str) -> PictureOpponent:
    torch.manual_seed(0)
    opponent = picture_opponent(kind, 0.5, Place(), darker)
    assert opponent is not None
    return opponent


def test_there_is_no_adversary_where_none_is_asked_for_and_none_of_an_unknown_kind() -> None:
    assert picture_opponent(NONE, 0.5, Place(), darker) is None
    with pytest.raises(ValueError, match="there are none, plain, degraded"):
        picture_opponent("other", 0.5, Place(), darker)


def test_results_and_photographs_are_both_seen_degraded() -> None:
    pred, gt = torch.rand(2, 2, 3, 32, 32)
    plain, degraded = opponent_of(PLAIN), opponent_of(DEGRADED)
    assert degraded.cost(pred).item() == pytest.approx(plain.cost(darker(pred)).item())
    expected = plain.verdict(darker(pred), darker(gt)).item()
    assert degraded.verdict(pred, gt).item() == pytest.approx(expected)
    assert degraded.cost(pred).item() != plain.cost(pred).item()


def test_the_network_learns_through_the_degradation_and_the_adversary_leaves_it_alone() -> None:
    opponent = opponent_of(DEGRADED)
    pred = torch.rand(2, 3, 32, 32, requires_grad=True)
    opponent.verdict(pred, torch.rand(2, 3, 32, 32)).backward()
    assert pred.grad is None
    opponent.cost(pred).backward()
    assert pred.grad is not None
    assert pred.grad.any()


@pytest.fixture
def sources() -> DamageSources:
    return DamageSources({}, (), ())


def test_holes_are_drawn_anew_and_let_gradients_through_elsewhere(sources: DamageSources) -> None:
    image = torch.rand(3, 64, 64)
    images = torch.stack([image] * 4).requires_grad_()
    lq = damage_anew(images, sources, 1.0, torch.Generator().manual_seed(0))
    assert lq.shape == images.shape
    assert not any(torch.equal(lq[0], other) for other in lq[1:])
    lq.sum().backward()
    assert images.grad is not None
    share = float((images.grad > 0).float().mean())
    assert 0.3 < share <= 1


def test_figures_are_means_and_gains_over_the_same_pictures() -> None:
    found = summed({"ssim": [0.5, 0.7, 0.9]}, {"ssim": [0.4, 0.6, 0.8]})
    assert found["ssim"] == pytest.approx(0.7)
    assert found["ssim_gain"] == pytest.approx(0.1)
    assert found["ssim_margin"] == pytest.approx(0, abs=1e-3)


def test_what_looks_alike_is_near_and_what_does_not_is_far() -> None:
    from photorestore.networks.runner import load_runner
    from photorestore.stages.preprocess.scene import TRUNK

    trunk = load_runner(TRUNK, root=Path("weights"))
    rng = torch.Generator().manual_seed(0)
    gt = torch.rand(3, 64, 64, generator=rng)
    near = (gt + 0.02 * torch.randn(gt.shape, generator=rng)).clamp(0, 1)
    assert feature_distance(gt, gt, trunk) == 0
    assert 0 < feature_distance(near, gt, trunk) < feature_distance(gt.flip(-1), gt, trunk)
