"""Measure how a network from elsewhere may be run: what files say of themselves is not enough to cut pictures by.

A strip in the middle of a long, low picture is changed, and what comes out shows how far a network looks. NaN spreads
to everything that is computed from it, so it tells the reach exactly; convolutions must compute each value by itself
for it, which those of oneDNN and NNPACK need not: they may transform small tiles.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from photorestore.networks import canary
from photorestore.networks.cuts import TileSpec
from photorestore.networks.precision import BFLOAT16, autocast
from photorestore.networks.tiling import TileJob, Tiles, run_tiles

LEVEL = 1 / 255
SLIGHT = LEVEL / 4
"""What moves an output by less is not seen."""
SAME = 1e-4
"""Rounding makes less than this of one picture in another size."""
MOST_TILED_LEVELS = 0.5
STRIP_PX = 64
"""Height of the pictures, width of the strip, and the longest period that is looked for."""
BESIDE_PX = (64, 128, 256, 512)
"""From the strip to the ends of the pictures, the next where that is too little: a network that looks farther than the
last is taken for one that looks everywhere. Multiples of `STRIP_PX`, so that the strip begins where a window does."""
TILE_PX = 1024
"""Of the archives, see `archive.sh`."""
LEAST_DB = 50.0
"""In bfloat16, of what comes out in float32."""

CPU = torch.device("cpu")
Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Measured:
    """How a network may be run.

    Attributes:
        exact_reach_px: how far a change can matter at all; None: everywhere.
        reach_px: how far it matters by a quarter of a level or more, where the exact reach is too much for tiles; None
            if the network is given whole pictures.
        stride: by how many pixels pictures can be moved so that the result only moves; a multiple of what it demands.
        tiled_levels: what tiles change in the result at most, of 255; None where there are none.
        bfloat16_db: peak signal-to-noise ratio of what comes out in bfloat16; -inf where it cannot compute in it.
    """

    exact_reach_px: int | None
    reach_px: int | None
    stride: int
    tiled_levels: float | None
    bfloat16_db: float


def measure(network: Function, scale: int, multiple: int) -> Measured:
    """Measure a network that takes pictures (1, 3, H, W) of any size and enlarges by `scale`.

    Args:
        multiple: of which it demands the sides of pictures to be.
    """
    bfloat16_db = bfloat16_of(network, made(2 * STRIP_PX, 2 * STRIP_PX))
    exact = reach_of(network, scale)
    reach = exact
    if exact is not None and exact > 2 * TILE_PX // max(2, scale) // 4:
        reach = felt_reach_of(network, scale)
    period = None if reach is None else period_of(network, scale, reach, SAME if reach == exact else SLIGHT)
    if reach is None or period is None:
        return Measured(exact, None, multiple, None, bfloat16_db)
    stride = math.lcm(period, multiple)
    if STRIP_PX % period:
        reach += period - 1  # the strip may have begun within a period
    off = tiled_levels(network, scale, reach, stride)
    return Measured(exact, reach if off <= MOST_TILED_LEVELS else None, stride, off, bfloat16_db)


def made(height: int, width: int) -> Tensor:
    """Return a picture (1, 3, height, width) of soft waves under noise."""
    side = max(height, width)
    return canary.make_picture(side)[..., :height, :width].contiguous()


def repeats(network: Function, image: Tensor) -> bool:
    """Return whether a network gives the same twice."""
    return torch.equal(network(image), network(image))


def bfloat16_of(network: Function, image: Tensor) -> float:
    """Return the peak signal-to-noise ratio, in dB, of what comes out in bfloat16; -inf where nothing usable does."""
    expected = network(image)
    try:
        with autocast(BFLOAT16, CPU):
            error = float((network(image) - expected).square().mean())
    except RuntimeError:  # a type of numbers that does not fit another
        return -math.inf
    return -10 * math.log10(max(error, 1e-12)) if math.isfinite(error) else -math.inf


def reach_of(network: Function, scale: int) -> int | None:
    """Return how far, in pixels, an input can influence an output; None if no output is out of its reach."""

    def touched(see: Function, beside_px: int) -> Tensor:
        image = made(STRIP_PX, 2 * beside_px + STRIP_PX)
        image[..., beside_px : beside_px + STRIP_PX] = math.nan
        return see(image).isnan()

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="TF32 acceleration")  # of which nothing is asked
        with torch.backends.mkldnn.flags(enabled=False), torch.backends.nnpack.flags(enabled=False):
            return _farther(touched, network, scale, farthest=False)


def felt_reach_of(network: Function, scale: int) -> int | None:
    """Return how far, in pixels, an inverted strip moves the output by `SLIGHT` or more; None: everywhere."""

    def touched(see: Function, beside_px: int) -> Tensor:
        image = made(STRIP_PX, 2 * beside_px + STRIP_PX)
        inverted = image.clone()
        inverted[..., beside_px : beside_px + STRIP_PX].neg_().add_(1)
        return (see(image) - see(inverted)).abs() >= SLIGHT

    return _farther(touched, network, scale, farthest=True)


def _farther(
    touched: Callable[[Function, int], Tensor], network: Function, scale: int, *, farthest: bool
) -> int | None:
    """Return the greatest distance from the strip of what is touched, of both sides, along columns and rows.

    Args:
        touched: gives what a strip of columns touches, (1, 3, H, W) of bool, with so many columns beside it.
        farthest: whether all that is touched counts, or what is touched without a gap: windows that are shifted around
            the ends of a picture carry NaN to its other end, which they give no weight there.
    """

    def reach(see: Function, beside_px: int) -> int:
        columns = touched(see, beside_px).flatten(0, 2).any(0).view(-1, scale).any(1)
        found = 0
        for side in (columns[:beside_px].flip(0), columns[beside_px + STRIP_PX :]):
            places = (side if farthest else ~side).nonzero().flatten().tolist() or [
                -1 if farthest else beside_px
            ]
            found = max(found, places[-1] + 1 if farthest else places[0])
        return found

    most = 0
    for see in (network, lambda image: network(image.mT.contiguous()).mT):
        found = next((far for px in BESIDE_PX if (far := reach(see, px)) < px), None)
        if found is None:
            return None
        most = max(most, found)
    return most


def period_of(network: Function, scale: int, reach_px: int, tolerance: float) -> int | None:
    """Return by how many pixels, up to `STRIP_PX`, a picture can be moved so that the result only moves; or None."""
    margin = reach_px + STRIP_PX  # the reach of any place within a period
    width = 2 * margin + 2 * STRIP_PX
    image = made(STRIP_PX, width + STRIP_PX)
    still = network(image[..., :width])

    def follows(shift: int) -> bool:
        moved = network(image[..., shift : shift + width])
        inner = width - margin - shift
        off = (
            still[..., scale * (margin + shift) : scale * (inner + shift)]
            - moved[..., scale * margin : scale * inner]
        )
        return float(off.abs().max()) < tolerance

    return next(filter(follows, range(1, STRIP_PX + 1)), None)


def tiled_levels(network: Function, scale: int, reach_px: int, stride: int) -> float:
    """Return what cutting a picture into four tiles changes in the result, in levels of 255."""
    halo = -(-reach_px // stride) * stride
    side = 2 * halo + -(-STRIP_PX // stride) * stride
    height, width = side + stride, side + 2 * stride - 1
    plane = (made(height, width)[0] * 255).round().numpy().astype(np.uint8)

    def forward(tiles: Tiles[None]) -> Tensor:
        return network(tiles.planes["image"])

    results = []
    for spec in (TileSpec(side, halo, stride, 1, scale), TileSpec(2 * side + stride, 0, stride, 1, scale)):
        target = np.zeros((3, scale * height, scale * width), np.uint16)
        run_tiles(forward, [TileJob({"image": plane}, target, None)], spec, CPU)
        results.append(target.astype(np.int32))
    return float(np.abs(results[0] - results[1]).max()) / 257
