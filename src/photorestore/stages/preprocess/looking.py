"""Turn estimates and judgement into the findings that the stages go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from photorestore.options import UNTOUCHED, Options
from photorestore.stages.preprocess.estimates import estimate
from photorestore.stages.preprocess.findings import Estimates, PreprocessFindings
from photorestore.stages.preprocess.judgement import Judgement, resolve_mode
from photorestore.stages.preprocess.normalise import normalise
from photorestore.workspace import Array


def look(
    image: Array,
    alpha: Array | None,
    judgement: Judgement | None,
    options: Options,
    quantisation: Sequence[int] | None = None,
) -> PreprocessFindings:
    """Estimate what is wrong with a plane (3, H, W), after normalising it in place when asked, and decide on the mode.

    Args:
        alpha: its plane (1, H, W), or None.
        judgement: of the plane as it came; None where nothing depends on it.
        quantisation: the upload's first JPEG quantisation table, or None.
    """
    now = came = estimate(image, quantisation, alpha=alpha)
    is_normalised = options.normalise and not came.one_colour
    if is_normalised:
        normalise(image, None if came.is_grey else came.cast, alpha)
        now = estimate(image, quantisation, alpha=alpha)
        now = replace(now, noisy=now.noisy or came.noisy, one_colour=came.one_colour)
    return _decided(now, came if is_normalised else None, judgement, resolve_mode(options, judgement))


def _decided(
    now: Estimates, before_normalise: Estimates | None, judgement: Judgement | None, mode: str
) -> PreprocessFindings:
    """Return the estimates, corrected by the judgement if there is one; white noise is better estimated than judged."""
    found = PreprocessFindings(**asdict(now), before_normalise=before_normalise, mode=mode)
    if judgement is None:
        return found
    is_noisy_print = judgement.kind == "print" and judgement.says("noisy")
    return replace(
        found,
        noisy=mode != UNTOUCHED and (now.noisy or is_noisy_print),
        faded=judgement.says("faded") if before_normalise is None else now.faded,
        kind=judgement.kind,
        confidence=round(judgement.kinds[judgement.kind], 4),
        hues_255=round(judgement.hues_255, 2),
        damaged=judgement.says("damaged"),
        toned=judgement.says("toned"),
        probabilities={flag: round(value, 4) for flag, value in judgement.flags.items()},
    )
