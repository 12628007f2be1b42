"""Real camera noise: crops of PolyU pictures, beside BM3D with the best of several noise levels.

The noisy picture is one shot, the clean one the mean of 500 of the same scene (Xu et al., *Real-world Noisy Image
Denoising: A New Benchmark*, 2018), both stored as JPEG. BM3D is told a noise level and is slow: it runs on one crop of
`CROP_PX` a picture, at a place of fixed seed, with each of `SIGMAS_255`. Two figures count: at the level that is best
for the whole set, and, as a bound, at the level that is best for each crop. Neither can be known without the clean
picture. Ours is told the level that the service estimates from the whole file, or nothing. Our figures are on the same
crops, and on the whole pictures.

Other shots of the set were in the denoiser's training; the scenes named in `SEEN` too, and they are left out here.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from bench import baselines
from bench.blind import Upload, load_denoiser, read_upload, score
from bench.pictures import Pixels, as_floats, read_pixels, set_files
from bench.statistics import paired, pixel_hash, summary

SET = "PolyU"
SEEN = ("NikonD800_6-3_125_5000_plant",)
"""Scenes of which other crops were in training."""
CROP_PX = 128
SIGMAS_255 = (4, 8, 12, 20)
OURS, BLIND = "ours, level estimated", "ours, blind"
BEST_OF_SET, BEST_OF_EACH = "BM3D, best sigma of the set", "BM3D, best sigma of each crop"


def measure(root: Path, *, tier: str = "fast", every: int = 1) -> dict[str, Any]:
    """Return PSNR in dB by method; `every` takes only each n-th pair."""
    pairs = read_pairs(root)[::every]
    denoise = load_denoiser(tier)
    crops: dict[str, list[float]] = defaultdict(list)
    whole: dict[str, list[float]] = defaultdict(list)
    swept: list[list[float]] = []  # by crop, then by sigma
    for index, (lq, gt) in enumerate(pairs):
        noisy, clean = crop(lq.pixels, gt, index)
        for scores, given, target in ((whole, lq.pixels, gt), (crops, noisy, clean)):
            scores["noisy"].append(score(as_floats(given), target))
            scores[BLIND].append(score(denoise(as_floats(given), None), target))
            scores[OURS].append(score(denoise(as_floats(given), lq.sigma), target))
        swept.append(
            [
                score(baselines.block_matching_3d(as_floats(noisy), sigma_255 / 255), clean)
                for sigma_255 in SIGMAS_255
            ]
        )
    best = int(np.mean(swept, 0).argmax())
    crops[BEST_OF_SET] = [scores[best] for scores in swept]
    crops[BEST_OF_EACH] = [max(scores) for scores in swept]
    return {
        "set": f"{SET}, {len(pairs)} pairs",
        "crop_px": CROP_PX,
        "pixel_sha256": pixel_hash(pixels for lq, gt in pairs for pixels in (lq.pixels, gt)),
        "bm3d_sigmas_255": SIGMAS_255,
        "bm3d_best_sigma_255": SIGMAS_255[best],
        "sigmas_255": summary([255 * lq.sigma for lq, _ in pairs]),
        "psnr_db": {
            "crops": {method: summary(values) for method, values in crops.items()},
            "whole pictures": {method: summary(values) for method, values in whole.items()},
        },
        "gain_over_db": {
            "crops": paired(crops, OURS),
            "whole pictures": paired(whole, OURS),
        },
    }


def read_pairs(root: Path) -> list[tuple[Upload, Pixels]]:
    """Read noisy and clean pictures (H, W, 3) of scenes that no training has seen.

    Raises:
        FileNotFoundError: there are none.
    """
    return [
        (read_upload(file.read_bytes()), read_pixels(file.with_name(file.name.replace("_real", "_mean"))))
        for file in set_files(root, SET)
        if file.stem.endswith("_real") and not file.stem.startswith(SEEN)
    ]


def crop(lq: Pixels, gt: Pixels, seed: int) -> tuple[Pixels, Pixels]:
    """Cut the same square out of both."""
    h, w, _ = gt.shape
    top, left = np.random.default_rng(seed).integers(0, (h - CROP_PX + 1, w - CROP_PX + 1))
    window = (slice(top, top + CROP_PX), slice(left, left + CROP_PX))
    return lq[window], gt[window]
