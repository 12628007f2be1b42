#!/usr/bin/env bash
# Pillow, saving AVIF with an EXIF block that holds an orientation, writes the whole block anew; text that is not ASCII
# comes out as question marks.
#
# EXIF's text is UTF-8 in most files of today. Given as bytes, the block is written as it is to JPEG, PNG and WebP. To
# AVIF it is, too, unless it holds the tag Orientation, which Pillow moves into the container: then all entries are
# decoded and encoded again, by `Image.Exif.tobytes`, which knows ASCII only. Nothing is raised or warned of.
#
# Who has to keep the text should take Orientation out of the block before, with something else than `Image.Exif`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct

import PIL
from PIL import Image

TEXT = "Großmutter am See".encode() + b"\0"


def block(*, with_orientation: bool) -> bytes:
    """EXIF of a description and, maybe, orientation 1."""
    entries = [(0x0112, 3, 1, 1)] if with_orientation else []
    after = 8 + 2 + 12 * (1 + len(entries)) + 4
    table = b"".join(struct.pack("<HHII", *entry) for entry in [(0x010E, 2, len(TEXT), after), *entries])
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 1 + len(entries)) + table + bytes(4) + TEXT


def keeps_text(kind: str, exif: bytes) -> bool:
    file = io.BytesIO()
    Image.new("RGB", (32, 32)).save(file, kind, exif=exif)
    return TEXT in file.getvalue()


print("Pillow", PIL.__version__)
for kind in ("JPEG", "PNG", "WEBP", "AVIF"):
    for with_orientation in (False, True):
        prefix = b"Exif\0\0" if kind == "JPEG" else b""
        kept = keeps_text(kind, prefix + block(with_orientation=with_orientation))
        print(f"{kind:5} with orientation: {with_orientation!s:5}  text kept: {kept}")
        assert kept == (kind != "AVIF" or not with_orientation)
PYTHON
