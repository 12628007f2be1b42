#!/usr/bin/env bash
# LibRaw reads the colour filters of a DNG wrongly where the pattern is neither 2 x 2 nor 6 x 6, and does not say so.
#
# A DNG tells the period of its mosaic (CFARepeatPatternDim) and the colour of each place in it (CFAPattern). LibRaw
# 0.22.2 (rawpy 0.28.0) keeps a mosaic as a pattern of 2 columns and 8 rows, or as X-Trans. What does not fit is read
# into it all the same: of quad Bayer (4 x 4) the rows become red only and green only, of a 3 x 3 pattern every row is
# another, and even a plain Bayer mosaic that is told as 4 x 4 is not recognised. Nothing is raised, `postprocess` gives
# a picture, and its colours are wrong. So whoever takes DNGs has to read these two tags himself.
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

PATTERNS = {
    "Bayer": ("RG", "GB"),
    "X-Trans": ("GGRGGB", "GGBGGR", "BRGRBG", "GGBGGR", "GGRGGB", "RBGBRG"),
    "quad Bayer": ("RRGG", "RRGG", "GGBB", "GGBB"),
    "Bayer told as 4 x 4": ("RGRG", "GBGB", "RGRG", "GBGB"),
    "diagonal 3 x 3": ("RGB", "GBR", "BRG"),
}
SHORT, BYTE, RATIONAL = 3, 1, 10
MATRIX = (324, -154, -50, -97, 188, 4, 6, -20, 106)  # hundredths; from XYZ to a camera much like sRGB


def numbers(pattern):
    return np.array([["RGB".index(letter) for letter in row] for row in pattern])


def dng(pattern):
    """Return the DNG of a sensor that saw an even red: 16 bits, uncompressed."""
    period = numbers(pattern)
    rows, columns = np.indices((600, 600))
    colours = period[rows % len(period), columns % len(period[0])]
    letters = period.astype(np.uint8).tobytes()
    tags = [
        (33421, SHORT, 2, period.shape, True),
        (33422, BYTE, len(letters), letters, True),
        (50706, BYTE, 4, bytes((1, 4, 0, 0)), True),
        (50721, RATIONAL, 9, tuple(part for value in MATRIX for part in (value, 100)), True),
        (50778, SHORT, 1, 21, True),
    ]
    file = io.BytesIO()
    samples = np.array([40_000, 10_000, 10_000], np.uint16)[colours]
    tifffile.imwrite(file, samples, photometric=32803, extratags=tags, metadata=None)
    return file.getvalue()


print("rawpy", rawpy.__version__, "LibRaw", ".".join(map(str, rawpy.libraw_version)))
right = set()
for name, pattern in PATTERNS.items():
    told = numbers(pattern)
    with rawpy.imread(io.BytesIO(dng(pattern))) as raw:
        read = raw.raw_colors_visible[: len(told), : len(told[0])].copy()
        read[read == 3] = 1  # LibRaw's second green
        picture = raw.postprocess(use_camera_wb=False, user_wb=[1, 1, 1, 1], no_auto_bright=True)
    colour = picture[200:400, 200:400].reshape(-1, 3).mean(0).round().astype(int).tolist()
    rows = " ".join("".join("RGB"[number] for number in row) for row in read)
    print(f"{name:20} read as {rows}; an even red becomes {colour}")
    if np.array_equal(read, told):
        right.add(name)
assert right == {"Bayer", "X-Trans"}, right
PYTHON
