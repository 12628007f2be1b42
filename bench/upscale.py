"""Super-resolution x2 and x4 on Set5, Set14, BSD100 and 20 of the 100 pictures of Urban100.

    python -m bench.upscale --data ../shared/data/bench      # prints the figures; our rows where weights are

Protocol: the picture's top left part with sides that are multiples of the scale is shrunk by MATLAB's bicubic and
stored in 8 bits; the result is stored in 8 bits; PSNR and SSIM are of BT.601's Y, not rounded, without a border of
`scale` pixels. The one picture that is stored in one channel (bridge, of Set14) is measured on its grey values in full
range, as for the published bicubic row; with its Y, Set14 is 0.09 dB better. SSIM: Gaussian window 11x11 of sigma
1.5, valid region.

The network for real photographs is measured on pictures with second-order degradations of fixed seeds.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench import learned
from bench.pictures import is_stored_grey, read_pixels, set_files
from bench.statistics import paired, pixel_hash, summary
from photorestore.fidelity import luma, psnr, ssim
from photorestore.networks.runner import Runner, load_runner
from photorestore.networks.weights import weights_file
from photorestore.options import TIERS
from training.degradations.noise import quantise
from training.degradations.resize import bicubic, shrink
from training.degradations.second_order import degrade

SCALES = (2, 4)
SETS = ("Set5", "Set14", "BSD100", "Urban100_sub20")
REAL_SET, REAL_EVERY = "BSD100", 4
PUBLISHED = {
    "2": {
        "bicubic": {"Set5": 33.66, "Set14": 30.24},
        "SRCNN": {"Set5": 36.66},
        "LapSRN": {"Set5": 37.52},
        "EDSR-base": {"Set5": 37.99},
        "SAFMN": {"Set5": 38.00},
    },
    "4": {
        "bicubic": {"Set5": 28.42, "Set14": 26.00, "BSD100": 25.96, "Urban100": 23.14},
        "SRCNN": {"Set5": 30.48, "Set14": 27.49, "BSD100": 26.90, "Urban100": 24.52},
        "LapSRN": {"Set5": 31.54, "Set14": 28.19, "BSD100": 27.32, "Urban100": 25.21},
        "ECBSR": {"Set5": 31.92, "Set14": 28.34, "BSD100": 27.48, "Urban100": 25.81},
        "EDSR-base": {"Set5": 32.09, "Set14": 28.58, "BSD100": 27.57, "Urban100": 26.04},
        "SAFMN": {"Set5": 32.18, "Set14": 28.60, "BSD100": 27.58, "Urban100": 25.97},
        "RLFN": {"Set5": 32.24, "Set14": 28.62, "BSD100": 27.60, "Urban100": 26.17},
    },
}
"""Y PSNR in dB by scale, from the papers; Urban100 is all 100 pictures there."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture of a set.

    Attributes:
        image: (3, H, W) in [0, 1].
        is_grey: it is stored in one channel.
    """

    image: Tensor
    is_grey: bool


Method = Callable[[Tensor, int], Tensor]
"""(3, H, W) and a scale to (3, scale * H, scale * W), 8-bit values."""


def measure(root: Path, *, every: int = 1) -> dict[str, Any]:
    """Return Y PSNR in dB and SSIM by scale, set and method; `every` takes only each n-th picture."""
    methods = {"bicubic": _bicubic} | learned.load_enlargers() | _ours("upscale")
    photos = {name: _read(root, name)[::every] for name in SETS}
    hashed: list[Tensor] = []
    figures = {
        str(scale): {name: _compare(chosen, methods, scale, hashed) for name, chosen in photos.items()}
        for scale in SCALES
    }
    return {
        "sets": {name: len(chosen) for name, chosen in photos.items()},
        "pixel_sha256": pixel_hash(lr.numpy() for lr in hashed),
        "scales": figures,
        "published_psnr_y_db": PUBLISHED,
        "real": _measure_real(photos[REAL_SET][::REAL_EVERY]),
    }


def _read(root: Path, name: str) -> list[Photo]:
    return [
        Photo(torch.from_numpy(read_pixels(file).copy()).permute(2, 0, 1).float() / 255, is_stored_grey(file))
        for file in set_files(root, name)
    ]


def _compare(
    photos: list[Photo], methods: dict[str, Method], scale: int, hashed: list[Tensor]
) -> dict[str, Any]:
    """PSNR, SSIM and what each method gains over bicubic, of one set at one scale."""
    scores: dict[str, dict[str, list[float]]] = {"psnr_y_db": defaultdict(list), "ssim_y": defaultdict(list)}
    for photo in photos:
        hr = to_multiple(photo.image, scale)
        lr = shrink(hr, scale)
        hashed.append(lr)
        for name, method in methods.items():
            psnr_y_db, ssim_y = score(method(lr, scale), hr, scale, is_grey=photo.is_grey)
            scores["psnr_y_db"][name].append(psnr_y_db)
            scores["ssim_y"][name].append(ssim_y)
    figures: dict[str, Any] = {
        metric: {name: summary(v) for name, v in by.items()} for metric, by in scores.items()
    }
    figures["gain_over_bicubic_db"] = {
        name: paired(scores["psnr_y_db"], name)["bicubic"] for name in methods if name != "bicubic"
    }
    return figures


def _measure_real(photos: list[Photo]) -> dict[str, Any]:
    """RGB PSNR in dB by scale and method, without the border."""
    methods = {"bicubic": _bicubic} | _ours("upscale") | _ours("upscale_real")
    figures = {}
    for scale in SCALES:
        scores: dict[str, list[float]] = defaultdict(list)
        for seed, photo in enumerate(photos):
            hr = to_multiple(photo.image, scale)
            lr = degrade(hr, scale, torch.Generator().manual_seed(seed))
            for name, method in methods.items():
                scores[name].append(psnr(_inner(method(lr, scale), scale), _inner(hr, scale)))
        figures[str(scale)] = {name: summary(values) for name, values in scores.items()}
    return {"set": f"{REAL_SET}, {len(photos)} pictures", "psnr_db": figures}


def score(sr: Tensor, hr: Tensor, scale: int, *, is_grey: bool = False) -> tuple[float, float]:
    """Return PSNR in dB and SSIM, without a border of `scale` pixels, of two pictures (3, H, W).

    Args:
        is_grey: measure grey values in full range, not Y in its studio range.
    """
    pred, gt = (_inner(luma(image), scale) for image in (sr, hr))
    if is_grey:
        pred, gt = ((255 * y - 16) / 219 for y in (pred, gt))
    return psnr(pred, gt), ssim(pred, gt)


def to_multiple(image: Tensor, scale: int) -> Tensor:
    """Cut the top left part whose sides are multiples of `scale`."""
    h, w = (side // scale * scale for side in image.shape[-2:])
    return image[..., :h, :w]


def _inner(image: Tensor, border: int) -> Tensor:
    return image[..., border:-border, border:-border]


def _bicubic(lr: Tensor, scale: int) -> Tensor:
    return quantise(bicubic(lr, scale))


def _ours(network: str) -> dict[str, Method]:
    """A method for each tier whose weights are there."""
    return {
        f"{network}, {tier}": _method(load_runner(network, tier))
        for tier in TIERS
        if weights_file(network, tier).exists()
    }


def _method(network: Runner[Tensor]) -> Method:
    return lambda lr, scale: quantise(network(lr[None], scale)[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/bench"))
    parser.add_argument("--every", type=int, default=1, help="take only each n-th picture: a quick look")
    arguments = parser.parse_args()
    result = measure(arguments.data, every=arguments.every)
    for scale, sets in result["scales"].items():
        for name, figures in sets.items():
            for method, psnr_y in figures["psnr_y_db"].items():
                ssim_y = figures["ssim_y"][method]
                print(f"x{scale}  {name:15} {method:18} {psnr_y['mean']:.2f} dB  {ssim_y['mean']:.4f}")
        for method, figures in result["real"]["psnr_db"][scale].items():
            print(f"x{scale}  second-order    {method:18} {figures['mean']:.2f} dB RGB")


if __name__ == "__main__":
    main()
