"""What becomes of a federation's weights: delivered where they pass the quality gates, else kept with the reason."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from photorestore.networks.weights import (
    FAST,
    REQUIRED,
    Metadata,
    build_network,
    default_root,
    read_metadata,
    save_network,
    weights_file,
)
from photorestore.stages.denoise.network import DenoiseUNet
from training.commit import commit_hash
from training.federated.local import NETWORK
from training.federated.plan import Plan
from training.federated.rounds import State

HOME = Path(__file__).resolve().parents[2]
GATES = "tests/quality"
"""What weights have to pass, by pytest; with `--weights` it measures those of another folder than `weights/`."""


def deliver(
    end: State, plan: Plan, begin: Path, folder: Path, root: Path, gates: Sequence[str] = (GATES,)
) -> Path:
    """Write weights with their story into `root` where they pass; else beside `reason.txt` in `<folder>/candidate/`.

    Args:
        begin: the weights that the federation began with.
        folder: of the federation.
        root: the folder `weights/`.
        gates: what pytest is called with.

    Returns:
        Where they lie.
    """
    network, story = build_network(DenoiseUNet, begin), read_metadata(begin)
    network.load_state_dict(end.weights)
    candidate = folder / "candidate"
    file = weights_file(NETWORK, plan.tier, candidate)
    save_network(file, network, architecture=story["architecture"], metadata=_story(end, plan, story))
    reason = problem_at_gates(network, story, gates) if end.steps else "no round counted"
    (candidate / "reason.txt").write_text(f"{reason or 'they pass'}\n")
    if reason is not None:
        return file
    delivered = weights_file(NETWORK, plan.tier, root)
    delivered.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, delivered)
    return delivered


def problem_at_gates(network: nn.Module, story: Metadata, gates: Sequence[str]) -> str | None:
    """Say why a denoiser does not pass, in the place of that in use and among the other weights; None where it does.

    Gates that are skipped for want of pictures are not passed.

    Args:
        story: metadata of a denoiser of this architecture.
    """
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "weights"
        shutil.copytree(default_root(), root, copy_function=_link)
        file = weights_file(NETWORK, FAST, root)
        file.unlink()
        kept = {key: value for key, value in story.items() if key in REQUIRED}
        save_network(file, network, architecture=story["architecture"], metadata=kept)
        command = [sys.executable, "-m", "pytest", "-q", "-x", *gates, f"--weights={root}"]
        done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"the gates are not passed:\n{done.stdout[-2000:]}{done.stderr[-500:]}"
    if skipped := re.search(r"\d+ skipped", done.stdout):
        return f"nobody knows: of the gates {skipped[0]}, since the pictures of the bench are not at hand"
    return None


def _link(source: str, target: str) -> None:
    """Copy for `copytree`, without a second file."""
    Path(target).symlink_to(source)


def _story(end: State, plan: Plan, begin: Metadata) -> dict[str, Any]:
    """Return what the weights say of themselves; of the sites, how many they were."""
    told = ("steps", "seconds", "device", "commit", "metrics", "begun_with")
    return {
        "config": asdict(plan), "steps": end.steps, "seconds": round(end.seconds),
        "device": "sites", "seed": None, "commit": commit_hash(), "metrics": end.figures,
        "data": f"{begin['data']}; pictures of {len(end.sites)} sites", "licence": begin["licence"],
        "begun_with": {key: begin[key] for key in told if key in begin},
    }  # fmt: skip
