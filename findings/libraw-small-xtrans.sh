#!/usr/bin/env bash
# LibRaw demosaicks an X-Trans mosaic only if both its sides have at least 512 px.
#
# A DNG with Fujifilm's 6 x 6 pattern is opened and unpacked whatever its size. But LibRaw 0.22.2 (rawpy 0.28.0) answers
# `postprocess` with "Input/output error" where a side has 511 px or fewer, which sounds like a broken file, while a
# Bayer mosaic of the same size is developed. Its X-Trans method works in tiles of 512 px. So a crop, a thumbnail of
# a sensor or a test picture needs another demosaicker, and the error should not be told to a caller as a broken file.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rawpy==0.28.0 tifffile==2026.3.3 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import io

import numpy as np
import rawpy
import tifffile

BAYER = ("RG", "GB")
XTRANS = ("GGRGGB", "GGBGGR", "BRGRBG", "GGBGGR", "GGRGGB", "RBGBRG")
SHORT, BYTE, LONG, RATIONAL = 3, 1, 4, 10
MATRIX = (324, -154, -50, -97, 188, 4, 6, -20, 106)  # hundredths; from XYZ to a camera much like sRGB


def dng(pattern, height, width):
    """Return a grey sensor's DNG: 16 bits, uncompressed."""
    letters = bytes("RGB".index(letter) for row in pattern for letter in row)
    tags = [
        (33421, SHORT, 2, (len(pattern), len(pattern[0])), True),
        (33422, BYTE, len(letters), letters, True),
        (50706, BYTE, 4, bytes((1, 4, 0, 0)), True),
        (50721, RATIONAL, 9, tuple(part for value in MATRIX for part in (value, 100)), True),
        (50778, SHORT, 1, 21, True),
    ]
    file = io.BytesIO()
    samples = np.full((height, width), 20_000, np.uint16)
    tifffile.imwrite(file, samples, photometric=32803, extratags=tags, metadata=None)
    return file.getvalue()


def developed(pattern, height, width):
    with rawpy.imread(io.BytesIO(dng(pattern, height, width))) as raw:
        assert raw.raw_image_visible.shape == (height, width)
        try:
            return str(raw.postprocess().shape)
        except rawpy.LibRawError as error:
            return f"{type(error).__name__}: {error}"


print("rawpy", rawpy.__version__, "LibRaw", ".".join(map(str, rawpy.libraw_version)))
found = {}
for name, pattern in (("Bayer", BAYER), ("X-Trans", XTRANS)):
    for height, width in ((300, 420), (511, 600), (600, 511), (512, 512)):
        found[name, height, width] = developed(pattern, height, width)
        print(f"{name:8} {height} x {width}: {found[name, height, width]}")
refused = {key for key, text in found.items() if text == "LibRawIOError: b'Input/output error'"}
assert refused == {("X-Trans", 300, 420), ("X-Trans", 511, 600), ("X-Trans", 600, 511)}, refused
assert all(text.endswith(", 3)") for key, text in found.items() if key not in refused)
PYTHON
