"""Measure for the constants of `photorestore.stages.preprocess.judgement`; prints tables, changes nothing.

    python -m training.tune_judgement --data ../shared/data/train

On photographs and old prints that are held out from training, as they are, grey, noisy, damaged and worn, those of
straight things by themselves, and on drawings, halftones and screenshots: how many would be restored thoroughly, or
left alone, by how sure the judgement must be.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from photorestore.networks.precision import FLOAT32
from photorestore.networks.runner import load_runner
from photorestore.options import Options
from photorestore.stages.preprocess import judgement
from photorestore.stages.preprocess.judgement import Judgement, judge, resolve_mode
from photorestore.stages.preprocess.network import FLAGS
from photorestore.stages.preprocess.scene import TRUNK, features_of, plane_view
from training.config import read_config
from training.damaged_samples import age
from training.degradations import fading, noise
from training.degradations.damage import DAMAGED
from training.degradations.framing import scaled
from training.degradations.prints import damage_print
from training.judged import MAKERS
from training.judged.load import load_sources
from training.judged.pictures import Sources
from training.judged.wear import stored
from training.straight import of_straight_things
from training.train_preprocess_judge import Config

SURE = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
MADE = 24
MOST_PX = 768
"""Long side that worn prints have at most."""
PLAIN_SHARES = (0.01, 0.14)
"""Damage of worn prints covers a share between these."""
CONSTANTS = ("SURE_PRINT", "SURE_COLOUR_PRINT", "SURE_DAMAGE", "SURE_NO_PHOTO")


def make_sets(sources: Sources) -> dict[str, list[Tensor]]:
    """Make sets of held-out pictures in [0, 1], by name; always the same."""
    rng = torch.Generator().manual_seed(3)
    photos = [photo.float() / 255 for folder in sources.folders for photo in folder[:12]]
    some = photos[::3]
    straight = [photo.float() / 255 for folder in sources.folders for photo in of_straight_things(folder)]
    damaged = [print_.image for print_ in sources.prints if print_.damaged == 1]
    sets = {
        "photographs": photos,
        "photographs, grey": [fading.grey(photo) for photo in some],
        "photographs, noise of 15": [noise.quantise(noise.gaussian(photo, 15 / 255, rng)) for photo in some],
        "photographs, JPEG of 50": [noise.jpeg(photo, 50) for photo in some],
        "photographs, damaged": [
            noise.quantise(damage_print(photo, sources.cracks, rng)[0]) for photo in some
        ],
        "photographs, straight": straight,
        "worn prints": [worn(photo, sources, rng) for photo in some],
        "worn prints, straight": [worn(photo, sources, rng) for photo in 2 * straight],
        "old prints": [print_.image.float() / 255 for print_ in sources.prints],
        "damaged prints": [picture.float() / 255 for picture in damaged],
    }
    made = {name: [stored(MAKERS[name](sources, rng), rng).image for _ in range(MADE)] for name in MAKERS}
    return sets | {f"made: {name}": pictures for name, pictures in made.items()}


def worn(photo: Tensor, sources: Sources, rng: torch.Generator) -> Tensor:
    """Return a photograph (3, H, W) in [0, 1] as a plainly damaged print."""
    aged = age(scaled(photo, min(MOST_PX, max(photo.shape))), rng).clamp(0, 1)
    while True:
        lq, alpha = damage_print(aged, sources.cracks, rng)
        if PLAIN_SHARES[0] <= float((alpha > DAMAGED).float().mean()) <= PLAIN_SHARES[1]:
            return noise.quantise(lq)


def print_modes(judged: dict[str, list[Judgement]]) -> None:
    """Print how many are thorough, and how many untouched, as one constant after the other varies."""
    for constant in CONSTANTS:
        before = getattr(judgement, constant)
        print(
            f"\n{constant} ({before} in use): thorough, untouched of all\n{'':28}", *(f"{s:>9}" for s in SURE)
        )
        for name, found in judged.items():
            cells = []
            for sure in SURE:
                setattr(judgement, constant, sure)
                modes = [resolve_mode(Options(), one) for one in found]
                cells.append(f"{modes.count('thorough'):>4},{modes.count('untouched'):>4}")
            print(f"{name:28}", *cells, f"of {len(found)}")
        setattr(judgement, constant, before)


def print_flags(judged: dict[str, list[Judgement]]) -> None:
    """Print how many of each set have each flag."""
    print(f"\n{'':28} {'print':>9}", *(f"{flag:>9}" for flag in FLAGS))
    for name, found in judged.items():
        shares = [sum(one.kind == "print" for one in found)]
        shares += [sum(one.says(flag) for one in found) for flag in FLAGS]
        print(f"{name:28}", *(f"{count:>9}" for count in shares), f"of {len(found)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--much-found", type=float, default=judgement.MUCH_FOUND, help="1: without that rule")
    arguments = parser.parse_args()
    judgement.MUCH_FOUND = arguments.much_found
    network, detector, trunk = (
        load_runner(name, root=arguments.weights, precision=FLOAT32)
        for name in ("preprocess_judge", "scratch_print", TRUNK)
    )
    config = read_config(Config, Path("training/configs/preprocess_judge.fast.toml"))
    _, unseen = load_sources(arguments.data, config.photos, config.validation_every)
    judged = {}
    for name, pictures in make_sets(unseen).items():
        planes = [(picture * 255).round().byte().numpy() for picture in pictures]
        judged[name] = [
            judge(plane, network, detector, partial(features_of, trunk, plane_view(plane)))
            for plane in planes
        ]
    print_modes(judged)
    print_flags(judged)


if __name__ == "__main__":
    main()
