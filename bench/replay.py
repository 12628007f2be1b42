"""Note what a network is called with, and call it again on the like without anything around it."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench import machine
from photorestore.networks.descriptor import Descriptor, Network, PartedNetwork
from photorestore.networks.runner import Runner


@dataclass(frozen=True, slots=True)
class Like:
    """The properties of a tensor on which the time of a call depends."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    memory_format: torch.memory_format

    @classmethod
    def of(cls, tensor: Tensor) -> Like:
        """Note the properties of a tensor."""
        is_channels_last = tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
        memory_format = torch.channels_last if is_channels_last else torch.contiguous_format
        return cls(tuple(tensor.shape), tensor.dtype, tensor.device, memory_format)

    def make(self) -> Tensor:
        """Make such a tensor, of random values in [0, 1)."""
        made = torch.rand(self.shape, device=self.device).to(self.dtype)
        return made.contiguous(memory_format=self.memory_format)


@dataclass(frozen=True, slots=True)
class LikeObject:
    """The same properties of a dataclass that holds tensors."""

    cls: type
    fields: tuple[Any, ...]


class Recorder:
    """A network in front of another that notes calls by the properties of their inputs; no tensor is kept.

    Its parts are the other's, and not noted.

    Attributes:
        counts: number of calls by inputs.
    """

    def __init__(self, network: Network[Any]) -> None:
        self.network = network
        self.counts: Counter[tuple[Any, ...]] = Counter()

    @property
    def descriptor(self) -> Descriptor:
        return self.network.descriptor

    @property
    def parts(self) -> Mapping[str, Network[Any]]:
        return self.network.parts if isinstance(self.network, PartedNetwork) else {}

    def __call__(self, *inputs: Any) -> Any:
        self.counts[tuple(map(_describe, inputs))] += 1
        return self.network(*inputs)

    def replay(self, runner: Runner[Any]) -> float:
        """Return the seconds that the like calls take as a runner makes them; each kind warms up once before."""
        seconds = 0.0
        for kinds, count in self.counts.items():
            inputs = tuple(map(_make, kinds))
            with runner.computing():
                self.network(*inputs)
                machine.wait(runner.device)
                start = time.perf_counter()
                for _ in range(count):
                    self.network(*inputs)
                machine.wait(runner.device)
            seconds += time.perf_counter() - start
        return seconds


@contextmanager
def recorded(runner: Runner[Any]) -> Iterator[Recorder]:
    """Note the calls of the runner's network within the block."""
    recorder = Recorder(runner.network)
    runner.network = recorder
    try:
        yield recorder
    finally:
        runner.network = recorder.network


def _describe(value: Any) -> Any:
    if isinstance(value, Tensor):
        return Like.of(value)
    if dataclasses.is_dataclass(value):
        fields = (getattr(value, field.name) for field in dataclasses.fields(value))
        return LikeObject(type(value), tuple(map(_describe, fields)))
    return value


def _make(kind: Any) -> Any:
    if isinstance(kind, Like):
        return kind.make()
    if isinstance(kind, LikeObject):
        return kind.cls(*map(_make, kind.fields))
    return kind
