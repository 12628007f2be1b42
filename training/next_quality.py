"""Train the next quality network on a GPU that is at hand for some minutes, from a pack of pictures.

    python -m training.pack                                             # where the pictures are
    python -m training.next_quality --pack pack/train --minutes 9 --out OUT
    python -m training.next_quality --network scratch --resume OUT/scratch.quality.checkpoint.*.pt ...

The next network is the first of `ORDER` without quality weights; `upscale_real` begins with what `upscale` learned and
is passed over where no checkpoint of `upscale` is at hand. The minutes include loading, the last evaluation and
writing. OUT gets the weights, the curve, the scores and the checkpoint in pieces of at most 16 MiB, eight files at
most; a run goes on from `--resume`, from a checkpoint in `--runs`, or from the pieces in OUT. The first piece alone is
enough to go on with, without the optimiser's state.

The weights are delivered when they have been measured and lie in `weights/<stage>`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from photorestore.networks.weights import read_metadata, stage_of, weights_file
from training.checkpoints import load_checkpoint, load_pieces, save_checkpoint, save_pieces
from training.commit import PACK_RECORD, VARIABLE

ORDER = ("scratch_print", "scratch", "denoise", "upscale", "upscale_real", "translate", "face")
BEGINS_WITH = {"upscale_real": "upscale"}
"""Whose checkpoint a network needs."""
SCRIPTS = {name: f"training.train_{stage_of(name)}" for name in ORDER}
RESERVE_S = 50.0
"""Time at the end for the last evaluation and the curve; measured on a GPU, on a CPU it takes minutes."""
WRITE_S = 8.0
"""Time after that for the pieces of the checkpoint."""


@dataclass(frozen=True, slots=True)
class Task:
    """What the command line asks for.

    Attributes:
        pack: of pictures, see `training.pack`.
        out: a folder for what was trained.
        minutes: for everything.
        reserve: seconds of them for the end.
        network: which; None = the next one.
        resume: pieces of one checkpoint, or the first of them.
        runs: where it trains.
        weights: networks that are delivered.
        configs: the folder of the configurations.
        workers: processes that make samples; None = as the script has it.
        device: as torch names it.
    """

    pack: Path
    out: Path
    minutes: float
    reserve: float
    network: str | None
    resume: Sequence[Path]
    runs: Path
    weights: Path
    configs: Path
    workers: int | None
    device: str


def run_name(network: str) -> str:
    """Return the name of the folder of a network's run."""
    return f"{network}.quality"


def next_network(weights: Path, at_hand: set[str]) -> str:
    """Return the first network without quality weights.

    Args:
        at_hand: runs that there are checkpoints of.

    Raises:
        ValueError: all have them.
    """
    for network in ORDER:
        if weights_file(network, "quality", weights).exists():
            continue
        if network in BEGINS_WITH and at_hand.isdisjoint(map(run_name, (network, BEGINS_WITH[network]))):
            print(f"{network} is passed over: there is no checkpoint of {BEGINS_WITH[network]}", flush=True)
            continue
        return network
    raise ValueError("every network that can be trained has quality weights: name one with --network")


def place_checkpoint(pieces: Sequence[Path], runs: Path, *, replace: bool) -> str:
    """Write the checkpoint of a run's pieces where the run will look for it; returns the run's name.

    Args:
        replace: also where there is one already.
    """
    checkpoint = load_pieces(pieces)
    run = str(checkpoint.pop("run"))
    folder = runs / run
    if replace or not (folder / "checkpoint.pt").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log.csv").write_text(checkpoint.pop("log"))
        save_checkpoint(folder / "checkpoint.pt", **checkpoint)
        print(f"{run} goes on from step {checkpoint['step']}", flush=True)
    return run


def choose_network(task: Task) -> str:
    """Put all checkpoints that are given into `--runs`, and say which network is trained.

    Raises:
        ValueError: all networks have quality weights, or what was given to resume is another's.
    """
    resumed = place_checkpoint(task.resume, task.runs, replace=True) if task.resume else None
    for network in ORDER:
        if found := sorted(task.out.glob(f"{run_name(network)}.checkpoint.*.pt")):
            place_checkpoint(found, task.runs, replace=False)
    at_hand = {file.parent.name for file in task.runs.glob("*/checkpoint.pt")}
    chosen = task.network or next_network(task.weights, at_hand)
    if resumed not in (None, run_name(chosen), run_name(BEGINS_WITH.get(chosen, chosen))):
        raise ValueError(f"the checkpoint is of {resumed}, but the network is {chosen}: see --network")
    return chosen


def command(network: str, task: Task, weights: Path, until: float) -> list[str]:
    """Return the training script's command line."""
    line = [sys.executable, "-m", SCRIPTS[network]]
    line += ["--config", str(task.configs / f"{network}.quality.toml")]
    line += ["--data", str(task.pack), "--runs", str(task.runs), "--weights", str(weights)]
    line += ["--until", str(until), "--device", task.device]
    if stage_of(network) == "scratch":
        line += ["--masks", str(task.pack / "marks")]
    if task.workers is not None:
        line += ["--workers", str(task.workers)]
    return line


def train(network: str, task: Task, weights: Path, begun: float) -> bool:
    """Run the training script within the minutes; whether it came to its end.

    On a CPU, which is for trying it out, its last evaluation takes as long as it takes.
    """
    end = begun + 60 * task.minutes
    line = command(network, task, weights, end - task.reserve - WRITE_S)
    commit = json.loads((task.pack / PACK_RECORD).read_text())["commit"]
    with subprocess.Popen(line, env={VARIABLE: commit} | os.environ) as process:
        try:
            limit_s = end - WRITE_S - time.time() if task.device.startswith("cuda") else None
            return process.wait(limit_s) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            return False


def collect(
    network: str, runs: Path, weights: Path, out: Path, told: dict[str, Any], *, complete: bool
) -> None:
    """Write what a run has left into a folder: all of it, or where it did not come to its end, its checkpoint.

    Args:
        told: is written beside the scores.
    """
    run, file = run_name(network), weights_file(network, "quality", weights)
    checkpoint = load_checkpoint(runs / run / "checkpoint.pt")
    if checkpoint is not None:
        log = runs / run / "log.csv"
        save_pieces(out, run, checkpoint, log.read_text() if log.exists() else "")
        told = told | {"step": checkpoint["step"]}
    if complete:
        shutil.copy(file, out)
        shutil.copy(runs / run / "curve.png", out / f"{run}.png")
        told = told | read_metadata(file)
    (out / f"{run}.json").write_text(json.dumps(told | {"complete": complete}, indent=1) + "\n")


def read_task() -> Task:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pack", type=Path, default=Path("pack/train"), help="see training.pack")
    parser.add_argument("--out", type=Path, required=True, help="a folder for what was trained")
    parser.add_argument("--minutes", type=float, default=9.0, help="for everything")
    parser.add_argument("--reserve", type=float, default=RESERVE_S, help="seconds of them for the end")
    parser.add_argument("--network", choices=ORDER, help="default: the next one")
    parser.add_argument(
        "--resume", type=Path, nargs="+", default=(), help="pieces of one checkpoint, or the first of them"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where it trains")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="networks that are delivered")
    parser.add_argument("--configs", type=Path, default=Path("training/configs"))
    parser.add_argument("--workers", type=int, help="processes that make samples; default: the script's own")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return Task(**vars(parser.parse_args()))


def main() -> int:
    begun = time.time()
    task = read_task()
    task.out.mkdir(parents=True, exist_ok=True)
    network = choose_network(task)
    print(f"training {network}", flush=True)
    # Others' weights are read there, and its own are written: those delivered stay as they are.
    with tempfile.TemporaryDirectory() as temporary:
        weights = Path(shutil.copytree(task.weights, Path(temporary) / "weights"))
        complete = train(network, task, weights, begun)
        told = {"network": network, "minutes": task.minutes}
        collect(network, task.runs, weights, task.out, told, complete=complete)
    for file in sorted(task.out.glob(f"{run_name(network)}*")):
        print(f"{file}  {file.stat().st_size / 2**20:.2f} MiB")
    print(f"{time.time() - begun:.0f} s", flush=True)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
