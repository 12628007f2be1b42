"""Call networks, here and nowhere else: each is bound to a device, a precision and tiles."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic

import torch
from torch import Tensor

from photorestore.errors import BrokenArtifact
from photorestore.networks.blocks import pad_to_multiple
from photorestore.networks.cuts import TileSpec, tile_spec, whole_spec
from photorestore.networks.descriptor import (
    CORE,
    SCALE,
    Collated,
    Descriptor,
    Network,
    PartedNetwork,
    Port,
    Result,
)
from photorestore.networks.precision import AUTO, FLOAT32, autocast
from photorestore.networks.tiling import Context, TileJob, Tiles, run_tiles
from photorestore.networks.weights import FAST, load_network

Finish = Callable[[Tensor, Tiles[Context]], Tensor]
"""Turns a network's result, not clamped, and the tiles that it was given into what is written."""


@dataclass(slots=True, eq=False)
class Runner(Generic[Result]):
    """Calls a network by its contract, on whole inputs or on pictures in tiles.

    Attributes:
        network: in evaluation mode, on `device`; may be replaced by another of the same contract.
        precision: one of `networks.precision`; a network that must not compute in bfloat16 does not.
        tile_px: longest side of a tile, halo included.
        tile_batch: tiles, or inputs of `each`, per forward pass.
        turn: held while the network computes; see `photorestore.serving.turns`.
    """

    network: Network[Result]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = AUTO
    tile_px: int = 1024
    tile_batch: int = 1
    turn: AbstractContextManager[None] = field(default_factory=nullcontext)

    @property
    def descriptor(self) -> Descriptor:
        """Return the network's contract."""
        return self.network.descriptor

    def part(self, name: str) -> Runner[Any]:
        """Return a runner of a part of the network, bound as this one is.

        Raises:
            ValueError: there is no such part.
        """
        parts = self.network.parts if isinstance(self.network, PartedNetwork) else {}
        if name not in parts:
            raise ValueError(f"{self.descriptor.name} has no part {name!r}; there are {sorted(parts)}")
        return replace(self, network=parts[name])

    def __call__(self, *inputs: Any, clamps: bool = True) -> Result:
        """Run the network on whole inputs, in the order of its descriptor; optional ones may be left out at the end.

        Tensors may lie on any device. Maps are padded, and the result is cropped to the picture's size, or `scale`
        times that, and clamped to its range.

        Args:
            clamps: False leaves the result outside its range.

        Raises:
            ValueError: an input or the result is not what the descriptor says.
        """
        descriptor = self.descriptor
        given = descriptor.filled_up(inputs)
        sizes = descriptor.check(given)
        named = list(zip(descriptor.inputs, given, strict=True))
        ready = [self._ready(port, value) for port, value in named]
        with self.turn, self.computing():
            result = self.network(*ready)
            if isinstance(result, Tensor):
                scales = [value for port, value in named if port == SCALE and isinstance(value, int)]
                return self._trimmed(result, sizes, *scales, clamps=clamps)
        return result

    def each(self: Runner[Tensor], images: Tensor, *, clamps: bool = True) -> Tensor:
        """Run many inputs of one size, `tile_batch` at a time; the last batch is filled up, so that all have one shape.

        Returns:
            Their results, on the CPU.
        """
        results = []
        for part in images.split(self.tile_batch):
            missing = self.tile_batch - len(part)
            filled = torch.cat([part, part[-1:].expand(missing, *part.shape[1:])])
            results.append(self(filled, clamps=clamps)[: len(part)].cpu())
        return torch.cat(results)

    def fill(
        self: Runner[Tensor],
        jobs: Sequence[TileJob[Context]],
        finish: Finish[Context] | None = None,
        *,
        scale: int = 1,
    ) -> None:
        """Run the network over pictures in tiles, and fill every job's target, clamped to [0, 1].

        Args:
            finish: what is done to a result before it is written.
            scale: by which the network enlarges.

        Raises:
            ValueError: a job does not give what the descriptor asks for, or the network cannot be run in tiles.
            ImageTooLarge: a network that is given whole pictures was given a larger one than a tile.
        """
        descriptor = self.descriptor
        descriptor.check_scale(scale)
        for job in jobs:
            descriptor.check_job(job.planes, job.values)

        def forward(tiles: Tiles[Context]) -> Tensor:
            inputs = [_of_tiles(port, tiles, scale, self.device) for port in descriptor.inputs]
            with self.turn:
                with self.computing():
                    pred = self.network(*inputs)
                descriptor.check_output(pred, tiles.sizes, scale)
                return finish(pred, tiles) if finish else pred

        with torch.inference_mode():
            if descriptor.takes_whole:
                for job in jobs:
                    spec = whole_spec(descriptor, job.size_hw, self.tile_px, scale)
                    run_tiles(forward, [job], spec, self.device)
                return
            run_tiles(forward, jobs, self.spec(scale), self.device)

    def spec(self, scale: int = 1) -> TileSpec:
        """Return the tiles that pictures are cut into.

        Raises:
            ValueError: the network looks at whole pictures, or its reach leaves no tile.
        """
        return tile_spec(self.descriptor, self.tile_px, self.tile_batch, scale)

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Let the block compute in the network's precision, without gradients."""
        precision = self.precision if self.descriptor.in_bfloat16 else FLOAT32
        with torch.inference_mode(), autocast(precision, self.device):
            yield

    def _ready(self, port: Port, value: Any) -> Any:
        """Return an input on the device; maps are padded."""
        if not isinstance(value, Tensor):
            return value
        if port.is_map and self.descriptor.stride > port.square_px:
            value = pad_to_multiple(value, self.descriptor.stride)
        memory_format = torch.channels_last if value.ndim == 4 else torch.preserve_format
        return value.to(self.device, memory_format=memory_format)

    def _trimmed(self, result: Tensor, sizes: dict[str, int], scale: int = 1, *, clamps: bool) -> Any:
        """Return a result cropped to the picture's size and clamped to its range."""
        port, stride = self.descriptor.output, self.descriptor.stride
        padded = {
            axis: -(-size // stride) * stride if axis in ("H", "W") else size for axis, size in sizes.items()
        }
        self.descriptor.check_output(result, padded, scale)
        if port.is_map:
            result = result[..., : scale * sizes["H"], : scale * sizes["W"]]
        return result.clamp(port.low, port.high) if clamps and port.low is not None else result


def load_runner(
    name: str,
    tier: str = FAST,
    device: str | torch.device = "cpu",
    *,
    root: Path | None = None,
    precision: str = AUTO,
    tile_px: int = 1024,
    tile_batch: int = 1,
) -> Runner[Any]:
    """Load a network that a stage runs, see `weights.load_network`, and bind it.

    Raises:
        BrokenArtifact: the weights are not what they should be.
    """
    network: object = load_network(name, tier, device, root=root, precision=precision)
    if not isinstance(network, Network):
        raise BrokenArtifact(f"{name} does not say what it takes and gives")
    return Runner(network, torch.device(device), precision, tile_px, tile_batch)


def _of_tiles(port: Port, tiles: Tiles[Context], scale: int, device: torch.device) -> Any:
    """Return one input of the network for a batch of tiles."""
    if port == SCALE:
        return scale
    if port == CORE:
        return tiles.core
    if port.is_map:
        return tiles.planes.get(port.name)
    values = [job.values.get(port.name) for job in tiles.jobs]
    if isinstance(values[0], Collated):
        return values[0].collate(values)
    return None if values[0] is None else torch.tensor(values, device=device)
