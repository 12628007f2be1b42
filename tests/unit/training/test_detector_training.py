"""Learning and measuring a detector of damage: what a pixel counts, and where the threshold ends up."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.stages.scratch.network import ScratchUNet
from training.damage_validation import REAL_THRESHOLDS, Validation, evaluate, evaluate_damaged, evaluate_real
from training.marked import DAMAGE, IGNORE, MarkedPrint
from training.train_scratch import detection_loss, fold_threshold


@pytest.fixture
def target() -> Tensor:
    mask = torch.zeros(2, 1, 16, 16)
    mask[:, :, 4:6] = 1
    return mask


def test_a_missed_pixel_costs_twice_a_false_one() -> None:
    weight = torch.ones(1, 1, 1, 2)
    missed = detection_loss(torch.tensor([[[[-3.0, -30.0]]]]), torch.tensor([[[[1.0, 0.0]]]]), weight)
    false = detection_loss(torch.tensor([[[[3.0, 30.0]]]]), torch.tensor([[[[0.0, 1.0]]]]), weight)
    prob = 1 / (1 + math.exp(-3))
    dice_missed = 1 - (2 * (1 - prob) + 1) / (1 - prob + 2)
    dice_false = 1 - 3 / (prob + 3)
    ratio = (float(missed) - dice_missed) / (float(false) - dice_false)
    assert ratio == pytest.approx(2, rel=1e-3)


def test_pixels_of_which_nobody_knows_cost_nothing(target: Tensor) -> None:
    logits = 6 * (2 * target - 1)
    weight = torch.ones_like(target)
    weight[:, :, 10:] = 0
    known = detection_loss(logits, target, weight)
    logits[:, :, 10:] = 40
    target[:, :, 12:] = 1
    assert torch.equal(detection_loss(logits, target, weight), known)


def test_the_loss_falls_as_the_mask_becomes_right(target: Tensor) -> None:
    weight = torch.ones_like(target)
    losses = [float(detection_loss(scale * (2 * target - 1), target, weight)) for scale in (-2, 0, 2, 8)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.02


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.83])
def test_one_half_decides_where_the_chosen_threshold_did(threshold: float) -> None:
    torch.manual_seed(0)
    network = ScratchUNet((4, 8, 8, 8), sees_scene=False).eval()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        before = network(image)
        fold_threshold(network, threshold)
        after = network(image)
    torch.testing.assert_close(before - after, torch.full_like(before, math.log(threshold / (1 - threshold))))
    assert torch.equal(after.sigmoid() > 0.5, before.sigmoid() > threshold)


def picture(damaged_rows: slice) -> tuple[Tensor, Tensor, Tensor]:
    """A grey picture, the same with white damage, and its mask."""
    gt, mask = torch.full((3, 40, 40), 0.4), torch.zeros(1, 40, 40, dtype=torch.bool)
    mask[:, damaged_rows] = True
    return gt, torch.where(mask, 0.9, gt), mask


class Brightness:
    """Stands in for a detector: what is bright is damaged, as surely as it is bright."""

    def __init__(self, *, moved_px: int = 0) -> None:
        self.moved_px = moved_px

    def __call__(self, image: Tensor) -> Tensor:
        return image.mean(1, keepdim=True).clamp(0.001, 0.999).logit().roll(self.moved_px, 2)


def test_a_detector_that_is_right_scores_one_and_finds_nothing_in_clean_pictures() -> None:
    found = evaluate_damaged(Brightness(), [picture(slice(5, 9)), picture(slice(20, 22))])  # type: ignore[arg-type]
    assert (found["f1"], found["precision"], found["recall"]) == (1, 1, 1)
    assert found["area"] == pytest.approx(1)
    assert 0.4 < found["threshold"] <= 0.9
    assert found["clean_coverage_percent"] == 0


def test_what_is_found_in_the_clean_photograph_is_told_as_a_share_of_it() -> None:
    gt, lq, mask = picture(slice(5, 9))
    gt[:, 30:34, :20] = 0.95  # a bright thing that belongs to the picture, a twentieth of it
    lq[:, 30:34, :20] = 0.95
    found = evaluate_damaged(Brightness(), [(gt, lq, mask)])  # type: ignore[arg-type]
    assert found["clean_coverage_percent"] == pytest.approx(5)
    assert found["precision"] == pytest.approx(160 / 240)
    assert found["recall"] == 1


def marked(rows: slice, ignored: slice) -> MarkedPrint:
    image = torch.full((3, 40, 40), 100, dtype=torch.uint8)
    image[:, rows] = 230
    mask = torch.zeros((1, 40, 40), dtype=torch.uint8)
    mask[:, rows], mask[:, ignored] = DAMAGE, IGNORE
    return MarkedPrint("made", image, mask, image, 0.1)


def test_real_prints_are_scored_with_tolerance_and_without_unsure_places() -> None:
    prints = [marked(slice(10, 12), slice(0, 0)), marked(slice(20, 24), slice(30, 40))]
    assert evaluate_real(Brightness(moved_px=2), prints)["real_f1"] == 1  # type: ignore[arg-type]
    assert evaluate_real(Brightness(moved_px=9), prints[:1])["real_f1"] < 0.3  # type: ignore[arg-type]
    prints[1].image[:, 30:] = 240  # found where nobody is sure
    found = evaluate_real(Brightness(), prints)  # type: ignore[arg-type]
    assert found["real_f1"] == 1
    assert found["real_threshold"] in REAL_THRESHOLDS


def test_both_kinds_of_figures_stand_together() -> None:
    validation = Validation([picture(slice(5, 9))], [marked(slice(10, 12), slice(0, 0))])
    found = evaluate(Brightness(), validation)  # type: ignore[arg-type]
    assert {"f1", "area", "threshold", "real_f1", "real_threshold"} <= set(found)


def test_dice_alone_does_not_decide(target: Tensor) -> None:
    """Cross-entropy is that of torch, weighted; so a change of its weights would show here."""
    logits, weight = (
        torch.randn(target.shape, generator=torch.Generator().manual_seed(1)),
        torch.ones_like(target),
    )
    plain = F.binary_cross_entropy_with_logits(logits, target, pos_weight=torch.tensor(2.0))
    prob = logits.sigmoid()
    dice = 1 - (2 * (prob * target).sum() + 1) / (prob.sum() + target.sum() + 1)
    torch.testing.assert_close(detection_loss(logits, target, weight), 4 * plain + dice)
