"""Photographs for the judgement: clean, grey, noisy, toned by computer, with structure in them, or damaged."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from photorestore.stages.preprocess.network import KINDS
from training.degradations import fading
from training.degradations.framing import any_part, any_side, any_size, scaled, soft_scene
from training.degradations.lookalikes import draw_lookalike
from training.degradations.skies import night_sky
from training.degradations.structure import draw_structure
from training.judged.pictures import UNKNOWN, Judged, Sources
from training.judged.wear import add_damage, add_noise, is_damaged
from training.randomness import chance, pick, uniform


def any_photo(sources: Sources, rng: torch.Generator) -> Tensor:
    """Cut a part of a photograph, flipped, scaled, at times in other tones or with a lookalike of damage in it."""
    folder = pick(sources.folders, rng)
    photo = any_part(pick(folder, rng), rng).float() / 255
    photo = scaled(photo, any_side(rng))
    if chance(0.3, rng):
        photo = photo[torch.randperm(3, generator=rng)]
    if chance(0.2, rng):
        photo = draw_lookalike(photo, rng)
    return photo ** uniform(0.6, 1.6, rng) if chance(0.3, rng) else photo


def night(rng: torch.Generator) -> Judged:
    """Draw a night sky, whose stars are no dust."""
    return Judged(night_sky(*any_size(rng), rng), KINDS.index("photograph"), faded=UNKNOWN, toned=UNKNOWN)


def photograph(sources: Sources, rng: torch.Generator) -> Judged:
    """Make a photograph: clean, grey, noisy, toned by computer, with lines and letters in it, or damaged."""
    if chance(0.05, rng):
        return add_noise(night(rng), rng) if chance(0.3, rng) else night(rng)
    image = soft_scene(*any_size(rng), rng) if chance(0.05, rng) else any_photo(sources, rng)
    judged = Judged(image, KINDS.index("photograph"))
    if chance(0.2, rng):
        draw = draw_lookalike if chance(0.5, rng) else draw_structure
        judged = replace(judged, image=draw(judged.image, rng))
    if chance(0.35, rng):
        judged = replace(judged, image=fading.grey(judged.image), toned=0.0)
        if chance(0.15, rng):
            toned = fading.sepia(judged.image, uniform(0.4, 1, rng))
            judged = replace(judged, image=toned, toned=1.0, kind=-1)
    if chance(0.1, rng):  # hazy or soft, but nothing is lost
        judged = replace(
            judged, image=fading.fade(judged.image, uniform(0, 0.2, rng), uniform(0.4, 0.9, rng))
        )
        judged = replace(judged, faded=UNKNOWN)
    if chance(0.1, rng):
        judged = replace(judged, image=fading.blur(judged.image, uniform(0.4, 1.5, rng)))
    if chance(0.15, rng):
        lq, alpha = add_damage(judged.image.clamp(0, 1), sources, rng, film=0.4)
        judged = replace(judged, image=lq, damaged=is_damaged(alpha), kind=-1)
    return add_noise(judged, rng) if chance(0.3, rng) else judged
