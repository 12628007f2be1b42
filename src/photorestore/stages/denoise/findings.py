"""Define what `denoise` reports of a method that was chosen. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.findings import Findings


@dataclass(frozen=True, slots=True)
class DenoiseFindings(Findings):
    """What removed the noise, and what it went by. There are none of the stage's usual network.

    Attributes:
        method: one of the option `denoise_method`.
        sigma_255: the level of noise that it was told, in 8-bit units; None where it knows none.
        peak: photons that make white, as estimated from the level; None where the method does not reckon with them.
        psf: the blur that was undone on the way, in the words of the option `psf`; None = none.
        impulses: share of the picture's pixels that were replaced, 0 to 1; None where the method finds none.
    """

    method: str
    sigma_255: float | None = None
    peak: float | None = None
    psf: str | None = None
    impulses: float | None = None
