"""Define what `translate` reports of its work. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.findings import Findings


@dataclass(frozen=True, slots=True)
class TranslateFindings(Findings):
    """What was filled and lifted.

    Attributes:
        filled: share of the picture's pixels that were filled, 0 to 1.
        tiles: how many tiles had anything to fill.
        tone: whether tone and colours were lifted.
    """

    filled: float
    tiles: int
    tone: bool
