"""JPEG artefacts: grey pictures at four qualities, with the level that is estimated and blind.

Protocol of the field: full-range luma of BT.601, rounded to 8 bits, is stored by libjpeg at the quality; PSNR and SSIM
of grey values, no border crop. Our network sees three equal channels; the mean of its channels counts. It is told the
level that the service estimates from the file's quantisation table and its pixels, or nothing. LIVE1 without the ten
pictures that it shares with Kodak's set has ten that are at hand; the published figures are of all 29, so that only
the gain over the JPEG compares, and that roughly.
"""

from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from bench.blind import Denoise, Upload, load_denoiser, read_upload
from bench.pictures import Pixels, as_floats, read_set
from bench.statistics import paired, pixel_hash, summary
from photorestore.fidelity import psnr, ssim

SETS = ("LIVE1_nonkodak10", "Classic5")
QUALITIES = (10, 20, 30, 40)
OURS, BLIND = "ours, level estimated", "ours, blind"
PUBLISHED = {"DnCNN": (29.19, 31.59, 32.98, 33.96), "FBCNN": (29.75, 32.13, 33.54, 34.53)}
"""PSNR in dB of LIVE1, all 29 pictures, at the four qualities, from the papers."""


def measure(root: Path, *, tier: str = "fast", every: int = 1) -> dict[str, Any]:
    """Return PSNR in dB and SSIM by set, quality and method; `every` takes only each n-th picture."""
    denoise, hashed = load_denoiser(tier), []
    sets = {}
    for name in SETS:
        photos = [to_grey(pixels) for _, pixels in read_set(root, name)[::every]]
        qualities = {}
        for quality in QUALITIES:
            lqs = [read_upload(compress(gt, quality)) for gt in photos]
            hashed += [lq.pixels[..., 0] for lq in lqs]
            qualities[str(quality)] = _measure_one(photos, lqs, denoise)
        sets[name] = {"pictures": len(photos), "qualities": qualities}
    return {"sets": sets, "pixel_sha256": pixel_hash(hashed), "published_psnr_db": PUBLISHED}


def to_grey(pixels: Pixels) -> Pixels:
    """Return full-range luma, (H, W)."""
    return np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def compress(grey: Pixels, quality: int) -> bytes:
    """Encode (H, W) as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _measure_one(gts: list[Pixels], lqs: list[Upload], denoise: Denoise) -> dict[str, Any]:
    psnr_db: dict[str, list[float]] = defaultdict(list)
    ssims: dict[str, list[float]] = defaultdict(list)
    for gt, lq in zip(gts, lqs, strict=True):
        stored = as_floats(lq.pixels)
        results = {"JPEG": stored, BLIND: denoise(stored, None), OURS: denoise(stored, lq.sigma)}
        for method, result in results.items():
            pred, target = torch.from_numpy(result.mean(2)), torch.from_numpy(as_floats(gt))
            psnr_db[method].append(psnr(pred, target))
            ssims[method].append(ssim(pred[None], target[None]))
    return {
        "psnr_db": {method: summary(values) for method, values in psnr_db.items()},
        "ssim": {method: summary(values) for method, values in ssims.items()},
        "gain_over_db": paired(psnr_db, OURS),
    }
