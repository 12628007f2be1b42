"""Measure PSNR and SSIM of float images in [0, 1], and precision and recall of detectors."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.tensors import blur, gaussian_taps

BINS = 1001


def psnr(pred: Tensor, gt: Tensor, *, mask: Tensor | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB over all channels, no border crop, peak 1.

    Args:
        pred, gt: same shape, [0, 1].
        mask: broadcastable to `pred`; only places where it is 1 count.

    Returns:
        inf where both are equal; nan where the mask is empty.
    """
    error = (pred.double() - gt.double()).square()
    if mask is None:
        mse = error.mean()
    else:
        weight = mask.double().expand_as(error)
        mse = (error * weight).sum() / weight.sum()
    return math.inf if mse == 0 else float(-10 * torch.log10(mse))


def luma(image: Tensor) -> Tensor:
    """Return Y of BT.601 in its studio range, 16 / 255 to 235 / 255, as MATLAB's `rgb2ycbcr` gives it (not rounded).

    Args:
        image: (..., 3, H, W).

    Returns:
        (..., 1, H, W), float64.
    """
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64, device=image.device) / 255
    return 16 / 255 + (weights.view(3, 1, 1) * image.double()).sum(-3, keepdim=True)


def psnr_y(pred: Tensor, gt: Tensor, *, border: int) -> float:
    """Return the PSNR in dB of luma alone, without `border` pixels on each side, as super-resolution is measured."""
    inner = (..., slice(border, gt.shape[-2] - border), slice(border, gt.shape[-1] - border))
    return psnr(luma(pred)[inner], luma(gt)[inner])


def ssim(pred: Tensor, gt: Tensor) -> float:
    """Return the structural similarity (Wang et al., 2004): Gaussian window 11x11 of sigma 1.5, valid region, peak 1.

    Args:
        pred, gt: (C, H, W) with H, W >= 11; the mean over channels is given.
    """
    window = partial(blur, taps=gaussian_taps(1.5, 5, torch.float64))
    a, b = pred.double().unsqueeze(1), gt.double().unsqueeze(1)  # (C, 1, H, W)
    mean_a, mean_b = window(a), window(b)
    var_a, var_b = window(a * a) - mean_a**2, window(b * b) - mean_b**2
    covariance = window(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    score = score / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return float(score.mean())


class PrecisionRecall:
    """Measures a detector's precision and recall by pixels of many pictures, at all thresholds k / 1000 at once.

    Pixels are counted in histograms of their probability, so that no picture has to be kept.
    """

    def __init__(self) -> None:
        self.there = torch.zeros(BINS, dtype=torch.float64)  # pixels with the thing, by probability
        self.absent = torch.zeros(BINS, dtype=torch.float64)

    def add(self, prob: Tensor, mask: Tensor) -> None:
        """Count a picture.

        Args:
            prob: any shape, [0, 1].
            mask: the same shape, bool, true where the thing is.
        """
        bins = (prob.float() * (BINS - 1)).floor().long().clamp(0, BINS - 1)
        self.there += torch.bincount(bins[mask], minlength=BINS)
        self.absent += torch.bincount(bins[~mask], minlength=BINS)

    def curve(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return thresholds, precision and recall, each (1001,), for the decision `prob >= threshold`."""
        found = self.there.flip(0).cumsum(0).flip(0)
        wrong = self.absent.flip(0).cumsum(0).flip(0)
        precision = torch.where(found + wrong > 0, found / (found + wrong).clamp_min(1), 1.0)
        return torch.arange(BINS) / (BINS - 1), precision, found / self.there.sum().clamp_min(1)

    def at(self, threshold: float) -> dict[str, float]:
        """Return `f1`, `precision` and `recall` at one threshold."""
        _, precision, recall = (values[round(threshold * (BINS - 1))] for values in self.curve())
        f1 = 2 * precision * recall / (precision + recall).clamp_min(1e-12)
        return {"f1": float(f1), "precision": float(precision), "recall": float(recall)}

    def best_threshold(self) -> float:
        """Return the threshold of the greatest F1."""
        thresholds, precision, recall = self.curve()
        f1 = 2 * precision * recall / (precision + recall).clamp_min(1e-12)
        return float(thresholds[f1.argmax()])

    def area(self) -> float:
        """Return the average precision: the area below the curve as a sum of steps of recall."""
        _, precision, recall = self.curve()
        steps = recall - torch.cat([recall[1:], recall.new_zeros(1)])
        return float((steps * precision).sum())


TOLERANCE_PX = 2


def tolerant_scores(
    found: Tensor, there: Tensor, ignored: Tensor, tolerance_px: int = TOLERANCE_PX
) -> dict[str, float]:
    """Score a mask against one that was drawn by eye, whose rims are right to within a pixel or two.

    Args:
        found, there, ignored: bool (1, H, W); ignored pixels do not count.
        tolerance_px: a found pixel is right within this distance of damage, and damage is found within this distance of
            a found pixel.

    Returns:
        `f1`, `precision`, `recall`; 1 where there is nothing to find and nothing was found.
    """
    found, there = found & ~ignored, there & ~ignored
    right = int((found & _near(there, tolerance_px)).sum())
    met = int((there & _near(found, tolerance_px)).sum())
    precision = right / int(found.sum()) if found.any() else float(not there.any())
    recall = met / int(there.sum()) if there.any() else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"f1": f1, "precision": precision, "recall": recall}


def _near(marked: Tensor, radius_px: int) -> Tensor:
    """Everything within a disc of `radius_px` around what is marked."""
    across = torch.arange(-radius_px, radius_px + 1)
    disc = (across[:, None] ** 2 + across[None] ** 2 <= radius_px**2).float()
    return F.conv2d(marked[None].float(), disc[None, None], padding=radius_px)[0] > 0.5
