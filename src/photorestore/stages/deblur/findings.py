"""Define what `deblur` reports of its work. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.findings import Findings


@dataclass(frozen=True, slots=True)
class DeblurFindings(Findings):
    """What was undone, or, where an estimate was poor, what was found and left, or left to the network.

    Attributes:
        psf: the blur in the words of the option `psf`, or what is known of it in other words.
        method: by which it was undone.
        sigma_255: the noise that was reckoned with, in 8-bit units; None for the network, which is told none.
        agreement: how far estimates that were made in several ways are alike, 0 to 1, if it was estimated.
        of_light: whether light was blurred, as in a camera, as far as an estimate told it; else sRGB values were.
        picture: the estimated PSF as a data URL, which the option `psf` takes: a grey PNG of 16 bits, white its peak.
    """

    psf: str
    method: str
    sigma_255: float | None = None
    agreement: float | None = None
    of_light: bool = False
    picture: str | None = None
