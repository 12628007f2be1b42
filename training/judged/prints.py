"""Old prints for the judgement: real ones, and photographs that are made old."""

from __future__ import annotations

from dataclasses import replace

import torch

from photorestore.stages.preprocess.network import KINDS
from training.degradations import fading
from training.degradations.ageing import tone, tone_of, unevenly_aged
from training.degradations.framing import any_part, any_side, scaled
from training.judged.photographs import any_photo
from training.judged.pictures import UNKNOWN, Judged, Sources
from training.judged.wear import add_damage, add_fading, add_noise, either, is_damaged, is_faded
from training.randomness import chance, pick, uniform

REAL_SHARE = 0.5
"""Share of the prints that are real."""


def any_print(sources: Sources, rng: torch.Generator) -> Judged:
    """Make a print, real or synthetic."""
    return real_print(sources, rng) if chance(REAL_SHARE, rng) else synthetic_print(sources, rng)


def synthetic_print(sources: Sources, rng: torch.Generator) -> Judged:
    """Make a photograph old: a silver print, grey or toned, or a colour print whose dyes have gone.

    What shows little makes no print of it: a soft or warm photograph is none yet.
    """
    image, is_colour = any_photo(sources, rng), chance(0.25, rng)
    faded, toned, signs = 0.0, UNKNOWN if is_colour else 0.0, 0
    image = image if is_colour else fading.grey(image)
    if chance(0.5, rng):
        sigma_px = uniform(0.5, 1.8, rng)
        image, signs = fading.blur(image, sigma_px), signs + (sigma_px > 1.2)
    damaged = 0.0
    if chance(0.65, rng):
        image, alpha = add_damage(image.clamp(0, 1), sources, rng)
        damaged = is_damaged(alpha)
        signs += 2 * (damaged == 1)
    if chance(0.6, rng) or is_colour:
        image, faded = add_fading(image, rng)
        signs += faded == 1
    if is_colour:
        strength = uniform(0.3, 1, rng)
        image = fading.colour_cast(fading.bleach(image, strength), 0.15, rng)
        signs += strength > 0.6
    elif chance(0.5, rng):
        image, toned, signs = tone(image, rng), 1.0, signs + 1
    if chance(0.4, rng):
        opacity, texture = uniform(0.08, 0.4, rng), pick(sources.film.papers, rng)
        image, signs = fading.paper(image, texture, opacity, rng), signs + (opacity > 0.2)
    if chance(0.35, rng):
        image, signs = unevenly_aged(image, rng), signs + (not is_colour)
    kind = KINDS.index("print") if signs >= 2 else -1
    judged = Judged(image.clamp(0, 1), kind, damaged, 0.0, faded, toned)
    return add_noise(judged, rng, grain=0.8) if chance(0.55, rng) else judged


def real_print(sources: Sources, rng: torch.Generator) -> Judged:
    """Pick a real old print, mostly whole; beside its kind, only its own tone and contrast say what is known."""
    real = pick(sources.prints, rng)
    image = any_part(real.image, rng).float() / 255
    if chance(0.6, rng):
        image = scaled(image, any_side(rng))
    damaged = real.damaged
    if chance(0.1, rng):
        image = image ** uniform(0.7, 1.4, rng)
    if chance(0.2, rng):
        image = fading.grey(image)
    elif chance(0.15, rng):
        image = tone(fading.grey(image), rng)
    if chance(0.15, rng):
        image, alpha = add_damage(image, sources, rng)
        damaged = either(damaged, is_damaged(alpha))
    faded = UNKNOWN
    if chance(0.2, rng):
        image, faded = add_fading(image, rng)
    judged = Judged(image.clamp(0, 1), KINDS.index("print"), damaged, UNKNOWN, faded or UNKNOWN)
    judged = replace(judged, toned=tone_of(judged.image), faded=is_faded(judged))
    return add_noise(judged, rng) if chance(0.1, rng) else judged
