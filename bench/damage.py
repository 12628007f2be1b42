"""Scratch detection and filling on the damage set.

Every picture runs through the stages in process, with denoising, scratch detection and translation asked for.
Detection: precision and recall of the probability against the true mask, pixel by pixel, no tolerance. Filling:
the mask that our stage used is given to the classical methods too, on the same denoised picture; PSNR is
measured inside the true damage (which nobody can mend where it was not found), in the part of it that was filled,
and outside of both.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import baselines
from bench.damage_set import DamagedPicture, load_damage_set, pixel_sha256
from bench.looks import run_stages
from bench.statistics import summary
from photorestore.fidelity import PrecisionRecall, psnr
from photorestore.networks.tiling import to_float
from photorestore.pipeline import Pipeline
from photorestore.stages.scratch.masks import FOUND, grow
from photorestore.workspace import Workspace

STAGES = ("denoise", "scratch", "translate")
"""Stages that run on every picture."""

CURVE = Path("docs/models/scratch_pr.png")
CAP_DB = 60.0
"""The damaged picture equals the photograph outside of its damage."""

BASELINES = {"Telea": baselines.telea, "Navier-Stokes": baselines.navier_stokes}


def measure(root: Path, pipeline: Pipeline, *, every: int = 1, curve: Path | None = CURVE) -> dict[str, Any]:
    """Measure detection and filling.

    Args:
        root: the folder of the bench pictures, beside `train`.
        every: take only each n-th picture.
        curve: where to draw the precision-recall curve.
    """
    pictures = load_damage_set(root.parent)[::every]
    detection = PrecisionRecall()
    cleaned: Counter[str] = Counter()
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for picture in pictures:
        workspace = run_stages(picture.lq, STAGES, pipeline)
        truth = picture.mask.numpy()
        detection.add(to_float(workspace.plane("scratch_prob")), picture.mask)
        mask = np.asarray(workspace.plane("scratch_mask"), np.uint8)
        cleaned += Counter(_counts(mask > 0, truth))
        for method, places in _fillings(workspace, picture, grow(mask) > 0).items():
            for place, value in places.items():
                if not math.isnan(value):
                    scores[method][place].append(value)
        workspace.remove()
    return {
        "set": f"{len(pictures)} pictures",
        "pixel_sha256": pixel_sha256(pictures),
        "detection": _detection(detection, curve) | {"cleaned_mask": _scores(**cleaned)},
        "filling_psnr_db": {
            method: {place: summary(values) for place, values in places.items()}
            for method, places in scores.items()
        },
        "gain_over_db": {
            method: {
                place: summary(np.subtract(scores["ours"][place], scores[method][place]))
                for place in ("inside", "filled")
            }
            for method in scores
            if method != "ours"
        },
        "loss_outside_against_denoised_db": summary(
            np.subtract(scores["denoised"]["outside"], scores["ours"]["outside"])
        ),
    }


def _fillings(workspace: Workspace, picture: DamagedPicture, mask: np.ndarray) -> dict[str, dict[str, float]]:
    """PSNR by method and place: inside the true damage, in its part that was filled, outside of both."""
    denoised = workspace.plane("denoised")
    pixels = (
        np.ascontiguousarray((denoised.astype(np.uint32) + 128) // 257).astype(np.uint8).transpose(1, 2, 0)
    )
    hole = mask[0].astype(np.uint8)
    results = {
        "damaged picture": picture.lq.float() / 255,
        "denoised": to_float(denoised),
        **{
            name: torch.from_numpy(fill(pixels, hole)).permute(2, 0, 1) / 255.0
            for name, fill in BASELINES.items()
        },
        "ours": to_float(workspace.current()),
    }
    gt, found = picture.gt.float() / 255, torch.from_numpy(mask)
    places = {"inside": picture.mask, "filled": picture.mask & found, "outside": ~(picture.mask | found)}
    return {
        method: {name: min(psnr(result, gt, mask=place), CAP_DB) for name, place in places.items()}
        for method, result in results.items()
    }


def _detection(found: PrecisionRecall, curve: Path | None) -> dict[str, Any]:
    """Scores at the threshold that was chosen on validation pictures, and the area under the curve."""
    if curve:
        _draw(found, curve)
    scores = found.at(FOUND) | {"area_under_pr": found.area()}
    damaged, sound = float(found.there.sum()), float(found.absent.sum())
    return {
        "threshold": FOUND,
        **{name: round(value, 4) for name, value in scores.items()},
        "damaged_share": round(damaged / (damaged + sound), 5),
    }


def _counts(mask: np.ndarray, truth: np.ndarray) -> dict[str, int]:
    return {
        "hits": int((mask & truth).sum()),
        "alarms": int((mask & ~truth).sum()),
        "misses": int((~mask & truth).sum()),
    }


def _scores(hits: int, alarms: int, misses: int) -> dict[str, float]:
    precision, recall = hits / max(hits + alarms, 1), hits / max(hits + misses, 1)
    f1 = 2 * hits / max(2 * hits + alarms + misses, 1)
    return {"f1": round(f1, 4), "precision": round(precision, 4), "recall": round(recall, 4)}


def _draw(found: PrecisionRecall, file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    _, precision, recall = found.curve()
    chosen = found.at(FOUND)
    figure, axis = pyplot.subplots(figsize=(4.5, 4))
    axis.plot(recall[1:], precision[1:])
    axis.plot(chosen["recall"], chosen["precision"], "o", label=f"threshold {FOUND:.2f}")
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1), title="scratch, damage set")
    axis.grid(alpha=0.3)
    axis.legend(loc="lower left")
    figure.tight_layout()
    figure.savefig(file, dpi=80)
    pyplot.close(figure)
