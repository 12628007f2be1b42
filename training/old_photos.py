"""Synthetic old photographs for the translator: patch, target, mask as a detector would give it, key view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.translate.network import VIEW_PX, shrink
from training.data import random_patch
from training.degradations import strokes
from training.degradations.damage import damage
from training.degradations.damage.recipes import MODERATE_RECIPE, DamageRecipe
from training.degradations.fields import normal_field
from training.degradations.noise import gaussian, jpeg, quantise
from training.degradations.sources import DamageSources
from training.filled_prints import Prints, damage_as_print, find, unknown
from training.randomness import chance, pick, randint, uniform, weighted_index

MASK_ALPHA = 0.1
"""A pixel that was overwritten by more than this counts as damaged."""
ENOUGH = 0.015
"""Damaged share below which a sample is drawn anew: there is little to learn from it."""
FAINT = DamageRecipe(layers=(1, 4), opacity=(0.3, 1.0), clean=0.0, density=(0.4, 2.0))
"""One sample in three; the others are damaged by `MODERATE_RECIPE`, mostly opaque."""
Sample = tuple[Tensor, ...]


KINDS = ("film", "holes", "prints", "old")
"""What samples are: photographs damaged as film is; with holes in which there is anything, as a caller marks them;
damaged as prints are; and real old prints, whose own damage is no target, where something else was marked."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph, uint8 (3, H, W); it as `small_view` gives it; and the marks of a real damaged print."""

    photo: Tensor
    view: Tensor
    marks: Tensor | None = None

    @classmethod
    def of(cls, photo: Tensor, marks: Tensor | None = None) -> Photo:
        """With its view."""
        return cls(photo, small_view(photo), marks)


@dataclass(frozen=True, slots=True)
class Pictures:
    """What samples are drawn from.

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
    detector: ScratchUNet | None = None
    prints: Prints | None = None
    old: Sequence[Photo] = ()


def real_photos(prints: Prints) -> list[Photo]:
    """The real prints among the sources."""
    return [Photo.of(one.image, one.mask) for one in prints.marked] + [Photo.of(one) for one in prints.sound]


def small_view(photo: Tensor) -> Tensor:
    """A photograph, uint8 (3, H, W), at the size of key views."""
    view, _ = shrink(photo[None].float(), torch.zeros(1, 1, *photo.shape[-2:]))
    return view[0].round().clamp(0, 255).byte()


def make_sample(pictures: Pictures, shares: Sequence[float], size_px: int, rng: torch.Generator) -> Sample:
    """One training sample.

    Args:
        shares: of each of `KINDS`.

    Returns:
        lq, gt (3, P, P); scratch_mask, certainty, alpha (1, P, P); view (3, V, V) and view_mask (1, V, V) of the whole
        picture, with the patch's damage in it; real (3, P, P), a patch of a real old photograph.
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
        lq, mask, alpha = make_holes(gt, rng)
        certainty = mask
    elif kind == "prints":
        gt, lq, alpha = damage_as_print(gt, _prints(pictures), rng)
    else:
        lq, alpha = gt, unknown(chosen.marks, gt, place)
    if kind in ("prints", "old"):
        mask, certainty = find(lq, _prints(pictures), rng)
        mask = mask if mask.any() else imperfect_mask(alpha, rng)
    view = tone(chosen.view.float() / 255)
    view, view_mask = embed(view, lq, mask, (y / h, x / w), (size_px / h, size_px / w))
    real = random_patch(pictures.real, size_px, rng)
    return (*_turn((lq, gt, mask, certainty, alpha, view, view_mask), rng), real)


def _prints(pictures: Pictures) -> Prints:
    if pictures.prints is None:
        raise ValueError("samples of prints are asked for, and there are no prints")
    return pictures.prints


def make_damage(gt: Tensor, pictures: Pictures, rng: torch.Generator) -> Sample:
    """(lq, scratch_mask, certainty, alpha): damaged, with what denoising leaves behind, and an imperfect mask."""
    for _ in range(6):
        lq, alpha = damage(gt, pictures.sources, rng, MODERATE_RECIPE if chance(0.67, rng) else FAINT)
        if float((alpha > MASK_ALPHA).float().mean()) > ENOUGH:
            break
    mask = certainty = imperfect_mask(alpha, rng)
    if pictures.detector and chance(0.65, rng):
        found, prob = detect(
            lq, pictures.detector, threshold=uniform(0.15, 0.6, rng), grow_px=randint(0, 5, rng)
        )
        mask, certainty = (found, prob) if bool((found * alpha).any()) else (mask, certainty)
    return residue(lq, rng), mask, certainty, alpha


def detect(lq: Tensor, detector: ScratchUNet, *, threshold: float, grow_px: int) -> tuple[Tensor, Tensor]:
    """The detector's own mask, with its misses, false areas and ragged rims, grown by `grow_px`; and its answer."""
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        prob = detector(lq[None]).sigmoid().float()
    return F.max_pool2d((prob >= threshold).float(), 2 * grow_px + 1, 1, grow_px)[0].clone(), prob[0].clone()


def make_holes(gt: Tensor, rng: torch.Generator) -> Sample:
    """(lq, scratch_mask, alpha): strokes, boxes and blobs that hold nothing of the picture, exactly marked."""
    alpha = (_strokes, _boxes, _blobs)[randint(0, 3, rng)](*gt.shape[-2:], rng)
    kind = randint(0, 5, rng)
    if kind == 0:
        garbage = torch.rand(gt.shape, generator=rng)
    elif kind == 1:
        garbage = gt.flip(-1)
    elif kind == 2:
        garbage = random_pixel(gt, rng).expand_as(gt)
    elif kind == 3:
        garbage = torch.full_like(gt, (0.0, 0.5, 1.0)[randint(0, 3, rng)])
    else:
        garbage = torch.rand((3, 1, 1), generator=rng).expand_as(gt)
    return residue(torch.where(alpha > 0, garbage, gt), rng), alpha, alpha


def random_pixel(gt: Tensor, rng: torch.Generator) -> Tensor:
    """A colour of the picture, (3, 1, 1)."""
    y, x = (randint(0, side, rng) for side in gt.shape[-2:])
    return gt[:, y : y + 1, x : x + 1]


def _strokes(h: int, w: int, rng: torch.Generator) -> Tensor:
    draw = strokes.scratches if chance(0.5, rng) else strokes.hairs
    radius = randint(0, 4, rng)
    drawn = (draw(h, w, randint(1, 6, rng), rng) > 0.2).float()
    return F.max_pool2d(drawn[None], 2 * radius + 1, 1, radius)[0]


def _boxes(h: int, w: int, rng: torch.Generator) -> Tensor:
    alpha = torch.zeros((1, h, w))
    for _ in range(randint(1, 5, rng)):
        sides = randint(4, h // 3, rng), randint(4, w // 3, rng)
        top, left = (randint(0, side - part, rng) for side, part in zip((h, w), sides, strict=True))
        alpha[:, top : top + sides[0], left : left + sides[1]] = 1
    return alpha


def _blobs(h: int, w: int, rng: torch.Generator) -> Tensor:
    field = normal_field(h, w, randint(8, 33, rng), rng)
    return (field > field.flatten().quantile(uniform(0.85, 0.97, rng))).float()


def imperfect_mask(alpha: Tensor, rng: torch.Generator) -> Tensor:
    """A detector's mask: too wide by 0 to 4 px, with misses, and with false areas."""
    h, w = alpha.shape[-2:]
    mask = (alpha > MASK_ALPHA).float()
    if chance(0.3, rng):
        mask = mask * (normal_field(h, w, 12, rng) < 1.3)
    if chance(0.4, rng):
        mask = torch.maximum(mask, (strokes.hairs(h, w, randint(1, 4, rng), rng) > 0.2).float())
    radius = randint(0, 5, rng)
    return F.max_pool2d(mask[None], 2 * radius + 1, 1, radius)[0]


def residue(lq: Tensor, rng: torch.Generator) -> Tensor:
    """What is left after denoising: mostly nothing, else weak noise or JPEG artefacts."""
    if chance(0.3, rng):
        lq = gaussian(lq, uniform(0, 0.02, rng), rng)
    if chance(0.2, rng):
        return jpeg(lq, randint(60, 97, rng), subsample=chance(0.5, rng))
    return quantise(lq)


def soften(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Old lenses and rescaled scans: three in ten pictures are a little blurred."""
    if not chance(0.3, rng):
        return gt
    side = uniform(0.1, 0.9, rng)
    taps = torch.tensor([side, 1.0, side]) / (1 + 2 * side)
    padded = F.pad(gt[:, None], (1, 1, 1, 1), mode="replicate")
    return F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, 3)), taps.view(1, 1, 3, 1))[:, 0]


def draw_tone(rng: torch.Generator) -> Callable[[Tensor], Tensor]:
    """A tone that the picture keeps: grey, sepia or colour, faded or not."""
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
) -> Sample:
    """The view of the whole picture with the damaged patch in it, padded to a square of forbidden keys.

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


def _turn(parts: Sample, rng: torch.Generator) -> Sample:
    """The same random flip and quarter turns for all."""
    turns, flip = randint(0, 4, rng), chance(0.5, rng)
    turned = (part.flip(-1) if flip else part for part in parts)
    return tuple(part.rot90(turns, (-2, -1)) for part in turned)
