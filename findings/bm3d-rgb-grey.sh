#!/usr/bin/env bash
# bm3d.bm3d_rgb returns nothing but NaN for a grey photograph that is stored as RGB.
#
# bm3d 4.0.3 stretches each of its three opponent channels to 0..1 by that channel's own least and greatest value. Where
# red, green and blue are equal, as in most scans of black-and-white prints, both colour channels are constant, the stretch
# divides 0 by 0, and the way back to RGB carries the NaN into all three channels: numpy warns, nothing is raised. A
# picture of one colour ends the same way. One pixel of another colour is enough for a result, and `bm3d.bm3d` has no
# trouble with the same grey picture as one channel. So grey has to be looked for before bm3d is called.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet bm3d==4.0.3 bm4d==4.2.5 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import warnings
from importlib.metadata import version

import bm3d
import numpy as np

warnings.simplefilter("ignore")
SIGMA = 0.1
clean = np.broadcast_to(np.linspace(0.2, 0.8, 64), (64, 64))
grey = np.clip(clean + np.random.default_rng(0).normal(0, SIGMA, clean.shape), 0, 1)
as_rgb = np.repeat(grey[..., None], 3, axis=2)
one_red_pixel = as_rgb.copy()
one_red_pixel[5, 5] = 1, 0, 0

print("bm3d", version("bm3d"), "numpy", version("numpy"))
results = {
    "grey, one channel": bm3d.bm3d(grey, SIGMA),
    "grey, stored as RGB": bm3d.bm3d_rgb(as_rgb, SIGMA),
    "the same with one red pixel": bm3d.bm3d_rgb(one_red_pixel, SIGMA),
}
for name, result in results.items():
    print(f"{name:28} shape {result.shape}, NaN in {np.isnan(result).mean():.0%}")
shares = [float(np.isnan(result).mean()) for result in results.values()]
assert shares == [0.0, 1.0, 0.0], shares
PYTHON
