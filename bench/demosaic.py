"""Photographs mosaicked and demosaicked: by the network, and by LibRaw's AHD (Bayer) and Markesteijn's (X-Trans).

Protocol: photographs, which no training saw, are the channels of a camera whose colours are those of sRGB. Noise is
Gaussian, white, of encoded values, clipped to what a sensor can measure; then light is measured in linear 16 bits, and
a DNG is made of it, mirrored at its borders up to a size that LibRaw takes. Both ways read that DNG; what they give is
compared in sRGB, without the mirrored part. LibRaw knows no noise, so that there it is what remains.
"""

from __future__ import annotations

import io
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rawpy
import torch

from bench.dng import BAYER, XTRANS, dng, mosaic_of
from bench.pictures import Pixels, add_gaussian, read_set
from bench.statistics import paired, pixel_hash, summary
from photorestore.fidelity import psnr
from photorestore.imaging import open_to_decode
from photorestore.imaging.decoders.raw import Demosaic
from photorestore.networks.runner import load_runner
from photorestore.stages.preprocess.demosaic import demosaick
from photorestore.stages.preprocess.stage import DEMOSAIC

Planes = npt.NDArray[np.uint16]
"""A picture in sRGB, (H, W, 3)."""

SETS = ("BSD100", "Urban100_sub20")
EVERY = 10
MOST_HW = (480, 640)
LEAST_PX = 516
"""Sides below 512 LibRaw does not take for X-Trans."""
PATTERNS: Mapping[str, Sequence[str]] = {"Bayer": BAYER, "X-Trans": XTRANS}
SIGMAS_255 = (0, 10)
OURS, TOLD, LIBRAW = "network", "network, level given", "LibRaw"


def measure(root: Path, *, tier: str = "fast", every: int = 1) -> dict[str, Any]:  # noqa: ARG001 - one for all tiers
    """Return PSNR in dB by pattern, noise and method; `every` takes only each n-th picture."""
    photos = [pixels for name in SETS for _, pixels in read_set(root, name)[::EVERY]][::every]
    photos = [pixels[: MOST_HW[0], : MOST_HW[1]] for pixels in photos]
    network = load_runner(DEMOSAIC)
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    seconds: dict[str, float] = defaultdict(float)
    megapixels = 0.0
    for pattern, rows in PATTERNS.items():
        for sigma_255 in SIGMAS_255:
            for index, pixels in enumerate(photos):
                upload, size = as_dng(pixels, rows, sigma_255, index)
                ways = {OURS: None, TOLD: float(sigma_255)}
                results = {}
                for name, told in ways.items():
                    start = time.process_time()
                    results[name] = developed(upload, partial(demosaick, network, told))
                    seconds[name] += time.process_time() - start
                start = time.process_time()
                results[LIBRAW] = by_libraw(upload)
                seconds[LIBRAW] += time.process_time() - start
                megapixels += size
                for name, result in results.items():
                    scores[f"{pattern}, sigma {sigma_255}"][name].append(_score(result, pixels))
    return {
        "set": f"{len(photos)} photographs of {' and '.join(SETS)}",
        "pixel_sha256": pixel_hash(photos),
        "psnr_db": {
            case: {name: summary(values) for name, values in of.items()} for case, of in scores.items()
        },
        "gain_over_db": {case: paired(of, OURS) for case, of in scores.items()},
        "seconds_per_megapixel": {name: spent / megapixels for name, spent in seconds.items()},
    }


def as_dng(pixels: Pixels, pattern: Sequence[str], sigma_255: float, seed: int) -> tuple[bytes, float]:
    """Return a DNG of a photograph, and its megapixels."""
    noisy = add_gaussian(pixels, sigma_255, seed).clip(0, 1)
    h, w = pixels.shape[:2]
    missing = [(0, max(0, LEAST_PX - h)), (0, max(0, LEAST_PX - w)), (0, 0)]
    whole = np.pad(noisy, missing, mode="symmetric")
    return dng(mosaic_of(light_of(whole), pattern), pattern), whole[..., 0].size / 1e6


def light_of(encoded: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the light of sRGB values in [0, 1]."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def developed(upload: bytes, demosaic: Demosaic | None) -> Planes:
    """Develop a raw file as the service does."""
    picture = open_to_decode(upload, demosaic=demosaic)
    image = np.empty((3, *picture.header.upright_hw), np.uint16)
    picture.decode(image, None)
    return np.moveaxis(image, 0, -1)


def by_libraw(upload: bytes) -> Planes:
    """Develop a raw file by LibRaw's best way, with the service's settings."""
    with rawpy.RawPy() as raw:
        raw.open_buffer(io.BytesIO(upload))
        return np.asarray(
            raw.postprocess(
                demosaic_algorithm=rawpy.DemosaicAlgorithm.AHD,
                use_camera_wb=True,
                no_auto_bright=True,
                adjust_maximum_thr=0.0,
                gamma=(2.4, 12.92),
                output_bps=16,
                user_flip=0,
            ),
            np.uint16,
        )


def _score(result: Planes, pixels: Pixels) -> float:
    h, w = pixels.shape[:2]
    return psnr(torch.from_numpy(result[:h, :w] / 65535), torch.from_numpy(pixels / 255))
