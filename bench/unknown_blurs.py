"""Blurs that nobody tells: estimated and undone, beside the same PSF given, and undone by the network.

Protocol: kernel by kernel one photograph, in turn from Set14 and every `BSD_EVERY`th of CBSD68; the `PHOTO_PX` px of
its middle convolved where the kernel fits in, noise of sigma_255 2.55 and a fixed seed. The PSF is estimated from all
of it; half-quadratic splitting then undoes `CROP_PX` px of its middle with the PSF given, and with the estimated one,
moved onto the given one first: where a blur lies is a shift of the picture, which no estimate can know. PSNR of RGB
without a margin. The network sees the same pixels. `auto` is what the stage does where nobody tells a blur: with an
estimate that it trusts it splits with shrinkage fields, and else leaves it to the network. What it makes of the sharp
photographs is measured, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.deconvolution import (
    CROP_PX,
    GAUSSIANS,
    MARGIN_PX,
    OURS,
    Case,
    read_cases,
    score,
    undo,
)
from bench.statistics import summary
from photorestore.fidelity import psnr
from photorestore.networks.runner import load_runner
from photorestore.networks.tiling import to_integers
from photorestore.stages.deblur.blind import find_blur, seems_blurred
from photorestore.stages.deblur.light import matching
from photorestore.stages.deblur.methods import Denoise, HalfQuadraticSplitting, Method, quick_splitting
from photorestore.stages.deblur.stage import DOUBT, doubted

SIGMA_255 = 2.55
PHOTO_PX = 400
NEAR_DB = 2.0
STEPS = np.arange(-1, 1.01, 0.25)
"""Parts of a pixel by which a PSF is moved."""
GIVEN, FOUND, NETWORK, INPUT = f"{OURS}, PSF given", f"{OURS}, PSF estimated", "network", "blurred input"
QUICK, AUTO = f"{OURS} with shrinkage fields, PSF estimated", "auto"


def measure(root: Path, *, tier: str = "fast", every: int = 1) -> dict[str, Any]:
    """Return PSNR in dB by method and kernel; `every` takes only each n-th kernel with its picture."""
    denoiser, network, quick = load_runner("denoise", tier), load_runner("deblur"), load_runner("denoise_csf")
    denoise, fields = partial(denoiser, clamps=False), partial(quick, clamps=False)
    cases = [case for case in read_cases(root) if case.kernel not in GAUSSIANS][::every]
    by_kernel: dict[str, dict[str, float]] = {}
    problems: dict[str, str] = {}
    used: list[str] = []
    scores: dict[str, list[float]] = defaultdict(list)
    for case in cases:
        blurred, gt = _blurred(case)
        seen = to_integers(blurred[0], np.dtype(np.uint16))
        found = find_blur(seen, fields, DOUBT * SIGMA_255 / 255)
        is_used = seems_blurred(seen, network) and not found.drawback
        if found.problem:
            problems[case.kernel] = found.problem
        if is_used:
            used.append(case.kernel)
        middle, gt, psf = _middle(blurred), _middle(gt), moved_onto(case.psf, found.psf)
        sharp = {
            INPUT: middle,
            NETWORK: _middle(network(blurred)),
            GIVEN: undo(middle, case.psf, HalfQuadraticSplitting(denoise), SIGMA_255),
            FOUND: undo_estimated(middle, psf, HalfQuadraticSplitting, denoise, of_light=found.of_light),
            QUICK: undo_estimated(middle, psf, quick_splitting, fields, of_light=found.of_light),
        }
        sharp[AUTO] = sharp[QUICK if is_used else NETWORK]
        by_kernel[case.kernel] = {name: round(score(image, gt), 2) for name, image in sharp.items()}
        by_kernel[case.kernel]["agreement"] = found.agreement
        for name in sharp:
            scores[name].append(by_kernel[case.kernel][name])
    near = [name for name, row in by_kernel.items() if row[FOUND] >= row[GIVEN] - NEAR_DB]
    kept = [psnr(network(_tensor(case)), _tensor(case)) for case in cases]
    taken = [seems_blurred(to_integers(_tensor(case)[0], np.dtype(np.uint8)), network) for case in cases]
    return {
        "set": f"{len(cases)} kernels, each on one photograph of Set14 and CBSD68",
        "sigma_255": SIGMA_255,
        "crop_px": CROP_PX,
        "margin_px": MARGIN_PX,
        "psnr_db": {name: summary(values) for name, values in scores.items()},
        "by_kernel_db": by_kernel,
        "near": near,
        "problems": problems,
        "sharp_db": summary(kept),
        "sharp_taken_for_blurred": sum(taken),
        "used_by_auto": used,
    }


def undo_estimated(
    blurred: Tensor, psf: Tensor, splitting: Callable[[Denoise], Method], denoise: Denoise, *, of_light: bool
) -> Tensor:
    """Return the sharp picture as the service makes it of an estimated kernel."""
    method = splitting(matching(denoise, of_light=of_light))
    return undo(blurred, psf, method, 255 * doubted(SIGMA_255 / 255), of_light=of_light)


def moved_onto(psf: Tensor, found: Tensor) -> Tensor:
    """Return an estimated PSF moved, by quarters of a pixel, to where it is most like another."""
    side = max(len(psf), len(found)) + 10 | 1
    given, moving = (F.pad(one, ((side - len(one)) // 2,) * 4) for one in (psf, found))
    target, spectrum = torch.fft.fft2(given), torch.fft.fft2(moving)
    at = int(torch.fft.ifft2(target * spectrum.conj()).real.argmax())
    rows, columns = torch.fft.fftfreq(side)[:, None], torch.fft.fftfreq(side)[None]
    tries = [
        torch.fft.ifft2(
            spectrum * torch.exp(-2j * torch.pi * (rows * (at // side + y) + columns * (at % side + x)))
        ).real
        for y in STEPS
        for x in STEPS
    ]
    best = max(tries, key=lambda one: float((one * given).sum())).clamp_min(0)
    return best / best.sum()


def _blurred(case: Case) -> tuple[Tensor, Tensor]:
    """Return a photograph blurred and with noise, and sharp, (1, 3, H, W)."""
    sharp = _tensor(case)[0]
    whole = F.conv2d(sharp[:, None], case.psf.flip(0, 1)[None, None])[:, 0][None]
    noise = np.random.default_rng(case.seed).standard_normal(whole.shape).astype(np.float32)
    radius = len(case.psf) // 2
    h, w = whole.shape[-2:]
    return whole + SIGMA_255 / 255 * torch.from_numpy(noise), sharp[
        None, :, radius : radius + h, radius : radius + w
    ]


def _tensor(case: Case) -> Tensor:
    h, w = case.pixels.shape[:2]
    top, left = max(0, h - PHOTO_PX) // 2, max(0, w - PHOTO_PX) // 2
    middle = case.pixels[top : top + PHOTO_PX, left : left + PHOTO_PX].copy()
    return torch.from_numpy(middle).permute(2, 0, 1)[None].float() / 255


def _middle(image: Tensor) -> Tensor:
    h, w = image.shape[-2:]
    top, left = max(0, h - CROP_PX) // 2, max(0, w - CROP_PX) // 2
    return image[..., top : top + CROP_PX, left : left + CROP_PX]
