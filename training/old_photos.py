"""Synthetic old photographs for the translator: patch, target, mask as a detector would give it, key view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.stages.translate.network import VIEW_PX, shrink
from training.data import random_patch
from training.degradations.damage import damage
from training.degradations.damage.recipes import MODERATE_RECIPE, DamageRecipe
from training.degradations.noise import gaussian, jpeg, quantise
from training.degradations.sources import DamageSources
from training.detectors import Detector
from training.filled_prints import Prints, damage_as_print, find, unknown
from training.holes import make_holes
from training.imperfect_masks import MASK_ALPHA, detect, imperfect_mask
from training.randomness import chance, pick, randint, uniform, weighted_index

ENOUGH = 0.015
"""Damaged share below which a sample is drawn anew: there is little to learn from it."""
FAINT = DamageRecipe(layers=(1, 4), opacity=(0.3, 1.0), clean=0.0, density=(0.4, 2.0))
"""One sample in three; the others are damaged by `MODERATE_RECIPE`, mostly opaque."""
KINDS = ("film", "holes", "prints", "old")
"""What samples are: photographs damaged as film is; with holes in which there is anything, as a caller marks them;
damaged as prints are; and real old prints, whose own damage is no target, where something else was marked."""


class Sample(NamedTuple):
    """One sample for the translator; a batch of them has one dimension more.

    Attributes:
        lq, gt: (3, P, P).
        scratch_mask: (1, P, P), what was marked.
        certainty: (1, P, P), how surely, in [0, 1].
        alpha: (1, P, P), how strongly a pixel is damaged, or `UNKNOWN`.
        view, view_mask: (3, V, V) and (1, V, V), the whole picture with the patch's damage in it, and where it
            holds no keys.
        real: (3, P, P), a patch of a real old photograph.
    """

    lq: Tensor
    gt: Tensor
    scratch_mask: Tensor
    certainty: Tensor
    alpha: Tensor
    view: Tensor
    view_mask: Tensor
    real: Tensor


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph, uint8 (3, H, W), its small view, and the marks of a real damaged print."""

    photo: Tensor
    view: Tensor
    marks: Tensor | None = None

    @classmethod
    def of(cls, photo: Tensor, marks: Tensor | None = None) -> Photo:
        """Make a photograph with its view."""
        return cls(photo, small_view(photo), marks)


@dataclass(frozen=True, slots=True)
class Pictures:
    """Sources that samples are drawn from.

    Attributes:
        clean: photographs.
        real: real old photographs of which no clean version exists, uint8 (3, H, W).
        sources: real defects.
        detector: marks the damage in most samples of film, as it will when the translator is used; None = masks drawn
            from the true damage only.
        prints: for samples of prints; None = there are none.
        old: real prints.
    """

    clean: Sequence[Photo]
    real: Sequence[Tensor]
    sources: DamageSources
    detector: Detector | None = None
    prints: Prints | None = None
    old: Sequence[Photo] = ()


def real_photos(prints: Prints) -> list[Photo]:
    """Return the real prints among the sources."""
    return [Photo.of(one.image, one.mask) for one in prints.marked] + [Photo.of(one) for one in prints.sound]


def small_view(photo: Tensor) -> Tensor:
    """Shrink a photograph, uint8 (3, H, W), to the size of key views."""
    view, _ = shrink(photo[None].float(), torch.zeros(1, 1, *photo.shape[-2:]))
    return view[0].round().clamp(0, 255).byte()


def make_sample(pictures: Pictures, shares: Sequence[float], size_px: int, rng: torch.Generator) -> Sample:
    """Draw one training sample.

    Args:
        shares: of each of `KINDS`.
        size_px: P, the sides of the patches.
    """
    kind = KINDS[weighted_index(shares, rng)]
    chosen = pick(pictures.old if kind == "old" else pictures.clean, rng)
    _, h, w = chosen.photo.shape
    y, x = randint(0, h - size_px + 1, rng), randint(0, w - size_px + 1, rng)
    place, tone = (slice(y, y + size_px), slice(x, x + size_px)), draw_tone(rng)
    gt = quantise(tone(soften(chosen.photo[:, *place].float() / 255, rng)))
    if kind == "film":
        lq, mask, certainty, alpha = make_damage(gt, pictures, rng)
    elif kind == "holes":
        lq, mask = make_holes(gt, rng)
        lq, certainty, alpha = residue(lq, rng), mask, mask
    elif kind == "prints":
        gt, lq, alpha = damage_as_print(gt, _prints(pictures), rng)
    else:
        lq, alpha = gt, unknown(chosen.marks, gt, place)
    if kind in ("prints", "old"):
        mask, certainty = find(lq, _prints(pictures), rng)
        if not mask.any():
            mask = certainty = imperfect_mask(alpha, rng)
    view = tone(chosen.view.float() / 255)
    view, view_mask = embed(view, lq, mask, (y / h, x / w), (size_px / h, size_px / w))
    real = random_patch(pictures.real, size_px, rng)
    turned = _turn((lq, gt, mask, certainty, alpha, view, view_mask), rng)
    return Sample._make((*turned, real))


def _prints(pictures: Pictures) -> Prints:
    if pictures.prints is None:
        raise ValueError("samples of prints are asked for, and there are no prints")
    return pictures.prints


def make_damage(
    gt: Tensor, pictures: Pictures, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return (lq, scratch_mask, certainty, alpha): damaged, with what denoising leaves behind, an imperfect mask."""
    for _ in range(6):
        lq, alpha = damage(gt, pictures.sources, rng, draw_recipe(rng))
        if float((alpha > MASK_ALPHA).float().mean()) > ENOUGH:
            break
    mask = certainty = imperfect_mask(alpha, rng)
    if pictures.detector and chance(0.65, rng):
        found, prob = detect(
            lq, pictures.detector, threshold=uniform(0.15, 0.6, rng), grow_px=randint(0, 5, rng)
        )
        mask, certainty = (found, prob) if bool((found * alpha).any()) else (mask, certainty)
    return residue(lq, rng), mask, certainty, alpha


def draw_recipe(rng: torch.Generator) -> DamageRecipe:
    """Draw by which recipe film is damaged."""
    return MODERATE_RECIPE if chance(0.67, rng) else FAINT


def damage_anew(images: Tensor, sources: DamageSources, holes_share: float, rng: torch.Generator) -> Tensor:
    """Damage pictures (N, 3, P, P) as samples are, each by a draw of its own, so that gradients reach the pictures.

    Rounding and JPEG artefacts are left out, since they let none through.

    Args:
        holes_share: of the pictures that get holes; the others are damaged as film is.
    """
    damaged = []
    for image in images.float().cpu():
        if chance(holes_share, rng):
            lq, _ = make_holes(image, rng)
        else:
            lq, _ = damage(image, sources, rng, draw_recipe(rng))
        damaged.append(weak_noise(lq, rng))
    return torch.stack(damaged).to(images.device)


def weak_noise(lq: Tensor, rng: torch.Generator) -> Tensor:
    """Add the noise that denoising leaves, to three pictures in ten."""
    return gaussian(lq, uniform(0, 0.02, rng), rng) if chance(0.3, rng) else lq


def residue(lq: Tensor, rng: torch.Generator) -> Tensor:
    """Add what is left after denoising: mostly nothing, else weak noise or JPEG artefacts."""
    lq = weak_noise(lq, rng)
    if chance(0.2, rng):
        return jpeg(lq, randint(60, 97, rng), subsample=chance(0.5, rng))
    return quantise(lq)


def soften(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Blur three in ten images a little, as old lenses and rescaled scans do."""
    if not chance(0.3, rng):
        return gt
    side = uniform(0.1, 0.9, rng)
    taps = torch.tensor([side, 1.0, side]) / (1 + 2 * side)
    padded = F.pad(gt[:, None], (1, 1, 1, 1), mode="replicate")
    return F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, 3)), taps.view(1, 1, 3, 1))[:, 0]


def draw_tone(rng: torch.Generator) -> Callable[[Tensor], Tensor]:
    """Draw a tone that the image keeps: grey, sepia or colour, faded or not."""
    grey, sepia = chance(0.35, rng), chance(0.3, rng)
    tint = torch.tensor([1.0, 0.93, 0.8]).view(3, 1, 1) if grey and sepia else torch.ones(3, 1, 1)
    black, white, gamma = 0.0, 1.0, 1.0
    if chance(0.3, rng):
        black, white, gamma = uniform(0, 0.25, rng), uniform(0.65, 1, rng), uniform(0.7, 1.4, rng)

    def tone(image: Tensor) -> Tensor:
        values = image.mean(0, keepdim=True).expand_as(image) if grey else image
        return (black + (white - black) * values.clamp(0, 1) ** gamma) * tint

    return tone


def embed(
    view: Tensor, lq: Tensor, mask: Tensor, corner: tuple[float, float], share: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Put the damaged patch into the view of the whole picture, and pad it to a square by forbidden keys.

    Without this the target could be copied from the view.
    """
    _, h, w = view.shape
    top, left = int(corner[0] * h), int(corner[1] * w)
    bottom, right = (
        min(side, -int(-(at + part) * side // 1))
        for side, at, part in zip((h, w), corner, share, strict=True)
    )
    small = F.interpolate(lq[None], (bottom - top, right - left), mode="bilinear", antialias=True)[0]
    view, view_mask = view.clone(), torch.zeros((1, h, w))
    view[:, top:bottom, left:right] = small
    view_mask[:, top:bottom, left:right] = F.adaptive_max_pool2d(mask, small.shape[-2:])
    padding = (0, VIEW_PX - w, 0, VIEW_PX - h)
    return F.pad(view, padding, mode="replicate"), F.pad(view_mask, padding, value=1.0)


def _turn(parts: Sequence[Tensor], rng: torch.Generator) -> list[Tensor]:
    """The same random flip and quarter turns for all."""
    turns, flip = randint(0, 4, rng), chance(0.5, rng)
    turned = (part.flip(-1) if flip else part for part in parts)
    return [part.rot90(turns, (-2, -1)) for part in turned]
