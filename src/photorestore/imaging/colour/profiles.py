"""Make ICC profiles (version 4) from a few numbers: a curve, and the primaries of three channels."""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Point = tuple[float, float]
"""Chromaticity: x, y."""

_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_MOST = 2.0
"""Bound of a coordinate; those of imaginary primaries are a little below 0 or above 1."""
_LEAST_DETERMINANT = 1e-3
"""Least determinant of the primaries' matrix; sRGB's is 0.1. Below, they lie nearly on a line."""


@dataclass(frozen=True, slots=True)
class Primaries:
    """Chromaticities of white and of the three channels."""

    white: Point
    red: Point
    green: Point
    blue: Point


D65 = (0.3127, 0.3290)
BT709 = Primaries(D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
"""sRGB's, too."""
ADOBE_RGB = Primaries(D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
ADOBE_GAMMA = 563 / 256
"""As Adobe's own profile has it."""


def srgb_curve() -> bytes:
    """Return the tone curve of sRGB (IEC 61966-2-1) as an element of a profile."""
    return (
        b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + _s15(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    )


def gamma_curve(gamma: float) -> bytes:
    """Return the curve `value ** gamma`."""
    return b"para\0\0\0\0" + struct.pack(">HH", 0, 0) + _s15(gamma)


def table_curve(table: npt.NDArray[np.uint16]) -> bytes:
    """Return a curve through evenly spaced points."""
    return b"curv\0\0\0\0" + struct.pack(">I", len(table)) + table.astype(">u2").tobytes()


@functools.lru_cache(maxsize=64)
def grey_profile(name: str, curve: bytes) -> bytes:
    """Return a profile of one channel."""
    return _profile(b"GRAY", name, {b"kTRC": curve})


@functools.lru_cache(maxsize=64)
def rgb_profile(name: str, primaries: Primaries, curves: tuple[bytes, bytes, bytes]) -> bytes:
    """Return a profile of red, green and blue.

    Raises:
        ValueError: the primaries span no colours.
    """
    matrix = _matrix(primaries)
    adapt = _adaptation(primaries.white)
    columns = adapt @ matrix
    tags = {b"chad": b"sf32\0\0\0\0" + _s15(*adapt.ravel())}
    for channel, column, curve in zip((b"r", b"g", b"b"), columns.T, curves, strict=True):
        tags[channel + b"XYZ"] = b"XYZ \0\0\0\0" + _s15(*column)
        tags[channel + b"TRC"] = curve
    return _profile(b"RGB ", name, tags)


def _matrix(primaries: Primaries) -> Floats:
    """From linear channels to XYZ, as (3, 3)."""
    coordinates = [*primaries.white, *primaries.red, *primaries.green, *primaries.blue]
    if not all(abs(value) < _MOST for value in coordinates):
        raise ValueError("there are no such chromaticities")
    directions = np.array([_xyz(point) for point in (primaries.red, primaries.green, primaries.blue)]).T
    if abs(np.linalg.det(directions)) < _LEAST_DETERMINANT:
        raise ValueError("the primaries lie on a line")
    amounts = np.linalg.solve(directions, _white(primaries.white))
    if not (amounts > 0).all():
        raise ValueError("white is no mixture of the primaries")
    matrix: Floats = directions * amounts
    return matrix


def _adaptation(white: Point) -> Floats:
    """Return Bradford's adaptation from a white to D50, the white of profiles."""
    factors = (_BRADFORD @ _D50) / (_BRADFORD @ _white(white))
    adaptation: Floats = np.linalg.solve(_BRADFORD, factors[:, np.newaxis] * _BRADFORD)
    return adaptation


def _white(point: Point) -> Floats:
    if not 0.1 < point[1] < 1:
        raise ValueError("white is no light")
    return _xyz(point) / point[1]


def _xyz(point: Point) -> Floats:
    return np.array([point[0], point[1], 1 - point[0] - point[1]])


def _profile(space: bytes, name: str, tags: dict[bytes, bytes]) -> bytes:
    """Return a profile; always the same bytes, as the date of making is fixed."""
    tags = {
        b"desc": _text(name),
        b"cprt": _text("CC0"),
        b"wtpt": b"XYZ \0\0\0\0" + _s15(*_D50),
        **tags,
    }
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        table += struct.pack(">4sII", tag, start + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    header = struct.pack(">I4xI4s4s4s6H4s", start + len(data), 0x04300000, b"mntr", space, b"XYZ ",
                         2024, 1, 1, 0, 0, 0, b"acsp")  # fmt: skip
    header += bytes(28) + _s15(*_D50)
    return header.ljust(128, b"\0") + table + data


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded


def _s15(*values: float) -> bytes:
    """ICC's fixed point numbers."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))
