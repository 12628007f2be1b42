"""Cut pictures into tiles of bounded size.

A tile is the part whose result is kept (its core), with a halo of the network's receptive field around it. Tiles are
moved inside the picture, so its borders get the network's own padding only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from photorestore.errors import ImageTooLarge
from photorestore.networks.descriptor import Descriptor
from photorestore.pixels.boxes import boxes_of, with_halo
from photorestore.workspace import Array

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
        is_narrowed: whether what of a tile nobody wants may be left out, see `narrowed`.

    Raises:
        ValueError: the halo leaves no core, or halo, tile or squares do not fit the network's grid.
    """

    tile_px: int
    halo_px: int
    multiple: int
    batch: int = 1
    scale: int = 1
    squares_px: Mapping[str, int] = field(default_factory=dict)
    is_narrowed: bool = True

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


def narrowed(rows: Span, columns: Span, wanted: Array, spec: TileSpec) -> Iterator[tuple[Span, Span]]:
    """Yield what of a tile is computed so that its core has what is wanted: boxes with halos, none of them twice.

    Tiles that share batches, and those that must have one shape, stay whole.

    Args:
        wanted: (H, W) of the whole picture; where it is 0 the result does not count.
    """
    marked = wanted[rows.core_start : rows.core_stop, columns.core_start : columns.core_stop]
    if not marked.any():
        return
    if not spec.is_narrowed or spec.batch > 1 or spec.multiple == spec.tile_px:
        yield rows, columns
        return
    cells = np.zeros([-(-(axis.stop - axis.start) // spec.multiple) for axis in (rows, columns)], bool)
    for axis, span in enumerate((rows, columns)):
        firsts = np.arange(0, span.core_stop - span.core_start, spec.multiple)
        marked = np.maximum.reduceat(marked, firsts, axis=axis)
    top, left = ((span.core_start - span.start) // spec.multiple for span in (rows, columns))
    cells[top:, left:][: marked.shape[0], : marked.shape[1]] = marked > 0
    halo = spec.halo_px // spec.multiple
    for box in boxes_of(cells, halo):
        read = with_halo(box, halo, cells.shape)
        yield (
            _part(rows, box[:2], read[:2], spec.multiple),
            _part(columns, box[2:], read[2:], spec.multiple),
        )


def _part(span: Span, core: tuple[int, int], read: tuple[int, int], cell_px: int) -> Span:
    """Return a part of a span: the cells from the first to behind the last that it keeps, and that it reads."""
    low, high = (span.start + cell_px * cell for cell in core)
    start, stop = (min(span.start + cell_px * cell, span.stop) for cell in read)
    return Span(start, stop, max(low, span.core_start), min(high, span.core_stop))


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
        tile_px = WIDER * tile_px // 4
    squares_px = {port.name: port.square_px for port in descriptor.inputs if port.square_px > 1}
    side_px = 2 * tile_px // max(2, scale) // stride * stride
    return TileSpec(side_px, halo_px, stride, batch, scale, squares_px)


def whole_spec(descriptor: Descriptor, size_hw: tuple[int, int], tile_px: int, scale: int = 1) -> TileSpec:
    """Return one tile for a whole picture, for a network that looks at all of it.

    Raises:
        ImageTooLarge: the picture has more pixels than a tile.
    """
    height, width = size_hw
    most = (2 * tile_px // max(2, scale)) ** 2
    if height * width > most:
        raise ImageTooLarge(
            f"{descriptor.name} looks at whole pictures, of at most {most / 1e6:.2g} megapixels here; "
            f"this one has {height * width / 1e6:.3g}"
        )
    stride = descriptor.stride
    return TileSpec(-(-max(size_hw) // stride) * stride, 0, stride, 1, scale, is_narrowed=False)
