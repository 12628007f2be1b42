"""Draw most samples where the network is weakest (Gao & Grauman, *On-Demand Learning*, ICCV 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

Span = tuple[float, float]
"""Part of the range of difficulty, which goes from 0 to 1."""


class OnDemand:
    """Draws how difficult the next sample is to be.

    The range is cut into equal levels. After each validation a level's share of the samples is made proportional to
    1 / PSNR: what is restored worst is trained most. With one level, difficulty is drawn evenly throughout.

    Args:
        levels: how many; 5 in the paper.
    """

    def __init__(self, levels: int) -> None:
        # in shared memory, for processes that make samples
        self.shares = torch.full((levels,), 1 / levels).share_memory_()

    def draw(self, rng: torch.Generator) -> Span:
        """Draw a level by the shares, and return its span."""
        return self.span(int(torch.multinomial(self.shares, 1, generator=rng)))

    def span(self, level: int) -> Span:
        """Return the part of the range that a level is."""
        return level / len(self.shares), (level + 1) / len(self.shares)

    def update(self, psnr_db: Sequence[float]) -> None:
        """Set the shares by the PSNR (dB, above 0) of each level on validation pictures."""
        wanted = 1 / torch.tensor(psnr_db)
        self.shares.copy_(wanted / wanted.sum())
