"""Define what `upscale` reports of its work. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.findings import Findings


@dataclass(frozen=True, slots=True)
class UpscaleFindings(Findings):
    """How a picture was enlarged.

    Attributes:
        scale: 2 or 4.
        network: name of the network that did it; `dip` for one that was fitted to the picture.
    """

    scale: int
    network: str
