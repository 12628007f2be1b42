"""Move the areas of a picture that XMP describes: faces, names, focus."""

from __future__ import annotations

import math
from collections.abc import Sequence

from photorestore.imaging.metadata.change import Change

AREA = tuple(f"stArea:{name}" for name in ("x", "y", "w", "h", "d", "unit"))
"""Of the Metadata Working Group: centre, and size or diameter, as shares of the sides or in pixels."""
RECTANGLE = "MPReg:Rectangle"
"""Microsoft's: corner and size, as shares of the sides."""
BOUNDARY = tuple(f"Iptc4xmpExt:rb{name}" for name in ("Shape", "Unit", "X", "Y", "W", "H", "Rx"))
"""IPTC's: a rectangle's corner and size, a circle's centre and radius, or a polygon's points, relative or in pixels."""
_SHAPE, UNIT, _X, _Y, _W, _H, _RADIUS = BOUNDARY
_NUMBERS = {"rectangle": (_X, _Y, _W, _H), "circle": (_X, _Y, _RADIUS), "polygon": (), "point": (_X, _Y)}


class UnknownBoundaryError(ValueError):
    """The properties are not those of a boundary that IPTC defines."""


def moved_area(told: dict[str, str], change: Change) -> dict[str, str]:
    """Return the properties of one area that change in the result; none if they are not numbers."""
    if RECTANGLE in told:
        return _moved_rectangle(told[RECTANGLE], change)
    if AREA[0] not in told or AREA[1] not in told:
        return {}
    in_px = told.get("stArea:unit") == "pixel"
    if not in_px and not change.is_reoriented:
        return {}
    x, y, w, h, d = (_number(told.get(name, "0")) for name in AREA[:5])
    if x is None or y is None or w is None or h is None or d is None:
        return {}
    values = (*change.area_px(x, y, w, h), d * change.factor) if in_px else (*change.area(x, y, w, h), d)
    return {name: _text(value) for name, value in zip(AREA, values, strict=False) if name in told}


def _moved_rectangle(text: str, change: Change) -> dict[str, str]:
    x, y, w, h = ([_number(part) for part in text.split(",", 4)] + [None] * 4)[:4]
    if not change.is_reoriented or x is None or y is None or w is None or h is None:
        return {}
    x, y, w, h = change.area(x + w / 2, y + h / 2, w, h)
    return {RECTANGLE: ", ".join(map(_text, (x - w / 2, y - h / 2, w, h)))}


def moved_boundary(told: dict[str, str], boundary: dict[str, str], change: Change) -> dict[str, str]:
    """Return the properties of one of IPTC's boundaries, or of a point of one, that change in the result.

    Args:
        boundary: those of the boundary, `told` itself if it is no point's.

    Raises:
        UnknownBoundaryError: they are not those of a shape.
    """
    if change.is_as_stored or not told.keys() & set(BOUNDARY):
        return {}
    shape, unit = boundary.get(_SHAPE, ""), boundary.get(UNIT)
    if told is not boundary:
        shape = "point" if shape == "polygon" else ""
    names = _NUMBERS.get(shape)
    if names is None or set(names) != told.keys() & set(BOUNDARY[2:]) or unit not in ("relative", "pixel"):
        raise UnknownBoundaryError
    numbers = [value for name in names if (value := _number(told[name])) is not None]
    if len(numbers) < len(names):
        raise UnknownBoundaryError
    moved = _moved_shape(shape, numbers, change, in_px=unit == "pixel")
    return {name: _text(value) for name, value in zip(names, moved, strict=True)}


def _moved_shape(shape: str, numbers: Sequence[float], change: Change, *, in_px: bool) -> Sequence[float]:
    move = change.area_px if in_px else change.area
    match shape:
        case "rectangle":
            x, y, w, h = numbers
            x, y, w, h = move(x + w / 2, y + h / 2, w, h)
            return x - w / 2, y - h / 2, w, h
        case "circle":  # whose radius is a share of the width
            x, y, radius = numbers
            scale = change.factor if in_px else change.factor * change.source_width / max(1, change.width)
            return *move(x, y)[:2], radius * scale
        case "point":
            return move(*numbers)[:2]
        case _:
            return ()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _text(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
