"""Train the detectors of damage: `scratch` for photographs, `scratch_print` for old prints.

    make train-scratch                       # fast tier, configs/scratch.fast.toml
    python -m training.train_scratch --minutes 45 --threads 1
    python -m training.train_scratch --config training/configs/scratch_print.fast.toml --minutes 90

There are two, because one network knows each kind less well: what is a crack in a print is a twig in a photograph.
Samples are made by training/damaged_samples.py, their kinds by the configuration's shares; a pixel counts as damaged
where the damage's alpha is above .1. A part of the pictures stays whole, has grids, wires and writing drawn into it
that are not damage, or is noisy, faded, grey, blurred and compressed, because that is what the detectors meet. A run
that begins with weights looks first where they find damage in sound photographs, and cuts many samples there. Stamps
and label maps that are held out for the damage set are not used; others are kept for validation, which also chooses
the threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.precision import BFLOAT16
from photorestore.networks.runner import Runner, load_runner
from photorestore.stages.preprocess.scene import TRUNK, features_of
from photorestore.stages.preprocess.scene_network import spread, view_of
from photorestore.stages.scratch.network import ScratchUNet
from training.batch_norm import bound_statistics, freeze_statistics
from training.config import RunConfig, read_config
from training.damage_validation import Validation, evaluate, evaluate_damaged, hold_out_damaged
from training.damaged_samples import Pictures, Shares, load_pictures, make_sample
from training.data import hold_out, load_photos, repeated
from training.detectors import Detector
from training.marked import VALIDATION_PRINTS, load_marked_prints, sound_print
from training.mistaken import mistaken_crops, mistaken_prints
from training.muon import MuonAdamW
from training.place import Place, command_line, place_of
from training.randomness import uniform
from training.run import Run

EVALUATE_EVERY = 500
VIEWED = (0.5, 1.0)
"""By how much a patch may be shrunk before what it shows is looked at."""
MISTAKEN_PATCHES = 1.3
"""Sides of what is cut out around mistakes, in patches."""


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    network: str  # `scratch` or `scratch_print`
    widths: tuple[int, ...]  # channels at stride 2, 4, 8, 16
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    repeats: tuple[int, ...]  # how often a photograph of each folder is drawn, against one of the others
    min_side_px: int  # photographs with a shorter side are left out; smaller ones than a patch are enlarged
    validation_every: int  # every n-th photograph of a folder is kept for validation
    frozen_share: (
        float  # of the time, at the end, with the statistics of batch normalisation as they are in use
    )
    shares: tuple[float, ...]  # of the kinds of samples, in the order of `damaged_samples.Shares`
    patch_px: int
    sees_scene: bool  # whether the detector is told what the picture shows


def detection_loss(scratch_logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return cross-entropy, in which a missed pixel weighs twice a false one, and Dice loss, over the whole batch.

    Args:
        weight: what each pixel counts, (N, 1, H, W); 0 where nobody knows.
    """
    cross_entropy = F.binary_cross_entropy_with_logits(
        scratch_logits, target, weight, pos_weight=torch.tensor(2.0, device=target.device)
    )
    prob, target = weight * scratch_logits.sigmoid(), weight * target
    dice = 1 - (2 * (prob * target).sum() + 1) / (prob.sum() + target.sum() + 1)
    return 4 * cross_entropy + dice


def load(config: Config, place: Place) -> tuple[Pictures, Validation]:
    """Read pictures and damage to learn from, and those that are kept for validation."""
    folders = [load_photos([place.data / name], min_side_px=config.min_side_px) for name in config.photos]
    held_out, folders = hold_out(folders, config.validation_every)
    photos = repeated(folders, config.repeats)
    pictures = load_pictures(place.data, place.masks, photos, config.patch_px)
    real = load_marked_prints(place.data, place.masks, names=VALIDATION_PRINTS)
    return pictures, Validation(hold_out_damaged(place.data, held_out, config.network), real)


def with_mistakes(pictures: Pictures, detector: Detector, patch_px: int, rng: torch.Generator) -> Pictures:
    """Return the sources with what a detector that has learned already gets wrong in them."""
    photos = list({id(photo): photo for photo in pictures.photos}.values())
    mistaken = mistaken_crops(detector, photos, round(MISTAKEN_PATCHES * patch_px), rng)
    print(f"damage is found in {len(mistaken)} of {len(photos)} sound photographs", flush=True)
    real = [*pictures.marked, *(sound_print(photo) for photo in pictures.old)]
    hard = mistaken_prints(detector, real)
    print(f"it is wrong in {len(hard)} of {len(real)} real prints", flush=True)
    return replace(pictures, mistaken=mistaken, hard=hard)


@torch.no_grad()
def fold_threshold(network: ScratchUNet, threshold: float) -> None:
    """Shift the last bias so that a probability of one half decides where `threshold` did."""
    assert network.tail.bias is not None
    network.tail.bias -= math.log(threshold / (1 - threshold))


def show(network: ScratchUNet, trunk: Runner[Tensor], lq: Tensor, rng: torch.Generator) -> tuple[Tensor, ...]:
    """Return what patches show, for a network that is told; each time at another size, as prints are.

    Args:
        trunk: a `SceneTrunk`, which is not trained.
        lq: (N, 3, S, S), taken for whole pictures.
    """
    if network.scene is None:
        return ()
    h, w = lq.shape[-2:]
    factor = uniform(*VIEWED, rng)
    small = F.interpolate(lq, [round(factor * h), round(factor * w)], mode="bilinear", antialias=True)
    seen = network.scene(features_of(trunk, view_of(small)))
    return (spread(seen, h, w, network.descriptor.stride),)


def train(config: Config, place: Place) -> ScratchUNet:
    """Train a detector of damage, write its weights, and return it."""
    place.prepare()

    # 1. Pictures and damage; a part of both is kept for validation.
    pictures, validation = load(config, place)
    shares = Shares(*config.shares)

    # 2. Network and optimiser.
    torch.manual_seed(config.seed)
    network = place.take(ScratchUNet(config.widths, sees_scene=config.sees_scene))
    trunk = load_runner(TRUNK, device=place.device, precision=BFLOAT16)
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    run = Run(config.network, place, config, network, optimiser)
    rng = torch.Generator().manual_seed(config.seed + run.step)
    if place.begin is not None or run.step:
        pictures = with_mistakes(
            pictures, Detector(place.runner(run.averaged()), trunk), config.patch_px, rng
        )
    samples = run.samples(partial(make_sample, pictures, shares, config.patch_px))

    # 3. The loop.
    for progress in run.progress():
        if progress > 1 - config.frozen_share:
            freeze_statistics(network)
        lq, target, weight = next(samples)
        with place.autocast():
            inputs = (lq.contiguous(memory_format=torch.channels_last), *show(network, trunk, lq, rng))
            scratch_logits = network(*inputs)
        run.learn(detection_loss(scratch_logits, target, weight), progress)
        if run.is_due(EVALUATE_EVERY):
            run.record(evaluate(Detector(place.runner(run.averaged()), trunk), validation))

    # 4. The averaged weights with their threshold folded in.
    trained = run.averaged()
    detector = Detector(place.runner(trained), trunk)
    bound_statistics(trained)
    fold_threshold(trained, evaluate_damaged(detector, validation.damaged)["threshold"])
    run.finish(
        trained,
        evaluate(detector, validation) | {"threshold": 0.5},
        architecture={"widths": config.widths, "sees_scene": config.sees_scene},
        data="CC0/CC-BY photographs, BSDS400, OSIE, ImageNet, SUN-Hays, CC-BY portraits; "
        "damage stamps, film scan labels, paper textures"
        + ("; trunk: EfficientNet-Lite0 (ImageNet, Apache 2.0)" if config.sees_scene else ""),
        licence="BSDS500, ImageNet: academic use; see docs/models/scratch.md",
    )
    return trained


def main() -> None:
    arguments = command_line("scratch", __doc__, "masks", "workers").parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
