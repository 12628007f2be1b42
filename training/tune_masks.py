"""Measure for the constants of `scratch.masks` and `scratch.scales`; prints tables, changes nothing.

    python -m training.tune_masks --data ../shared/data/train

Where a picture is taken for damaged: how several scales are to be joined and what of their probability is to be marked,
by the F1 on real prints whose damage was marked by eye and on photographs under laid-on damage of prints, all held out
from training. Where it is not: how much would be marked in clean photographs and in drawings.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.fidelity import TOLERANCE_PX, tolerant_scores
from photorestore.stages.scratch import masks, scales
from training.damaged_samples import age, draw_sheets
from training.data import hold_out, load_photos
from training.degradations.prints import damage_print
from training.degradations.sources import load_crack_shapes
from training.detectors import Detector, load_detector
from training.marked import DAMAGE, IGNORE, VALIDATION_PRINTS, load_marked_prints

FOLDERS = ("photos_a/hr", "photos_a/bsds400", "photos_b/osie", "photos_b/sunhays80", "domain/faces/ccby320")
HELD_OUT_EVERY, LARGE_PX = 40, 700
"""The first as the networks' configurations have it; prints with shorter sides than the second are enlarged."""


@dataclass(frozen=True, slots=True)
class Example:
    """A picture's damaged and unknown places, bool (1, H, W), and the detector's probabilities by scale."""

    damaged: Tensor
    unknown: Tensor
    probs: list[np.ndarray]
    tolerance_px: int = TOLERANCE_PX


def detect(network: Detector, image: np.ndarray) -> np.ndarray:
    """Return the scratch_prob, uint16 (1, H, W), of a picture, uint8 (3, H, W)."""
    prob = network(torch.from_numpy(image)[None] / 255).sigmoid()[0]
    return (prob * 65535).round().numpy().astype(np.uint16)


def example(network: Detector, image: Tensor, damaged: Tensor, unknown: Tensor) -> Example:
    """Look at uint8 (3, H, W) at its full size and at half of it."""
    pixels = image.numpy()
    return Example(
        damaged,
        unknown,
        [detect(network, pixels), detect(network, scales.shrunk(pixels, 2))],
    )


def real_examples(network: Detector, data: Path, drawn: Path) -> list[Example]:
    """Return the marked prints that training did not see."""
    prints = load_marked_prints(data, drawn, names=VALIDATION_PRINTS)
    return [example(network, one.image, one.mask == DAMAGE, one.mask == IGNORE) for one in prints]


def large_examples(network: Detector, data: Path, drawn: Path) -> list[Example]:
    """Return the smaller ones of these prints at twice their size, as a larger scan would show them."""
    large = []
    for one in load_marked_prints(data, drawn, names=VALIDATION_PRINTS):
        if max(one.image.shape) < LARGE_PX:
            image = F.interpolate(one.image[None].float(), scale_factor=2, mode="bicubic")[0]
            mask = F.interpolate(one.mask[None].float(), scale_factor=2)[0]
            found = example(network, image.clamp(0, 255).round().byte(), mask == DAMAGE, mask == IGNORE)
            large.append(replace(found, tolerance_px=2 * TOLERANCE_PX))
    return large


def made_examples(network: Detector, photos: Sequence[Tensor], data: Path) -> list[Example]:
    """Damage photographs that training did not see, by shapes that it did not see."""
    rng = torch.Generator().manual_seed(1)
    sources = load_crack_shapes(data, held_out=False, validation=True)
    made = []
    for photo in photos:
        lq, alpha = damage_print(age(photo[:, :400, :400].float() / 255, rng).clamp(0, 1), sources, rng)
        damaged = alpha > 0.1
        made.append(example(network, (255 * lq).round().byte(), damaged, torch.zeros_like(damaged)))
    return made


def score(examples: Sequence[Example], views: int, certain: float, followed: float) -> str:
    """Return the mean F1, precision and recall of the mask, from the full size and, with two views, from half of it."""
    masks.FOLLOWED = followed
    rows = []
    for one in examples:
        fused = np.empty_like(one.probs[0])
        scales.fuse(one.probs[:views], (1, 2)[:views], fused)
        mask = torch.from_numpy(masks.clean_mask(fused, certain) > 0)
        rows.append(list(tolerant_scores(mask, one.damaged, one.unknown, one.tolerance_px).values()))
    return "  ".join(f"{value:.3f}" for value in np.mean(rows, axis=0))


def print_damaged(sets: Sequence[Sequence[Example]]) -> None:
    """Print how well damage is marked in pictures that are taken for damaged."""
    print("views  certain  followed   F1, precision, recall of: real   real at twice the size   made")
    for views in (1, 2):
        for certain, followed in itertools.product((0.2, 0.3, 0.5, 0.7), (0.15, 0.3, 0.45)):
            scores = "   ".join(score(examples, views, certain, followed) for examples in sets)
            print(f"{views}  {certain:.2f}  {followed:.2f}   {scores}", flush=True)


def print_others(clean: Sequence[np.ndarray], kind: str) -> None:
    """Print how much would be marked in pictures that are not damaged."""
    for certain in (0.99, 0.995, 0.998, 0.999, 0.9995):
        shares = sorted(masks.coverage(masks.clean_mask(prob, certain)) for prob in clean)
        kept = [share if share <= masks.MOST_IN_OTHERS else 0 for share in shares]
        print(
            f"{kind}, certain {certain}: marked on average {100 * np.mean(shares):.3f} %, of which stays "
            f"{100 * np.mean(kept):.4f} %; most {[round(100 * share, 2) for share in shares[-4:]]} %"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--masks", type=Path, default=Path("runs/marks"), help="see training.marking")
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    arguments = parser.parse_args()
    detector = load_detector("scratch_print", arguments.weights)
    folders = [load_photos([arguments.data / name], min_side_px=160) for name in FOLDERS]
    held_out, folders = hold_out(folders, HELD_OUT_EVERY)
    print_damaged(
        (
            real_examples(detector, arguments.data, arguments.masks),
            large_examples(detector, arguments.data, arguments.masks),
            made_examples(detector, held_out, arguments.data),
        )
    )
    clean = [detect(detector, photo.numpy()) for folder in folders for photo in folder[::16]]
    print_others(clean, "photographs")
    print_others([detect(detector, sheet.numpy()) for sheet in draw_sheets(held_out, 24)], "drawings")


if __name__ == "__main__":
    main()
