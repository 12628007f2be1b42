"""Define what `colorize` reports of its work. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.findings import Findings


@dataclass(frozen=True, slots=True)
class ColorizeFindings(Findings):
    """Where the colours come from. None of them was measured in the picture.

    Attributes:
        method: by which they were found.
        invented: the share of the picture, 0 to 1, whose colours are guessed from what photographs usually show.
        from_reference: the share whose colours are those of the caller's reference, before hints correct them.
        hints: points whose colours the caller told.
        strength: 0 to 1, how far the picture was given them.
        accepted: how likely the reference of an `exemplar` has to do with the picture, .5 to 1; at 0 it was refused.
    """

    method: str
    invented: float
    from_reference: float
    hints: int
    strength: float
    accepted: float | None = None

    @property
    def in_words(self) -> str:
        """Say where the colours come from, for the report and for the file's own metadata."""
        parts = []
        if self.invented:
            parts.append(f"invented by a network in {100 * self.invented:.0f} % of the picture")
        if self.from_reference:
            parts.append(f"taken from a reference photograph in {100 * self.from_reference:.0f} %")
        if self.hints:
            parts.append(f"told at {self.hints} points")
        unused = (
            "; the reference was not used: it shows too little of what the photograph shows"
            if self.accepted == 0
            else ""
        )
        return f"The colours are not the photograph's own: {', '.join(parts)}{unused}"
