"""Notes what a network was called with, and calls it again without anything around it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from bench import machine


class Recorder:
    """Calls of a network by the shapes of their inputs.

    One sample of inputs is kept for each kind of call, so that memory does not grow with their number.

    Attributes:
        forward: what is called.
        counts: number of calls by shapes.
        samples: inputs by shapes.
    """

    def __init__(self, forward: Any) -> None:
        self.forward = forward
        self.counts: dict[Any, int] = {}
        self.samples: dict[Any, tuple[Any, ...]] = {}

    def __call__(self, *inputs: Any) -> Any:
        kind = tuple(map(_shapes, inputs))
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.samples.setdefault(kind, inputs)
        return self.forward(*inputs)

    def replay(self, device: torch.device) -> float:
        """Seconds that the same calls take, one after the other; each kind runs once before, to warm up."""
        seconds = 0.0
        for kind, count in self.counts.items():
            inputs = self.samples[kind]
            self.forward(*inputs)
            machine.wait(device)
            start = time.perf_counter()
            for _ in range(count):
                self.forward(*inputs)
            machine.wait(device)
            seconds += time.perf_counter() - start
        return seconds


@contextmanager
def recorded(network: nn.Module) -> Iterator[Recorder]:
    """Within the block, calls of the network are noted."""
    forward = network.forward
    recorder = Recorder(forward)
    network.forward = recorder  # type: ignore[method-assign]
    try:
        yield recorder
    finally:
        network.forward = forward  # type: ignore[method-assign]


def _shapes(value: Any) -> Any:
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if hasattr(value, "__dataclass_fields__"):
        return tuple(_shapes(getattr(value, name)) for name in value.__dataclass_fields__)
    return value
