"""Rain, snow and haze drawn into photographs and taken out again, and what a photograph of clear weather loses.

Protocol: every `EVERY`th photograph of BSD100, as it is and as an old print shows it: grey, with grain of `GRAIN_255`.
The weather is drawn as the training draws it (`training.degradations.weather`), with seeds of its own, and rounded to 8
bits; the stage alone works, rain and snow by one network, haze by another and by the dark channel prior. PSNR of RGB
against the same picture without weather. The same pictures without weather go through all methods as well, PSNR capped
at 60 dB.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.pictures import Pixels, add_gaussian, as_stored, read_set
from bench.statistics import pixel_hash, summary
from photorestore.fidelity import psnr
from photorestore.methods import DARK_CHANNEL, HAZE_NETWORK, NETWORK, WEATHER_METHODS
from photorestore.options import Options
from photorestore.pipeline import Pipeline
from training.degradations.weather import haze, rain, snow

EVERY, GRAIN_255, CAP_DB = 5, 6.0, 60.0
WEATHERS: dict[str, tuple[Callable[[Tensor, torch.Generator], Tensor], tuple[str, ...]]] = {
    "rain": (rain, (NETWORK,)),
    "snow": (snow, (NETWORK,)),
    "haze": (lambda image, rng: haze(image, rng)[0], (HAZE_NETWORK, DARK_CHANNEL)),
}
"""What draws a weather, and the methods that take it out."""


def measure(root: Path, pipeline: Pipeline, *, every: int = 1) -> dict[str, Any]:
    """Return figures by look and weather; `every` takes only each n-th of the pictures."""
    photos = [pixels for _, pixels in read_set(root, "BSD100")][:: EVERY * every]
    looks = {"photographs": photos, "old prints": [_aged(pixels, seed) for seed, pixels in enumerate(photos)]}
    return {
        "set": f"{len(photos)} photographs of BSD100",
        "pixel_sha256": pixel_hash(photos),
        "looks": {
            look: {
                "weathers": {
                    name: {method: _measure_weather(name, method, chosen, pipeline) for method in methods}
                    for name, (_, methods) in WEATHERS.items()
                },
                "dry": {method: _measure_dry(method, chosen, pipeline) for method in WEATHER_METHODS},
            }
            for look, chosen in looks.items()
        },
    }


def drawn(name: str, pixels: Pixels, seed: int) -> Pixels:
    """Return a picture (H, W, 3) with weather of a seed in it."""
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
    fallen = WEATHERS[name][0](image, torch.Generator().manual_seed(1000 + seed))
    return as_stored(fallen.permute(1, 2, 0).numpy())


def cleared(pixels: Pixels, method: str, pipeline: Pipeline) -> tuple[Pixels, bool]:
    """Return what the stage makes of a picture, and whether it worked."""
    options = Options(stages=("weather",), weather_method=method, format="png", timeout_s=600)
    restored = pipeline.restore(pixels, options)
    return restored.image[..., :3], restored.report.trace["weather"].outcome == "ran"


def _aged(pixels: Pixels, seed: int) -> Pixels:
    """Return a photograph as an old print shows it: grey, the grain alike in all channels."""
    grey = pixels.mean(-1, keepdims=True).round().astype(np.uint8)
    return as_stored(add_gaussian(grey, GRAIN_255, seed)).repeat(3, 2)


def _measure_weather(name: str, method: str, photos: list[Pixels], pipeline: Pipeline) -> dict[str, Any]:
    before, after, worked = [], [], []
    for seed, gt in enumerate(photos):
        lq = drawn(name, gt, seed)
        pred, ran = cleared(lq, method, pipeline)
        before.append(_psnr(lq, gt))
        after.append(_psnr(pred, gt))
        worked.append(ran)
    return {
        "before_db": summary(before),
        "after_db": summary(after),
        "gain_db": summary(np.subtract(after, before)),
        "worked_share": round(float(np.mean(worked)), 4),
    }


def _measure_dry(method: str, photos: list[Pixels], pipeline: Pipeline) -> dict[str, Any]:
    results = [cleared(pixels, method, pipeline) for pixels in photos]
    kept = [_psnr(pred, gt) for (pred, _), gt in zip(results, photos, strict=True)]
    return {
        "psnr_db": summary(kept),
        "worked_share": round(float(np.mean([worked for _, worked in results])), 4),
    }


def _psnr(result: Pixels, pixels: Pixels) -> float:
    pred, gt = (torch.from_numpy(array.copy()) / 255.0 for array in (result, pixels))
    return min(CAP_DB, psnr(pred, gt))
