#!/usr/bin/env bash
# Pillow opens JPEG 2000 of three channels of 16 bits as 8-bit RGB, and its white becomes black.
#
# The values are brought to 8 bits with rounding, but without a bound: 65535 becomes 256, which does not fit into a byte
# and is stored as 0. Values up to 65407 come out right, within one step. Nothing is raised or warned of. One channel of
# 16 bits is kept whole (mode I;16).
#
# Who reads such pictures should decode them with OpenJPEG itself.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 pylibjpeg-openjpeg==2.6.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import io

import numpy as np
import PIL
from openjpeg.utils import decode, encode_array
from PIL import Image

print("Pillow", PIL.__version__)
found = {}
for value in (0, 32768, 65407, 65408, 65535):
    pixels = np.full((64, 64, 3), value, np.uint16)
    stream = encode_array(pixels, photometric_interpretation=1, use_mct=False)
    assert (decode(stream) == pixels).all()
    image = Image.open(io.BytesIO(stream))
    found[value] = np.asarray(image)[0, 0].tolist()
    print(f"{value:5} opened as {image.mode}: {found[value]}")
assert found[0] == [0, 0, 0]
assert found[32768] == [128, 128, 128]
assert found[65407] == [255, 255, 255]
assert found[65408] == found[65535] == [0, 0, 0]
PYTHON
