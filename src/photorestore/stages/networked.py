"""Define a stage with networks: it gets them by name, as its row lists them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Self
from weakref import WeakValueDictionary

import torch
from torch import nn

from photorestore.network_words import is_name
from photorestore.networks.descriptor import Network
from photorestore.networks.runner import Runner, load_runner
from photorestore.networks.weights import FAST, weights_file
from photorestore.stage_table import STAGE_ROWS
from photorestore.stages.base import LoadableStage, StageConfig

Runners = Mapping[str, Runner[Any]]  # what they give differs by network: a tensor, faces, keys, a correction
"""The networks of a stage, by name."""

_IN_USE: WeakValueDictionary[tuple[Path, int, str, str], Network[Any]] = WeakValueDictionary()
"""By file, its time of writing, device and precision: stages of one process that run the same network hold it once."""


class NetworkStage(LoadableStage):
    """What the stages with networks share, each in one tier.

    Args:
        networks: those of the stage's row, those that it borrows among them.
    """

    name: ClassVar[str]

    def __init__(self, networks: Runners) -> None:
        self.networks = networks

    @classmethod
    def load(cls, config: StageConfig, weights: Path | None, device: torch.device) -> Self:
        """See `LoadableStage.load`."""
        return cls(load_networks(cls.name, config, weights, device))

    def take_turns(self, turn: AbstractContextManager[None]) -> None:
        """Let the networks compute only while they hold `turn`."""
        for network in self.networks.values():
            network.turn = turn


def load_networks(stage: str, config: StageConfig, weights: Path | None, device: torch.device) -> Runners:
    """Load the networks of a stage's row, each in the configured tier or in the only one that it has.

    Borrowed networks come as `fast`, so that they do the same in every tier.

    Raises:
        BrokenArtifact: the weights are not what they should be.
    """
    row = STAGE_ROWS[stage]
    tiers = {network.name: config.tier if network.has_tiers else FAST for network in row.networks}
    tiers |= dict.fromkeys(row.borrows, FAST)

    def load(name: str, tier: str) -> Runner[Any]:
        runner = load_runner(
            name,
            tier,
            device,
            root=weights,
            precision=config.precision,
            tile_px=config.tile_px,
            tile_batch=config.tile_batch,
        )
        return _shared(runner, weights_file(name, tier, weights))

    if is_name(config.tier):  # from elsewhere: it stands for all networks of the stage that have tiers
        imported = load(stage, config.tier)
        return {name: imported if tier == config.tier else load(name, tier) for name, tier in tiers.items()}
    return {name: load(name, tier) for name, tier in tiers.items()}


def _shared(runner: Runner[Any], file: Path) -> Runner[Any]:
    """Return a runner with the network of these weights that is in use already, if there is one."""
    if isinstance(runner.network, nn.Module):
        key = (file.resolve(), file.stat().st_mtime_ns, str(runner.device), runner.precision)
        runner.network = _IN_USE.setdefault(key, runner.network)
    return runner
