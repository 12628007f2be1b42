"""Make pictures of each kind, with their faults, for the judgement; drawn from `rng`.

Photographs stay clean, become noisy or grey, or are made into prints: toned, faded, grainy, soft, on paper, damaged.
Real old prints stand beside them. Drawings, halftones and screenshots are made in code. Any may get a border, be
scaled and be stored as JPEG. What a picture was made with says what is wrong with it; where that is not sure, the
answer is `UNKNOWN` and teaches nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from photorestore.stages.preprocess.judgement import glimpse
from photorestore.stages.preprocess.network import KINDS
from training.degradations.lookalikes import draw_lookalike
from training.degradations.structure import draw_structure
from training.judged.others import line_art, screened, screenshot
from training.judged.photographs import any_photo, night, photograph
from training.judged.pictures import Judged, Sources
from training.judged.prints import any_print
from training.judged.wear import stored
from training.randomness import chance, randint, weighted_index

SHARES = {"photograph": 0.4, "print": 0.36, "line_art": 0.1, "halftone": 0.06, "screenshot": 0.08}
"""How often each kind is drawn."""


MAKERS: dict[str, Callable[[Sources, torch.Generator], Judged]] = {
    "photograph": photograph,
    "print": any_print,
    "line_art": line_art,
    "halftone": screened,
    "screenshot": screenshot,
}


def make_sample(sources: Sources, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Make one picture as it is looked at.

    Returns:
        view, crops: uint8, as `glimpse` gives them.
        kind: int64, -1 where it is not known.
        flags: (4,) of 1, 0 and `UNKNOWN`.
    """
    index = weighted_index(list(SHARES.values()), rng)
    return as_seen(MAKERS[list(SHARES)[index]](sources, rng), rng)


def make_structured(sources: Sources, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Make one sound photograph with structure or lookalikes of damage in it, or of a night sky; see `make_sample`."""
    if chance(0.1, rng):
        return as_seen(night(rng), rng)
    image = any_photo(sources, rng)
    for _ in range(randint(1, 4, rng)):
        image = (draw_lookalike if chance(0.5, rng) else draw_structure)(image, rng)
    return as_seen(Judged(image, KINDS.index("photograph")), rng)


def as_seen(judged: Judged, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return a picture as it is stored and looked at; see `make_sample`."""
    judged = stored(judged, rng)
    view, crops = glimpse((judged.image * 255).round().byte().numpy())
    return (
        torch.from_numpy(view),
        torch.from_numpy(crops),
        torch.tensor(judged.kind),
        torch.tensor(judged.flags),
    )
