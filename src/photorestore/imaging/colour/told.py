"""Find colour spaces that an upload tells by chunks, boxes or tags in place of an ICC profile.

Each becomes an ICC profile, so that all further code knows one kind of colour space; see docs/adr/0017. No torch here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from photorestore.imaging.colour.profiles import (
    ADOBE_GAMMA,
    ADOBE_RGB,
    BT709,
    D65,
    Primaries,
    gamma_curve,
    grey_profile,
    rgb_profile,
    srgb_curve,
    table_curve,
)
from photorestore.imaging.files.sniff import png_chunks
from photorestore.imaging.tiff import walk

_DCI_WHITE, _C_WHITE = (0.314, 0.351), (0.310, 0.316)
CICP_PRIMARIES = {
    1: BT709,
    2: BT709,  # not specified
    4: Primaries(_C_WHITE, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: Primaries(D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: Primaries(D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: Primaries(D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    8: Primaries(_C_WHITE, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: Primaries(D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: Primaries(_DCI_WHITE, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: Primaries(D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
    22: Primaries(D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
"""By the numbers of ITU-T H.273."""
CICP_CURVES: dict[int, Callable[[], bytes]] = {
    **dict.fromkeys((1, 2, 6, 13, 14, 15), srgb_curve),
    4: lambda: gamma_curve(2.2),
    5: lambda: gamma_curve(2.8),
    8: lambda: gamma_curve(1.0),
}
"""By the numbers of ITU-T H.273. The curves 1, 6, 14 and 15 are those of cameras; what they made is shown by sRGB's."""
_HIGH_DYNAMIC_RANGE = {16: "PQ", 18: "HLG"}

SRGB_GAMMA = 0.45455
GAMMA_TOLERANCE = 0.005
"""A gamma this near to `SRGB_GAMMA` stands for sRGB's curve, by the PNG specification."""
GAMMAS = (0.1, 10.0)
NEARLY = 0.002
"""Chromaticities that differ by no more are taken for the same."""
MOST_POINTS = 4096
"""Points of a curve that are kept; a TIFF's has one for each value."""

_WHITE_POINT, _PRIMARIES, _TRANSFER = 318, 319, 301
_EXIF_POINTER, _INTEROP_POINTER, _COLOUR_SPACE, _INTEROP_INDEX = 34665, 40965, 40961, 1
_SRGB, _ADOBE_RGB = 1, 2


@dataclass(frozen=True, slots=True)
class Told:
    """What was found.

    Attributes:
        icc: the profile to convert from; None for sRGB.
        problem: what is told but cannot be converted, for `Header.dropped`; it is taken for sRGB.
    """

    icc: bytes | None = None
    problem: str | None = None


def find_told(
    upload: bytes,
    kind: str,
    exif: bytes | None,
    mode: str,
    directory: int | None = None,
    nclx: tuple[int, int] | None = None,
) -> Told | None:
    """Find the colour space of pixels of `mode` (`RGB` or `L`); None where the upload does not tell it.

    What the container says counts before what EXIF says.

    Args:
        directory: where the picture's directory stands in a TIFF; None for the first.
        nclx: colour primaries and transfer characteristics that the boxes of a HEIF or AVIF tell, or None.
    """
    found: Told | None = None
    match kind:
        case "png":
            found = _by_png(upload, mode)
        case "avif" | "heic" | "heif" if nclx is not None:
            found = find_cicp(f"{kind.upper()} nclx", *nclx, mode)
        case "tiff":
            tags = walk.numbers(upload, (_WHITE_POINT, _PRIMARIES, _TRANSFER), directory)
            # A TIFF is laid out like an EXIF block, so EXIF's directory is found in the same way.
            found = _by_tags(tags, "TIFF", mode) or _by_exif(upload, mode, directory)
        case "bmp":
            found = _by_bmp(upload)
    return found or (_by_exif(exif, mode) if exif else None)


def find_cicp(where: str, primaries: int, transfer: int, mode: str) -> Told:
    """Find the colour space that code points of ITU-T H.273 stand for; `where` names the chunk or box."""
    name = f"{where} {primaries}/{transfer}"
    if transfer in _HIGH_DYNAMIC_RANGE:
        return Told(problem=f"{name}: high dynamic range ({_HIGH_DYNAMIC_RANGE[transfer]}), taken for sRGB")
    if primaries not in CICP_PRIMARIES or transfer not in CICP_CURVES:
        return Told(problem=f"{name}: a colour space that is not converted, taken for sRGB")
    return _as_profile(name, CICP_PRIMARIES[primaries], [CICP_CURVES[transfer]()], mode)


def _as_profile(name: str, primaries: Primaries, curves: Sequence[bytes], mode: str) -> Told:
    """One curve or three; grey has one and no primaries."""
    is_srgb_curve = all(curve == srgb_curve() for curve in curves)
    if is_srgb_curve and (mode == "L" or _is_near(primaries, BT709)):
        return Told()
    described = f"colours by {name}"
    try:
        if mode == "L":
            return Told(grey_profile(described, curves[0]))
        red, green, blue = curves if len(curves) == 3 else [curves[0]] * 3
        return Told(rgb_profile(described, primaries, (red, green, blue)))
    except (ValueError, struct.error):
        return Told(problem=f"{name}: no colour space, taken for sRGB")


def _is_near(first: Primaries, second: Primaries) -> bool:
    return all(
        abs(a - b) <= NEARLY
        for name in ("white", "red", "green", "blue")
        for a, b in zip(getattr(first, name), getattr(second, name), strict=True)
    )


def _usual_curve(primaries: Primaries) -> bytes:
    """Where none is told: sRGB's, or that which belongs to Adobe RGB."""
    return gamma_curve(ADOBE_GAMMA) if _is_near(primaries, ADOBE_RGB) else srgb_curve()


def _primaries(white: Sequence[float], others: Sequence[float]) -> Primaries:
    x, y = white
    a, b, c, d, e, f = others
    return Primaries((x, y), (a, b), (c, d), (e, f))


def _by_png(upload: bytes, mode: str) -> Told | None:
    """Look in the specification's order: cICP, sRGB, then gAMA and cHRM. They stand before the pixels."""
    chunks: dict[bytes, bytes] = {}
    for name, start, length in png_chunks(upload):
        if name == b"IDAT":
            break
        if name in (b"cICP", b"sRGB", b"gAMA", b"cHRM"):
            chunks.setdefault(name, upload[start : start + min(length, 32)])
    if len(code := chunks.get(b"cICP", b"")) == 4:
        if code[2:] == b"\0\1":
            return find_cicp("PNG cICP", code[0], code[1], mode)
        return Told(problem="PNG cICP: not RGB of full range, taken for sRGB")
    if b"sRGB" in chunks:
        return Told()
    return _by_gamma(chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b""), mode)


def _by_gamma(gama: bytes, chrm: bytes, mode: str) -> Told | None:
    names = [name for name, chunk, length in (("gAMA", gama, 4), ("cHRM", chrm, 32)) if len(chunk) == length]
    if not names:
        return None
    name, primaries = f"PNG {' and '.join(names)}", BT709
    if "cHRM" in names:
        values = [value / 100_000 for value in struct.unpack(">8I", chrm)]
        primaries = _primaries(values[:2], values[2:])
    curve = _usual_curve(primaries)
    if "gAMA" in names:
        exponent = int.from_bytes(gama, "big") / 100_000
        if not GAMMAS[0] <= exponent <= GAMMAS[1]:
            return Told(problem=f"{name}: no exponent of a curve, taken for sRGB")
        is_srgb = abs(exponent - SRGB_GAMMA) <= GAMMA_TOLERANCE and (
            mode == "L" or _is_near(primaries, BT709)
        )
        curve = srgb_curve() if is_srgb else gamma_curve(1 / exponent)
    return _as_profile(name, primaries, [curve], mode)


def _by_tags(found: dict[int, Sequence[float]], where: str, mode: str) -> Told | None:
    names = {_WHITE_POINT: "WhitePoint", _PRIMARIES: "PrimaryChromaticities", _TRANSFER: "TransferFunction"}
    if not found:
        return None
    name = f"{where} {', '.join(names[tag] for tag in names if tag in found)}"
    white, others = (
        found.get(_WHITE_POINT, D65),
        found.get(_PRIMARIES, (*BT709.red, *BT709.green, *BT709.blue)),
    )
    if len(white) != 2 or len(others) != 6:
        return Told(problem=f"{name}: no colour space, taken for sRGB")
    primaries = _primaries(white, others)
    curves = _tables(found[_TRANSFER]) if _TRANSFER in found else [_usual_curve(primaries)]
    if curves is None:
        return Told(problem=f"{name}: no curve, taken for sRGB")
    return _as_profile(name, primaries, curves, mode)


def _tables(values: Sequence[float]) -> list[bytes] | None:
    """One curve for all channels, or one for each."""
    tables = 3 if len(values) in (3 * 256, 3 * 65536) else 1
    if len(values) // tables not in (256, 65536):
        return None
    points = np.asarray(values).reshape(tables, -1)
    if points.shape[1] > MOST_POINTS:
        points = points[:, np.linspace(0, points.shape[1] - 1, MOST_POINTS).round().astype(int)]
    return [table_curve(np.clip(table, 0, 65535).astype(np.uint16)) for table in points]


def _by_bmp(upload: bytes) -> Told | None:
    """Primaries and gammas in a header of version 4 are rare, and mostly left open."""
    is_calibrated = int.from_bytes(upload[14:18], "little") >= 108 and upload[70:74] == bytes(4)
    if is_calibrated and any(upload[74:122]):
        return Told(problem="BMP calibrated RGB: not converted, taken for sRGB")
    return None


def profile_of_bmp(upload: bytes) -> bytes | None:
    """Return the profile that a header of version 5 points to, which Pillow does not read."""
    if upload[70:74] != b"DEBM" or int.from_bytes(upload[14:18], "little") < 124:
        return None
    start, length = struct.unpack_from("<II", upload.ljust(134, b"\0"), 126)
    return upload[14 + start : 14 + start + length]


def _by_exif(exif: bytes, mode: str, directory: int | None = None) -> Told | None:
    """Adobe RGB by the rule of DCF (interoperability index R03), or the tags that TIFF has, too."""
    block = exif.removeprefix(b"Exif\0\0")
    first = walk.numbers(block, (_WHITE_POINT, _PRIMARIES, _EXIF_POINTER), directory)
    pointer = first.pop(_EXIF_POINTER, None)
    details = walk.numbers(block, (_COLOUR_SPACE, _INTEROP_POINTER), int(pointer[0])) if pointer else {}
    space = details.get(_COLOUR_SPACE, [0])[0]
    interop = details.get(_INTEROP_POINTER)
    index = (interop and walk.content(block, _INTEROP_INDEX, int(interop[0]))) or b""
    if space == _ADOBE_RGB or (index.startswith(b"R03") and space != _SRGB):
        return _as_profile("EXIF (Adobe RGB)", ADOBE_RGB, [gamma_curve(ADOBE_GAMMA)], mode)
    return None if space == _SRGB else _by_tags(first, "EXIF", mode)
