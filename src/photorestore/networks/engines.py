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
    """A network in 8 bits for samples that lose nothing by them, and as it is for others.

    Args:
        plain, quick: the network, and the one in 8 bits.
        least: by the name of an input, the least value of it that `quick` is given; where it is left out, `plain` is.
    """

    def __init__(self, plain: nn.Module, quick: nn.Module, least: Mapping[str, float]) -> None:
        super().__init__()
        assert isinstance(plain, Network)
        self.plain, self.quick, self._least = plain, quick, least
        self.descriptor: Descriptor = plain.descriptor

    def forward(self, *inputs: Tensor | None) -> Tensor:
        given = self.descriptor.filled_up(inputs)
        networks = [self.quick if fits else self.plain for fits in self._fits(given)]
        if len(set(networks)) == 1:
            result: Tensor = networks[0](*given)
            return result
        results = []
        for index, network in enumerate(networks):
            sample = [value[index : index + 1] if isinstance(value, Tensor) else value for value in given]
            results.append(network(*sample))
        return torch.cat(results)

    def _fits(self, given: Sequence[object]) -> list[bool]:
        """Return for each sample whether `quick` may compute it."""
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
    """

    ranges: Mapping[str, Ranges]
    least: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Recipe:
        """Return what the metadata of weights tell under `KEY`."""
        return cls({name: Ranges(**each) for name, each in told["ranges"].items()}, told["least"])

    def to_mapping(self) -> dict[str, object]:
        """Return what the metadata of weights hold under `KEY`."""
        return {
            "ranges": {name: asdict(each) for name, each in self.ranges.items()},
            "least": dict(self.least),
        }


def quickened(network: nn.Module, recipe: Recipe) -> nn.Module:
    """Return a network in 8 bits, which shares with the one given what both have.

    A block around a skip that never gives anything but 0 between its convolutions is left out. One that follows another
    has its input for itself.
    """
    shared: dict[int, Any] = {id(value): value for value in (*network.parameters(), *network.buffers())}
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
        recipe = Recipe.of(metadata[KEY])
        quick = quickened(network, recipe)
        canary.check(quick, metadata["canary"], name, AUTO)
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
    return ByLevel(network, quick, recipe.least) if recipe.least else quick
