"""Say what a network takes and gives and how it may be computed: once, by its class; `runner` enforces it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, Self, TypeVar, runtime_checkable

from torch import Tensor

from photorestore.networks.box import Box
from photorestore.workspace import Array

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Port:
    """One thing that goes into a network or comes out of it.

    Attributes:
        name: in jobs and messages.
        shape: size of each axis, as "N 3 H W". A number is fixed; a letter is one size wherever it stands. H and W are
            the sides of the picture, which may be cut into tiles and padded; H/8 is their number of squares of 8 px,
            begun ones included. Empty for other kinds than tensors.
        low, high: the range of its values; None where there is none. An input may be outside, as noise is, by at most
            the width of the range: further out, it is probably in another unit.
        kind: `Tensor`, `int`, `float` or another class; where it is `Collated`, several pictures can share a batch.
        is_optional: whether None may stand for it.
    """

    name: str
    shape: str = ""
    low: float | None = None
    high: float | None = None
    kind: type = Tensor
    is_optional: bool = False

    @property
    def is_map(self) -> bool:
        """Return whether it has a value for each pixel, or each square of `square_px`."""
        return [axis.partition("/")[0] for axis in self.shape.split()[-2:]] == ["H", "W"]

    @property
    def square_px(self) -> int:
        """Return the sides, in pixels, of the squares that a map has a value for."""
        return int(self.shape.rpartition("/")[2]) if "/" in self.shape else 1

    @property
    def channels(self) -> int:
        """Return the channels of a map."""
        return int(self.shape.split()[-3])

    def check(self, value: object, sizes: dict[str, int], network: str) -> None:
        """Check that a value fits this port, and note the sizes of its axes in `sizes`.

        Raises:
            ValueError: it does not fit; says what was expected and what came.
        """
        if value is None and self.is_optional:
            return
        if not isinstance(value, (int, float) if self.kind is float else self.kind):
            message = f"{network}: {self.name} is {value!r:.80}; expected {self.kind.__name__}"
            raise ValueError(message)  # noqa: TRY004 - one error for all that breaks the contract
        if isinstance(value, Tensor):
            self._check_shape(value, sizes, network)
            self._check_values(value, network)

    def _check_shape(self, value: Tensor, sizes: dict[str, int], network: str) -> None:
        axes, found, before = self.shape.split(), tuple(value.shape), dict(sizes)
        fits = len(axes) == len(found)
        for axis, size in zip(axes, found, strict=False):
            letter, _, square_px = axis.partition("/")
            if square_px:
                fits = fits and size == -(-sizes.get(letter, 0) // int(square_px))
            else:
                fits = fits and size == (int(axis) if axis.isdigit() else sizes.setdefault(axis, size))
        if not fits:
            expected, here = (
                " x ".join(str(known.get(axis, axis)) for axis in axes) for known in ({}, before)
            )
            rest = f", here {here}" if here != expected else ""
            raise ValueError(f"{network}: {self.name} is {found}; expected {expected}{rest}")

    def _check_values(self, value: Tensor, network: str) -> None:
        if not value.is_floating_point():
            raise ValueError(f"{network}: {self.name} holds {value.dtype}; expected floating point")
        if self.low is None or self.high is None:
            return
        if value.device.type != "cpu":  # a GPU would have to be waited for
            return
        width = self.high - self.low
        least, most = (float(end) for end in value.aminmax())
        if least < self.low - width or most > self.high + width:
            raise ValueError(
                f"{network}: {self.name} reaches from {least:.3g} to {most:.3g}; expected {self.low:g} to {self.high:g}"
            )


IMAGE = Port("image", "N 3 H W", 0, 1)
SCALE = Port("scale", kind=int)
"""By how much the network enlarges."""
CORE = Port("core", kind=Box, is_optional=True)
"""The part of the input whose result counts, edges multiples of the stride; what comes back elsewhere may be anything.
By default all of it. Tiles have one, so that a network need not finish their halos."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The contract of a network.

    Attributes:
        name: for messages.
        inputs: in the order of the call; optional ones last.
        output: what comes back; its H and W are `scale` times as large.
        stride: the sides of maps are padded to multiples of this.
        reach_px: how far, in pixels, an input can influence an output (radius); None if it looks at the whole picture,
            which cannot be cut into tiles then.
        scales: by how much it can enlarge; where there is a choice, `SCALE` is among the inputs.
        takes_whole: whether, without a reach, it is given pictures whole that have no more pixels than a tile.
        in_bfloat16: whether it may compute in bfloat16 where the processor multiplies in it.

    Raises:
        ValueError: stride or reach are impossible.
    """

    name: str
    inputs: tuple[Port, ...]
    output: Port
    stride: int = 1
    reach_px: int | None = None
    scales: tuple[int, ...] = (1,)
    in_bfloat16: bool = True
    takes_whole: bool = False

    def __post_init__(self) -> None:
        if self.stride < 1 or (self.reach_px is not None and self.reach_px < 0):
            raise ValueError(f"{self.name} has stride {self.stride} and reach {self.reach_px} px")

    def filled_up(self, inputs: Sequence[object]) -> list[object]:
        """Return the inputs, with None for optional ones that were left out at the end.

        Raises:
            ValueError: there are too many or too few.
        """
        missing = self.inputs[len(inputs) :]
        if len(inputs) > len(self.inputs) or not all(port.is_optional for port in missing):
            names = ", ".join(f"[{port.name}]" if port.is_optional else port.name for port in self.inputs)
            raise ValueError(f"{self.name} was given {len(inputs)} inputs; expected {names}")
        return [*inputs, *(None for _ in missing)]

    def check(self, inputs: Sequence[object]) -> dict[str, int]:
        """Check inputs, one for each port, and return the sizes of the axes by letter.

        Raises:
            ValueError: an input does not fit.
        """
        sizes: dict[str, int] = {}
        for port, value in zip(self.inputs, inputs, strict=True):
            port.check(value, sizes, self.name)
            if port == SCALE:
                self.check_scale(value)
        return sizes

    def check_output(self, result: Tensor, sizes: Mapping[str, int], scale: int) -> None:
        """Check that a result fits inputs of these sizes; its values may be outside its range.

        Raises:
            ValueError: it does not fit.
        """
        scaled = {axis: scale * size if axis in ("H", "W") else size for axis, size in sizes.items()}
        replace(self.output, low=None).check(result, scaled, self.name)

    def check_scale(self, scale: object) -> None:
        """Raise `ValueError` for a scale that the network does not have."""
        if scale not in self.scales:
            raise ValueError(f"{self.name}: scale {scale} was asked for; there are {self.scales}")

    def check_job(self, planes: Mapping[str, Array], values: Mapping[str, object]) -> None:
        """Check that the planes and values of a picture, by name, are the inputs (without `SCALE`).

        Args:
            planes: (C, H, W) of integers.

        Raises:
            ValueError: one is unknown or missing, or a plane has other channels.
        """
        given = {**planes, **values}
        known = {port.name: port for port in self.inputs if port not in (SCALE, CORE)}
        missing = {name for name, port in known.items() if not port.is_optional} - given.keys()
        if missing or given.keys() - known.keys():
            raise ValueError(f"{self.name} was given {', '.join(sorted(given))}; expected {', '.join(known)}")
        for name, plane in planes.items():
            port = known[name]
            if not port.is_map or len(plane) != port.channels:
                expected = " x ".join(port.shape.split()) or port.kind.__name__
                raise ValueError(
                    f"{self.name}: {name} is a plane of {len(plane)} channels; expected {expected}"
                )


@runtime_checkable
class Collated(Protocol):
    """What belongs to one picture as a whole, and is an input of a network."""

    @classmethod
    def collate(cls, values: Sequence[Any]) -> Self:
        """Join those of several pictures, in the order of a batch."""
        ...


@runtime_checkable
class Network(Protocol[Result_co]):
    """Anything that computes under a contract: a torch module, or something else."""

    @property
    def descriptor(self) -> Descriptor:
        """Return what the network is to be given, and what comes back."""
        ...

    def __call__(self, *inputs: Any) -> Result_co:
        """Compute; inputs are on the device that it computes on, maps padded to multiples of its stride."""
        ...


@runtime_checkable
class PartedNetwork(Protocol):
    """A network whose parts are also called by themselves."""

    @property
    def parts(self) -> Mapping[str, Network[Any]]:
        """Return the parts by name."""
        ...


@dataclass(frozen=True, slots=True)
class Part(Generic[Result]):
    """A function with a contract of its own: a network in its own right."""

    descriptor: Descriptor
    function: Callable[..., Result]

    def __call__(self, *inputs: object) -> Result:
        return self.function(*inputs)
