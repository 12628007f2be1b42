"""Derive from the rows of the stages which planes a request has, and what room they take.

Imports only the standard library, like `stage_table`.
"""

from __future__ import annotations

from photorestore.stage_row import ALPHA, BLURRED, COLOURED, ENLARGED, IMPULSES, MASK, WEATHERED, WIDE
from photorestore.stage_table import ROWS

PLANES = tuple(plane for row in ROWS for plane in row.planes)


def planes_that_hold(what: str) -> tuple[str, ...]:
    """Return the planes that hold the `PICTURE` or the `OPACITY` so far or the `DAMAGE`, in the order of the rows."""
    return tuple(plane.name for plane in PLANES if plane.holds == what)


def room_bytes_px(  # noqa: PLR0913 - one for each condition
    sample_bytes: int,
    *,
    has_alpha: bool,
    has_mask: bool,
    scale: int,
    is_blurred: bool = False,
    is_weathered: bool = False,
    is_coloured: bool = False,
    has_impulses: bool = False,
    is_wide: bool = False,
) -> int:
    """Return the bytes of all planes of one request, for each pixel of its picture.

    Args:
        sample_bytes: of a sample of the upload: 1 or 2.
        has_alpha, has_mask: whether the picture has opacity, and whether the caller marked what is to be filled.
        scale: how many times larger the result is.
        is_blurred: whether a blur is to be undone.
        is_weathered: whether weather is to be taken out.
        is_coloured: whether the caller asks for colours.
        has_impulses: whether impulses are looked for, and marked.
        is_wide: whether a raw file's own colours are asked for.
    """
    conditions = {
        ALPHA: has_alpha,
        MASK: has_mask,
        ENLARGED: scale > 1,
        BLURRED: is_blurred,
        WEATHERED: is_weathered,
        COLOURED: is_coloured,
        IMPULSES: has_impulses,
        WIDE: is_wide,
    }
    given = {name for name, is_so in conditions.items() if is_so}
    return sum(
        plane.channels * (plane.sample_bytes or sample_bytes) * (scale**2 if ENLARGED in plane.needs else 1)
        for plane in PLANES
        if plane.needs <= given
    )
