"""The denoiser as a function of one picture, for the suites that measure it alone, and the level that it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from bench.pictures import Floats, Pixels, as_floats
from photorestore.fidelity import psnr
from photorestore.imaging import open_picture
from photorestore.networks.runner import load_runner
from photorestore.stages.denoise.levels import level_of
from photorestore.stages.preprocess.estimates import estimate
from photorestore.stages.preprocess.findings import Estimates

Denoise = Callable[[Floats, float | None], Floats]
"""(H, W, 3) in [0, 1] and sigma in [0, 1] units, or None where it is not known; the result is clipped."""


def load_denoiser(tier: str = "fast") -> Denoise:
    """Load our network for whole pictures, in bfloat16 where the processor has it."""
    network = load_runner("denoise", tier)

    def denoise(noisy: Floats, sigma: float | None = None) -> Floats:
        image = torch.from_numpy(noisy).permute(2, 0, 1)[None]
        level = None if sigma is None else torch.tensor([sigma])
        return network(image, level)[0].permute(1, 2, 0).numpy()

    return denoise


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as the service takes it: its pixels (H, W, 3), and the noise level, in [0, 1] units, that it estimates."""

    pixels: Pixels
    sigma: float


def read_upload(encoded: bytes) -> Upload:
    """Decode an 8-bit file, estimate, and choose the level: what `preprocess` and `denoise` do."""
    picture = open_picture(encoded)
    image = np.empty((3, *picture.header.upright_hw), np.uint8)
    picture.decode(image, None)
    return Upload(image.transpose(1, 2, 0), _sigma(estimate(image, picture.header.quantisation)))


def estimated_sigma(pixels: Pixels) -> float:
    """Return the level, in [0, 1] units, that the service estimates in (H, W) or (H, W, 3) without a file."""
    image = np.broadcast_to(pixels, (3, *pixels.shape)) if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return _sigma(estimate(image))


def _sigma(found: Estimates) -> float:
    return level_of(found).sigma_255 / 255


def score(result: npt.NDArray[np.floating], pixels: Pixels) -> float:
    """Return the PSNR in dB of a clipped result in [0, 1] against a picture of 8 bits."""
    return psnr(torch.from_numpy(result).clamp(0, 1), torch.from_numpy(as_floats(pixels)))
