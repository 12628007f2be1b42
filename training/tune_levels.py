"""Measure for the limits of `denoise.levels` and the artefacts of `estimates`; prints tables, changes nothing.

    python -m training.tune_levels --data ../shared/data/train

JPEGs are made from training photographs, shrunk so that they have no artefacts of their own; noise is put on the same
photographs; real camera noise is that of the training pairs. For each kind: the true level (standard deviation of what
is wrong), the estimated one, and what the denoiser gains over the picture as it is, told either of them, or nothing.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from photorestore.fidelity import psnr
from photorestore.networks.precision import BFLOAT16
from photorestore.networks.runner import Runner, load_runner
from photorestore.stages.denoise.levels import MOST_ASSUMED_255, level_of
from photorestore.stages.preprocess.compression import COLOUR_ARTEFACTS, GREY_ARTEFACTS
from training.level_examples import (
    Example,
    jpeg_example,
    make_noisy,
    make_surfaces,
    read_crops,
    read_pairs,
    variants,
)

FITTED_QUALITIES = (8, 10, 15, 20, 30, 40, 60, 75, 85)
QUALITIES = (10, 25, 40, 75, 90)
FACTORS = (0.7, 0.85, 1.0, 1.15, 1.4)
"""The denoiser is also told the estimated level times each of these."""
ASSUMED = (0.1, 8, 11, 14, 17, 22, 28)
CONSTANTS_255 = (3, 4, 5, 6, 8)


def print_artefacts(photos: Sequence[Image.Image]) -> None:
    """Print what `grey_artefacts` and `colour_artefacts` ought to be, by quality, and how far pictures are off."""
    print("quality  grey            colour")
    for quality in FITTED_QUALITIES:
        cells = []
        for colours, used in (("grey", GREY_ARTEFACTS), ("colour", COLOUR_ARTEFACTS)):
            examples = [jpeg_example(colours, dict(variants(photo))[colours], quality) for photo in photos]
            ratios = [
                math.log(used * example.true_255 / max(example.found.artefacts_255 or 0, 0.01))
                for example in examples
                if example.true_255 > 0
            ]
            cells.append(f"{math.exp(np.median(ratios)):.3f} +- {100 * np.std(ratios):.0f} %")
        print(f"{quality:7d}  " + "   ".join(cells), flush=True)


class Gains:
    """Measures what the denoiser gains on one example, by the level that it is told."""

    def __init__(self, network: Runner[Tensor], example: Example) -> None:
        self.network, self.example = network, example
        self.lq, self.gt = (
            torch.from_numpy(a).permute(2, 0, 1) / 255 for a in (example.lq.copy(), example.gt.copy())
        )

    def told(self, sigma_255: float | None) -> float:
        """Return the PSNR of the result less that of the picture, in dB."""
        level = None if sigma_255 is None else torch.tensor([sigma_255 / 255])
        pred = self.network(self.lq[None], level)[0]
        return psnr(pred, self.gt) - psnr(self.lq, self.gt)


def print_gains(network: Runner[Tensor], examples: Sequence[Example]) -> None:
    """Print the gain of the denoiser told nothing, the truth, the estimate, and multiples of it."""
    print(
        f"kind  n  true  estimated  |  gain in dB: blind, true, estimated times {', '.join(map(str, FACTORS))}"
    )
    for kind, chosen in _by_kind(examples).items():
        estimated = [level_of(example.found, is_grainy=example.is_grainy).sigma_255 for example in chosen]
        rows = []
        for example, sigma_255 in zip(chosen, estimated, strict=True):
            gains = Gains(network, example)
            levels = (None, example.true_255, *(factor * sigma_255 for factor in FACTORS))
            rows.append([gains.told(level) for level in levels])
        truth = np.mean([example.true_255 for example in chosen])
        means = "  ".join(f"{mean:5.2f}" for mean in np.mean(rows, 0))
        print(f"{kind:20s}  {len(chosen)}  {truth:5.2f}  {np.mean(estimated):5.2f}  |  {means}", flush=True)


def print_assumed(network: Runner[Tensor], examples: Sequence[Example]) -> None:
    """Print what `ASSUMED` does where little is found, and what a constant would do."""
    print(f"kind  |  gain in dB with ASSUMED {', '.join(map(str, ASSUMED))}  |  at least {CONSTANTS_255}")
    for kind, chosen in _by_kind(examples).items():
        rows = []
        for example in chosen:
            gains = Gains(network, example)
            found_255 = math.hypot(example.found.sigma_255, example.found.artefacts_255 or 0)
            root = math.sqrt(max(example.found.gradient_255, 1e-6))
            least = [min(MOST_ASSUMED_255, factor / root) for factor in ASSUMED] + [*CONSTANTS_255]
            rows.append([gains.told(max(level, found_255)) for level in least])
        print(f"{kind:20s}  |  " + "  ".join(f"{mean:5.2f}" for mean in np.mean(rows, 0)), flush=True)


def _by_kind(examples: Sequence[Example]) -> dict[str, list[Example]]:
    kinds: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        kinds[example.kind].append(example)
    return kinds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--per-folder", type=int, default=8, help="photographs of each folder")
    parser.add_argument("--side-px", type=int, default=160)
    arguments = parser.parse_args()
    photos = read_crops(arguments.data, arguments.per_folder, arguments.side_px)
    network = load_runner("denoise", root=arguments.weights, precision=BFLOAT16)
    print(f"{len(photos)} photographs")
    print_artefacts(photos)
    jpegs = [
        jpeg_example(f"JPEG {quality}, {colours}", picture, quality)
        for quality in QUALITIES
        for photo in photos
        for colours, picture in variants(photo)
    ]
    pairs = list(read_pairs(arguments.data, 2, arguments.side_px))
    print_gains(network, pairs + jpegs + [*make_noisy(photos), *make_surfaces(photos)])
    print_assumed(
        network, pairs + [example for example in jpegs if example.kind.startswith(("JPEG 75", "JPEG 90"))]
    )


if __name__ == "__main__":
    main()
