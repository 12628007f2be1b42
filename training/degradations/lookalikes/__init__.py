"""Draw things that look like damage: cloth, nets, twigs, grass, rails, snow, beads, strings, cords, chains, figures.

Drawn into photographs and never labelled, as `structure` is; but where that draws flat lines, this draws things, with
their light, their unevenness and their surroundings out of focus. Pure: everything is drawn from `rng`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.degradations.fading import blur
from training.degradations.lookalikes.lines import chains, cords, figures, openings, sprigs, wheels
from training.degradations.lookalikes.surfaces import cloth, facade, knitting, net
from training.degradations.lookalikes.things import beads, grass, mounts, rails, ribbons, snow, strings, twigs
from training.randomness import chance, pick, uniform

MANY = (cloth, knitting, net, facade, twigs, grass, rails, snow, beads, strings, ribbons, mounts)
SINGLE = (cords, chains, sprigs, wheels, figures, openings)
"""What stands alone is harder to tell from damage, and drawn as often."""


def draw_lookalike(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Draw one kind of thing over a photograph (3, H, W) in [0, 1]; the result is part of the picture."""
    h, w = gt.shape[-2:]
    stands_alone = chance(0.5, rng)
    colour, coverage = pick(SINGLE if stands_alone else MANY, rng)(h, w, rng)
    if chance(0.4, rng):  # what lies behind is out of focus, or plain: snow, water, a wall, a skirt
        gt = blur(gt, uniform(1, 16 if stands_alone else 4, rng))
    drawn = torch.lerp(gt, colour, coverage)
    return (blur(drawn, uniform(0.3, 0.9, rng)) if chance(0.7, rng) else drawn).clamp(0, 1)
