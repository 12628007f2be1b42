"""Damage of prints: cracks, craquelure, creases, tears, lost corners and worn edges, flaked emulsion, specks, ink.

Film is scratched and dusty; a print is handled. It breaks where it was bent, loses emulsion in flakes, its corners and
edges wear, and what shows below is white fibre, the paper's own colour, or dirt. Shapes of cracks are real
(`load_crack_shapes`), everything else is drawn.

Pure and seeded: everything is drawn from the `rng` that is given. Images are (3, H, W) in [0, 1], coverages (H, W) in
[0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from training.degradations.prints.breaks import cracked, crazed, creased, torn
from training.degradations.prints.emulsion import Layer
from training.degradations.prints.losses import cut, flaked, inked, speckled
from training.degradations.sources import PrintSources
from training.randomness import randint, weighted_index

VISIBLE = 10 / 255
"""A pixel that changes less than this in all channels keeps its value and counts as sound."""


KINDS: tuple[Callable[[Tensor, PrintSources, torch.Generator], Layer], ...] = (
    cracked, crazed, creased, cut, flaked, speckled, inked, torn,
)  # fmt: skip
KIND_WEIGHTS = (0.26, 0.08, 0.16, 0.1, 0.14, 0.16, 0.06, 0.09)


def damage_print(gt: Tensor, sources: PrintSources, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Damage a print in one to four ways.

    Returns:
        lq: (3, H, W) in [0, 1], not quantised.
        alpha: (1, H, W) in [0, 1], how strongly each pixel was overwritten; where it is 0, lq equals gt but for the
            wide, soft shading of creases, which is no damage.
    """
    h, w = gt.shape[-2:]
    lq, kept = gt, torch.ones((1, h, w))
    for _ in range(randint(1, 5, rng)):
        kind = weighted_index(KIND_WEIGHTS, rng)
        lq, alpha = KINDS[kind](lq, sources, rng)
        kept = kept * (1 - alpha)
    changed = (lq - gt).abs().amax(0, keepdim=True) >= VISIBLE
    return torch.where(changed, lq.clamp(0, 1), gt), torch.where(changed, 1 - kept, 0.0)
