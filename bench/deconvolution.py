"""Known blurs undone: half-quadratic splitting against Wiener's filter and Richardson-Lucy, each at its best setting.

Protocol: kernel by kernel one picture, in turn from Set14 and every `BSD_EVERY`th of CBSD68; its middle, RGB, convolved
with the kernel where that fits in ("valid"), so that nothing repeats beyond the borders; noise of a fixed seed, neither
clipped nor quantised; all methods are told kernel and noise, see `CROP_PX` x `CROP_PX` px and treat borders in the same
way; results clipped; PSNR of RGB without a margin of `MARGIN_PX`, where borders count more than methods. The classical
methods are run at every setting of `WIENER` and `LUCY`; of each, the setting that is best for all pictures of a noise
level stands in the results.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from bench.pictures import Pixels, read_set
from bench.statistics import paired, pixel_hash, summary
from photorestore.blur_words import Blur
from photorestore.fidelity import psnr
from photorestore.networks.runner import Runner, load_runner
from photorestore.pixels.psf import draw
from photorestore.stages.deblur.deconvolution import Deconvolution
from photorestore.stages.deblur.methods import HalfQuadraticSplitting, Method, RichardsonLucy, Wiener

SIGMAS_255 = (2.55, 7.65)
CROP_PX, MARGIN_PX = 160, 8
BSD_EVERY = 17
WORDS = ("motion:15,30", "motion:25,100", "gaussian:1.6", "defocus:4")
FILES = ("k_large_1", "k_large_2")
LEVIN = "Levin09.mat"
"""Shakes of a real camera, measured: Levin, Weiss, Durand, Freeman, *Understanding and evaluating blind deconvolution
algorithms*, CVPR 2009."""
SHAKES_PX = (13, 17, 21, 25)
"""Sizes of our own paths of a shaken camera."""
WIENER = {f"Wiener, balance {balance:g}": Wiener(balance=balance) for balance in (10, 30, 100, 300, 1000)}
LUCY = {f"Richardson-Lucy, {steps} steps": RichardsonLucy(steps=steps) for steps in (5, 10, 20, 40)}
GAUSSIANS = ("gaussian:1.6", *(f"kernels_12, {number}" for number in range(1, 9)))
OURS, INPUT = "half-quadratic splitting", "blurred input"


def measure(root: Path, *, tier: str = "fast", every: int = 1) -> dict[str, Any]:
    """Return PSNR in dB by sigma_255 and method; `every` takes only each n-th kernel with its picture."""
    denoiser: Runner[Tensor] = load_runner("denoise", tier)
    methods: dict[str, Method] = {
        OURS: HalfQuadraticSplitting(lambda image, sigma: denoiser(image, sigma, clamps=False)),
        **WIENER,
        **LUCY,
    }
    cases = read_cases(root)[::every]
    psnr_db, gains, best, by_kernel, hashed = {}, {}, {}, {}, []
    seconds: dict[str, float] = defaultdict(float)
    for sigma_255 in SIGMAS_255:
        scores: dict[str, list[float]] = defaultdict(list)
        for case in cases:
            blurred, gt = blur(case.pixels, case.psf, sigma_255, case.seed)
            hashed.append(blurred.numpy())
            scores[INPUT].append(score(blurred, gt))
            for name, method in methods.items():
                start = time.perf_counter()
                scores[name].append(score(undo(blurred, case.psf, method, sigma_255), gt))
                seconds[name] += time.perf_counter() - start
        level = f"{sigma_255:g}"
        best[level] = [max(grid, key=lambda name: np.mean(scores[name])) for grid in (WIENER, LUCY)]
        kept = {name.partition(",")[0]: scores[name] for name in (INPUT, OURS, *best[level])}
        psnr_db[level] = {name: summary(values) for name, values in kept.items()}
        gains[level] = paired(kept, OURS)
        by_kernel[level] = {
            case.kernel: {name: round(values[place], 2) for name, values in kept.items()}
            for place, case in enumerate(cases)
        }
    megapixels = len(SIGMAS_255) * len(cases) * CROP_PX**2 / 1e6
    return {
        "set": f"{len(cases)} kernels, each on one picture of Set14 and CBSD68",
        "crop_px": CROP_PX,
        "margin_px": MARGIN_PX,
        "pixel_sha256": pixel_hash(hashed),
        "psnr_db": psnr_db,
        "gain_over_db": gains,
        "best_settings": best,
        "by_kernel_db": by_kernel,
        "gaussians": [case.kernel for case in cases if case.kernel in GAUSSIANS],
        "seconds_per_megapixel": {name: round(spent / megapixels, 1) for name, spent in seconds.items()},
    }


@dataclass(frozen=True, slots=True)
class Case:
    """A kernel and the picture that it blurs, with the seed of the noise."""

    kernel: str
    psf: Tensor
    pixels: Pixels
    seed: int


def read_cases(root: Path) -> list[Case]:
    """Return all kernels, each with a picture in turn."""
    photos = [*read_set(root, "Set14"), *read_set(root, "BSD100/cbsd68")[::BSD_EVERY]]
    return [
        Case(kernel, psf, photos[number % len(photos)][1], number)
        for number, (kernel, psf) in enumerate(read_kernels(root / "kernels").items())
    ]


def read_kernels(folder: Path) -> dict[str, Tensor]:
    """Return PSFs (K, K), K odd, their sums 1, by name: of files, and of `WORDS`."""
    cells = scipy.io.loadmat(str(folder / "kernels_12.mat"))["kernels"].ravel()
    kernels = {f"kernels_12, {number}": _as_psf(cell) for number, cell in enumerate(cells, start=1)}
    with h5py.File(folder / LEVIN) as stored:
        for number, reference in enumerate(stored["kernels"][()].ravel(), start=1):
            kernels[f"Levin, {number}"] = _as_psf(stored[reference][()].T)  # MATLAB's columns come first
    for name in FILES:
        with Image.open(folder / f"{name}.png") as picture:
            kernels[name] = _as_psf(np.asarray(picture.convert("L")))
    kernels |= {f"shake of {size} px": shake(size, seed=size) for size in SHAKES_PX}
    for words in WORDS:
        told = Blur.parse(words)
        assert told is not None
        kernels[words] = draw(told)
    return kernels


def shake(size: int, seed: int) -> Tensor:
    """Return the path of a shaken camera as a PSF (size, size): a point that keeps its course but for random pushes."""
    pushes = np.random.default_rng(seed).standard_normal((400, 2))
    speed = np.zeros_like(pushes)
    for place in range(1, len(pushes)):
        speed[place] = 0.97 * speed[place - 1] + pushes[place]
    path = speed.cumsum(0)
    low, high = path.min(0), path.max(0)
    rows, columns = ((path - (low + high) / 2) * (size - 1) / (high - low).max() + (size - 1) / 2).T
    drawn, _, _ = np.histogram2d(rows, columns, bins=size, range=[[-0.5, size - 0.5]] * 2)
    return _as_psf(drawn)


def blur(pixels: Pixels, psf: Tensor, sigma_255: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the middle of a picture (H, W, 3) blurred and with noise, and sharp: (1, 3, CROP_PX, CROP_PX) at most."""
    h, w = (min(side, CROP_PX + len(psf) - 1) for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - h) // 2, (pixels.shape[1] - w) // 2
    sharp = torch.from_numpy(pixels[top : top + h, left : left + w].copy()).permute(2, 0, 1).float() / 255
    blurred = F.conv2d(sharp[:, None], psf.flip(0, 1)[None, None])[:, 0][None]
    noise = np.random.default_rng(seed).standard_normal(blurred.shape).astype(np.float32)
    radius = len(psf) // 2
    gt = sharp[None, :, radius : h - radius, radius : w - radius]
    return blurred + sigma_255 / 255 * torch.from_numpy(noise), gt


def undo(blurred: Tensor, psf: Tensor, method: Method, sigma_255: float, *, of_light: bool = False) -> Tensor:
    """Return the sharp picture, told kernel and noise, and whether light was blurred."""
    whole = torch.zeros_like(blurred[:, :1])
    runner = Runner(Deconvolution(psf, method, of_light=of_light), precision="float32")
    return runner(blurred, whole, torch.tensor([sigma_255 / 255]))


def score(result: Tensor, gt: Tensor) -> float:
    """Return the PSNR in dB of a clipped result without its margin."""
    inner = (..., slice(MARGIN_PX, -MARGIN_PX), slice(MARGIN_PX, -MARGIN_PX))
    return psnr(result[inner].clamp(0, 1), gt[inner])


def best_classical(gains: Mapping[str, Mapping[str, float]]) -> float:
    """Return the mean gain over the better of the classical methods."""
    return min(gain["mean"] for name, gain in gains.items() if name != INPUT)


def _as_psf(values: np.ndarray) -> Tensor:
    """Return a kernel with odd, equal sides and sum 1."""
    side = max(values.shape) | 1
    psf = np.zeros((side, side), np.float32)
    psf[: values.shape[0], : values.shape[1]] = values
    return torch.from_numpy(psf / psf.sum())
