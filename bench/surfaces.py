"""Grain, paper, mosaics and printed screens on photographs of CBSD68, and strong colours under noise.

Surfaces: whole pictures of `bench.surfaces_set`, stored in 8 bits; every `SURFACES_EVERY`th photograph. The network is
told the level that the service estimates in a picture that is judged noisy, or nothing. Strong colours: every
`STRONG_EVERY`th photograph with its channels permuted and its saturation doubled, then noise as in `bench.denoise`,
blind; what counts is how far that falls behind the same photographs as they are.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.blind import Denoise, load_denoiser, score
from bench.denoise import SIGMAS_255
from bench.pictures import Pixels, add_gaussian, as_floats, read_set
from bench.statistics import paired, pixel_hash, summary
from bench.surfaces_set import KINDS, strong
from photorestore.stages.denoise.levels import level_of
from photorestore.stages.preprocess.estimates import estimate

SURFACES_EVERY, STRONG_EVERY = 6, 2
INPUT, OURS, BLIND = "input", "ours, level estimated", "ours, blind"
STRONG, PLAIN = "strong colours", "as they are"


def measure(root: Path, *, tier: str = "fast", every: int = 1) -> dict[str, Any]:
    """Return PSNR in dB by surface and method, and of strong colours by sigma_255; `every` takes each n-th picture."""
    photos = [pixels for _, pixels in read_set(root, "BSD100/cbsd68")]
    denoise, hashed = load_denoiser(tier), []
    chosen = photos[:: SURFACES_EVERY * every]
    surfaces = {}
    for kind, draw in KINDS.items():
        lqs = [draw(pixels, np.random.default_rng(index)) for index, pixels in enumerate(chosen)]
        hashed += lqs
        scores = _surface(chosen, lqs, denoise)
        surfaces[kind] = {
            "psnr_db": {method: summary(values) for method, values in scores.items()},
            "gain_db": paired(scores, OURS)[INPUT],
            "level_255": _levels(chosen, lqs),
        }
    return {
        "set": f"CBSD68, {len(chosen)} pictures",
        "surfaces": surfaces,
        "strong": _strong(photos[:: STRONG_EVERY * every], denoise),
        "pixel_sha256": pixel_hash(hashed),
    }


def judged_noisy(pixels: Pixels) -> float:
    """Return the level, in [0, 1] units, that the service estimates in (H, W, 3) that is judged noisy."""
    return level_of(estimate(pixels.transpose(2, 0, 1)), is_grainy=True).sigma_255 / 255


def true_level(lq: Pixels, gt: Pixels) -> float:
    """Return the standard deviation, in [0, 1] units, of what was added."""
    return float(np.std(lq / 255 - gt / 255))


def _surface(gts: list[Pixels], lqs: list[Pixels], denoise: Denoise) -> dict[str, list[float]]:
    scores: dict[str, list[float]] = defaultdict(list)
    for gt, lq in zip(gts, lqs, strict=True):
        stored = as_floats(lq)
        scores[INPUT].append(score(stored, gt))
        for method, sigma in ((BLIND, None), (OURS, judged_noisy(lq))):
            scores[method].append(score(denoise(stored, sigma), gt))
    return scores


def _levels(gts: list[Pixels], lqs: list[Pixels]) -> dict[str, float]:
    """Means of the true and the estimated level in 8-bit units."""
    true = [255 * true_level(lq, gt) for gt, lq in zip(gts, lqs, strict=True)]
    estimated = [255 * judged_noisy(lq) for lq in lqs]
    return {"true": round(float(np.mean(true)), 2), "estimated": round(float(np.mean(estimated)), 2)}


def _strong(photos: list[Pixels], denoise: Denoise) -> dict[str, Any]:
    levels = {}
    for sigma_255 in SIGMAS_255:
        scores: dict[str, list[float]] = defaultdict(list)
        for index, pixels in enumerate(photos):
            for colours, gt in ((PLAIN, pixels), (STRONG, strong(pixels))):
                scores[colours].append(score(denoise(add_gaussian(gt, sigma_255, seed=index), None), gt))
        levels[str(sigma_255)] = {
            "psnr_db": {colours: summary(values) for colours, values in scores.items()},
            "gain_db": paired(scores, STRONG)[PLAIN],
        }
    return {"set": f"CBSD68, {len(photos)} pictures", "levels": levels}
