#!/usr/bin/env bash
# Pillow finds no XMP in a PNG where it stands behind the pixels, until they are decoded; EXIF from there it finds.
#
# PNG lets texts and EXIF stand on either side of the pixels. Image.open() reads as far as the pixels. getexif() knows that
# and decodes them to find EXIF that stands behind them; getxmp() does not, and gives an empty dictionary, as if there
# were no XMP.
#
# Who wants the XMP should call load() first, or read the chunks.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 defusedxml==0.7.1
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import zlib

import PIL
from PIL import Image

XMP = (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
       b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="box 3"/>'
       b"</rdf:RDF></x:xmpmeta>")


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


exif = Image.Exif()
exif[0x010E] = "caption"
described = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP) + chunk(b"eXIf", exif.tobytes()[6:])
file = io.BytesIO()
Image.new("RGB", (8, 8)).save(file, "PNG")
plain = file.getvalue()
found = {}
for place, at in (("before", 33), ("behind", len(plain) - 12)):
    content = io.BytesIO(plain[:at] + described + plain[at:])
    at_once, loaded = bool(Image.open(content).getxmp()), Image.open(content)
    loaded.load()
    found[place] = (at_once, bool(loaded.getxmp()), len(Image.open(content).getexif()) == 1)
    print(f"Pillow {PIL.__version__}, {place} the pixels: XMP at once {found[place][0]}, after load() {found[place][1]}, "
          f"EXIF at once {found[place][2]}")
assert found == {"before": (True, True, True), "behind": (False, True, True)}, "Pillow has changed"
PYTHON
