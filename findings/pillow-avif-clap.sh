#!/usr/bin/env bash
# Pillow gives back the whole of an AVIF that tells to be cut.
#
# The property `clap` of an AVIF or HEIC names the part of what is coded that is the picture (ISO/IEC 23008-12, 6.5.9);
# so a file can be cropped without being coded anew. Pillow reads `irot` and `imir` into EXIF's orientation, but
# shows nothing of `clap`: neither cut pixels nor where to cut. libvips (by libheif) gives the part.
#
# The file is one that Pillow has written, of 64x48 px, with a property put in that keeps the 40x30 px in its middle.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 pyvips-binary==8.18.7 pyvips==3.2.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct

import PIL
import pyvips
from PIL import Image


def grown(content: bytes, name: bytes, by: int) -> bytes:
    """With a larger length told by the first box of this name."""
    at = content.index(name) - 4
    (length,) = struct.unpack_from(">I", content, at)
    return content[:at] + struct.pack(">I", length + by) + content[at + 4 :]


file = io.BytesIO()
Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(file, "AVIF")
content = file.getvalue()
clap = struct.pack(">I4s8I", 40, b"clap", 40, 1, 30, 1, 0, 1, 0, 1)
ipma = content.index(b"ipma") - 4
(length,) = struct.unpack_from(">I", content, ipma)
count = content[ipma + 18]
links = content[ipma + 19 : ipma + length]
assert (struct.unpack_from(">IIH", content, ipma + 8), len(links)) == ((0, 1, 1), count)
at = content.index(b"ipco") - 4
(held,) = struct.unpack_from(">I", content, at)
properties = content[at + 8 : at + held]
number, place = 1, 0
while place < len(properties):
    place, number = place + struct.unpack_from(">I", properties, place)[0], number + 1
grown_ipma = struct.pack(">I", length + 1) + content[ipma + 4 : ipma + 18] + bytes([count + 1])
grown_ipma += links + bytes([0x80 | number])  # an essential property
cut = content[: at + held] + clap + grown_ipma + content[ipma + length :]
for name, by in ((b"ipco", len(clap)), (b"iprp", len(clap) + 1), (b"meta", len(clap) + 1)):
    cut = grown(cut, name, by)
pixels = content.index(b"mdat") + 4
start = cut.index(struct.pack(">I", pixels))
cut = cut[:start] + struct.pack(">I", pixels + len(clap) + 1) + cut[start + 4 :]

with Image.open(io.BytesIO(cut)) as picture:
    by_pillow, told = picture.size, picture.info
by_vips = pyvips.Image.new_from_buffer(cut, "")
print(f"Pillow {PIL.__version__}: {by_pillow}, told beside: {sorted(told)}")
print(f"libvips {pyvips.version(0)}.{pyvips.version(1)}: {(by_vips.width, by_vips.height)}")
assert by_pillow == (64, 48), "Pillow cuts now"
assert (by_vips.width, by_vips.height) == (40, 30)
PYTHON
