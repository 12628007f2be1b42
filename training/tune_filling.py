"""Measure what the limits of `scratch.masks` do to pictures: gains where they are damaged, losses elsewhere.

    python -m training.tune_filling --data ../shared/data/train

Held-out photographs, under damage of prints with shapes that training does not see and as they are, both with things
drawn into four in ten of them that look like damage; and real prints whose damage was marked by eye. All go through
the stages `scratch` and `translate` in the mode `thorough`, with the limits for damaged pictures set to each value.
Prints a table, changes nothing.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from photorestore import pipeline
from photorestore.fidelity import psnr, tolerant_scores
from photorestore.options import Options
from photorestore.stages.scratch import masks
from photorestore.stages.translate import stage as translate
from training.data import hold_out, load_photos
from training.filled_prints import damage_as_print, load_prints
from training.held_damage import CROP_PX
from training.imperfect_masks import MASK_ALPHA
from training.marked import DAMAGE, IGNORE, MarkedPrint

FOLDERS = ("photos_a/bsds400", "photos_a/hr", "photos_b/osie", "photos_b/sunhays80")
HELD_OUT_EVERY = 40
VISIBLE = 8 / 255
CAP_DB = 60.0
FILLING = Options(mode="thorough", strength={"denoise": 0, "face": 0}, timeout_s=600)
LIMITS = ((0.3, 0.3), (0.5, 0.5), (0.7, 0.5), (0.7, 0.7), (0.9, 0.7), (0.97, 0.5), (0.99, 0.5), (0.995, 0.5))
"""Pairs: the probability that a defect must reach, and that down to which it is followed."""


def fill(loaded: pipeline.Pipeline, picture: Tensor) -> Tensor:
    """Return what comes back of uint8 (3, H, W), in [0, 1]."""
    restored = loaded.restore(picture.permute(1, 2, 0).contiguous().numpy(), FILLING)
    return torch.from_numpy(restored.image).permute(2, 0, 1) / 255


def score_made(loaded: pipeline.Pipeline, made: Sequence[tuple[Tensor, Tensor, Tensor]]) -> list[float]:
    """Return the mean gain in dB of pictures (gt, lq, alpha), of what is damaged in them, and PSNR of what is not.

    Pictures that damage has missed are left out.
    """
    rows = []
    for gt, lq, alpha in made:
        inside = (alpha > MASK_ALPHA).float()
        if not inside.any():
            continue
        image = fill(loaded, _as_bytes(lq))
        gain = psnr(image, gt) - psnr(lq, gt)
        gain_inside = psnr(image, gt, mask=inside) - psnr(lq, gt, mask=inside)
        rows.append([gain, gain_inside, min(CAP_DB, psnr(image, gt, mask=1 - inside))])
    return list(np.mean(rows, axis=0))


def score_sound(loaded: pipeline.Pipeline, made: Sequence[tuple[Tensor, Tensor, Tensor]]) -> list[float]:
    """Return the mean PSNR of the same pictures without damage, and the percentage of pixels that change visibly."""
    rows = []
    for gt, _, _ in made:
        image = fill(loaded, _as_bytes(gt))
        changed = ((image - gt).abs().amax(0) > VISIBLE).float().mean()
        rows.append([min(CAP_DB, psnr(image, gt)), 100 * float(changed)])
    return list(np.mean(rows, axis=0))


def score_real(loaded: pipeline.Pipeline, prints: Sequence[MarkedPrint]) -> list[float]:
    """Return the mean F1, precision and recall of what changes visibly in real prints, against their marks."""
    rows = []
    for one in prints:
        changed = ((fill(loaded, one.image) - one.image / 255).abs().amax(0, keepdim=True)) > VISIBLE
        rows.append(list(tolerant_scores(changed, one.mask == DAMAGE, one.mask == IGNORE).values()))
    return list(np.mean(rows, axis=0))


def _as_bytes(image: Tensor) -> Tensor:
    return (255 * image).round().byte()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--every", type=int, default=1, help="take each n-th photograph only")
    parser.add_argument("--masks", type=Path, default=Path("runs/marks"), help="see training.marking")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="of all networks")
    arguments = parser.parse_args()
    folders = [load_photos([arguments.data / name], min_side_px=CROP_PX) for name in FOLDERS]
    held_out, _ = hold_out(folders, HELD_OUT_EVERY)
    prints = load_prints(arguments.data, arguments.masks, CROP_PX // 2, validation=True)
    rng = torch.Generator().manual_seed(0)
    made = [
        damage_as_print(photo[:, :CROP_PX, :CROP_PX].float() / 255, prints, rng)
        for photo in itertools.islice(held_out, 0, None, arguments.every)
    ]
    print(
        "certain followed   made: gain, inside, outside   sound: PSNR, changed   real: F1, precision, recall"
    )
    with tempfile.TemporaryDirectory() as root:
        loaded = pipeline.load(root=Path(root), weights=arguments.weights)
        translate.needs_tone = lambda workspace: False  # noqa: ARG005 - tone is another matter
        for certain, followed in LIMITS:
            masks.CERTAIN_IN_DAMAGED, masks.FOLLOWED = certain, followed
            parts = score_made(loaded, made), score_sound(loaded, made), score_real(loaded, prints.marked)
            figures = "   ".join("  ".join(f"{value:.3f}" for value in part) for part in parts)
            print(f"{certain:.2f}  {followed:.2f}   {figures}", flush=True)


if __name__ == "__main__":
    main()
