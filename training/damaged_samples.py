"""Samples for the detectors: pictures damaged by us, prints damaged by time, and sound pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from training.data import read_photo, scaled_patch
from training.degradations import fading, noise
from training.degradations.damage import DAMAGED, damage
from training.degradations.damage.recipes import DEFAULT_RECIPE, MODERATE_RECIPE
from training.degradations.drawings import draw_line_art
from training.degradations.halftones import halftone
from training.degradations.lookalikes import draw_lookalike
from training.degradations.prints import damage_print
from training.degradations.skies import night_sky
from training.degradations.sources import DamageSources, PrintSources, load_crack_shapes, load_damage_sources
from training.degradations.structure import draw_structure
from training.marked import (
    ANNOTATIONS,
    TEST_PRINTS,
    VALIDATION_PRINTS,
    MarkedPrint,
    load_marked_prints,
    marked_patch,
    transplant,
)
from training.randomness import chance, randint, uniform, weighted_index

DRAWN_SHEETS, DRAWN_PX = 80, 448
"""How many drawings a run makes for itself, and their sides."""
MISTAKEN_SHARE = 0.4
"""Of the patches of photographs, cut where a detector took sound things for damage, if that is known."""
HARD_SHARE = 0.5
"""Of the patches of real prints, cut where a detector was wrong, if that is known."""

Sample = tuple[Tensor, Tensor, Tensor]
"""lq (3, S, S) in [0, 1], 8-bit values; target, 1 where damaged, and each pixel's weight in the loss, (1, S, S)."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of the kinds of samples; they need not add up to 1."""

    film: float  # photographs under dust, hairs and scratches of film
    prints: float  # photographs, mostly aged, under damage of prints
    marked: float  # real prints whose damage was marked by eye
    transplanted: float  # damage of marked prints on other photographs
    sound: float  # photographs, half of them aged, most with structure or lookalikes drawn in, without damage
    drawn: float  # line art, pages, halftones
    old: float  # real old photographs in which no damage was seen
    night: float  # night skies, whose stars are no dust


@dataclass(frozen=True, slots=True)
class Pictures:
    """Sources that samples are drawn from.

    `mistaken` are parts of `photos` in which a detector found damage that is none, `hard` are those of `marked` and
    `old` in which it was wrong, see `training.mistaken`.
    """

    photos: Sequence[Tensor]
    film: DamageSources
    prints: PrintSources
    marked: Sequence[MarkedPrint]
    drawn: Sequence[Tensor]
    old: Sequence[Tensor]
    mistaken: Sequence[Tensor] = ()
    hard: Sequence[MarkedPrint] = ()

    def sound(self, rng: torch.Generator) -> Sequence[Tensor]:
        """Choose what a sound patch is cut from: all photographs, or where a detector was wrong."""
        return self.mistaken if self.mistaken and chance(MISTAKEN_SHARE, rng) else self.photos

    def real(self, rng: torch.Generator) -> Sequence[MarkedPrint]:
        """Choose what a patch of a real print is cut from: all that are marked, or where a detector was wrong."""
        return self.hard if self.hard and chance(HARD_SHARE, rng) else self.marked


def load_pictures(data: Path, masks: Path, photos: Sequence[Tensor], size_px: int) -> Pictures:
    """Read the sources of damage that training may see; `photos` are at hand already."""
    return Pictures(
        photos,
        load_damage_sources(data, held_out=False),
        load_crack_shapes(data, held_out=False),
        load_marked_prints(data, masks, without=(*TEST_PRINTS, *VALIDATION_PRINTS)),
        draw_sheets(photos, DRAWN_SHEETS),
        load_sound_old(data, size_px),
    )


def draw_sheets(photos: Sequence[Tensor], count: int) -> list[Tensor]:
    """Draw line art and pages, every fourth a halftone: uint8 (3, DRAWN_PX, DRAWN_PX), always the same."""
    rng = torch.Generator().manual_seed(0)
    sheets = []
    for index in range(count):
        if index % 4 == 0:
            sheet = halftone(photo_patch(photos, DRAWN_PX // 2, rng), rng)
        else:
            sheet = draw_line_art(DRAWN_PX, DRAWN_PX, rng)
        sheets.append((255 * sheet.clamp(0, 1)).round().byte())
    return sheets


def load_sound_old(data: Path, size_px: int) -> list[Tensor]:
    """Read the real old photographs that were looked at and show no damage, as uint8 (3, H, W)."""
    names = (ANNOTATIONS / "old_real" / "sound.txt").read_text().split()
    photos = [read_photo(data / "domain" / "old_real" / f"{name}.jpg") for name in names]
    return [photo for photo in photos if min(photo.shape[-2:]) >= size_px]


def make_sample(pictures: Pictures, shares: Shares, size_px: int, rng: torch.Generator) -> Sample:
    """Draw a kind by its share, and a sample of it."""
    kind = fields(Shares)[weighted_index(astuple(shares), rng)].name
    if kind == "marked":
        return marked_patch(pictures.real(rng), size_px, rng)
    if kind == "old":
        lq = store(add_noise(tone(scaled_patch(pictures.old, size_px, (0.6, 1.5), rng), rng), rng), rng)
        return _without_damage(lq)
    if kind == "night":
        return _without_damage(store(add_noise(night_sky(size_px, size_px, rng), rng), rng))
    if kind == "drawn":
        return _without_damage(store(tone(scaled_patch(pictures.drawn, size_px, (0.7, 1.8), rng), rng), rng))
    gt = photo_patch(pictures.sound(rng), size_px, rng)
    if chance(0.7 if kind == "sound" else 0.35, rng):
        gt = (draw_lookalike if chance(0.5, rng) else draw_structure)(gt, rng)
    if kind == "sound":
        gt = age(gt, rng).clamp(0, 1) if chance(0.5, rng) else gt
        return _without_damage(store(add_noise(gt, rng), rng))
    if kind == "film":
        lq, alpha = damage_film(gt, pictures.film, rng)
    elif kind == "prints":
        lq, alpha = damage_aged_print(gt, pictures, rng)
    else:
        lq, alpha = transplant(age(gt, rng).clamp(0, 1), pictures.marked, rng)
        lq = store(add_noise(lq, rng), rng)
    return lq, (alpha > DAMAGED).float(), torch.ones_like(alpha)


def _without_damage(lq: Tensor) -> Sample:
    return lq, torch.zeros_like(lq[:1]), torch.ones_like(lq[:1])


def photo_patch(photos: Sequence[Tensor], size_px: int, rng: torch.Generator) -> Tensor:
    """Cut a random square at a random scale, in random tones: a photograph is seldom seen twice as it is.

    Without that the network learns the training photographs by heart, and finds too much in others.
    """
    patch = scaled_patch(photos, size_px, (0.7, 1.8) if chance(0.7, rng) else (1.0, 1.0), rng)
    return tone(patch[torch.randperm(3, generator=rng)] if chance(0.3, rng) else patch, rng)


def tone(patch: Tensor, rng: torch.Generator) -> Tensor:
    """Change mid-tones, lower contrast, invert: each in a part of the patches."""
    if chance(0.5, rng):
        patch = patch ** uniform(0.6, 1.6, rng)
    if chance(0.5, rng):
        low, high = uniform(0, 0.2, rng), uniform(0.75, 1, rng)
        patch = low + (high - low) * patch
    return 1 - patch if chance(0.2, rng) else patch


def damage_film(gt: Tensor, sources: DamageSources, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return (lq, alpha): aged, damaged, then softened, made noisy and compressed, each in a part of the pictures."""
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


def damage_aged_print(gt: Tensor, pictures: Pictures, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return (lq, alpha): an aged print, damaged, with dust of film on it at times, then scanned and stored."""
    lq, alpha = damage_print(age(gt, rng).clamp(0, 1), pictures.prints, rng)
    if chance(0.2, rng):
        lq, dust = damage(lq, pictures.film, rng, MODERATE_RECIPE)
        alpha = 1 - (1 - alpha) * (1 - dust)
    if chance(0.35, rng):
        sigma_px = uniform(0.3, 1.1, rng)
        lq, alpha = fading.blur(lq, sigma_px), fading.blur(alpha, sigma_px)
    return store(add_noise(lq, rng), rng), alpha


def age(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Age a photograph as a print: grey or brown, faded, soft, grainy; each in a part of the pictures."""
    if chance(0.6, rng):
        gt = fading.grey(gt)
        if chance(0.5, rng):
            gt = fading.sepia(gt, uniform(0.2, 1, rng))
    if chance(0.4, rng):
        gt = fading.fade(gt, uniform(0, 0.5, rng), uniform(0.3, 0.9, rng))
    if chance(0.4, rng):
        gt = fading.blur(gt, uniform(0.4, 1.8, rng))
    if chance(0.4, rng):
        gt = noise.film_grain(gt, uniform(0.01, 0.09, rng), uniform(0.4, 2, rng), rng)
    return gt


def add_noise(lq: Tensor, rng: torch.Generator) -> Tensor:
    """Add mild noise or grain to a sixth of the pictures, so that it is not taken for dust."""
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
