"""Colour Gaussian denoising on CBSD68: blind, told sigma, and classical baselines.

Protocol: RGB; noise of a fixed seed per picture, neither clipped nor quantised; output clipped; no border crop;
whole pictures, bfloat16 where the processor has it. The classical methods are slow and run on every
`CLASSICAL_EVERY`th picture; our figures on the same pictures stand beside theirs.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import baselines
from bench.pictures import add_gaussian, read_set
from bench.statistics import pixel_hash, summary
from photorestore.metrics import psnr
from photorestore.stages.base import autocast
from photorestore.weights import load_network

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
    """PSNR in dB by sigma_255 and method; `every` takes only each n-th picture."""
    photos = read_set(root, "BSD100/cbsd68")[::every]
    network = load_network("denoise", tier)
    levels = {}
    hashed = []
    for sigma_255 in SIGMAS_255:
        scores: dict[str, list[float]] = defaultdict(list)
        for index, (_, pixels) in enumerate(photos):
            noisy = add_gaussian(pixels, sigma_255, seed=index)
            hashed.append(noisy)
            scores["noisy input"].append(_score(noisy, pixels))
            scores["ours, blind"].append(_score(_restore(network, noisy, None), pixels))
            scores["ours, sigma given"].append(_score(_restore(network, noisy, sigma_255 / 255), pixels))
            if index % CLASSICAL_EVERY == 0:
                scores["ours, blind (subset)"].append(scores["ours, blind"][-1])
                for name, method in CLASSICAL.items():
                    scores[name].append(_score(method(noisy, sigma_255 / 255), pixels))
        levels[str(sigma_255)] = {method: summary(values) for method, values in scores.items()}
    return {
        "set": f"CBSD68, {len(photos)} pictures",
        "pixel_sha256": pixel_hash(hashed),
        "psnr_db": levels,
        "published_psnr_db": PUBLISHED,
    }


@torch.inference_mode()
def _restore(network: torch.nn.Module, noisy: np.ndarray, sigma: float | None) -> np.ndarray:
    image = torch.from_numpy(noisy).permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last)
    level = None if sigma is None else torch.tensor([sigma])
    with autocast("auto", torch.device("cpu")):
        pred = network(image, level)
    return pred[0].permute(1, 2, 0).numpy()


def _score(result: np.ndarray, pixels: np.ndarray) -> float:
    return psnr(torch.from_numpy(result).clamp(0, 1), torch.from_numpy(pixels / np.float32(255)))
