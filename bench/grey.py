"""Grey Gaussian denoising on BSD68: ours, the paper's autoencoder, BM3D, and published figures.

Grey values are those of BSD68, made from the colour pictures; noise of a fixed seed per picture, neither clipped nor
quantised; results clipped; no border crop. Our network is made for colour: it sees three equal channels, and the mean
of its channels counts. It is told the level that the service estimates from the picture in 8 bits, or nothing. BM3D is
slow and runs on every `CLASSICAL_EVERY`th picture; the rows marked *subset* are measured on these.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from bench import baselines, learned
from bench.blind import estimated_sigma, load_denoiser, score
from bench.pictures import Pixels, add_gaussian, as_stored, read_set
from bench.statistics import paired, pixel_hash, summary

SIGMAS_255 = (15, 25, 50)
CLASSICAL_EVERY = 17
BM3D = "BM3D, sigma given (subset)"
OURS, BLIND = "ours, level estimated", "ours, blind"
PUBLISHED = {"BM3D": {"25": 28.57}, "CSF": {"25": 28.74}, "DnCNN": {"25": 29.23}}
"""PSNR in dB by sigma_255, from the papers; told sigma."""


def measure(root: Path, *, tier: str = "fast", every: int = 1) -> dict[str, Any]:
    """Return PSNR in dB by sigma_255 and method; `every` takes only each n-th picture."""
    photos = [to_grey(pixels) for _, pixels in read_set(root, "BSD100/cbsd68")][::every]
    denoise, autoencoder = load_denoiser(tier), learned.load_autoencoder()
    levels, gains, hashed = {}, {}, []
    for sigma_255 in SIGMAS_255:
        scores: dict[str, list[float]] = defaultdict(list)
        for index, pixels in enumerate(photos):
            noisy = add_gaussian(pixels, sigma_255, seed=index)
            hashed.append(noisy)
            scores["noisy input"].append(score(noisy, pixels))
            for method, sigma in ((BLIND, None), (OURS, estimated_sigma(as_stored(noisy)))):
                restored = denoise(np.repeat(noisy[..., None], 3, 2), sigma).mean(2)
                scores[method].append(score(restored, pixels))
            if autoencoder:
                scores[autoencoder.label].append(score(autoencoder.denoise(noisy), pixels))
            if index % CLASSICAL_EVERY == 0:
                scores[f"{OURS} (subset)"].append(scores[OURS][-1])
                scores[BM3D].append(score(baselines.block_matching_3d_grey(noisy, sigma_255 / 255), pixels))
        levels[str(sigma_255)] = {method: summary(values) for method, values in scores.items()}
        gains[str(sigma_255)] = paired(scores, OURS) | paired(scores, f"{OURS} (subset)")
    return {
        "set": f"BSD68, {len(photos)} pictures",
        "pixel_sha256": pixel_hash(hashed),
        "psnr_db": levels,
        "gain_over_db": gains,
        "published_psnr_db": PUBLISHED,
    }


def to_grey(pixels: Pixels) -> Pixels:
    """Return exactly BSD68's grey values, (H, W)."""
    weights = np.array([0.298936021293775, 0.587043074451121, 0.114020904255103])
    return np.rint(pixels @ weights).astype(np.uint8)
