"""What every training script shares: schedule, moving average, checkpoints, log and curve."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import math
import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

Config = TypeVar("Config")


def parse_arguments(network: str, description: str) -> argparse.Namespace:
    """The command line of a training script; sets the number of threads."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path(f"training/configs/{network}.fast.toml"))
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/train"), help="root of the pictures"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="checkpoints and logs go here")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="the trained network goes here")
    parser.add_argument("--minutes", type=float, help="end after this time, with the schedule fitted to it")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    return arguments


def read_config(cls: type[Config], file: Path) -> Config:
    """Read a TOML file into a frozen dataclass.

    Raises:
        ValueError: unknown or missing keys, all named at once.
    """
    values = tomllib.loads(file.read_text())
    fields = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    problems = [f"unknown key {key}" for key in sorted(values.keys() - fields)]
    problems += [f"missing key {key}" for key in sorted(fields - values.keys())]
    if problems:
        raise ValueError(f"{file}: {', '.join(problems)}")
    frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return cls(**frozen)


def cosine(progress: float, step: int, *, top: float, bottom: float, warm_up: int = 100) -> float:
    """Learning rate: warm-up over the first steps, then half a cosine down to `bottom` at progress 1."""
    decayed = bottom + (top - bottom) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return decayed * min(1.0, (step + 1) / warm_up)


class MovingAverage:
    """Exponential moving average of a network's weights (decay ramps up over the first steps)."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        decay = min(self.decay, (step + 1) / (step + 10))
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                self.values[name].lerp_(value, 1 - decay)
            else:
                self.values[name].copy_(value)


class Budget:
    """Progress of a run limited by steps or by seconds, whichever ends first.

    With a time budget the schedule follows the clock, so that it always ends at its bottom.
    """

    def __init__(self, total_steps: int, minutes: float | None, spent_s: float = 0.0) -> None:
        self.total_steps = total_steps
        self.limit_s = math.inf if minutes is None else 60 * minutes
        self.start = time.monotonic() - spent_s

    @property
    def spent_s(self) -> float:
        """Seconds trained, earlier parts of a resumed run included."""
        return time.monotonic() - self.start

    def progress(self, step: int) -> float:
        """0 at the start, 1 at the end."""
        return max(step / self.total_steps, self.spent_s / self.limit_s)


class Log:
    """A CSV of what a run printed, and its picture."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "log.csv"

    def write(self, step: int, **values: float) -> None:
        """Print one row and append it."""
        row = {"step": step, **{key: round(value, 5) for key, value in values.items()}}
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        is_new = not self.file.exists()
        with self.file.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if is_new:
                writer.writeheader()
            writer.writerow(row)

    def draw(self, target: Path) -> None:
        """Draw every column over the steps."""
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        with self.file.open() as file:
            rows = list(csv.DictReader(file))
        names = [name for name in rows[0] if name not in ("step", "seconds", "learning_rate")]
        figure, axes = pyplot.subplots(1, len(names), figsize=(4.5 * len(names), 3.5), squeeze=False)
        for axis, name in zip(axes[0], names, strict=True):
            axis.plot([int(row["step"]) for row in rows], [float(row[name]) for row in rows])
            axis.set(title=name, xlabel="step")
            axis.grid(alpha=0.3)
        figure.tight_layout()
        figure.savefig(target, dpi=80)
        pyplot.close(figure)


def save_checkpoint(file: Path, **parts: Any) -> None:
    """Write atomically: a run that is stopped in the middle leaves the previous checkpoint."""
    temporary = file.with_suffix(".tmp")
    torch.save(parts, temporary)
    temporary.replace(file)


def load_checkpoint(file: Path) -> dict[str, Any] | None:
    """The last checkpoint, or None."""
    if not file.exists():
        return None
    checkpoint: dict[str, Any] = torch.load(file, weights_only=True)
    return checkpoint


def commit_hash() -> str:
    """The commit that the working tree stands on, with `+` when files differ from it."""
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    dirty = subprocess.run(
        ["git", "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False
    )
    return (head.stdout.strip() or "none") + ("+" if dirty.stdout.strip() else "")
