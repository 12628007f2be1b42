"""What the constants of `photorestore.masks` rest on; prints tables, changes nothing.

    python -m training.tune_masks --data ../shared/data/train

On clean training photographs: how much the detector is sure of, and so which rule tells a damaged picture from one with
busy detail. On photographs that are held out from training, under damage that is kept for validation: what the mask
that is filled should be, by the PSNR of the whole picture and inside the damage.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from photorestore import masks
from photorestore.metrics import psnr
from photorestore.networks.fusion import FILL_STRIDE
from photorestore.weights import load_network
from training.data import hold_out, load_photos
from training.degradations.damage import damage_moderately, load_damage_sources

FOLDERS = ("photos_a/hr", "photos_a/bsds400", "photos_b/osie", "photos_b/sunhays80", "domain/faces/ccby320")
HELD_OUT_EVERY = 40
"""As in the configurations of the two networks."""
SURE = (0.9, 0.95, 0.97, 0.98, 0.99)
RATIOS = (0.2, 0.3, 0.35, 0.4, 0.5, 0.6)


@dataclass(frozen=True, slots=True)
class Example:
    """A held-out photograph under damage, and what the detector makes of it, (1, H, W) uint16."""

    lq: Tensor
    gt: Tensor
    damaged: Tensor
    prob: np.ndarray


@torch.inference_mode()
def detect(network: torch.nn.Module, image: Tensor) -> np.ndarray:
    """scratch_prob of (3, H, W) in [0, 1]: (1, H, W) uint16."""
    with torch.autocast("cpu", torch.bfloat16):
        prob = network(image[None]).sigmoid()[0]
    return (prob.float() * 65535).round().numpy().astype(np.uint16)


def make_examples(network: torch.nn.Module, photos: list[Tensor], data: Path) -> list[Example]:
    """One for every photograph, cut so that tiles are not needed."""
    rng = torch.Generator().manual_seed(1)
    sources = load_damage_sources(data, held_out=False, validation=True)
    examples = []
    for photo in photos:
        h, w = (min(480, side // FILL_STRIDE * FILL_STRIDE) for side in photo.shape[-2:])
        gt = photo[:, :h, :w].float() / 255
        lq, _, damaged = damage_moderately(gt, sources, rng)
        examples.append(Example(lq, gt, damaged, detect(network, lq)))
    return examples


def print_rule(clean: list[np.ndarray], examples: list[Example]) -> None:
    """Which pictures would be taken for damaged, and how much would be filled in the others."""
    print("sure  ratio  share   clean taken for damaged   damaged recognised")
    for sure, ratio, share in itertools.product(SURE, RATIOS, (0.002, 0.005)):
        counts = []
        for probs in (clean, [example.prob for example in examples]):
            is_damaged = [
                (prob >= sure * 65535).sum()
                >= max(share * prob.size, ratio * (prob >= masks.FOUND * 65535).sum())
                for prob in probs
            ]
            counts.append(sum(is_damaged))
        print(
            f"{sure:.2f}  {ratio:.2f}   {share:.3f}   {counts[0]} of {len(clean)}   {counts[1]} of {len(examples)}"
        )
    for certain in (0.99, 0.995, 0.998, 0.999, 0.9995):
        shares = sorted(masks.coverage(masks.clean_mask(prob, certain)) for prob in clean)
        found = [masks.coverage(masks.clean_mask(example.prob, certain)) for example in examples]
        print(
            f"certain {certain}: filled in clean pictures, mean {100 * np.mean(shares):.3f} %, "
            f"largest {[round(100 * share, 2) for share in shares[-4:]]} %; "
            f"in damaged ones {100 * np.mean(found):.2f} %"
        )


@torch.inference_mode()
def print_masks(network: torch.nn.Module, examples: list[Example]) -> None:
    """What following further, asking for less certainty and growing more do to the filled picture."""
    print("followed  certain  grow   PSNR whole   inside   marked %   of damage %")
    for followed, certain, grow in itertools.product((0.3, 0.4, 0.5), (0.5, 0.7), (1, 2)):
        masks.FOLLOWED, masks.GROW_PX = followed, grow  # type: ignore[misc]
        whole, inside, marked, hit = [], [], [], []
        for example in examples:
            mask = torch.from_numpy(masks.clean_mask(example.prob, certain)).float() / 255
            with torch.autocast("cpu", torch.bfloat16):
                pred = network(example.lq[None], mask[None])[0].clamp(0, 1)
            whole.append(psnr(pred, example.gt))
            inside.append(psnr(pred, example.gt, mask=example.damaged))
            marked.append(float(mask.mean()))
            hit.append(float(mask[example.damaged].mean()))
        means = [float(np.mean(values)) for values in (whole, inside, marked, hit)]
        print(
            f"{followed:.2f}   {certain:.2f}   {grow}   {means[0]:.2f}   {means[1]:.2f}   "
            f"{100 * means[2]:.2f}   {100 * means[3]:.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    arguments = parser.parse_args()
    detector = load_network("scratch", root=arguments.weights)
    folders = [load_photos([arguments.data / name], min_side_px=160) for name in FOLDERS]
    held_out, folders = hold_out(folders, HELD_OUT_EVERY)
    examples = make_examples(detector, held_out, arguments.data)
    clean = [detect(detector, photo.float() / 255) for folder in folders for photo in folder[::8]]
    print_rule(clean, examples)
    print_masks(load_network("translate", root=arguments.weights), examples)


if __name__ == "__main__":
    main()
