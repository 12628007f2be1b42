#!/usr/bin/env bash
# torch.nn.functional.interpolate(mode="bilinear") gives other bits with two threads than with one.
#
# Enlarging by 2 or by 4 on a CPU, float32, the last bit of some values depends on torch.set_num_threads, for most sizes
# and both memory formats. One ulp is little, but a bfloat16 network behind it rounds it up to a visible step now and
# then, so that a server whose processes share cores differs from the same pipeline run alone. `antialias=True`, which
# changes nothing else when a picture is enlarged, takes another kernel whose result is the same for one thread and for
# two; so do `area`, `nearest` and antialiased `bicubic`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.nn import functional as F

SIZES = [(48, 704), (24, 352), (64, 64), (144, 96), (304, 304), (512, 512)]
METHODS = {
    "bilinear": {"mode": "bilinear"},
    "bilinear, antialias": {"mode": "bilinear", "antialias": True},
    "bicubic, antialias": {"mode": "bicubic", "antialias": True},
    "nearest": {"mode": "nearest"},
}


def enlarged(picture: torch.Tensor, threads: int, settings: dict) -> torch.Tensor:
    torch.set_num_threads(threads)
    return F.interpolate(picture, scale_factor=2, **settings)


print("torch", torch.__version__)
torch.manual_seed(0)
pictures = [torch.rand(1, 3, h, w) for h, w in SIZES]
differing = {}
for name, settings in METHODS.items():
    pairs = [(enlarged(x, 1, settings), enlarged(x, 2, settings)) for x in pictures]
    differing[name] = sum(not torch.equal(one, two) for one, two in pairs)
    most = max(float((one - two).abs().max()) for one, two in pairs)
    print(f"{name:20} differs for {differing[name]} of {len(SIZES)} sizes, by at most {most:.1e}")
assert differing.pop("bilinear") > 0
assert set(differing.values()) == {0}
plain, smooth = (enlarged(pictures[0], 1, METHODS[name]) for name in ("bilinear", "bilinear, antialias"))
assert torch.allclose(plain, smooth, atol=1e-6)
PYTHON
