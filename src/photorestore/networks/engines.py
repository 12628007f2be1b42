"""Choose what computes a network: torch as it is, or in 8 bits where weights and processor allow it.

The metadata of weights tell under `KEY` what was found by `training.find_ranges`. What is chosen depends on weights,
precision and processor alone, so that the service and `pipeline.load` give the same bytes.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from photorestore.errors import BrokenArtifact
from photorestore.networks import canary
from photorestore.networks.descriptor import Descriptor, Network
from photorestore.networks.eight_bits import Pair, Ranges, SkipBlock, is_supported
from photorestore.networks.precision import AUTO

logger = logging.getLogger(__name__)

KEY = "eight_bits"
"""Of the metadata of weights; what it holds is read by `Recipe.of`."""


class ByLevel(nn.Module):
    """A network wholly in 8 bits for samples that lose nothing by them, and in part for others.

    Args:
        partly, wholly: the network with some of its blocks in 8 bits, and with all.
        least: by the name of an input, the least value of it that `wholly` is given; where it is left out, `partly` is.
    """

    def __init__(self, partly: nn.Module, wholly: nn.Module, least: Mapping[str, float]) -> None:
        super().__init__()
        assert isinstance(partly, Network)
        self.partly, self.wholly, self._least = partly, wholly, least
        self.descriptor: Descriptor = partly.descriptor

    def forward(self, *inputs: Tensor | None) -> Tensor:
        given = self.descriptor.filled_up(inputs)
        networks = [self.wholly if fits else self.partly for fits in self._fits(given)]
        if len(set(networks)) == 1:
            result: Tensor = networks[0](*given)
            return result
        results = []
        for index, network in enumerate(networks):
            sample = [value[index : index + 1] if isinstance(value, Tensor) else value for value in given]
            results.append(network(*sample))
        return torch.cat(results)

    def _fits(self, given: Sequence[object]) -> list[bool]:
        """Return for each sample whether `wholly` may compute it."""
        images = given[0]
        assert isinstance(images, Tensor)
        fits = torch.ones(len(images), dtype=torch.bool)
        for port, value in zip(self.descriptor.inputs, given, strict=True):
            if port.name not in self._least:
                continue
            if not isinstance(value, Tensor):
                return [False] * len(images)
            fits &= value.reshape(len(value), -1).amin(1) >= self._least[port.name]
        found: list[bool] = fits.tolist()
        return found


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a network needs to compute in 8 bits.

    Attributes:
        ranges: by the name of a block, a `SkipBlock` or a `Pair`.
        least: see `ByLevel`; empty if all inputs may be computed in 8 bits.
        delicate: those blocks, or the beginnings of their names, that stay as they are below `least`.
    """

    ranges: Mapping[str, Ranges]
    least: Mapping[str, float] = field(default_factory=dict)
    delicate: tuple[str, ...] = ()

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Recipe:
        """Return what the metadata of weights tell under `KEY`."""
        ranges = {name: Ranges(**each) for name, each in told["ranges"].items()}
        return cls(ranges, told["least"], tuple(told.get("delicate", ())))

    def to_mapping(self) -> dict[str, object]:
        """Return what the metadata of weights hold under `KEY`."""
        return {
            "ranges": {name: asdict(each) for name, each in self.ranges.items()},
            "least": dict(self.least),
            "delicate": list(self.delicate),
        }


def quickened(network: nn.Module, recipe: Recipe) -> nn.Module:
    """Return a network in 8 bits, which shares with the one given what both have.

    What is in 8 bits already stays so. A block around a skip that never gives anything but 0 between its convolutions
    is left out. One that follows another has its input for itself.
    """
    blocks = (module for module in network.modules() if isinstance(module, SkipBlock | Pair))
    shared: dict[int, Any] = {id(each): each for each in (*network.parameters(), *network.buffers(), *blocks)}
    quick = copy.deepcopy(network, shared)
    for name, ranges in recipe.ranges.items():
        parent, _, child = name.rpartition(".")
        plain = network.get_submodule(name)
        block: nn.Module = nn.Identity()
        if isinstance(plain, nn.Sequential):
            block = Pair(plain, ranges)
        elif ranges.between > 0 or plain.get_submodule("second").bias is not None:
            block = SkipBlock(plain, ranges)
        setattr(quick.get_submodule(parent), child, block)
    for sequence in (module for module in quick.modules() if isinstance(module, nn.Sequential)):
        for before, block in pairwise(sequence):
            if isinstance(before, SkipBlock) and isinstance(block, SkipBlock):
                block.owns_input = True
    return quick


def by_recipe(network: nn.Module, recipe: Recipe) -> nn.Module:
    """Return a network in 8 bits; a `ByLevel` where it goes by the samples how much of it is."""
    sturdy = {name: each for name, each in recipe.ranges.items() if not name.startswith(recipe.delicate)}
    if len(sturdy) == len(recipe.ranges):
        return quickened(network, recipe)
    partly = quickened(network, Recipe(sturdy))
    rest = {name: each for name, each in recipe.ranges.items() if name not in sturdy}
    return ByLevel(partly, quickened(partly, Recipe(rest)), recipe.least)


def in_eight_bits(
    network: nn.Module, metadata: Mapping[str, Any], name: str, device: str | torch.device
) -> nn.Module:
    """Return a network in 8 bits where the metadata of its weights tell how, the processor can, and the canary agrees.

    Otherwise it is returned as it is; the log says so.

    Args:
        name: of the weights, for the log.
    """
    if KEY not in metadata or torch.device(device).type != "cpu":
        return network
    if not is_supported():
        logger.info("%s is not computed in 8 bits: the processor does not multiply in them", name)
        return network
    try:
        quick = by_recipe(network, Recipe.of(metadata[KEY]))
        for each in (quick.partly, quick.wholly) if isinstance(quick, ByLevel) else (quick,):
            canary.check(each, metadata["canary"], name, AUTO)
    except (
        BrokenArtifact,
        AssertionError,
        AttributeError,
        KeyError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        logger.warning("%s is not computed in 8 bits: %s", name, error)
        return network
    return quick
