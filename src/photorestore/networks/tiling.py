"""Run networks over pictures of any size, in tiles of bounded size.

A tile is the part whose result is kept (its core), with a halo of the network's receptive field around it. Tiles are
moved inside the picture, so its borders get the network's own padding only, and the result is the same as without
tiles. Tiles of one shape share batches, also across pictures. Only tiles are ever held in float.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.descriptor import Descriptor
from photorestore.workspace import Array

Context = TypeVar("Context")

FAR = 8
"""A network looks far if so many halos are more than a tile's side. Its tiles are wider by a quarter (`WIDER` is in
quarters). Of those that ship a pass takes up to .7 GB then, and an enlarging one .8 GB in tiles of 1,024 px."""
WIDER = 5


@dataclass(frozen=True, slots=True)
class TileSpec:
    """How pictures are cut.

    Attributes:
        tile_px: longest side of a tile, halo included.
        halo_px: at least the network's receptive field (radius); a multiple of `multiple`.
        multiple: sides of tiles are padded to a multiple of this (at least the network's stride);
            if equal to `tile_px`, all tiles have one shape, as compiled graphs need.
        batch: tiles a forward pass takes; a group's last batch is padded to it.
        scale: the network's result has this many times the sides of its input.
        squares_px: by name, of planes that have a value for each square of so many pixels: the sides of these.

    Raises:
        ValueError: the halo leaves no core, or halo, tile or squares do not fit the network's grid.
    """

    tile_px: int
    halo_px: int
    multiple: int
    batch: int = 1
    scale: int = 1
    squares_px: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(self.multiple % square_px for square_px in self.squares_px.values()):
            raise ValueError(f"squares must fit into multiples of {self.multiple}: {self}")
        if self.halo_px % self.multiple or self.tile_px % self.multiple:
            raise ValueError(f"tile and halo must be multiples of {self.multiple}: {self}")
        if self.core_px < self.multiple:
            raise ValueError(f"tiles of {self.tile_px} px leave no core within a halo of {self.halo_px} px")

    @property
    def core_px(self) -> int:
        """Return the largest side of a core between two halos."""
        return (self.tile_px - 2 * self.halo_px) // self.multiple * self.multiple


@dataclass(slots=True)
class TileJob(Generic[Context]):
    """One picture.

    Attributes:
        planes: by the name of the network's input: (C, H, W) of uint8 or uint16, cut into tiles and scaled to [0, 1].
        target: writable plane (C, scale * H, scale * W) of uint8 or uint16 that receives the clamped, rounded
            result.
        context: what else belongs to this picture; the network does not see it.
        values: the network's other inputs by name, the same for all tiles of this picture.
        wanted: (H, W); a tile whose core is zero there is not computed and leaves the target as it is.
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
    """

    planes: Mapping[str, Tensor]
    jobs: Sequence[TileJob[Context]]

    @property
    def sizes(self) -> dict[str, int]:
        """Return the sizes by the letters of `descriptor.Port.shape`."""
        n, _, h, w = next(iter(self.planes.values())).shape
        return {"N": n, "H": h, "W": w}


Forward = Callable[[Tiles[Context]], Tensor]
"""Makes (N, C, scale * h, scale * w) of tiles."""


@dataclass(frozen=True, slots=True)
class Span:
    """One axis of a tile: [start, stop) is read, [core_start, core_stop) is kept."""

    start: int
    stop: int
    core_start: int
    core_stop: int

    def times(self, scale: int) -> Span:
        """Return the same span in the enlarged result."""
        return Span(scale * self.start, scale * self.stop, scale * self.core_start, scale * self.core_stop)


@dataclass(frozen=True, slots=True)
class _Tile(Generic[Context]):
    job: TileJob[Context]
    rows: Span
    columns: Span


def spans(length: int, spec: TileSpec) -> list[Span]:
    """Cut one axis into the fewest tiles, all of one length, cores of nearly equal length."""
    padded = -(-length // spec.multiple) * spec.multiple
    if padded <= spec.tile_px:
        return [Span(0, length, 0, length)]
    inner = padded - 2 * spec.halo_px  # the tiles at the borders need one halo only
    count = -(-inner // spec.core_px)
    step = -(-inner // (count * spec.multiple)) * spec.multiple
    side = step + 2 * spec.halo_px
    starts = [min(index * step, padded - side) for index in range(count)]  # multiples of `multiple`
    edges = [0, *(start + spec.halo_px for start in starts[1:]), length]
    return [
        Span(start, min(start + side, length), low, high)
        for start, low, high in zip(starts, edges[:-1], edges[1:], strict=True)
    ]


def grid(height: int, width: int, spec: TileSpec) -> Iterator[tuple[Span, Span]]:
    """Yield rows and columns of the tiles that a picture is cut into.

    Tiles of a picture that is lower or narrower than a tile are longer, so that they have as many pixels as others.
    """
    shorter = min(-(-min(height, width) // spec.multiple) * spec.multiple, spec.tile_px)
    longest_px = spec.tile_px**2 // shorter // spec.multiple * spec.multiple
    # Where all tiles must have one shape, they cannot be longer.
    longer = spec if spec.multiple == spec.tile_px else replace(spec, tile_px=longest_px)
    specs = (spec, longer) if height <= width else (longer, spec)
    for rows in spans(height, specs[0]):
        for columns in spans(width, specs[1]):
            yield rows, columns


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
    for shape, tiles in groups.items():
        for first in range(0, len(tiles), spec.batch):
            _run_batch(forward, tiles[first : first + spec.batch], shape, spec, device)


def _tiles(job: TileJob[Context], spec: TileSpec) -> Iterator[_Tile[Context]]:
    h, w = job.size_hw
    for name, plane in job.planes.items():
        square_px = spec.squares_px.get(name, 1)
        if plane.shape[-2:] != (-(-h // square_px), -(-w // square_px)):
            raise ValueError(f"planes differ in size: {[plane.shape for plane in job.planes.values()]}")
    if job.target.shape[-2:] != (spec.scale * h, spec.scale * w):
        raise ValueError(f"target is {job.target.shape[-2:]} for a picture of {(h, w)} at scale {spec.scale}")
    for rows, columns in grid(h, w, spec):
        if job.wanted is None or _core(job.wanted, rows, columns).any():
            yield _Tile(job, rows, columns)


def _core(plane: Array, rows: Span, columns: Span) -> Array:
    return plane[..., rows.core_start : rows.core_stop, columns.core_start : columns.core_stop]


def _padded(span: Span, spec: TileSpec) -> int:
    return -(-(span.stop - span.start) // spec.multiple) * spec.multiple


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
    results = forward(Tiles(planes, [tile.job for tile in filled]))
    for tile, result in zip(tiles, results, strict=False):
        _write(tile, result, spec.scale)


def _read(tile: _Tile[Context], name: str, shape: tuple[int, int], square_px: int) -> Tensor:
    rows, columns = (
        slice(span.start // square_px, -(-span.stop // square_px)) for span in (tile.rows, tile.columns)
    )
    part = to_float(tile.job.planes[name][:, rows, columns])
    h, w = part.shape[-2:]
    missing = (0, shape[1] // square_px - w, 0, shape[0] // square_px - h)
    return F.pad(part[None], missing, mode="replicate")[0]


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


def tile_spec(descriptor: Descriptor, tile_px: int, batch: int, scale: int = 1) -> TileSpec:
    """Return tiles that fit a network: multiples of its stride, with a halo of its reach or more.

    Where it looks far, so that halos would be most of what it computes, they are wider by a quarter.
    Where it enlarges by more than 2 they are smaller, so that what comes out is no larger than `2 * tile_px`.

    Raises:
        ValueError: the network looks at whole pictures, or its reach leaves no tile.
    """
    if descriptor.reach_px is None:
        raise ValueError(f"{descriptor.name} looks at whole pictures, which cannot be cut into tiles")
    stride = descriptor.stride
    halo_px = -(-descriptor.reach_px // stride) * stride
    if FAR * halo_px > tile_px:
        tile_px = WIDER * tile_px // (4 * stride) * stride
    squares_px = {port.name: port.square_px for port in descriptor.inputs if port.square_px > 1}
    return TileSpec(2 * tile_px // max(2, scale), halo_px, stride, batch, scale, squares_px)
