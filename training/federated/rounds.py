"""Checkpoints of a federation: after each round, all that a restarted server goes on with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from photorestore.networks.weights import build_network
from photorestore.stages.denoise.network import DenoiseUNet
from training.checkpoints import load_checkpoint, save_checkpoint
from training.federated.alignment import Moments
from training.federated.plan import Plan


@dataclass(frozen=True, slots=True)
class State:
    """Where a federation stands.

    Attributes:
        round: the last that is done; 0 before the first.
        weights: the global ones.
        momentum: the global one of the optimisers, by the weights' names.
        moments: the statistics of all sites, where they are aligned.
        sites: those that counted so far.
        figures: the sites' mean, of the last round that had any.
        steps: that each site has done in rounds that counted.
        seconds: since it began.
    """

    round: int
    weights: dict[str, Tensor]
    momentum: dict[str, Tensor]
    moments: Moments | None = None
    sites: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0


def read_weights(file: Path) -> dict[str, Tensor]:
    """Return the weights of a denoiser in the precision in which they are averaged.

    Raises:
        BrokenArtifact: they could not be delivered after the last round: no such weights, or they do not describe
            themselves.
    """
    network = build_network(DenoiseUNet, file)
    return {name: value.contiguous() for name, value in network.state_dict().items()}


def size_of(weights: dict[str, Tensor]) -> int:
    """Return how many bytes the weights are."""
    return sum(value.nbytes for value in weights.values())


class Rounds:
    """The folder that a server keeps its federation in: `<runs>/federated.<tier>/`."""

    def __init__(self, runs: Path, plan: Plan) -> None:
        self.folder = runs / f"federated.{plan.tier}"

    @property
    def file(self) -> Path:
        """Return the checkpoint."""
        return self.folder / "checkpoint.pt"

    def load(self, begin: dict[str, Tensor]) -> State:
        """Return where the federation stands; at its begin, with these weights, where there is no checkpoint.

        Raises:
            ValueError: the checkpoint's weights are of another architecture.
        """
        kept = load_checkpoint(self.file)
        if kept is None:
            return State(0, begin, {name: torch.zeros_like(value) for name, value in begin.items()})
        shapes = {name: value.shape for name, value in begin.items()}
        if {name: value.shape for name, value in kept["weights"].items()} != shapes:
            raise ValueError(f"{self.file} holds weights of another architecture; move it away to begin anew")
        moments = Moments(**kept["moments"]) if kept["moments"] else None
        return State(**kept | {"moments": moments, "sites": tuple(kept["sites"])})

    def save(self, state: State) -> None:
        """Write where the federation stands, atomically."""
        self.folder.mkdir(parents=True, exist_ok=True)
        moments = state.moments
        save_checkpoint(
            self.file,
            round=state.round,
            weights=state.weights,
            momentum=state.momentum,
            moments={"mean": moments.mean, "covariance": moments.covariance} if moments else None,
            sites=list(state.sites),
            figures=state.figures,
            steps=state.steps,
            seconds=state.seconds,
        )
