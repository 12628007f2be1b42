"""Colour Gaussian denoising on CBSD68: blind, told sigma or what the service estimates, and classical baselines.

Protocol: RGB; noise of a fixed seed per picture, neither clipped nor quantised; output clipped; no border crop;
whole pictures, bfloat16 where the processor has it. The classical methods are slow and run on every
`CLASSICAL_EVERY`th picture; our figures on the same pictures stand beside theirs.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from bench import baselines
from bench.blind import estimated_sigma, load_denoiser, score
from bench.pictures import add_gaussian, as_stored, read_set
from bench.statistics import paired, pixel_hash, summary

SIGMAS_255 = (15, 25, 50)
CLASSICAL = {
    "non-local means, sigma given (subset)": baselines.non_local_means,
    "BM3D, sigma given (subset)": baselines.block_matching_3d,
}
CLASSICAL_EVERY = 17
PUBLISHED = {
    "CBM3D": (33.52, 30.71, 27.38),
    "DnCNN": (33.90, 31.24, 27.95),
    "FFDNet": (33.87, 31.21, 27.96),
    "DRUNet": (34.30, 31.69, 28.51),
    "Restormer": (34.34, 31.74, 28.56),
}
"""RGB PSNR in dB at the three levels, from the papers; the networks are told sigma."""


def measure(root: Path, *, tier: str = "fast", every: int = 1) -> dict[str, Any]:
    """Return PSNR in dB by sigma_255 and method; `every` takes only each n-th picture."""
    photos = read_set(root, "BSD100/cbsd68")[::every]
    denoise = load_denoiser(tier)
    levels, gains, hashed = {}, {}, []
    for sigma_255 in SIGMAS_255:
        scores: dict[str, list[float]] = defaultdict(list)
        for index, (_, pixels) in enumerate(photos):
            noisy = add_gaussian(pixels, sigma_255, seed=index)
            hashed.append(noisy)
            scores["noisy input"].append(score(noisy, pixels))
            scores["ours, blind"].append(score(denoise(noisy, None), pixels))
            estimated = estimated_sigma(as_stored(noisy))
            scores["ours, level estimated"].append(score(denoise(noisy, estimated), pixels))
            scores["ours, sigma given"].append(score(denoise(noisy, sigma_255 / 255), pixels))
            if index % CLASSICAL_EVERY == 0:
                scores["ours, blind (subset)"].append(scores["ours, blind"][-1])
                for name, method in CLASSICAL.items():
                    scores[name].append(score(method(noisy, sigma_255 / 255), pixels))
        levels[str(sigma_255)] = {method: summary(values) for method, values in scores.items()}
        gains[str(sigma_255)] = paired(scores, "ours, blind (subset)")
    return {
        "set": f"CBSD68, {len(photos)} pictures",
        "pixel_sha256": pixel_hash(hashed),
        "psnr_db": levels,
        "subset_gain_over_db": gains,
        "published_psnr_db": PUBLISHED,
    }
