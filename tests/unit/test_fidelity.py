import math

import pytest
import torch

from photorestore.fidelity import PrecisionRecall, luma, psnr, psnr_y, ssim, tolerant_scores


def test_psnr_of_a_known_error() -> None:
    gt = torch.full((3, 8, 8), 0.5)
    assert psnr(gt + 0.1, gt) == pytest.approx(20.0, abs=1e-4)
    assert psnr(gt, gt) == math.inf


def test_psnr_counts_only_what_the_mask_marks() -> None:
    gt = torch.zeros(3, 4, 4)
    pred, mask = gt.clone(), torch.zeros(1, 4, 4)
    pred[:, 0, 0] = 0.1
    pred[:, 3, 3] = 1.0
    mask[0, 0, 0] = 1
    assert psnr(pred, gt, mask=mask) == pytest.approx(20.0, abs=1e-4)
    assert math.isnan(psnr(pred, gt, mask=torch.zeros(1, 4, 4)))


def test_ssim_agrees_with_scikit_image() -> None:
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    rng = torch.Generator().manual_seed(0)
    gt = torch.rand(3, 40, 50, generator=rng)
    pred = (gt + 0.1 * torch.randn(gt.shape, generator=rng)).clamp(0, 1)
    _, full = structural_similarity(
        gt.double().numpy(),
        pred.double().numpy(),
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        full=True,
    )
    assert ssim(pred, gt) == pytest.approx(float(full[:, 5:-5, 5:-5].mean()), abs=1e-6)
    assert ssim(gt, gt) == pytest.approx(1.0)


def test_luma_is_that_of_matlab() -> None:
    """rgb2ycbcr: black 16, white 235, red 81.481, green 144.553, blue 40.966 (of 255)."""
    colours = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).float()
    y = luma(colours.T.view(3, 1, 5))[0, 0] * 255
    assert y.tolist() == pytest.approx([16, 235, 81.481, 144.553, 40.966], abs=1e-4)


def test_psnr_of_luma_leaves_out_the_border() -> None:
    gt = torch.rand(3, 12, 14)
    pred = gt + 0.1
    pred[:, 0] = pred[:, :, -1] = 9.0
    assert psnr_y(pred, gt, border=1) == pytest.approx(-20 * math.log10(0.1 * 219 / 255), abs=1e-4)
    assert psnr_y(pred, gt, border=0) < 15


def drawn(seed: int, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_precision_and_recall_are_those_of_counting_at_each_threshold() -> None:
    measured, probs, masks = PrecisionRecall(), [], []
    for seed in range(3):
        prob = (drawn(seed, (20, 30)) * 1000).round() / 1000
        mask = drawn(seed + 9, (20, 30)) < prob  # likelier where the detector is surer
        measured.add(prob, mask)
        probs.append(prob.flatten())
        masks.append(mask.flatten())
    prob, mask = torch.cat(probs), torch.cat(masks)
    for threshold in (0.0, 0.1, 0.25, 0.5, 0.999):
        found = prob >= threshold - 1e-6
        right = float((found & mask).sum())
        precision, recall = right / float(found.sum()), right / float(mask.sum())
        assert measured.at(threshold) == pytest.approx(
            {"precision": precision, "recall": recall, "f1": 2 * precision * recall / (precision + recall)},
            abs=1e-6,
        )
    best = measured.best_threshold()
    assert measured.at(best)["f1"] == max(measured.at(step / 100)["f1"] for step in range(101)) or (
        measured.at(best)["f1"] > max(measured.at(step / 100)["f1"] for step in range(101))
    )


def test_a_detector_that_is_always_right_has_an_area_of_one_and_one_that_guesses_the_share() -> None:
    mask = drawn(0, (100, 100)) < 0.3
    sure, guessing, wrong = PrecisionRecall(), PrecisionRecall(), PrecisionRecall()
    sure.add(mask.float(), mask)
    guessing.add(drawn(1, (100, 100)), mask)
    wrong.add(1 - mask.float(), mask)
    assert sure.area() == pytest.approx(1.0)
    assert sure.at(0.5) == pytest.approx({"f1": 1.0, "precision": 1.0, "recall": 1.0})
    assert guessing.area() == pytest.approx(0.3, abs=0.03)
    assert wrong.at(0.5)["recall"] == 0
    assert wrong.area() < 0.31


def test_nothing_to_find_is_no_division_by_zero() -> None:
    empty = PrecisionRecall()
    empty.add(torch.zeros(3, 3), torch.zeros(3, 3, dtype=torch.bool))
    assert empty.at(0.5) == {"f1": 0.0, "precision": 1.0, "recall": 0.0}
    assert empty.area() == 0


def line(row: int, hw: tuple[int, int] = (20, 20)) -> torch.Tensor:
    mask = torch.zeros((1, *hw), dtype=torch.bool)
    mask[0, row] = True
    return mask


@pytest.mark.parametrize(("off", "score"), [(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.0)])
def test_a_line_counts_within_two_pixels_of_where_it_was_drawn(off: int, score: float) -> None:
    nothing = torch.zeros(1, 20, 20, dtype=torch.bool)
    assert tolerant_scores(line(8 + off), line(8), nothing) == {
        "f1": score, "precision": score, "recall": score,
    }  # fmt: skip


def test_precision_counts_found_pixels_and_recall_damaged_ones() -> None:
    nothing = torch.zeros(1, 20, 20, dtype=torch.bool)
    scores = tolerant_scores(line(2) | line(12), line(2), nothing)
    assert scores == pytest.approx({"precision": 0.5, "recall": 1.0, "f1": 2 / 3})
    scores = tolerant_scores(line(2), line(2) | line(12), nothing)
    assert scores == pytest.approx({"precision": 1.0, "recall": 0.5, "f1": 2 / 3})


def test_what_is_ignored_is_neither_found_nor_missed() -> None:
    aside = torch.zeros(1, 20, 20, dtype=torch.bool)
    aside[0, 10:] = True
    assert tolerant_scores(line(2) | line(12), line(2) | line(16), aside)["f1"] == 1.0


def test_nothing_found_where_nothing_is_scores_one_and_where_something_is_zero() -> None:
    nothing = torch.zeros(1, 20, 20, dtype=torch.bool)
    assert tolerant_scores(nothing, nothing, nothing)["f1"] == 1.0
    assert tolerant_scores(nothing, line(3), nothing) == {"f1": 0.0, "precision": 0.0, "recall": 0.0}
    assert tolerant_scores(line(3), nothing, nothing)["precision"] == 0.0
