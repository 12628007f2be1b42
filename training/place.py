"""Place of a training: what is read and written, on which device, for how long; and the command line for it."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from photorestore.networks import descriptor
from photorestore.networks.precision import BFLOAT16
from photorestore.networks.runner import Runner

Network = TypeVar("Network", bound=nn.Module)

NEARLY_ALL_CORES = max(1, (os.cpu_count() or 2) - 2)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a network is trained.

    Attributes:
        data: root of the pictures.
        masks: of real prints whose damage was marked, see `training.marking`.
        runs: checkpoints and logs go here.
        weights: the trained network goes here, and others' are read from here.
        begin: weights to begin with, such as those delivered before; None = new ones.
        device: as torch names it.
        threads: of the CPU, in this process; None = as many as torch has.
        workers: processes that make samples; 0 = one thread.
        minutes: end after this time, with the schedule fitted to it; None = after the configuration's steps.
        until: end at this time, in seconds since 1970, however long loading took; None = whenever it is done.
        compiled: go through `torch.compile`, where the script knows how to.
    """

    data: Path = Path("../shared/data/train")
    masks: Path = Path("runs/marks")
    runs: Path = Path("runs")
    weights: Path = Path("weights")
    begin: Path | None = None
    device: str = "cpu"
    threads: int | None = None
    workers: int = 0
    minutes: float | None = None
    until: float | None = None
    compiled: bool = False

    def prepare(self) -> None:
        """Set what torch keeps for the whole process: what every `train` does first."""
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        torch.backends.cudnn.benchmark = True  # all batches of a network have one shape, or few

    def take(self, network: Network) -> Network:
        """Return a network on the device, with its kernels in channels-last."""
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not declare memory_format

    def runner(
        self, network: descriptor.Network[descriptor.Result], precision: str = BFLOAT16
    ) -> Runner[descriptor.Result]:
        """Return what calls a trained network by its contract, on the device.

        Args:
            network: on the device, in evaluation mode.
            precision: one of `networks.precision`; by default that of the training.
        """
        return Runner(network, torch.device(self.device), precision)

    def autocast(self) -> torch.autocast:
        """Return the context in which a training step computes in bfloat16 on the device."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)


def command_line(network: str, description: str | None, *more: str) -> argparse.ArgumentParser:
    """Return the options of a training script: `--config`, and those of a place.

    Args:
        network: whose fast configuration is the default.
        description: the script's docstring.
        more: which of `masks`, `workers` and `compile` the script takes as well.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    has_gpu, place = torch.cuda.is_available(), Place()
    parser.add_argument("--config", type=Path, default=Path(f"training/configs/{network}.fast.toml"))
    parser.add_argument("--data", type=Path, default=place.data, help="root of the pictures")
    parser.add_argument("--runs", type=Path, default=place.runs, help="checkpoints and logs go here")
    parser.add_argument("--weights", type=Path, default=place.weights, help="the trained network goes here")
    parser.add_argument("--begin", type=Path, help="weights to begin with, such as those delivered before")
    parser.add_argument("--minutes", type=float, help="end after this time, with the schedule fitted to it")
    parser.add_argument(
        "--until", type=float, help="end at this time, in seconds since 1970, however long loading took"
    )
    parser.add_argument("--threads", type=int, help="of the CPU; default: as many as torch takes")
    parser.add_argument("--device", default="cuda" if has_gpu else "cpu")
    if "masks" in more:
        parser.add_argument("--masks", type=Path, default=place.masks, help="see training.marking")
    if "workers" in more:
        parser.add_argument(
            "--workers",
            type=int,
            default=NEARLY_ALL_CORES if has_gpu else 0,
            help="processes that make samples; 0: one thread. Default: nearly one for each core where there is a GPU",
        )
    if "compile" in more:
        parser.add_argument(
            "--compile", action="store_true", dest="compiled", help="torch.compile, worth its minute on a GPU"
        )
    return parser


def place_of(arguments: argparse.Namespace) -> Place:
    """Return the place that a command line names."""
    named = vars(arguments)
    return Place(**{field.name: named[field.name] for field in fields(Place) if field.name in named})
