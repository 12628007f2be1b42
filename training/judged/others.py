"""Pictures that are no photographs, or prints of them in dots: line art, halftones, screenshots."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.stages.preprocess.network import KINDS
from training.degradations.drawings import draw_line_art, draw_screenshot, halftone
from training.degradations.framing import any_side, any_size, scaled
from training.judged.photographs import any_photo
from training.judged.pictures import UNKNOWN, Judged, Sources
from training.judged.wear import add_noise
from training.randomness import chance, randint


def line_art(_sources: Sources, rng: torch.Generator) -> Judged:
    """Draw line art, a chart, a page."""
    return _aside(draw_line_art(*any_size(rng), rng), "line_art", rng)


def screened(sources: Sources, rng: torch.Generator) -> Judged:
    """Make a halftone of a photograph."""
    return replace(Judged(halftone(any_photo(sources, rng), rng), KINDS.index("halftone")), noisy=UNKNOWN)


def screenshot(sources: Sources, rng: torch.Generator) -> Judged:
    """Draw a screenshot; now and then with a photograph in a part of it."""
    image = draw_screenshot(*any_size(rng), rng)
    if chance(0.15, rng):
        _, h, w = image.shape
        high, wide = randint(h // 6, h // 2, rng), randint(w // 6, w // 2, rng)
        top, left = randint(0, h - high, rng), randint(0, w - wide, rng)
        part = F.interpolate(any_photo(sources, rng)[None], (high, wide), mode="bilinear", antialias=True)[0]
        image[:, top : top + high, left : left + wide] = part
    return _aside(image, "screenshot", rng)


def _aside(image: Tensor, kind: str, rng: torch.Generator) -> Judged:
    """Finish what never was a photograph: of its wear only noise is asked for."""
    judged = Judged(image, KINDS.index(kind), faded=UNKNOWN)
    if chance(0.15, rng):
        judged = replace(judged, image=scaled(image, any_side(rng)))
    return add_noise(judged, rng) if chance(0.08, rng) else judged
