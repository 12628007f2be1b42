"""What every training script shares: its command line, its configuration, and the run itself."""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from photorestore.networks.weights import read_metadata, save_network, weights_file
from training.checkpoints import load_checkpoint, save_checkpoint
from training.commit import commit_hash
from training.log import Log, Mean
from training.muon import MuonAdamW
from training.schedule import Budget, MovingAverage, cosine

Config = TypeVar("Config")

CHECKPOINT_EVERY_S = 120.0
"""Where evaluations are further apart, so much is lost at most when a run is stopped."""
TRAINED_SHARE = 0.9
"""The least share of the time between two evaluations that is training."""


def parse_arguments(
    network: str, description: str, add_more: Callable[[argparse.ArgumentParser], None] | None = None
) -> argparse.Namespace:
    """The command line of a training script; sets the number of threads.

    Args:
        add_more: adds what only this script takes.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path(f"training/configs/{network}.fast.toml"))
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/train"), help="root of the pictures"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="checkpoints and logs go here")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="the trained network goes here")
    parser.add_argument("--begin", type=Path, help="weights to begin with, such as those delivered before")
    parser.add_argument("--minutes", type=float, help="end after this time, with the schedule fitted to it")
    parser.add_argument(
        "--until", type=float, help="end at this time, in seconds since 1970, however long loading took"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    if add_more is not None:
        add_more(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    return arguments


def add_workers(parser: argparse.ArgumentParser) -> None:
    """For scripts whose samples take a CPU longer to make than a GPU takes to learn from them."""
    parser.add_argument(
        "--workers",
        type=int,
        default=max(1, (os.cpu_count() or 2) - 2) if torch.cuda.is_available() else 0,
        help="processes that make samples; 0: one thread. Default: nearly one for each core where there is a GPU",
    )


def add_masks(parser: argparse.ArgumentParser) -> None:
    """For scripts that learn from real prints."""
    parser.add_argument("--masks", type=Path, default=Path("runs/marks"), help="see training.marking")


def read_config(cls: type[Config], file: Path, *, table: str | None = None) -> Config:
    """Read a TOML file, or one table of it, into a frozen dataclass.

    Raises:
        ValueError: unknown or missing keys, all named at once.
    """
    values = tomllib.loads(file.read_text())
    if table is not None:
        values = values[table]
    fields = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    problems = [f"unknown key {key}" for key in sorted(values.keys() - fields)]
    problems += [f"missing key {key}" for key in sorted(fields - values.keys())]
    if problems:
        raise ValueError(f"{file}: {', '.join(problems)}")
    frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return cls(**frozen)


class RunConfig(Protocol):
    """What a script's configuration must name for `Run`."""

    tier: str
    total_steps: int
    learning_rate: float
    final_learning_rate: float
    ema_decay: float
    seed: int


class Run:
    """One run of a training script: where it stands, and what is kept of it.

    It goes on from `<runs>/<name>.<tier>/checkpoint.pt` where that lies; otherwise it begins with the weights that
    `--begin` names, if any.

    Args:
        name: of the network.
        arguments: from `parse_arguments`.
        network: what is trained, on `arguments.device`; its moving average is what is delivered.
        optimiser: of its parameters.
        others: modules and optimisers whose state belongs to a checkpoint too.

    Attributes:
        step: updates so far.
    """

    def __init__(
        self,
        name: str,
        arguments: argparse.Namespace,
        config: RunConfig,
        network: nn.Module,
        optimiser: torch.optim.Optimizer | MuonAdamW,
        **others: nn.Module | torch.optim.Optimizer,
    ) -> None:
        self.name, self.config, self.device = name, config, arguments.device
        self.network, self.optimiser, self.others = network, optimiser, others
        self.folder = arguments.runs / f"{name}.{config.tier}"
        self.file = weights_file(name, config.tier, arguments.weights)
        self.log = Log(self.folder)
        self.begin = arguments.begin
        if self.begin is not None:
            network.load_state_dict(load_file(self.begin, device=str(self.device)))
        self.average = MovingAverage(network, config.ema_decay)
        self.step, spent_s = 0, 0.0
        if checkpoint := load_checkpoint(self.folder / "checkpoint.pt", self.device):
            for part, state in checkpoint["states"].items():
                self._parts()[part].load_state_dict(state)
            self.average.values = checkpoint["average"]
            self.step, spent_s = checkpoint["step"], checkpoint["spent_s"]
        minutes = arguments.minutes
        if arguments.until is not None:
            minutes = (spent_s + max(1.0, arguments.until - time.time())) / 60
        self.budget = Budget(config.total_steps, minutes, spent_s)
        self.learning_rate, self._losses, self._recorded = config.learning_rate, Mean(), self.step
        self._saved = self._due_s = self._asked_s = time.monotonic()
        print(f"{config}\ndevice {self.device}, from step {self.step}", flush=True)

    def progress(self) -> Iterator[float]:
        """How far the run is, from 0 to 1, before every update; ends with its budget."""
        while (progress := self.budget.progress(self.step)) < 1:
            yield progress
            if time.monotonic() - self._saved > CHECKPOINT_EVERY_S:
                self._save()
        self._save()

    def learn(self, loss: Tensor, progress: float) -> None:
        """One update, at the learning rate that belongs to `progress`."""
        config = self.config
        self.learning_rate = cosine(
            progress, self.step, top=config.learning_rate, bottom=config.final_learning_rate
        )
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.network, self.step)
        self._losses.add(loss.detach())
        self.step += 1

    def averaged(self, network: nn.Module) -> nn.Module:
        """The same network, made anew, with the averaged weights."""
        network.load_state_dict(self.average.values)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def is_due(self, every: int) -> bool:
        """Whether to evaluate and `record`: each so-many steps, unless that would take too much of the time.

        A network that learns many steps a second is evaluated after more of them.
        """
        self._asked_s = time.monotonic()
        return self.step % every == 0 and self._asked_s >= self._due_s

    def record(self, metrics: Mapping[str, float]) -> None:
        """Print and log where the run stands, and write a checkpoint."""
        self._recorded = self.step
        now = time.monotonic()
        self._due_s = now + (now - self._asked_s) * TRAINED_SHARE / (1 - TRAINED_SHARE)
        self.log.write(
            self.step,
            seconds=self.budget.spent_s,
            learning_rate=self.learning_rate,
            loss=self._losses.take(),
            **metrics,
        )
        self._save()

    def finish(
        self,
        network: nn.Module,
        metrics: Mapping[str, float],
        *,
        architecture: Mapping[str, Any],
        data: str,
        licence: str,
    ) -> None:
        """Log the last metrics; write the curve, and the weights with all that is known about them."""
        if self.step > self._recorded:
            self.record(metrics)
        self.log.draw(self.folder / "curve.png")
        save_network(
            self.file, network,
            architecture=dict(architecture),
            metadata={
                "config": dataclasses.asdict(self.config),  # type: ignore[call-overload]
                "steps": self.step, "seconds": round(self.budget.spent_s), "device": self.device,
                "seed": self.config.seed, "commit": commit_hash(), "metrics": dict(metrics),
                "data": data, "licence": licence, **self._beginning(),
            },
        )  # fmt: skip

    def _save(self) -> None:
        states = {part: module.state_dict() for part, module in self._parts().items()}
        save_checkpoint(
            self.folder / "checkpoint.pt",
            states=states, average=self.average.values, step=self.step, spent_s=self.budget.spent_s,
        )  # fmt: skip
        self._saved = time.monotonic()

    def _beginning(self) -> dict[str, Any]:
        """What the weights that this run began with say of themselves."""
        if self.begin is None:
            return {}
        before = read_metadata(self.begin)
        told = ("steps", "seconds", "device", "commit", "metrics", "begun_with")
        return {"begun_with": {key: before[key] for key in told if key in before}}

    def _parts(self) -> dict[str, Any]:
        return {"network": self.network, "optimiser": self.optimiser, **self.others}
