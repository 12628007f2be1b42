#!/usr/bin/env bash
# cv2.inpaint takes 32-bit float pictures of one channel, but what it fills in depends on their scale.
#
# A plane that has one value everywhere, with a hole in it, should come back with that value in the hole. With
# INPAINT_TELEA it does in 8 and 16 bits, and as float32 in 0 to 255, within 1.5 % of the range. As float32 in 0 to 1,
# the usual range of floats, the same hole in a plane of .4 is filled with values that are wrong by up to 1.4: more than
# the whole range. A ramp from 0 to 1 fares the same (wrong by 1.5, against .14 in the other formats). Nothing is raised
# or warned of. INPAINT_NS fills all formats alike.
#
# Who works in floats should scale to 255 first, or fill in 16 bits.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==4.14.0.94 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import cv2
import numpy as np

METHODS = {"INPAINT_TELEA": cv2.INPAINT_TELEA, "INPAINT_NS": cv2.INPAINT_NS}
FORMATS = {"uint8": (np.uint8, 255), "uint16": (np.uint16, 65535),
           "float32 in 0 to 255": (np.float32, 255), "float32 in 0 to 1": (np.float32, 1)}


def worst(plane: np.ndarray, hole: np.ndarray, method: int, dtype: type, full: float) -> float:
    """Largest error inside the hole, as a share of the full range."""
    stored = (plane * full).astype(dtype)
    holed = stored.copy()
    holed[hole > 0] = 0
    filled = cv2.inpaint(holed, hole, 3, method)
    assert (filled[hole == 0] == stored[hole == 0]).all()
    return float(np.abs(filled.astype(float) - stored)[hole > 0].max() / full)


hole = np.zeros((40, 60), np.uint8)
hole[10:30, 20:40] = 255
planes = {"constant": np.full((40, 60), 0.4), "ramp": np.tile(np.linspace(0, 1, 60), (40, 1))}
print("OpenCV", cv2.__version__)
errors = {}
for plane_name, plane in planes.items():
    for method_name, method in METHODS.items():
        for format_name, (dtype, full) in FORMATS.items():
            key = plane_name, method_name, format_name
            errors[key] = worst(plane, hole, method, dtype, full)
            print(f"{plane_name:9} {method_name:14} {format_name:20} worst error {errors[key]:.3f} of full range")
*usual, small = FORMATS
for plane_name in planes:
    assert all(errors[plane_name, "INPAINT_TELEA", name] < 0.2 for name in usual)
    assert errors[plane_name, "INPAINT_TELEA", small] > 1
    assert all(errors[plane_name, "INPAINT_NS", name] < 0.2 for name in FORMATS)
PYTHON
