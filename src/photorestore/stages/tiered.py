"""Run a stage in the tier, or by the network from elsewhere, that each request asks for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from photorestore.networks.weights import default_root
from photorestore.options import AUTO, Options
from photorestore.stages.base import StageConfig
from photorestore.stages.networked import NetworkStage
from photorestore.tiers import (
    available_tiers,
    choose_tier,
    imported_networks,
    require_networks,
    require_tier,
)
from photorestore.workspace import Workspace


class TieredStage:
    """Runs each request in the tier that it asks for; a network from elsewhere is a tier of its own name.

    The tier for requests that name none is loaded at once, any other when it is first asked for.

    Args:
        cls: the stage for one tier.
        weights: the folder `weights/`.

    Attributes:
        tiers: those whose weights are there.
        tier: the one for requests that name none.
        imported: names of the networks from elsewhere.

    Raises:
        BrokenArtifact: the weights are not what they should be.
    """

    def __init__(
        self, cls: type[NetworkStage], config: StageConfig, weights: Path | None, device: torch.device
    ) -> None:
        self.name = cls.name
        folder = (weights or default_root()) / cls.name
        self.tiers, self.imported = available_tiers(folder), imported_networks(folder)
        self.tier = choose_tier(config.tier, self.tiers, device.type)
        self._cls, self._config, self._weights, self._device = cls, config, weights, device
        self._turn: AbstractContextManager[None] = nullcontext()
        self._loaded: dict[str, NetworkStage] = {}
        self.in_tier(self.tier)

    @property
    def configured(self) -> NetworkStage:
        """Return the stage with the networks that work where nobody asks for a tier."""
        return self.in_tier(self.tier)

    def run(self, batch: Sequence[Workspace]) -> None:
        """See `Stage.run`.

        Raises:
            UnavailableTier: a request asks for a tier that this stage does not have, though it may have to work.
            UnavailableNetwork: it asks for a network from elsewhere that is not there.
        """
        groups: dict[str, list[Workspace]] = defaultdict(list)
        for workspace in batch:
            groups[self._tier_for(workspace.options)].append(workspace)
        for tier, members in groups.items():
            self.in_tier(tier).run(members)
            for trace in (workspace.envelope.trace for workspace in members):
                if trace[self.name].outcome == "ran":
                    trace[self.name] = replace(trace[self.name], tier=tier)

    def in_tier(self, tier: str) -> NetworkStage:
        """Return the stage with the networks of one tier; they are loaded when first asked for."""
        if tier not in self._loaded:
            stage = self._cls.load(replace(self._config, tier=tier), self._weights, self._device)
            stage.take_turns(self._turn)
            self._loaded[tier] = stage
        return self._loaded[tier]

    def take_turns(self, turn: AbstractContextManager[None]) -> None:
        """Let the networks compute only while they hold `turn`."""
        self._turn = turn
        for stage in self._loaded.values():
            stage.take_turns(turn)

    def _tier_for(self, options: Options) -> str:
        if name := options.network_of(self.name):
            require_networks(options, {self.name: self.imported})
            return name
        if options.tier == AUTO or not options.may_work(self.name):
            return self.tier
        require_tier(options, {self.name: self.tiers})
        return options.tier
