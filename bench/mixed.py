"""Measure everything at once: the mixed set through parts of the pipeline and through a classical chain.

All methods that fill use the same mask, the one that the scratch stage finds; nobody is told where the scratches are.
`latent translation, decoded` is what the paper delivers: the picture that the second VAE decodes, G2(T(E1(x))).
PSNR and SSIM are of RGB in 8 bits without border crop; PSNR also inside the true scratches and outside of them.
BRISQUE is among the scores where its package is installed (`bench/no_reference.py`).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.restoration import estimate_sigma
from torch import Tensor

from bench import baselines
from bench.damage_set import DamagedPicture, pixel_sha256
from bench.looks import run_stages, translate_stage
from bench.mixed_set import CROP_PX, SETS, load_mixed_set
from bench.no_reference import load_brisque
from bench.pictures import Pixels, as_floats, as_stored
from bench.service import MENDING
from bench.statistics import paired, summary
from photorestore.fidelity import psnr, ssim
from photorestore.networks.tiling import to_float, to_integers
from photorestore.pipeline import Pipeline
from photorestore.stages.scratch.masks import grow
from photorestore.stages.translate.stage import USUAL

FULL = "full pipeline"
PARTS = {
    "denoise alone": ("denoise",),
    "latent translation alone": ("scratch", "translate"),
    FULL: MENDING,
}
PUBLISHED = {
    "pix2pix": (22.18, 0.62),
    "Deep Image Prior": (22.59, 0.57),
    "operation-wise attention": (24.12, 0.70),
    "Bringing Old Photos Back to Life": (23.33, 0.69),
}
"""PSNR in dB and SSIM on DIV2K with the paper's own draws; quoted second-hand, not copied from the paper's table."""


def measure(root: Path, pipeline: Pipeline, *, every: int = 1) -> dict[str, Any]:
    """Return scores by method; `every` takes only each n-th crop.

    Args:
        root: the folder of the bench pictures, beside `train`.
    """
    pictures = load_mixed_set(root.parent, every=every)
    brisque = load_brisque()
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for picture in pictures:
        for method, result in restore(picture, pipeline).items():
            for name, value in _score(result, picture).items():
                scores[name][method].append(value)
            if brisque:
                scores["brisque"][method].append(brisque(result))
    return {
        "set": f"{len(pictures)} crops of {CROP_PX} px from {' and '.join(SETS)}",
        "stages": list(MENDING),
        "pixel_sha256": pixel_sha256(pictures),
        "scores": {
            name: {method: summary(values) for method, values in methods.items()}
            for name, methods in scores.items()
        },
        "gain_over": {name: paired(methods, FULL) for name, methods in scores.items()},
        "published": PUBLISHED,
    }


def restore(picture: DamagedPicture, pipeline: Pipeline) -> dict[str, Tensor]:
    """Return what each method makes of a picture: uint8 (3, H, W)."""
    results = {"input": picture.lq}
    pixels = np.ascontiguousarray(picture.lq.permute(1, 2, 0).numpy())
    for method, stages in PARTS.items():
        workspace = run_stages(picture.lq, stages, pipeline)
        results[method] = _as_u8(to_float(workspace.current()))
        if method == "latent translation alone":
            mask = grow(np.asarray(workspace.plane("scratch_mask"), np.uint8))
            results["NLM + Telea"] = classical_chain(pixels, np.ascontiguousarray(mask[0]))
            results["latent translation, decoded"] = decoded(picture.lq, mask, pipeline)
        workspace.remove()
    order = ("input", "NLM + Telea", "denoise alone", "latent translation, decoded")
    return {method: results[method] for method in (*order, "latent translation alone", FULL)}


def classical_chain(pixels: Pixels, mask: Pixels) -> Tensor:
    """Run non-local means at the noise level that scikit-image estimates, then Telea inside the mask."""
    noisy = as_floats(pixels)
    sigma = float(estimate_sigma(noisy, channel_axis=-1, average_sigmas=True))
    filled = baselines.telea(as_stored(baselines.non_local_means(noisy, sigma)), mask)
    return torch.from_numpy(filled).permute(2, 0, 1)


def decoded(lq: Tensor, mask: Pixels, pipeline: Pipeline) -> Tensor:
    """Return G2(T(E1(x))) of a whole picture, without the fusion."""
    image, hole = lq[None].float() / 255, torch.from_numpy(np.array(mask > 0))[None].float()
    return _as_u8(translate_stage(pipeline).networks[USUAL].part("decoded")(image, hole)[0])


def _score(result: Tensor, picture: DamagedPicture) -> dict[str, float]:
    pred, gt = result.float() / 255, picture.gt.float() / 255
    return {
        "psnr_db": psnr(pred, gt),
        "ssim": ssim(pred, gt),
        "psnr_inside_db": psnr(pred, gt, mask=picture.mask),
        "psnr_outside_db": psnr(pred, gt, mask=~picture.mask),
    }


def _as_u8(image: Tensor) -> Tensor:
    return torch.from_numpy(to_integers(image, np.dtype(np.uint8)))
