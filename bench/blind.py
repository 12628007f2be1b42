"""The denoiser as a function of one picture, for the suites that measure it alone, and the level that it is told."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.pictures import Floats, Pixels, as_floats
from photorestore.fidelity import psnr
from photorestore.imaging import open_picture
from photorestore.networks.runner import Runner, load_runner
from photorestore.options import Options
from photorestore.stages.denoise.levels import level_of
from photorestore.stages.preprocess.judgement import judge
from photorestore.stages.preprocess.looking import look
from photorestore.stages.preprocess.scene import TRUNK, features_of, plane_view

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
    """Decode an 8-bit file, judge, estimate, and choose the level: what `preprocess` and `denoise` do."""
    picture = open_picture(encoded)
    image = np.empty((3, *picture.header.upright_hw), np.uint8)
    picture.decode(image, None)
    return Upload(image.transpose(1, 2, 0), _sigma(image, picture.header.quantisation))


def estimated_sigma(pixels: Pixels) -> float:
    """Return the level, in [0, 1] units, that the service estimates in (H, W) or (H, W, 3) without a file."""
    image = np.broadcast_to(pixels, (3, *pixels.shape)) if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return _sigma(np.ascontiguousarray(image))


def _sigma(image: Pixels, quantisation: Sequence[int] | None = None) -> float:
    network, detector, trunk = _judging()
    judgement = judge(image, network, detector, lambda: features_of(trunk, plane_view(image)))
    found = look(image, None, judgement, Options(stages=("denoise",)), quantisation)
    return level_of(found, is_grainy=found.is_judged_noisy).sigma_255 / 255


@functools.cache
def _judging() -> tuple[Runner[Tensor], ...]:
    return tuple(load_runner(name) for name in ("preprocess_judge", "scratch_print", TRUNK))


def score(result: npt.NDArray[np.floating], pixels: Pixels) -> float:
    """Return the PSNR in dB of a clipped result in [0, 1] against a picture of 8 bits."""
    return psnr(torch.from_numpy(result).clamp(0, 1), torch.from_numpy(as_floats(pixels)))
