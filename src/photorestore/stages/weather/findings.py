"""Define what `weather` reports of its work. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.findings import Findings


@dataclass(frozen=True, slots=True)
class WeatherFindings(Findings):
    """What was taken out of the picture.

    Attributes:
        method: by which; `network` takes out rain and snow, the others haze.
        haze: share of the scene's light, 0 to 1, that the haze was taken to keep back, on average; None: of no haze.
    """

    method: str
    haze: float | None = None
