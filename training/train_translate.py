r"""Train the translator.

    make train-translate                       # fast tier, configs/translate.fast.toml
    python -m training.train_translate --config training/configs/translate.quality.toml --minutes 29

Four phases, by share of the time. (a) Both VAEs: the old one on synthetic and real old photographs, whose
latents an adversary pulls together; the clean one on the undamaged pictures. (b) The mapping, with the VAEs
frozen. (c) Everything with the fusion: error inside the mask, since nothing else can change. (d) The fusion
alone, where the PSNR inside the damage is made, at two thirds of the cost of a step.
Where weights of `scratch` lie in the folder of weights, most masks are what that detector finds.

Fine-tuned on prints, with what both detectors mark in them, the fusion learns to keep what is sound:

    python -m training.train_translate --config training/configs/translate_print.fast.toml \
        --begin weights/translate/translate.fast.safetensors --minutes 80
"""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.fidelity import psnr
from photorestore.networks.weights import load_network, weights_file
from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.translate.network import Translator
from training.data import hold_out, load_photos, sample_batches
from training.degradations.sources import load_damage_sources
from training.filled_prints import load_prints
from training.held_damage import Held, baselines, make_held_prints, make_validation
from training.imperfect_masks import MASK_ALPHA
from training.muon import MuonAdamW
from training.old_photos import Photo, Pictures, make_sample, real_photos
from training.run import Run, add_masks, add_workers, parse_arguments, read_config

EVALUATE_EVERY = 200


@dataclass(frozen=True, slots=True)
class Config:
    """One training run."""

    network: str  # `translate` or `translate_print`
    tier: str  # name of the weights' tier
    architecture: dict[str, int]  # arguments of Translator
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    old_photos: str  # folder of real old photographs
    validation_every: int  # each so-many-th photograph of a folder is kept for validation
    patch_px: int
    batch_size: int
    total_steps: int
    vae_share: float  # of the time, for phase (a)
    mapping_share: float  # of the time, for phase (b)
    fusion_share: float  # of the time, for phase (d) at the end
    learning_rate: float
    final_learning_rate: float
    ema_decay: float
    shares: tuple[float, ...]  # of the kinds of samples, in the order of `old_photos.KINDS`
    false_weight: float  # how much an undamaged pixel in the mask counts, where the mask is certain
    doubt_weight: float  # the same where it is not
    kl_weight: float
    adversary_weight: float
    gradient_weight: float
    translation_weight: float
    seed: int


class LatentAdversary(nn.Sequential):
    """Tells latents of real old photographs (1) from those of synthetic ones (0); least squares."""

    def __init__(self, latent: int) -> None:
        super().__init__(
            nn.Conv2d(latent, 64, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 64, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 1, 3, padding=1),
        )


def vae_loss(
    network: Translator, adversary: LatentAdversary, sample: tuple[Tensor, ...], config: Config
) -> Tensor:
    """Phase (a): L1 and KL of both VAEs; real latents are to look synthetic. Updates no weights."""
    lq, gt, *_, real = sample
    old = torch.cat([lq, real])
    old_again, mu_old = network.old_vae(old)
    clean_again, mu_clean = network.clean_vae(gt)
    kl = mu_old.square().mean() + mu_clean.square().mean()
    fooled = adversary(mu_old[len(lq) :]).square().mean()
    l1 = F.l1_loss(old_again, old) + F.l1_loss(clean_again, gt)
    return l1 + config.kl_weight * kl + config.adversary_weight * fooled


def adversary_loss(network: Translator, adversary: LatentAdversary, sample: tuple[Tensor, ...]) -> Tensor:
    """Real latents to 1, synthetic ones to 0."""
    lq, *_, real = sample
    with torch.no_grad():
        mu = network.old_vae.encode(torch.cat([lq, real]))
    verdict = adversary(mu)
    return verdict[: len(lq)].square().mean() + (verdict[len(lq) :] - 1).square().mean()


def mapping_loss(network: Translator, sample: tuple[Tensor, ...]) -> Tensor:
    """Phase (b): L1 in the latent space and of the decoded picture."""
    lq, gt, scratch_mask, _, _, view, view_mask, _ = sample
    keys = network.key_view(view, view_mask)
    z_gt = network.clean_vae.encode(gt)
    z_clean = network.map_latents(lq, scratch_mask, keys)
    return F.l1_loss(z_clean, z_gt) / z_gt.abs().mean() + 10 * F.l1_loss(
        network.clean_vae.decode(z_clean), gt
    )


def joint_loss(network: Translator, sample: tuple[Tensor, ...], config: Config, *, squared: bool) -> Tensor:
    """Phases (c), (d): error inside the mask, of values and of their differences, and of the translation alone.

    Where the mask is wrong it may count less: those are places that look like damage, and a network that learns to
    doubt them doubts true damage too. Where nobody knows what was there, nothing counts.

    Args:
        squared: root mean square error, what PSNR asks for, in place of L1; the rest counts less then.
    """
    lq, gt, scratch_mask, certainty, alpha, view, view_mask, _ = sample
    keys = network.key_view(view, view_mask)
    translation, pred = network.translate_and_fuse(lq, scratch_mask, keys, certainty)
    error = pred - gt  # outside the mask it is what denoising left, and no weight can change it
    sound = torch.where(certainty < 1, config.doubt_weight, config.false_weight)
    weight = scratch_mask * torch.where(alpha > MASK_ALPHA, 1.0, sound) * (alpha >= 0)
    area = weight.sum((1, 2, 3)) + 50  # small damage counts as much as large, but for specks
    inside = error * weight
    if squared:
        value = ((error.square() * weight).mean(1).sum((1, 2)) / area + 1e-7).sqrt().mean()
    else:
        value = (inside.abs().mean(1).sum((1, 2)) / area).mean()
    steps = inside.diff(dim=-1).abs().mean(1).sum((1, 2)) + inside.diff(dim=-2).abs().mean(1).sum((1, 2))
    coarse = ((translation - gt) * weight).abs().mean(1).sum((1, 2)) / area
    rest = config.gradient_weight * (steps / area).mean() + config.translation_weight * coarse.mean()
    return value + (0.3 if squared else 1) * rest


@torch.inference_mode()
def evaluate(
    network: nn.Module, held: Sequence[Held], device: str, prints: Sequence[Held] = ()
) -> dict[str, float]:
    """Mean PSNR (dB) in damage that is in the mask, of the result and of the translation alone.

    Args:
        prints: pictures that are damaged as prints are; of them also that of the whole mask, sound places included.
    """
    network.eval().to(device)
    totals: dict[str, float] = defaultdict(float)
    for items, prefix in ((held, ""), (prints, "print_")):
        for item in items:
            lq, mask = item.lq[None].to(device), item.scratch_mask[None].to(device)
            with torch.autocast(device, torch.bfloat16):
                translation, pred = network.translate_and_fuse(
                    lq, mask, network.key_view(lq, mask), item.certainty[None].to(device)
                )
            images = [image[0].clamp(0, 1).cpu() for image in (pred, translation)]
            found = {
                "psnr_inside_db": psnr(images[0], item.gt, mask=item.inside),
                "psnr_translation_db": psnr(images[1], item.gt, mask=item.inside),
                "psnr_mask_db": psnr(images[0], item.gt, mask=item.scratch_mask),
            }
            for name, value in found.items():
                totals[prefix + name] += value / len(items)
    network.train()
    return dict(totals)


def phase_of(progress: float, config: Config) -> str:
    """`vae`, `mapping`, `joint` or `fusion`."""
    if progress < config.vae_share:
        return "vae"
    if progress < config.vae_share + config.mapping_share:
        return "mapping"
    return "joint" if progress < 1 - config.fusion_share else "fusion"


def load_detector(tier: str, weights: Path) -> ScratchUNet | None:
    """The detector whose masks the translator will be given, of its tier or else the fast one, on the CPU."""
    for name in (tier, "fast"):
        if weights_file("scratch", name, weights).exists():
            detector = load_network("scratch", name, root=weights)
            assert isinstance(detector, ScratchUNet)
            return detector
    return None


def choose_trained(network: Translator, phase: str) -> None:
    """Freeze what a phase does not train."""
    network.requires_grad_(phase != "fusion")
    network.old_vae.requires_grad_(phase in ("vae", "joint"))
    network.clean_vae.requires_grad_(phase in ("vae", "joint"))
    network.fusion.requires_grad_(True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What not every script takes."""
    add_masks(parser)
    add_workers(parser)


def main() -> None:
    arguments = parse_arguments("translate", __doc__ or "", add_arguments)
    config = read_config(Config, arguments.config)
    device = arguments.device
    torch.backends.cudnn.benchmark = True  # all batches have one shape

    # 1. Pictures: some are held out for validation, with damage of their own.
    folders = [load_photos([arguments.data / name], min_side_px=config.patch_px) for name in config.photos]
    held_out, folders = hold_out(folders, config.validation_every)
    photos = list(itertools.chain(*folders))
    real = load_photos([arguments.data / config.old_photos], min_side_px=config.patch_px)
    sources = load_damage_sources(arguments.data, held_out=False)
    detector = load_detector(config.tier, arguments.weights)
    held, prints, old, held_prints = make_validation(held_out, arguments.data, detector), None, [], []
    if any(config.shares[2:]):
        prints = load_prints(arguments.data, arguments.masks, config.patch_px)
        old = real_photos(prints)
        unseen = load_prints(arguments.data, arguments.masks, config.patch_px, validation=True)
        held_prints = make_held_prints(held_out, unseen)
    pictures = Pictures([Photo.of(photo) for photo in photos], real, sources, detector, prints, old)
    print(f"{len(photos)} photographs, {len(real)} old ones; validation {baselines(held)}", flush=True)

    # 2. Networks and optimisers.
    torch.manual_seed(config.seed)
    network = Translator(**config.architecture).to(device, memory_format=torch.channels_last)
    adversary = LatentAdversary(config.architecture["latent"]).to(device, memory_format=torch.channels_last)
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    opponent = torch.optim.AdamW(adversary.parameters(), 2e-4, betas=(0.5, 0.9), weight_decay=0.0)
    run = Run(config.network, arguments, config, network, optimiser, adversary=adversary, opponent=opponent)
    samples = sample_batches(
        lambda rng: make_sample(pictures, config.shares, config.patch_px, rng),
        config.batch_size,
        config.seed + run.step,
        arguments.workers,
        device,
    )

    # 3. The loop.
    start = config.vae_share + config.mapping_share
    for progress in run.progress():
        phase, joint_progress = phase_of(progress, config), max(0.0, progress - start) / (1 - start)
        choose_trained(network, phase)
        sample = tuple(part.contiguous(memory_format=torch.channels_last) for part in next(samples))
        with torch.autocast(device, torch.bfloat16):
            if phase == "vae":
                loss = vae_loss(network, adversary, sample, config)
            elif phase == "mapping":
                loss = mapping_loss(network, sample)
            else:
                loss = joint_loss(network, sample, config, squared=joint_progress > 0.65)
        run.learn(loss, joint_progress)
        if phase == "vae":
            with torch.autocast(device, torch.bfloat16):
                verdict = adversary_loss(network, adversary, sample)
            opponent.zero_grad(set_to_none=True)
            verdict.backward()
            opponent.step()
        if run.is_due(EVALUATE_EVERY):
            run.record(evaluate(run.averaged(Translator(**config.architecture)), held, device, held_prints))

    # 4. The averaged weights.
    trained = run.averaged(Translator(**config.architecture))
    run.finish(
        trained,
        evaluate(trained, held, device, held_prints) | baselines(held),
        architecture=config.architecture,
        data="BSDS400, CC0/CC-BY photographs, OSIE, ImageNet, SUN-Hays, old photographs, film damage stamps, "
        "shapes of cracks, marked prints",
        licence="BSDS500, ImageNet: academic use; see docs/models/translate.md",
    )


if __name__ == "__main__":
    main()
