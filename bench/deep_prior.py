"""Deep Image Prior on a few small pictures: noise, missing pixels and enlarging.

Protocol: grey pictures of Set12, the first `PICTURES`, the middle `CROP_PX` x `CROP_PX` px; noise of sigma_255 25 and a
fixed seed, neither clipped nor quantised; half of the pixels missing at random, beside Telea's filling; shrunk by 2 and
enlarged again, beside bicubic. Results clipped; PSNR without border crop. Rate and noise of the seeds were chosen on
these pictures with noise, of two settings.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.baselines import telea
from bench.grey import to_grey
from bench.methods import CROP_PX, middle
from bench.pictures import Pixels, add_gaussian, as_floats, read_set
from bench.statistics import pixel_hash, summary
from photorestore.fidelity import psnr
from photorestore.networks.deep_prior import restore
from photorestore.stages.upscale.network import enlarge

PICTURES, SIGMA_255, SHARE, SCALE = 3, 25, 0.5, 2
OURS, INPUT, TELEA, BICUBIC = "dip", "noisy input", "Telea", "bicubic"
PUBLISHED = {"noise": {"Deep Image Prior, 9 pictures in colour": 30.44}}
"""PSNR in dB, from the paper: larger pictures, a wider network, a mean over two runs."""


@dataclass(slots=True)
class Fits:
    """Fits pictures, and counts what that takes.

    Attributes:
        steps: of each.
        seconds: of processor time.
    """

    steps: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def fit(self, seen: Tensor, known: Tensor | None = None, scale: int = 1) -> Tensor:
        """Return what is made of a picture (1, 1, H, W)."""
        start = time.process_time()
        self.steps.append(0)
        known = torch.ones_like(seen, dtype=torch.bool) if known is None else known
        result = restore(seen, known, self._step, scale)
        self.seconds.append(time.process_time() - start)
        return result

    def _step(self, number: int, steps: int) -> None:  # noqa: ARG002
        self.steps[-1] = number


def measure(root: Path, *, tier: str = "fast", every: int = 1) -> dict[str, Any]:  # noqa: ARG001
    """Return PSNR in dB by task and method; `every` takes only each n-th picture."""
    photos = [middle(to_grey(pixels)) for _, pixels in read_set(root, "Set12", PICTURES)][::every]
    found = {name: of_task(name, photos) for name in TASKS}
    return joined(photos, found)


def of_task(name: str, photos: list[Pixels]) -> dict[str, Any]:
    """Return the figures of one of `TASKS`."""
    fits = Fits()
    scores = [TASKS[name](pixels, seed, fits) for seed, pixels in enumerate(photos)]
    by_method = {method: [round(one[method], 2) for one in scores] for method in scores[0]}
    return {
        "psnr_db": {method: summary(values) for method, values in by_method.items()},
        "by_picture_db": by_method,
        "steps": fits.steps,
        "seconds_per_megapixel": round(sum(fits.seconds) / len(photos) / CROP_PX**2 * 1e6),
    }


def joined(photos: list[Pixels], found: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of all tasks with what was measured."""
    return {
        "set": f"Set12, the first {len(photos)} pictures",
        "crop_px": CROP_PX,
        "pixel_sha256": pixel_hash(photos),
        "tasks": found,
        "published_psnr_db": PUBLISHED,
    }


def noise(pixels: Pixels, seed: int, fits: Fits) -> dict[str, float]:
    """Return the PSNR of noise removed."""
    noisy, gt = _tensor(add_gaussian(pixels, SIGMA_255, seed)), _tensor(as_floats(pixels))
    return {INPUT: _score(noisy, gt), OURS: _score(fits.fit(noisy), gt)}


def missing(pixels: Pixels, seed: int, fits: Fits) -> dict[str, float]:
    """Return the PSNR of missing pixels filled; those that are there count, too."""
    hole = np.random.default_rng(seed).random(pixels.shape) < SHARE
    seen = np.where(hole, 0, pixels).astype(np.uint8)
    filled = telea(seen[..., None].repeat(3, 2), hole.astype(np.uint8))[..., 0]
    gt, known = _tensor(as_floats(pixels)), torch.from_numpy(~hole)[None, None]
    ours = fits.fit(_tensor(as_floats(seen)), known)
    return {
        TELEA: _score(_tensor(as_floats(filled)), gt),
        OURS: _score(torch.where(known, gt, ours), gt),
    }


def enlarged(pixels: Pixels, seed: int, fits: Fits) -> dict[str, float]:  # noqa: ARG001
    """Return the PSNR of a picture enlarged again."""
    gt = _tensor(as_floats(pixels))
    small = F.interpolate(gt, scale_factor=1 / SCALE, mode="bicubic", antialias=True).clamp(0, 1)
    return {BICUBIC: _score(enlarge(small, SCALE), gt), OURS: _score(fits.fit(small, scale=SCALE), gt)}


TASKS = {"noise": noise, "missing": missing, "enlarged": enlarged}


def _score(result: Tensor, gt: Tensor) -> float:
    return psnr(result.clamp(0, 1), gt)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values)[None, None]
