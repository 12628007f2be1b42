"""Define what `scratch` hands on beside its planes. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.findings import Findings


@dataclass(frozen=True, slots=True)
class ScratchFindings(Findings):
    """The damage that was found.

    Attributes:
        coverage: share of the picture's pixels that are damaged, 0 to 1.
    """

    coverage: float
