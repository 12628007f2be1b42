"""Areas of a picture that XMP describes: faces, names, focus."""

from __future__ import annotations

import math

from photorestore.imaging.change import Change

AREA = tuple(f"stArea:{name}" for name in ("x", "y", "w", "h", "d", "unit"))
"""Of the Metadata Working Group: centre, and size or diameter, as shares of the sides or in pixels."""
RECTANGLE = "MPReg:Rectangle"
"""Microsoft's: corner and size, as shares of the sides."""


def moved_area(told: dict[str, str], change: Change) -> dict[str, str]:
    """Of the properties of one area those that are others in the result; none if they are no numbers."""
    if RECTANGLE in told:
        return _moved_rectangle(told[RECTANGLE], change)
    if AREA[0] not in told or AREA[1] not in told:
        return {}
    in_px = told.get("stArea:unit") == "pixel"
    if not in_px and not change.is_turned:
        return {}
    x, y, w, h, d = (_number(told.get(name, "0")) for name in AREA[:5])
    if x is None or y is None or w is None or h is None or d is None:
        return {}
    values = (*change.area_px(x, y, w, h), d * change.factor) if in_px else (*change.area(x, y, w, h), d)
    return {name: _text(value) for name, value in zip(AREA, values, strict=False) if name in told}


def _moved_rectangle(text: str, change: Change) -> dict[str, str]:
    x, y, w, h = ([_number(part) for part in text.split(",", 4)] + [None] * 4)[:4]
    if not change.is_turned or x is None or y is None or w is None or h is None:
        return {}
    x, y, w, h = change.area(x + w / 2, y + h / 2, w, h)
    return {RECTANGLE: ", ".join(map(_text, (x - w / 2, y - h / 2, w, h)))}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _text(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
