"""The denoiser as a function of one picture, for the suites that measure it alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from photorestore.metrics import psnr
from photorestore.stages.base import autocast
from photorestore.weights import load_network

Floats = npt.NDArray[np.float32]
Denoise = Callable[[Floats, float | None], Floats]
"""(H, W, 3) in [0, 1] and sigma in [0, 1] units, or None where it is not known; the result is clipped."""


def load_denoiser(tier: str = "fast") -> Denoise:
    """Our network on whole pictures, in bfloat16 where the processor has it."""
    network = load_network("denoise", tier)

    @torch.inference_mode()
    def denoise(noisy: Floats, sigma: float | None = None) -> Floats:
        image = torch.from_numpy(noisy).permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last)
        level = None if sigma is None else torch.tensor([sigma])
        with autocast("auto", torch.device("cpu")):
            pred = network(image, level)
        return pred[0].permute(1, 2, 0).clamp(0, 1).numpy()

    return denoise


def score(result: npt.NDArray[np.floating], pixels: npt.NDArray[np.uint8]) -> float:
    """PSNR in dB of a clipped result in [0, 1] against a picture of 8 bits."""
    return psnr(torch.from_numpy(result).clamp(0, 1), torch.from_numpy(pixels / np.float32(255)))
