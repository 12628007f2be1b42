#!/usr/bin/env bash
# Pillow makes the wrong grey of a PNG transparent, where a pixel has 2 or 4 bits.
#
# A grey PNG may name one grey as transparent, in the depth of its pixels. Pillow spreads 2 and 4 bits to 8 (1 of 15
# becomes 17), but compares them with the grey as it stands in the file (1). So nothing is transparent, unless the grey
# is 0. 1 bit and 8 bits are right. libpng, by way of libvips, has all of them right.
#
# Who reads such files should multiply image.info["transparency"] by 255 / (2 ** bits - 1) first.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 pyvips==3.2.0 pyvips-binary==8.18.7 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import zlib

import numpy as np
import PIL
import pyvips
from PIL import Image


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(bits: int) -> bytes:
    """A row of all greys, of which 1 is transparent."""
    values = np.arange(1 << bits)
    digits = (values[:, None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8)
    head = struct.pack(">IIBBBBB", len(values), 1, bits, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"tRNS", struct.pack(">H", 1))
            + chunk(b"IDAT", zlib.compress(b"\0" + np.packbits(digits).tobytes())) + chunk(b"IEND", b""))


print("Pillow", PIL.__version__, "libvips", *(pyvips.version(part) for part in range(3)))
transparent = {}
for bits in (1, 2, 4, 8):
    alpha = np.asarray(Image.open(io.BytesIO(png(bits))).convert("LA"))[0, :, 1]
    transparent[bits] = np.flatnonzero(alpha == 0).tolist()
    by_libpng = pyvips.Image.new_from_buffer(png(bits), "").numpy()[0, :, -1]
    print(f"{bits} bits, grey 1 is transparent: Pillow has {transparent[bits]}, libpng",
          np.flatnonzero(by_libpng == 0).tolist())
    assert np.flatnonzero(by_libpng == 0).tolist() == [1]
assert transparent == {1: [1], 2: [], 4: [], 8: [1]}, "Pillow has changed"
PYTHON
