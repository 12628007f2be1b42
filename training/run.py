"""One run of a training script: its steps, its checkpoints, and the weights that it leaves."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from photorestore.networks.weights import read_metadata, save_network, weights_file
from training.checkpoints import load_checkpoint, save_checkpoint
from training.commit import commit_hash
from training.config import RunConfig
from training.data import Batch, sample_batches
from training.log import Log, Mean
from training.muon import MuonAdamW
from training.place import Network, Place
from training.schedule import Budget, MovingAverage, cosine

Part = nn.Module | torch.optim.Optimizer | MuonAdamW
"""Something whose state a checkpoint holds."""
CHECKPOINT_EVERY_S = 120.0
"""Most that is lost when a run is stopped, where evaluations are further apart."""
TRAINED_SHARE = 0.9
"""Least share of the time that goes to training; the rest may go to evaluations."""


class Run(Generic[Network]):
    """One run of a training script: its state, its checkpoints and its log.

    It goes on from `<runs>/<name>.<tier>/checkpoint.pt` where that lies; otherwise it begins with the weights that
    `place.begin` names, if any.

    Args:
        name: of the network.
        place: where it is trained.
        network: what is trained, on `place.device`; its moving average is what is delivered.
        optimiser: of its parameters.
        read: makes values for the network of the file that `place.begin` names.
        others: modules and optimisers whose state belongs to a checkpoint too.

    Attributes:
        step: updates so far.
    """

    def __init__(
        self,
        name: str,
        place: Place,
        config: RunConfig,
        network: Network,
        optimiser: torch.optim.Optimizer | MuonAdamW,
        *,
        read: Callable[[Path], Mapping[str, Tensor]] = load_file,
        **others: nn.Module | torch.optim.Optimizer,
    ) -> None:
        self.name, self.place, self.config = name, place, config
        self.network, self.optimiser = network, optimiser
        self.parts: dict[str, Part] = {"network": network, "optimiser": optimiser, **others}
        self.folder = place.runs / f"{name}.{config.tier}"
        self.log = Log(self.folder)
        if place.begin is not None:
            network.load_state_dict(read(place.begin))
        self.average = MovingAverage(network, config.ema_decay)
        self.step, spent_s = 0, 0.0
        if checkpoint := load_checkpoint(self.folder / "checkpoint.pt", place.device):
            for part, state in checkpoint["states"].items():
                self.parts[part].load_state_dict(state)
            self.average.values = checkpoint["average"]
            self.step, spent_s = checkpoint["step"], checkpoint["spent_s"]
        minutes = place.minutes
        if place.until is not None:
            minutes = (spent_s + max(1.0, place.until - time.time())) / 60
        self.budget = Budget(config.total_steps, minutes, spent_s)
        self.learning_rate, self._losses, self._recorded = config.learning_rate, Mean(), self.step
        self._saved = self._due_s = self._asked_s = time.monotonic()
        print(f"{config}\ndevice {place.device}, from step {self.step}", flush=True)

    def samples(self, make_sample: Callable[[torch.Generator], Batch]) -> Iterator[Batch]:
        """Yield batches on the device without end, from where the run stands; `make_sample` draws one sample."""
        seed = self.config.seed + self.step
        return sample_batches(
            make_sample, self.config.batch_size, seed, self.place.workers, self.place.device
        )

    def progress(self) -> Iterator[float]:
        """Yield how far the run is, from 0 to 1, before every update; end with its budget."""
        while (progress := self.budget.progress(self.step)) < 1:
            yield progress
            if time.monotonic() - self._saved > CHECKPOINT_EVERY_S:
                self._save()
        self._save()

    def learn(self, loss: Tensor, progress: float) -> None:
        """Update the network once, at the learning rate that belongs to `progress`."""
        config = self.config
        self.learning_rate = cosine(
            progress, self.step, top=config.learning_rate, bottom=config.final_learning_rate,
            warm_up=config.warm_up,
        )  # fmt: skip
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.network, self.step)
        self._losses.add(loss.detach())
        self.step += 1

    def averaged(self) -> Network:
        """Return a copy of the network with the averaged weights, on the device, in evaluation mode."""
        network = copy.deepcopy(self.network)
        network.load_state_dict(self.average.values)
        return network.eval()

    def is_due(self, every: int) -> bool:
        """Return whether to evaluate and `record`: each so-many steps, unless that would take too much of the time.

        A network that learns many steps a second is evaluated after more of them.
        """
        self._asked_s = time.monotonic()
        return self.step % every == 0 and self._asked_s >= self._due_s

    def record(self, scores: Mapping[str, float]) -> None:
        """Print and log where the run stands, and write a checkpoint."""
        self._recorded = self.step
        now = time.monotonic()
        self._due_s = now + (now - self._asked_s) * TRAINED_SHARE / (1 - TRAINED_SHARE)
        self.log.write(
            self.step,
            seconds=self.budget.spent_s,
            learning_rate=self.learning_rate,
            loss=self._losses.take(),
            **scores,
        )
        self._save()

    def finish(
        self,
        network: nn.Module,
        scores: Mapping[str, float],
        *,
        architecture: Mapping[str, Any],
        data: str,
        licence: str,
    ) -> None:
        """Log the last scores; write the curve, and the weights with all that is known about them."""
        if self.step > self._recorded:
            self.record(scores)
        self.log.draw(self.folder / "curve.png")
        file = weights_file(self.name, self.config.tier, self.place.weights)
        self.write(file, network, scores, architecture=architecture, data=data, licence=licence)

    def write(
        self,
        file: Path,
        network: nn.Module,
        scores: Mapping[str, float],
        *,
        architecture: Mapping[str, Any],
        data: str,
        licence: str,
    ) -> None:
        """Write a network with the story of this run."""
        story = {
            "config": asdict(self.config), "steps": self.step, "seconds": round(self.budget.spent_s),
            "device": self.place.device, "seed": self.config.seed, "commit": commit_hash(), "metrics": dict(scores),
            "data": data, "licence": licence, **_beginning(self.place.begin),
        }  # fmt: skip
        save_network(file, network, architecture=dict(architecture), metadata=story)

    def _save(self) -> None:
        states = {part: module.state_dict() for part, module in self.parts.items()}
        save_checkpoint(
            self.folder / "checkpoint.pt",
            states=states, average=self.average.values, step=self.step, spent_s=self.budget.spent_s,
        )  # fmt: skip
        self._saved = time.monotonic()


def _beginning(file: Path | None) -> dict[str, Any]:
    """Return what the weights that a run began with say of themselves."""
    if file is None:
        return {}
    before = read_metadata(file)
    told = ("steps", "seconds", "device", "commit", "metrics", "begun_with")
    return {"begun_with": {key: before[key] for key in told if key in before}}
