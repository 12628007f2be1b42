"""Losses of the translator, in the order of its phases (see `training.train_translate`)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.stages.translate.network import Translator
from training.adversary import Opponent, PictureOpponent
from training.imperfect_masks import MASK_ALPHA
from training.old_photos import Sample


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
    network: Translator, adversary: LatentAdversary, sample: Sample, kl_weight: float, adversary_weight: float
) -> Tensor:
    """Return the loss of phase (a): L1 and KL of both VAEs; real latents are to look synthetic."""
    old = torch.cat([sample.lq, sample.real])
    old_again, mu_old = network.old_vae(old)
    clean_again, mu_clean = network.clean_vae(sample.gt)
    kl = mu_old.square().mean() + mu_clean.square().mean()
    fooled = adversary(mu_old[len(sample.lq) :]).square().mean()
    l1 = F.l1_loss(old_again, old) + F.l1_loss(clean_again, sample.gt)
    return l1 + kl_weight * kl + adversary_weight * fooled


def adversary_loss(network: Translator, adversary: LatentAdversary, sample: Sample) -> Tensor:
    """Return what the adversary pays: real latents are to score 1, synthetic ones 0."""
    with torch.no_grad():
        mu = network.old_vae.encode(torch.cat([sample.lq, sample.real]))
    verdict, count = adversary(mu), len(sample.lq)
    return verdict[:count].square().mean() + (verdict[count:] - 1).square().mean()


def mapping_loss(network: Translator, sample: Sample) -> Tensor:
    """Return the loss of phase (b): L1 in the latent space and of the decoded picture."""
    keys = network.key_view(sample.view, sample.view_mask)
    z_gt = network.clean_vae.encode(sample.gt)
    z_clean = network.map_latents(sample.lq, sample.scratch_mask, keys)
    return F.l1_loss(z_clean, z_gt) / z_gt.abs().mean() + 10 * F.l1_loss(
        network.clean_vae.decode(z_clean), sample.gt
    )


@dataclass(frozen=True, slots=True)
class JointWeights:
    """Weights of the terms of `joint_loss`.

    Attributes:
        false_weight: an undamaged pixel in the mask, where the mask is certain.
        doubt_weight: the same where it is not.
        gradient_weight: error of differences between neighbours, against the error of values.
        translation_weight: error of the translation alone.
    """

    false_weight: float
    doubt_weight: float
    gradient_weight: float
    translation_weight: float


def fill(network: Translator, sample: Sample) -> tuple[Tensor, Tensor]:
    """Return the translation, and the result, which is the input where nothing is marked: both (N, 3, P, P)."""
    keys = network.key_view(sample.view, sample.view_mask)
    translation, filled = network.translate_and_fuse(sample.lq, sample.scratch_mask, keys, sample.certainty)
    return translation, torch.lerp(sample.lq, filled.float(), sample.scratch_mask)


def joint_loss(
    translation: Tensor, pred: Tensor, sample: Sample, weights: JointWeights, *, squared: bool
) -> Tensor:
    """Return the loss of phases (c) and (d): errors inside the mask, of values, of differences, and of the translation.

    Where the mask is wrong it may count less: those are places that look like damage, and a network that learns to
    doubt them doubts true damage too. Where the truth is unknown, nothing counts.

    Args:
        translation, pred: from `fill`.
        squared: root mean square error, what PSNR asks for, in place of L1; the rest counts less then.
    """
    gt, scratch_mask, certainty, alpha = sample.gt, sample.scratch_mask, sample.certainty, sample.alpha
    error = pred - gt  # outside the mask it is what denoising left, and no weight can change it
    sound = torch.where(certainty < 1, weights.doubt_weight, weights.false_weight)
    weight = scratch_mask * torch.where(alpha > MASK_ALPHA, 1.0, sound) * (alpha >= 0)
    area = weight.sum((1, 2, 3)) + 50  # small damage counts as much as large, but for specks
    inside = error * weight
    if squared:
        value = ((error.square() * weight).mean(1).sum((1, 2)) / area + 1e-7).sqrt().mean()
    else:
        value = (inside.abs().mean(1).sum((1, 2)) / area).mean()
    steps = inside.diff(dim=-1).abs().mean(1).sum((1, 2)) + inside.diff(dim=-2).abs().mean(1).sum((1, 2))
    coarse = ((translation - gt) * weight).abs().mean(1).sum((1, 2)) / area
    rest = weights.gradient_weight * (steps / area).mean() + weights.translation_weight * coarse.mean()
    return value + (0.3 if squared else 1) * rest


def teach(
    opponent: Opponent[LatentAdversary],
    judge: PictureOpponent | None,
    network: Translator,
    sample: Sample,
    pred: Tensor | None,
    phase: str,
) -> None:
    """Update the adversaries that a phase has, of latents and of results (N, 3, P, P), once."""
    if phase == "vae":
        opponent.learn(adversary_loss(network, opponent.network, sample))
    if judge is not None and pred is not None:
        judge.learn(judge.verdict(pred, sample.gt))
