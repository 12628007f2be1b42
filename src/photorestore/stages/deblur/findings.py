"""Define what `deblur` reports of its work. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.findings import Findings


@dataclass(frozen=True, slots=True)
class DeblurFindings(Findings):
    """What was undone.

    Attributes:
        psf: the blur, in the words of the option `psf`.
        method: by which it was undone.
        sigma_255: the noise that was reckoned with, in 8-bit units.
    """

    psf: str
    method: str
    sigma_255: float
