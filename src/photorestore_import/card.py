"""Write the card of a network from elsewhere: what it is, where it comes from, and what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from photorestore_import.measuring import LEAST_DB, SLIGHT, Measured

NOT_STATED = "not stated"


def card(stage: str, name: str, metadata: Mapping[str, Any], measured: Measured, weights: int) -> str:
    """Return a card in Markdown.

    Args:
        metadata: of the file of weights.
        weights: how many there are.
    """
    architecture, origin = metadata["architecture"], metadata["origin"]
    rows = {
        "Architecture": f"{architecture['kind']}, as spandrel tells it, {weights / 1e6:.3g} million weights",
        "File": f"`{origin['file']}`, SHA-256 `{origin['sha256']}`",
        "Licence": origin["licence"],
        "Enlarges by": architecture["scale"],
        "Pictures": _pictures(architecture, measured),
    }
    if "side_px" not in architecture:
        rows |= {"Stride": f"{measured.stride} px", "Looks": _reach(measured)}
    rows["bfloat16"] = (
        f"{measured.bfloat16_db:.1f} dB of float32: {'' if architecture['in_bfloat16'] else 'not '}used"
        f" (more than {LEAST_DB:g} dB are)"
        if measured.bfloat16_db > -math.inf
        else "cannot be computed in"
    )
    lines = [f"| {key} | {_cell(value)} |" for key, value in rows.items()]
    return "\n".join(
        [
            f"# {name}: a network from elsewhere for `{stage}`",
            "",
            f"Taken in by `photorestore import`; callers ask for it by `networks={stage}:{name}`.",
            "How well it restores was not measured; the rows below say how it may be run.",
            "",
            "| | |",
            "|---|---|",
            *lines,
            "",
        ]
    )


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def _pictures(architecture: Mapping[str, Any], measured: Measured) -> str:
    if "side_px" in architecture:
        return f"faces of {architecture['side_px']} x {architecture['side_px']} px"
    if architecture["reach_px"] is None:
        why = (
            ""
            if measured.tiled_levels is None
            else f": tiles would change it by {measured.tiled_levels:.2g} levels of 255"
        )
        return f"whole, of no more pixels than a tile{why}"
    return (
        f"of any size, in tiles, which change the result by {measured.tiled_levels:.2g} levels of 255 at most"
    )


def _reach(measured: Measured) -> str:
    exact, felt = measured.exact_reach_px, measured.reach_px
    if exact is None:
        return "everywhere, or farther than was measured"
    if felt is None or felt >= exact:
        return f"{exact} px far"
    return f"{exact} px far, but by {SLIGHT * 255:g} level of 255 or more only {felt} px far"
