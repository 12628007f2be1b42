r"""Train the translator.

    make train-translate                       # fast tier, configs/translate.fast.toml
    python -m training.train_translate --config training/configs/translate.quality.toml --minutes 29

Four phases, by share of the time. (a) Both VAEs: the old one on synthetic and real old photographs, whose latents an
adversary pulls together; the clean one on the undamaged pictures. (b) The mapping, with the VAEs frozen. (c)
Everything with the fusion: error inside the mask, since nothing else can change. (d) The fusion alone, on which the
PSNR inside the damage depends most, at two thirds of the cost of a step. Where weights of `scratch` lie in the folder
of weights, most masks are what that detector finds.

Fine-tuned on prints, with what both detectors mark in them, the fusion learns to keep what is sound:

    python -m training.train_translate --config training/configs/translate_print.fast.toml \
        --begin weights/translate/translate.fast.safetensors --minutes 80
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from photorestore.fidelity import psnr
from photorestore.networks.runner import Runner
from photorestore.networks.weights import FAST, weights_file
from photorestore.stages.translate.network import Translator
from training import detectors
from training.adversary import Opponent, PictureOpponent, picture_opponent
from training.config import RunConfig, read_config
from training.data import hold_out, load_photos
from training.degradations.sources import load_damage_sources
from training.filled_prints import load_prints
from training.held_damage import Held, baselines, make_held_prints, make_validation
from training.muon import MuonAdamW
from training.old_photos import Photo, Pictures, Sample, damage_anew, make_sample, real_photos
from training.place import Place, command_line, place_of
from training.run import Run
from training.translate_losses import (
    JointWeights,
    LatentAdversary,
    fill,
    joint_loss,
    mapping_loss,
    teach,
    vae_loss,
)

DATA = (
    "BSDS400, CC0/CC-BY photographs, OSIE, ImageNet, SUN-Hays, old photographs, film damage stamps, shapes of cracks, "
    "marked prints"
)
EVALUATE_EVERY = 200
SQUARED_FROM = 0.65
"""From this share of the joint phases on, the squared error counts."""


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    network: str  # `translate` or `translate_print`
    architecture: dict[str, int]  # arguments of Translator
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    old_photos: str  # folder of real old photographs
    validation_every: int  # every n-th photograph of a folder is kept for validation
    patch_px: int
    vae_share: float  # of the time, for phase (a)
    mapping_share: float  # of the time, for phase (b)
    fusion_share: float  # of the time, for phase (d) at the end
    shares: tuple[float, ...]  # of the kinds of samples, in the order of `old_photos.KINDS`
    false_weight: float  # how much an undamaged pixel in the mask counts, where the mask is certain
    doubt_weight: float  # the same where it is not
    kl_weight: float
    adversary_weight: float  # of the adversary of latents
    adversary: str  # of the results, one of `adversary.KINDS`
    fooling_weight: float  # how much the network pays where that one is not fooled
    gradient_weight: float
    translation_weight: float


def evaluate(network: Runner[Tensor], held: Sequence[Held], prints: Sequence[Held] = ()) -> dict[str, float]:
    """Return the mean PSNR (dB) in damage that is in the mask, of the result and of the translation alone.

    Args:
        prints: pictures that are damaged as prints are; of them also that of the whole mask, sound places included.
    """
    totals: dict[str, float] = defaultdict(float)
    decoded = network.part("decoded")
    for items, prefix in ((held, ""), (prints, "print_")):
        for item in items:
            lq, mask = item.lq[None], item.scratch_mask[None]
            pred = network(lq, mask, None, item.certainty[None])[0].cpu()
            translation = decoded(lq, mask)[0].cpu()
            found = {
                "psnr_inside_db": psnr(pred, item.gt, mask=item.inside),
                "psnr_translation_db": psnr(translation, item.gt, mask=item.inside),
                "psnr_mask_db": psnr(pred, item.gt, mask=item.scratch_mask),
            }
            for name, value in found.items():
                totals[prefix + name] += value / len(items)
    return dict(totals)


def phase_of(progress: float, config: Config) -> str:
    """Return `vae`, `mapping`, `joint` or `fusion`."""
    if progress < config.vae_share:
        return "vae"
    if progress < config.vae_share + config.mapping_share:
        return "mapping"
    return "joint" if progress < 1 - config.fusion_share else "fusion"


def joint_progress(progress: float, config: Config) -> float:
    """Return how far the joint phases (c) and (d) are, from 0 to 1, and 0 before them. The learning rate follows it."""
    start = config.vae_share + config.mapping_share
    return max(0.0, progress - start) / (1 - start)


def load_detector(tier: str, weights: Path) -> detectors.Detector | None:
    """Load the detector whose masks the translator will be given, of its tier or else the fast one, on the CPU."""
    for name in (tier, FAST):
        if weights_file("scratch", name, weights).exists():
            return detectors.load_detector("scratch", weights, tier=name)
    return None


def choose_trained(network: Translator, phase: str) -> None:
    """Freeze what a phase does not train."""
    network.requires_grad_(phase != "fusion")
    network.old_vae.requires_grad_(phase in ("vae", "joint"))
    network.clean_vae.requires_grad_(phase in ("vae", "joint"))
    network.fusion.requires_grad_(True)


def load(config: Config, place: Place) -> tuple[Pictures, list[Held], list[Held]]:
    """Read what samples are drawn from, and make validation pictures: damaged as film is, and as prints are."""
    folders = [load_photos([place.data / name], min_side_px=config.patch_px) for name in config.photos]
    held_out, folders = hold_out(folders, config.validation_every)
    photos = [Photo.of(photo) for photo in itertools.chain(*folders)]
    real = load_photos([place.data / config.old_photos], min_side_px=config.patch_px)
    sources = load_damage_sources(place.data, held_out=False)
    detector = load_detector(config.tier, place.weights)
    held = make_validation(held_out, place.data, detector)
    if not any(config.shares[2:]):
        return Pictures(photos, real, sources, detector), held, []
    prints = load_prints(place.data, place.masks, config.patch_px)
    unseen = load_prints(place.data, place.masks, config.patch_px, validation=True)
    pictures = Pictures(photos, real, sources, detector, prints, real_photos(prints))
    return pictures, held, make_held_prints(held_out, unseen)


def judge_of(config: Config, place: Place, pictures: Pictures) -> PictureOpponent | None:
    """Return the adversary of the results that a configuration names, if any; damage for it is drawn as in samples."""
    film, holes, *_ = config.shares
    rng = torch.Generator().manual_seed(config.seed)
    anew = partial(damage_anew, sources=pictures.sources, holes_share=holes / (film + holes), rng=rng)
    return picture_opponent(config.adversary, config.fooling_weight, place, anew)


def loss_of(
    network: Translator, adversary: LatentAdversary, sample: Sample, config: Config, progress: float
) -> tuple[Tensor, Tensor | None]:
    """Return the loss of the phase that `progress` lies in, and the result (N, 3, P, P) where the phase makes one."""
    phase = phase_of(progress, config)
    if phase == "vae":
        return vae_loss(network, adversary, sample, config.kl_weight, config.adversary_weight), None
    if phase == "mapping":
        return mapping_loss(network, sample), None
    weights = JointWeights(
        config.false_weight, config.doubt_weight, config.gradient_weight, config.translation_weight
    )
    translation, pred = fill(network, sample)
    squared = joint_progress(progress, config) > SQUARED_FROM
    return joint_loss(translation, pred, sample, weights, squared=squared), pred


def train(config: Config, place: Place) -> Translator:
    """Train a translator, write its weights, and return it."""
    place.prepare()

    # 1. Pictures: some are held out for validation, with damage of their own.
    pictures, held, held_prints = load(config, place)
    baseline = baselines(held)
    print(
        f"{len(pictures.clean)} photographs, {len(pictures.real)} old ones; validation {baseline}", flush=True
    )

    # 2. Networks and optimisers.
    torch.manual_seed(config.seed)
    network = place.take(Translator(**config.architecture))
    opponent = Opponent(place.take(LatentAdversary(config.architecture["latent"])), 2e-4)
    judge = judge_of(config, place, pictures)
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    judging: dict[str, Any] = {} if judge is None else {"judge": judge.network, "judging": judge.optimiser}
    run = Run(
        config.network, place, config, network, optimiser,
        adversary=opponent.network, opponent=opponent.optimiser, **judging,
    )  # fmt: skip
    samples = run.samples(partial(make_sample, pictures, config.shares, config.patch_px))

    # 3. The loop.
    for progress in run.progress():
        phase = phase_of(progress, config)
        choose_trained(network, phase)
        sample = Sample._make(part.contiguous(memory_format=torch.channels_last) for part in next(samples))
        with place.autocast():
            loss, pred = loss_of(network, opponent.network, sample, config, progress)
            if judge is not None and pred is not None:
                loss = loss + judge.cost(pred)
        run.learn(loss, joint_progress(progress, config))
        with place.autocast():
            teach(opponent, judge, network, sample, pred, phase)
        if run.is_due(EVALUATE_EVERY):
            run.record(evaluate(place.runner(run.averaged()), held, held_prints))

    # 4. The averaged weights.
    trained = run.averaged()
    run.finish(
        trained,
        evaluate(place.runner(trained), held, held_prints) | baseline,
        architecture=config.architecture,
        data=DATA,
        licence="BSDS500, ImageNet: academic use; see docs/models/translate.md",
    )
    return trained


def main() -> None:
    arguments = command_line("translate", __doc__, "masks", "workers").parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
