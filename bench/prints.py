"""Damaged prints with default options: nothing is named, the service finds, decides and fills.

The prints are those of `bench/prints_set.py`; the truth is each print before grain and damage. Found: F1, precision
and recall of the mask, three times: pixel by pixel; without the rim (the pixels beside damage, which the mask takes in
on purpose and which weigh much where damage is thin); and with a tolerance of 2 px. Filled: PSNR, capped at 60 dB,
inside the true damage and outside of it, of what is given and of what comes back. A tone that was corrected is no
error of the filling, so both are measured a second time after their tone was matched to the truth: one gain and one
shift a channel, fitted by least squares to the pixels outside the damage. With the true mask given as the caller's,
only filling is measured, beside Telea's method on the same mask.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from bench import baselines
from bench.looks import Look, look
from bench.pictures import Mask, Pixels
from bench.prints_set import Print, load_prints
from bench.statistics import pixel_hash, summary
from photorestore.fidelity import TOLERANCE_PX, psnr, tolerant_scores
from photorestore.pipeline import Pipeline

CAP_DB = 60.0
Scores = dict[str, float]


def measure(root: Path, pipeline: Pipeline, *, every: int = 1) -> dict[str, Any]:
    """Return figures over all prints.

    Args:
        root: the folder of the bench pictures, beside `train`.
        every: take only each n-th print.
    """
    prints = load_prints(root.parent, every=every)
    rows: dict[str, list[float]] = defaultdict(list)
    modes: Counter[str] = Counter()
    pictures: dict[str, dict[str, Any]] = {}
    for made in prints:
        seen = look(pipeline, made.lq)
        scores = (
            found_scores(seen.mask, made.mask) | filled_scores(made, seen) | marked_scores(made, pipeline)
        )
        for name, value in scores.items():
            rows[name].append(value)
        modes[seen.mode] += 1
        pictures[made.name] = {
            name: round(scores[name], 3) for name in ("f1", "recall", "matched_inside_gain")
        }
        pictures[made.name] |= {"mode": seen.mode, "kind": seen.kind}
    return {
        "set": f"{len(prints)} prints",
        "pixel_sha256": pixel_hash(array for made in prints for array in (made.lq, made.mask)),
        "thorough_share": round(modes["thorough"] / len(prints), 4),
        "scores": {name: summary(values) for name, values in rows.items()},
        "pictures": pictures,
    }


def found_scores(found: Mask, there: Mask) -> Scores:
    """Return `f1`, `precision`, `recall`, pixel by pixel; the same with `_rimless` and `_2px`, see above."""
    rim = (cv2.dilate(there.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~there
    pred, gt, ignored_rim = (torch.from_numpy(mask)[None] for mask in (found, there, rim))
    nothing = torch.zeros_like(ignored_rim)
    scores = tolerant_scores(pred, gt, nothing, tolerance_px=0)
    for suffix, ignored, tolerance_px in (("rimless", ignored_rim, 0), ("2px", nothing, TOLERANCE_PX)):
        lenient = tolerant_scores(pred, gt, ignored, tolerance_px=tolerance_px)
        scores |= {f"{name}_{suffix}": value for name, value in lenient.items()}
    return scores


def filled_scores(made: Print, seen: Look) -> Scores:
    """Return PSNR in dB of lq and result, inside and outside the damage, before and after their tone was matched."""
    scores = {}
    for picture, pixels in (("lq", made.lq), ("ours", seen.image)):
        matched = match_tone(pixels, made.gt, ~made.mask)
        for place, mask in (("inside", made.mask), ("outside", ~made.mask)):
            scores[f"{picture}_{place}"] = psnr_at(pixels, made.gt, mask)
            scores[f"{picture}_matched_{place}"] = psnr_at(matched, made.gt, mask)
    for place in ("inside", "outside", "matched_inside", "matched_outside"):
        scores[f"{place}_gain"] = scores[f"ours_{place}"] - scores[f"lq_{place}"]
    return scores


def marked_scores(made: Print, pipeline: Pipeline) -> Scores:
    """Return PSNR in dB inside the damage, where the caller marks all of it."""
    mask = made.mask.astype(np.uint8) * 255
    ours = look(pipeline, made.lq, mask=mask).image
    scores = {
        "marked_ours": psnr_at(ours, made.gt, made.mask),
        "marked_telea": psnr_at(baselines.telea(made.lq, mask), made.gt, made.mask),
    }
    return scores | {"marked_gain": scores["marked_ours"] - scores["marked_telea"]}


def match_tone(pixels: Pixels, gt: Pixels, where: Mask) -> np.ndarray:
    """Apply to (H, W, 3), 0 to 255, the gain and shift of each channel that bring it nearest to `gt` there."""
    matched = np.empty(pixels.shape, np.float64)
    for channel in range(3):
        given, wanted = (array[..., channel].astype(np.float64) for array in (pixels, gt))
        spread = given[where].var()
        gain = np.cov(given[where], wanted[where], bias=True)[0, 1] / spread if spread else 1.0
        matched[..., channel] = wanted[where].mean() + gain * (given - given[where].mean())
    return matched.clip(0, 255)


def psnr_at(pixels: np.ndarray, gt: Pixels, mask: Mask) -> float:
    """Return PSNR in dB where the mask (H, W) is true, at most `CAP_DB`."""
    pred, target = (torch.from_numpy(np.array(array, np.float64)) / 255 for array in (pixels, gt))
    return min(CAP_DB, psnr(pred, target, mask=torch.from_numpy(mask)[..., None]))
