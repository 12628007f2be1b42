"""The translator's losses: what is right costs nothing, and only what is marked counts."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from photorestore.stages.translate.network import Translator
from training.imperfect_masks import MASK_ALPHA
from training.old_photos import Sample
from training.translate_losses import (
    JointWeights,
    LatentAdversary,
    adversary_loss,
    fill,
    joint_loss,
    mapping_loss,
    vae_loss,
)

SMALL = {
    "latent": 8, "vae_width": 8, "mapping_width": 8, "mapping_depth": 2, "fusion_width": 8, "fusion_depth": 1
}  # fmt: skip
SIDE = 32
WEIGHTS = JointWeights(false_weight=0.5, doubt_weight=0.25, gradient_weight=1.0, translation_weight=0.5)


@pytest.fixture
def network() -> Translator:
    torch.manual_seed(0)
    return Translator(**SMALL)


def sample_of(**changed: Tensor) -> Sample:
    rng = torch.Generator().manual_seed(1)
    image = torch.rand(2, 3, SIDE, SIDE, generator=rng)
    mask = torch.zeros(2, 1, SIDE, SIDE)
    mask[..., 8:16, 8:16] = 1
    plain = {
        "lq": image,
        "gt": image.clone(),
        "scratch_mask": mask,
        "certainty": torch.ones_like(mask),
        "alpha": mask.clone(),
        "view": torch.nn.functional.interpolate(image, 64),
        "view_mask": torch.zeros(2, 1, 64, 64),
        "real": torch.rand(2, 3, SIDE, SIDE, generator=rng),
    }
    return Sample(**{**plain, **changed})


def joint(pred: Tensor, sample: Sample, *, squared: bool = False, weights: JointWeights = WEIGHTS) -> float:
    return float(joint_loss(pred, pred, sample, weights, squared=squared))


@pytest.mark.parametrize("squared", [False, True])
def test_a_filling_that_is_right_costs_nothing_and_a_worse_one_more(squared: bool) -> None:
    sample = sample_of()
    costs = [joint(sample.gt + error, sample, squared=squared) for error in (0.0, 0.1, 0.2)]
    assert costs[0] < 1e-3
    assert costs[0] < costs[1] < costs[2]


def test_what_is_outside_the_mask_costs_nothing() -> None:
    sample = sample_of()
    pred = sample.gt + 0.5 * (1 - sample.scratch_mask)
    assert joint(pred, sample) == joint(sample.gt, sample)


def test_undamaged_pixels_in_the_mask_count_less_and_least_where_that_is_uncertain() -> None:
    right = sample_of()
    sound = torch.zeros_like(right.alpha)
    costs = {
        name: joint(right.gt + 0.2, sample)
        for name, sample in {
            "damaged": right,
            "sound": right._replace(alpha=sound),
            "doubtful": right._replace(alpha=sound, certainty=torch.full_like(sound, 0.5)),
            "hardly damaged": right._replace(alpha=torch.full_like(sound, MASK_ALPHA / 2)),
        }.items()
    }
    assert costs["doubtful"] < costs["sound"] < costs["damaged"]
    assert costs["hardly damaged"] == costs["sound"]


def test_where_the_truth_is_unknown_nothing_counts() -> None:
    sample = sample_of(alpha=torch.full((2, 1, SIDE, SIDE), -1.0))
    assert joint(sample.gt + 0.5, sample) == 0


def test_each_weight_counts_its_own_error() -> None:
    sample = sample_of()
    steps = sample.gt + 0.2 * (torch.arange(SIDE) % 2)
    flat = JointWeights(0.5, 0.25, gradient_weight=0.0, translation_weight=0.0)
    assert joint(steps, sample, weights=replace(flat, gradient_weight=1.0)) > joint(
        steps, sample, weights=flat
    )
    coarse = sample.gt + 0.3, sample.gt
    assert float(joint_loss(*coarse, sample, flat, squared=False)) == 0
    assert float(joint_loss(*coarse, sample, replace(flat, translation_weight=1.0), squared=False)) > 0


def test_what_is_not_marked_is_filled_with_itself(network: Translator) -> None:
    sample = sample_of()
    translation, pred = fill(network, sample)
    outside = (sample.scratch_mask == 0).expand_as(pred)
    assert translation.shape == pred.shape
    torch.testing.assert_close(pred[outside], sample.lq[outside])


def test_specks_count_for_less_than_their_share() -> None:
    small = torch.zeros(2, 1, SIDE, SIDE)
    small[..., 8, 8] = 1
    one = sample_of(scratch_mask=small, alpha=small.clone())
    assert joint(one.gt + 0.2, one) < 0.2 * joint(one.gt + 0.2, sample_of())


class Constant(LatentAdversary):
    """Finds real latents as real as it is told, and synthetic ones likewise."""

    verdicts: tuple[float, float]

    def forward(self, z: Tensor) -> Tensor:
        if len(z) == 2:  # real ones alone
            return torch.full((2, 1, 1, 1), self.verdicts[1])
        return torch.tensor(self.verdicts).repeat_interleave(2).view(4, 1, 1, 1)


def adversary_of(synthetic: float, real: float) -> Constant:
    adversary = Constant(SMALL["latent"])
    adversary.verdicts = synthetic, real
    return adversary


@pytest.mark.parametrize(
    ("synthetic", "real", "cost"), [(0.0, 1.0, 0.0), (1.0, 0.0, 2.0), (0.5, 0.5, 0.5), (0.0, 0.0, 1.0)]
)
def test_the_adversary_pays_for_what_it_takes_for_the_other(
    network: Translator, synthetic: float, real: float, cost: float
) -> None:
    assert float(adversary_loss(network, adversary_of(synthetic, real), sample_of())) == pytest.approx(cost)


def test_real_latents_are_to_look_synthetic(network: Translator) -> None:
    costs = []
    for real in (0.0, 1.0):
        torch.manual_seed(5)
        costs.append(vae_loss(network, adversary_of(0.0, real), sample_of(), 0.0, 0.5).item())
    assert costs[1] - costs[0] == pytest.approx(0.5, abs=1e-5)


def test_latents_are_held_near_zero_by_their_weight(network: Translator) -> None:
    costs = []
    for weight in (0.0, 1.0, 2.0):
        torch.manual_seed(5)
        costs.append(vae_loss(network, adversary_of(0.0, 0.0), sample_of(), weight, 0.0).item())
    assert costs[1] > costs[0]
    assert costs[2] - costs[1] == pytest.approx(costs[1] - costs[0], rel=1e-3)


def test_only_the_mapping_is_asked_in_its_phase_and_every_loss_can_be_learned_from(
    network: Translator,
) -> None:
    loss = mapping_loss(network, sample_of())
    loss.backward()
    assert loss.item() > 0
    assert any(
        parameter.grad is not None and parameter.grad.abs().sum() > 0
        for name, parameter in network.named_parameters()
        if "mapping" in name
    )
