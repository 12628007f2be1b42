"""Train the detector of scratches, dust, hairs, tears and folds.

    make train-scratch                       # fast tier, configs/scratch.fast.toml
    python -m training.train_scratch --minutes 45 --threads 1
    python -m training.train_scratch --config training/configs/scratch.quality.toml --minutes 29

Photographs are damaged by training/degradations/damage.py; a pixel counts as damaged where the damage's alpha is
above .1. A part of the pictures stays whole, has grids, wires and writing drawn into it that are not damage, or
is noisy, faded, grey, blurred and compressed, because that is what the detector meets. Stamps and label maps
that are held out for the damage set are not used; others are kept for validation, which also chooses the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.metrics import PrecisionRecall
from photorestore.networks.scratch import ScratchUNet
from training.data import hold_out, load_photos, sample_batches, scaled_patch
from training.degradations import fading, noise
from training.degradations.damage import (
    DAMAGED,
    DEFAULT_RECIPE,
    MODERATE_RECIPE,
    DamageSources,
    damage,
    damage_moderately,
    load_damage_sources,
)
from training.degradations.noise import chance, randint, uniform
from training.degradations.structure import draw_structure
from training.muon import MuonAdamW
from training.run import Run, add_workers, parse_arguments, read_config

EVALUATE_EVERY = 500
LARGEST_VARIANCE = 1000.0


@dataclass(frozen=True, slots=True)
class Config:
    """One training run."""

    tier: str  # name of the weights' tier
    widths: tuple[int, ...]  # channels at stride 2, 4, 8, 16
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    repeats: tuple[int, ...]  # how often a photograph of each folder is drawn, against one of the others
    validation_every: int  # each so-many-th photograph of a folder is kept for validation
    frozen_share: (
        float  # of the time, at the end, with the statistics of batch normalisation as they are in use
    )
    patch_px: int
    batch_size: int
    total_steps: int
    learning_rate: float
    final_learning_rate: float
    ema_decay: float
    seed: int


def photo_patch(photos: Sequence[Tensor], size_px: int, rng: torch.Generator) -> Tensor:
    """A random square at a random scale, in random tones: a photograph is seldom seen twice as it is.

    Without that the network learns the training photographs by heart, and finds too much in others.
    """
    patch = scaled_patch(photos, size_px, (0.7, 1.8) if chance(0.7, rng) else (1.0, 1.0), rng)
    if chance(0.3, rng):
        patch = patch[torch.randperm(3, generator=rng)]
    if chance(0.5, rng):
        patch = patch ** uniform(0.6, 1.6, rng)
    if chance(0.5, rng):
        low, high = uniform(0, 0.2, rng), uniform(0.75, 1, rng)
        patch = low + (high - low) * patch
    return 1 - patch if chance(0.2, rng) else patch


def degrade(gt: Tensor, sources: DamageSources, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """(lq, alpha): aged, damaged, then softened, made noisy and compressed, each in a part of the pictures."""
    if chance(0.05, rng):
        return fading.old_photo(gt, sources, rng)
    if chance(0.2, rng):
        gt = fading.sepia(fading.grey(gt), uniform(0, 1, rng)) if chance(0.4, rng) else fading.grey(gt)
    if chance(0.12, rng):
        gt = fading.fade(gt, uniform(0, 0.5, rng), uniform(0.3, 0.9, rng))
    recipe = MODERATE_RECIPE if chance(0.8, rng) else DEFAULT_RECIPE
    lq, alpha = damage(gt.clamp(0, 1), sources, rng, recipe)
    if chance(0.08, rng):
        sigma_px = uniform(0.4, 0.9, rng)
        lq, alpha = fading.blur(lq, sigma_px), fading.blur(alpha, sigma_px)
    return store(add_noise(lq, rng), rng), alpha


def add_noise(lq: Tensor, rng: torch.Generator) -> Tensor:
    """Mild noise or grain in a sixth of the pictures, so that it is not taken for dust."""
    kind = randint(0, 24, rng)
    if kind == 0:
        return noise.gaussian(lq, uniform(0, 0.1, rng), rng)
    if kind == 1:
        return noise.film_grain(lq, uniform(0, 0.12, rng), uniform(0.4, 1.5, rng), rng)
    if kind == 2:
        return noise.poisson_gaussian(lq, uniform(0, 0.02, rng), uniform(0, 0.05, rng), rng)
    if kind == 3:
        return noise.speckle(lq, uniform(0, 0.15, rng), rng)
    return lq


def store(lq: Tensor, rng: torch.Generator) -> Tensor:
    """Round to 8 bits, through JPEG in an eighth of the pictures."""
    if chance(0.125, rng):
        return noise.jpeg(lq, randint(40, 97, rng), subsample=chance(0.5, rng))
    return noise.quantise(lq)


def make_sample(
    photos: Sequence[Tensor], sources: DamageSources, size_px: int, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(lq, target): target is (1, H, W), 1 where the picture is damaged."""
    gt = photo_patch(photos, size_px, rng)
    if chance(0.15, rng):
        gt = draw_structure(gt, rng)
    if chance(0.15, rng):
        return store(add_noise(gt, rng), rng), torch.zeros((1, size_px, size_px))
    lq, alpha = degrade(gt, sources, rng)
    return lq, (alpha > DAMAGED).float()


def detection_loss(scratch_logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy, in which a missed pixel weighs twice a false one, and Dice loss, both over the whole batch."""
    cross_entropy = F.binary_cross_entropy_with_logits(
        scratch_logits, target, pos_weight=torch.tensor(2.0, device=target.device)
    )
    prob = scratch_logits.sigmoid()
    dice = 1 - (2 * (prob * target).sum() + 1) / (prob.sum() + target.sum() + 1)
    return 4 * cross_entropy + dice


@torch.inference_mode()
def evaluate(
    network: nn.Module, photos: Sequence[Tensor], sources: DamageSources, device: str
) -> dict[str, float]:
    """Best F1, its threshold, precision, recall and area below the curve, and the share of clean pixels found there.

    Every photograph comes twice: damaged, in 8 bits, and as it is.
    """
    network.eval().to(device)
    rng = torch.Generator().manual_seed(0)
    damaged, clean = PrecisionRecall(), PrecisionRecall()
    for photo in photos:
        gt = photo[:, :320, :320].float() / 255
        lq, _, mask = damage_moderately(gt, sources, rng)
        with torch.autocast(device, torch.bfloat16):
            probs = network(torch.stack([lq, gt]).to(device)).sigmoid().cpu()
        damaged.add(probs[0], mask)
        clean.add(probs[1], torch.zeros_like(mask))
    threshold = damaged.best_threshold()
    false_share = clean.absent[round(threshold * (len(clean.absent) - 1)) :].sum() / clean.absent.sum()
    network.train()
    return {
        **damaged.at(threshold),
        "area": damaged.area(),
        "threshold": threshold,
        "clean_coverage_percent": 100 * float(false_share),
    }


def freeze_statistics(network: nn.Module) -> None:
    """From here on normalise as in use, so that the averaged weights meet the statistics they are used with."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


@torch.no_grad()
def bound_statistics(network: nn.Module) -> None:
    """Scale what normalisation divides again, so that its variances stay far below the 65,504 that 16 bits hold."""
    for stage in network.modules():
        if not isinstance(stage, nn.Sequential):
            continue
        for convolution, norm in pairwise(stage):
            if isinstance(norm, nn.BatchNorm2d):
                scale = (norm.running_var / LARGEST_VARIANCE).clamp_min(1).sqrt()
                convolution.weight /= scale.view(-1, 1, 1, 1)
                norm.running_mean /= scale
                norm.running_var /= scale.square()


@torch.no_grad()
def fold_threshold(network: nn.Module, threshold: float) -> None:
    """Shift the last bias so that one half decides where `threshold` did: nobody has to carry it along."""
    network.tail.bias -= math.log(threshold / (1 - threshold))


def main() -> None:
    arguments = parse_arguments("scratch", __doc__ or "", add_workers)
    config = read_config(Config, arguments.config)
    device = arguments.device
    torch.backends.cudnn.benchmark = True  # all batches have one shape

    # 1. Pictures and damage; a part of both is kept for validation.
    folders = [load_photos([arguments.data / name], min_side_px=config.patch_px) for name in config.photos]
    held_out, folders = hold_out(folders, config.validation_every)
    photos = [
        photo for folder, times in zip(folders, config.repeats, strict=True) for photo in folder * times
    ]
    sources = load_damage_sources(arguments.data, held_out=False)
    unseen = load_damage_sources(arguments.data, held_out=False, validation=True)

    # 2. Network and optimiser.
    torch.manual_seed(config.seed)
    network = ScratchUNet(config.widths).to(device, memory_format=torch.channels_last)
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    run = Run("scratch", arguments, config, network, optimiser)
    samples = sample_batches(
        lambda rng: make_sample(photos, sources, config.patch_px, rng),
        config.batch_size,
        config.seed + run.step,
        arguments.workers,
        device,
    )

    # 3. The loop.
    for progress in run.progress():
        if progress > 1 - config.frozen_share:
            freeze_statistics(network)
        lq, target = next(samples)
        with torch.autocast(device, torch.bfloat16):
            scratch_logits = network(lq.contiguous(memory_format=torch.channels_last))
        run.learn(detection_loss(scratch_logits, target), progress)
        if run.step % EVALUATE_EVERY == 0:
            run.record(evaluate(run.averaged(ScratchUNet(config.widths)), held_out, unseen, device))

    # 4. The averaged weights with their threshold folded in.
    trained = run.averaged(ScratchUNet(config.widths))
    bound_statistics(trained)
    fold_threshold(trained, evaluate(trained, held_out, unseen, device)["threshold"])
    run.finish(
        trained,
        evaluate(trained, held_out, unseen, device) | {"threshold": 0.5},
        architecture={"widths": config.widths},
        data="CC0/CC-BY photographs, BSDS400, OSIE, ImageNet, SUN-Hays, CC-BY portraits; "
        "damage stamps, film scan labels, paper textures",
        licence="BSDS500, ImageNet: academic use; see docs/models/scratch.md",
    )


if __name__ == "__main__":
    main()
