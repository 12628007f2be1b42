"""Write raw files: minimal DNGs, uncompressed, of mosaics of any pattern and of pictures of three channels."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.uint16]
Values = Sequence[int] | Sequence[float] | bytes

BAYER = ("RG", "GB")
XTRANS = ("GGRGGB", "GGBGGR", "BRGRBG", "GGBGGR", "GGRGGB", "RBGBRG")
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _SIGNED_RATIONAL = 1, 2, 3, 4, 5, 10
_LETTERS = {_SHORT: "H", _LONG: "I"}
_MOSAIC, _LINEAR = 32803, 34892
_STRIPS, _EXIF = 273, 34665
_UNIT = 1_000_000
XYZ_TO_SRGB = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)
"""A camera whose channels are those of sRGB."""
XYZ_TO_CAMERA = ((0.6722, -0.0635, -0.0963), (-0.4287, 1.2460, 0.2028), (-0.0908, 0.2162, 0.5668))
"""A camera as they are: that of Canon's EOS 5D Mark II (as its DNGs tell)."""


@dataclass(frozen=True, slots=True)
class Camera:
    """What a DNG tells of the camera.

    Attributes:
        matrix: from XYZ to the camera's channels.
        neutral: what grey measures, by channel.
        black, white: levels.
        make, model: names.
    """

    matrix: Sequence[Sequence[float]] = XYZ_TO_SRGB
    neutral: Sequence[float] = (1.0, 1.0, 1.0)
    black: int = 512
    white: int = 65535
    make: str = "Maker"
    model: str = "Model 1"


@dataclass(slots=True)
class Tags:
    """Entries of a directory, written in the order of their numbers."""

    entries: dict[int, tuple[int, int, bytes]] = field(default_factory=dict)

    def add(self, tag: int, kind: int, values: Values) -> None:
        """Add an entry of bytes or numbers."""
        if isinstance(values, bytes):
            self.entries[tag] = (kind, len(values), values)
        elif kind in (_RATIONAL, _SIGNED_RATIONAL):
            letter = "ii" if kind == _SIGNED_RATIONAL else "II"
            content = b"".join(struct.pack("<" + letter, round(value * _UNIT), _UNIT) for value in values)
            self.entries[tag] = (kind, len(values), content)
        else:
            content = struct.pack(f"<{len(values)}{_LETTERS[kind]}", *values)
            self.entries[tag] = (kind, len(values), content)

    def written(self, start: int) -> bytes:
        """Return the directory and its values, to stand at `start`."""
        table, behind = struct.pack("<H", len(self.entries)), b""
        after = start + 2 + 12 * len(self.entries) + 4
        for tag, (kind, count, content) in sorted(self.entries.items()):
            table += struct.pack("<HHI", tag, kind, count)
            if len(content) <= 4:
                table += content.ljust(4, b"\0")
            else:
                table += struct.pack("<I", after + len(behind))
                behind += content + bytes(len(content) % 2)
        return table + bytes(4) + behind


def dng(
    samples: Samples,
    pattern: Sequence[str] | None = BAYER,
    camera: Camera = Camera(),
    *,
    orientation: int = 1,
    exif: Mapping[int, tuple[int, Values]] | None = None,
    more: Mapping[int, tuple[int, Values]] | None = None,
) -> bytes:
    """Return a DNG.

    Args:
        samples: (H, W) of a mosaic, or (H, W, 3), black level included.
        pattern: rows of the mosaic's period in the letters RGB; None for three channels.
        orientation: EXIF's.
        exif: further entries of its EXIF directory, by tag: type and values.
        more: the same of its first directory.
    """
    height, width = samples.shape[:2]
    planes = 1 if pattern else 3
    tags = Tags()
    for tag, kind, values in _storage(height, width, planes, camera, orientation):
        tags.add(tag, kind, values)
    if pattern:
        tags.add(33421, _SHORT, [len(pattern), len(pattern[0])])
        tags.add(33422, _BYTE, bytes("RGB".index(letter) for row in pattern for letter in row))
    tags.add(_STRIPS, _LONG, [8])
    for tag, (kind, values) in (more or {}).items():
        tags.add(tag, kind, values)
    content = samples.astype("<u2").tobytes()
    below = Tags()
    for tag, (kind, values) in (exif or {}).items():
        below.add(tag, kind, values)
    first = 8 + len(content)
    if below.entries:
        tags.add(_EXIF, _LONG, [first])
        content += below.written(first)
    start = 8 + len(content)
    return b"II*\0" + struct.pack("<I", start) + content + tags.written(start)


def _storage(
    height: int, width: int, planes: int, camera: Camera, orientation: int
) -> list[tuple[int, int, Values]]:
    return [
        (254, _LONG, [0]),
        (256, _LONG, [width]),
        (257, _LONG, [height]),
        (258, _SHORT, [16] * planes),
        (259, _SHORT, [1]),
        (262, _SHORT, [_MOSAIC if planes == 1 else _LINEAR]),
        (271, _ASCII, camera.make.encode() + b"\0"),
        (272, _ASCII, camera.model.encode() + b"\0"),
        (274, _SHORT, [orientation]),
        (277, _SHORT, [planes]),
        (278, _LONG, [height]),
        (279, _LONG, [2 * planes * height * width]),
        (50706, _BYTE, bytes((1, 4, 0, 0))),
        (50708, _ASCII, f"{camera.make} {camera.model}".encode() + b"\0"),
        (50714, _LONG, [camera.black] * planes),
        (50717, _LONG, [camera.white] * planes),
        (50721, _SIGNED_RATIONAL, [value for row in camera.matrix for value in row]),
        (50728, _RATIONAL, camera.neutral),
        (50778, _SHORT, [21]),
    ]


def mosaic_of(light: npt.NDArray[np.floating], pattern: Sequence[str], camera: Camera = Camera()) -> Samples:
    """Return what a sensor measures of the camera's channels in linear light: (H, W) of (H, W, 3) in [0, 1]."""
    height, width = light.shape[:2]
    period = np.array([["RGB".index(letter) for letter in row] for row in pattern])
    rows, columns = np.indices((height, width))
    colours = period[rows % period.shape[0], columns % period.shape[1]]
    measured = np.take_along_axis(light, colours[..., None], 2)[..., 0]
    return to_levels(measured, camera)


def to_levels(light: npt.NDArray[np.floating], camera: Camera = Camera()) -> Samples:
    """Return light in [0, 1] in a camera's levels, 16 bits."""
    levels = camera.black + light * (camera.white - camera.black)
    return np.asarray(levels.clip(0, 65535).round(), np.uint16)
