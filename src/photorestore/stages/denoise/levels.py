"""Choose the noise level that the denoiser is told: the caller's, or the estimated one.

Without a level the network takes busy texture for noise; with one, even a rough one, it keeps texture.
`training/tune_levels.py` prints the figures behind the rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from photorestore.stages.preprocess.findings import Estimates

ASSUMED = 11.0
"""If denoising was asked for and less was found, this divided by the root of the picture's gradient is assumed: the
estimate misses real camera noise that was processed and compressed, and too high a level costs a smooth picture nothing
but a busy one its texture. On training pairs of real noise it gains as much as the best constant, within .02 dB, and
loses less in JPEGs of quality 90 and 75."""
MOST_ASSUMED_255 = 10.0
GRAIN_RATIO = 1.6
LEAST_GRAIN_255 = 6.5
"""Grain counts if it exceeds `LEAST_GRAIN_255`, a JPEG's artefacts, and the noise of single pixels times `GRAIN_RATIO`:
nine in ten clean photographs show less, and grain of 15 shows more up to a width of about .7 px."""
SURFACE_RATIO = 1.5
SURFACE_OVER_ARTEFACTS = 1.5
LEAST_SURFACE_255 = 3.0
"""In a grainy picture, grain and paper on its flat places count if they exceed the noise of single pixels and a
JPEG's artefacts times these ratios, and `LEAST_SURFACE_255`: coarse grain, paper and screens show next to no noise of
single pixels. On training photographs this is on average within a tenth of the true level; under white noise of 9 one
photograph in fifteen, without flat places, shows as much."""
ARTEFACTS_OVER_GRAIN = 2.0
"""What is measured as grain or paper, if so much less than a JPEG's artefacts, may be these."""


@dataclass(frozen=True, slots=True)
class Level:
    """A noise level.

    Attributes:
        sigma_255: standard deviation in 8-bit units.
        origin: where it comes from, for the trace.
        is_certain: whether it comes from the caller, or from noise of single pixels or a JPEG's table where these
            explain what is seen; what else looks like noise may be grain or texture.
    """

    sigma_255: float
    origin: str
    is_certain: bool = True

    def __str__(self) -> str:
        return f"sigma {self.sigma_255:.1f} of 255, {self.origin}"


def level_of(found: Estimates, given_255: float | None = None, *, is_grainy: bool = False) -> Level:
    """Return the level to denoise with.

    Grain wider than a pixel and fine texture are alike to what is measured: one clean photograph in ten seems to have
    grain. So that counts only in a picture that the judgement takes for noisy. Of training photographs under noise of
    3 and 6 the denoiser gains 1.7 and 4.9 dB by that rule, and -1.0 and 3.7 without it; under grain of 1 and 2 px 1.9
    and 3.6 in place of 1.1 and 3.5; in JPEGs of quality 60 and 85 .8 and .2 in place of .3 and -.9.

    Args:
        found: what was measured in the picture.
        given_255: the level that the caller gave, or None.
        is_grainy: whether the judgement takes the picture for noisy.
    """
    if given_255 is not None:
        return Level(given_255, "given")
    noise_255, artefacts_255 = found.sigma_255, found.artefacts_255 or 0.0
    explained_255 = max(GRAIN_RATIO * noise_255, artefacts_255 / ARTEFACTS_OVER_GRAIN)
    is_explained = max(found.grain_255, found.surface_255) <= explained_255
    most_255 = max(GRAIN_RATIO * noise_255, LEAST_GRAIN_255, artefacts_255)
    has_grain = is_grainy and found.grain_255 > most_255
    if is_grainy and found.surface_255 > max(
        SURFACE_RATIO * noise_255, SURFACE_OVER_ARTEFACTS * artefacts_255, LEAST_SURFACE_255
    ):
        return Level(
            found.surface_255, "estimated from coarse grain or the paper's surface", is_certain=False
        )
    if has_grain:
        noise_255 = found.grain_255
    both_255 = math.hypot(noise_255, artefacts_255)
    assumed_255 = min(MOST_ASSUMED_255, ASSUMED / math.sqrt(max(found.gradient_255, 1e-6)))
    is_found = (found.noisy or has_grain) and both_255 > 0  # a tiny picture's level is not estimated
    if not is_found and both_255 < assumed_255:
        return Level(assumed_255, "assumed: less was found", is_certain=False)
    if artefacts_255 > 2 * noise_255:
        return Level(both_255, "estimated from the JPEG's table", is_explained)
    origin = "estimated" if artefacts_255 == 0 else "estimated from noise and the JPEG's table"
    return Level(both_255, origin, is_explained)
