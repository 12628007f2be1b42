"""Run networks over pictures of any size, in tiles of bounded size.

The result is the same as without tiles, see `cuts`. Tiles of one shape share batches, also across pictures. Only tiles
are ever held in float.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.allocator import drop_freed_memory
from photorestore.networks.box import Box
from photorestore.networks.cuts import Span, TileSpec, grid, narrowed
from photorestore.workspace import Array

Context = TypeVar("Context")
LARGE_PX = 4_000_000
"""Where tiles have so many pixels of the result, halos included, freed memory is given back behind each batch of them:
parts of tiles are of any shape, and leave holes. The next has to get it again, which takes a tenth of the time."""


@dataclass(slots=True)
class TileJob(Generic[Context]):
    """One picture.

    Attributes:
        planes: by the name of the network's input: (C, H, W) of uint8 or uint16, cut into tiles and scaled to [0, 1].
        target: writable plane (C, scale * H, scale * W) of uint8 or uint16 that receives the clamped, rounded
            result.
        context: what else belongs to this picture; the network does not see it.
        values: the network's other inputs by name, the same for all tiles of this picture.
        wanted: (H, W); where it is 0 the result does not count: the target may stay as it is, and what of a tile is
            not needed for the rest is not computed.
    """

    planes: Mapping[str, Array]
    target: Array
    context: Context
    values: Mapping[str, object] = field(default_factory=dict)
    wanted: Array | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        """Return height and width of the picture."""
        h, w = next(iter(self.planes.values())).shape[-2:]
        return h, w


@dataclass(frozen=True, slots=True)
class Tiles(Generic[Context]):
    """A batch of tiles of one shape.

    Attributes:
        planes: by name, (N, C, h, w), float32, channels-last.
        jobs: the one that each tile belongs to.
        core: what is kept of any of them, edges multiples of `TileSpec.multiple`.
    """

    planes: Mapping[str, Tensor]
    jobs: Sequence[TileJob[Context]]
    core: Box

    @property
    def sizes(self) -> dict[str, int]:
        """Return the sizes by the letters of `descriptor.Port.shape`."""
        n, _, h, w = next(iter(self.planes.values())).shape
        return {"N": n, "H": h, "W": w}


Forward = Callable[[Tiles[Context]], Tensor]
"""Makes (N, C, scale * h, scale * w) of tiles."""


@dataclass(frozen=True, slots=True)
class _Tile(Generic[Context]):
    job: TileJob[Context]
    rows: Span
    columns: Span


def run_tiles(
    forward: Forward[Context], jobs: Sequence[TileJob[Context]], spec: TileSpec, device: torch.device
) -> None:
    """Fill every job's target.

    Raises:
        ValueError: a target is not `scale` times as large as the picture, or the planes differ in size.
    """
    groups: dict[tuple[int, int], list[_Tile[Context]]] = defaultdict(list)
    for job in jobs:
        for tile in _tiles(job, spec):
            shape = (_padded(tile.rows, spec), _padded(tile.columns, spec))
            groups[shape].append(tile)
    pixels = sum(len(tiles) * h * w for (h, w), tiles in groups.items())
    for shape, tiles in groups.items():
        for first in range(0, len(tiles), spec.batch):
            _run_batch(forward, tiles[first : first + spec.batch], shape, spec, device)
            if spec.scale**2 * pixels >= LARGE_PX:
                drop_freed_memory()


def _tiles(job: TileJob[Context], spec: TileSpec) -> Iterator[_Tile[Context]]:
    h, w = job.size_hw
    for name, plane in job.planes.items():
        square_px = spec.squares_px.get(name, 1)
        if plane.shape[-2:] != (-(-h // square_px), -(-w // square_px)):
            raise ValueError(f"planes differ in size: {[plane.shape for plane in job.planes.values()]}")
    if job.target.shape[-2:] != (spec.scale * h, spec.scale * w):
        raise ValueError(f"target is {job.target.shape[-2:]} for a picture of {(h, w)} at scale {spec.scale}")
    for rows, columns in grid(h, w, spec):
        parts = [(rows, columns)] if job.wanted is None else narrowed(rows, columns, job.wanted, spec)
        for part in parts:
            yield _Tile(job, *part)


def _core(plane: Array, rows: Span, columns: Span) -> Array:
    return plane[..., rows.core_start : rows.core_stop, columns.core_start : columns.core_stop]


def _padded(span: Span, spec: TileSpec) -> int:
    return -(-(span.stop - span.start) // spec.multiple) * spec.multiple


def _kept(span: Span, spec: TileSpec) -> tuple[int, int]:
    """Return where in a tile its core begins and ends."""
    return span.core_start - span.start, -(-(span.core_stop - span.start) // spec.multiple) * spec.multiple


def _run_batch(
    forward: Forward[Context],
    tiles: Sequence[_Tile[Context]],
    shape: tuple[int, int],
    spec: TileSpec,
    device: torch.device,
) -> None:
    filled = [*tiles, *[tiles[-1]] * (spec.batch - len(tiles))]
    planes = {}
    for name in filled[0].job.planes:
        batch = torch.stack([_read(tile, name, shape, spec.squares_px.get(name, 1)) for tile in filled])
        planes[name] = batch.to(device, memory_format=torch.channels_last)
    edges = [(*_kept(tile.rows, spec), *_kept(tile.columns, spec)) for tile in tiles]
    tops, bottoms, lefts, rights = zip(*edges, strict=True)
    core = Box(min(tops), max(bottoms), min(lefts), max(rights))
    results = forward(Tiles(planes, [tile.job for tile in filled], core))
    for tile, result in zip(tiles, results, strict=False):
        _write(tile, result, spec.scale)


def _read(tile: _Tile[Context], name: str, shape: tuple[int, int], square_px: int) -> Tensor:
    rows, columns = (
        slice(span.start // square_px, -(-span.stop // square_px)) for span in (tile.rows, tile.columns)
    )
    part = to_float(tile.job.planes[name][:, rows, columns])
    h, w = part.shape[-2:]
    missing = (0, shape[1] // square_px - w, 0, shape[0] // square_px - h)
    return F.pad(part[None], missing, mode="replicate")[0] if any(missing) else part


def _write(tile: _Tile[Context], result: Tensor, scale: int) -> None:
    rows, columns = tile.rows.times(scale), tile.columns.times(scale)
    core = result[
        :,
        rows.core_start - rows.start : rows.core_stop - rows.start,
        columns.core_start - columns.start : columns.core_stop - columns.start,
    ]
    _core(tile.job.target, rows, columns)[:] = to_integers(core, tile.job.target.dtype)


def to_float(plane: Array) -> Tensor:
    """Scale integers of the type's full range to float32 in [0, 1]."""
    values = torch.from_numpy(plane.astype(np.float32))
    return values / float(np.iinfo(plane.dtype).max)


def to_integers(image: Tensor, dtype: np.dtype[Any]) -> Array:
    """Clamp to [0, 1], scale to the type's full range, and round."""
    scaled = (image.float().clamp(0, 1) * np.iinfo(dtype).max).round()
    integers: Array = scaled.cpu().numpy().astype(dtype)
    return integers
