"""What a site does in a round, on pictures that stay where they are: the training of `training.train_*`.

Nothing here knows of Flower, nor of a network other than the one that is trained.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from photorestore.networks.weights import FORMAT_VERSION, REQUIRED, read_metadata, weights_file
from photorestore.stages.denoise.network import DenoiseUNet
from training import train_denoise, train_scratch
from training.data import SUFFIXES
from training.federated.alignment import Alignment, Moments, measure
from training.federated.plan import Task
from training.on_demand import OnDemand
from training.place import Place

TRAININGS: dict[str, Any] = {
    "denoise": train_denoise,
    "scratch": train_scratch,
    "scratch_print": train_scratch,
}
"""Networks that can be trained together: modules with `Config` and `train(config, place)`."""
ALIGNED = "denoise"
"""The network whose features can be aligned."""
Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Site:
    """A partner's machine.

    Attributes:
        config: of the training, with the site's folders and degradations; what a task says goes before it.
        place: its pictures, runs, device and threads.
        most_steps: that it does in a round; a task that asks for more is refused.
        sampler: draws its samples, in experiments; None: from its pictures, by its configuration.
    """

    config: Any
    place: Place
    most_steps: int = 20_000
    sampler: train_denoise.Sampler | None = None

    def count_pictures(self) -> int:
        """Return how many pictures it learns from."""
        folders = (self.place.data / name for name in self.config.photos)
        files = (file for folder in folders for file in folder.rglob("*"))
        return sum(file.suffix.lower() in SUFFIXES for file in files)

    def check(self, task: Task) -> None:
        """Check that the site does what it is asked for.

        Raises:
            ValueError: another network, too many steps, or an alignment that it cannot do.
        """
        if task.network not in TRAININGS:
            raise ValueError(f"no network {task.network!r}; there are {', '.join(TRAININGS)}")
        if type(self.config) is not TRAININGS[task.network].Config:
            raise ValueError(f"this site is not configured for {task.network}")
        if not 1 <= task.steps <= self.most_steps:
            raise ValueError(f"{task.steps} steps are asked for; this site does 1 to {self.most_steps}")
        if task.alignment and task.network != ALIGNED:
            raise ValueError(f"only {ALIGNED} can be aligned, {task.network} cannot")


def learn(
    site: Site, task: Task, weights: Weights, target: Moments | None = None
) -> tuple[Weights, dict[str, float]]:
    """Train from given weights; return those that come out, on the CPU, and the figures of held-out pictures.

    A site that is stopped in a round goes on with it when it is asked again.

    Args:
        target: statistics that the network's features are pulled to, where the task says so.

    Raises:
        ValueError: it is not what the site does.
        RuntimeError: the weights are of another architecture than the site is configured for.
    """
    site.check(task)
    name = f"{task.network}-{task.round:03}-{_digest(weights)}"
    folder = site.place.runs / "federated" / name
    folder.mkdir(parents=True, exist_ok=True)
    begin = folder / "begin.safetensors"
    save_exactly(begin, weights)
    config = replace(
        site.config, tier=task.tier, total_steps=task.steps, learning_rate=task.learning_rate,
        final_learning_rate=task.final_learning_rate, seed=site.config.seed + 1000 * task.round,
    )  # fmt: skip
    place = replace(site.place, runs=folder, weights=folder, begin=begin)
    more: dict[str, Any] = {} if site.sampler is None else {"sampler": site.sampler}
    if task.alignment and target is not None:
        more["penalty"] = Alignment(target, task.alignment)
    network = TRAININGS[task.network].train(config, place, **more)
    figures = read_metadata(weights_file(task.network, task.tier, folder))["metrics"]
    shutil.rmtree(folder)
    return {key: value.cpu() for key, value in network.state_dict().items()}, dict(figures)


def statistics(site: Site, weights: Weights) -> Moments:
    """Return the statistics of the site's features in a denoiser with given weights, as `alignment.measure` does."""
    config, place = site.config, site.place
    network = DenoiseUNet(config.widths, config.depths)
    network.load_state_dict(weights)
    sampler = site.sampler
    if sampler is None:
        pictures, _ = train_denoise.load(config, place)
        sampler = partial(train_denoise.make_sample, pictures, config, OnDemand(config.difficulty_levels))
    return measure(place.take(network).eval(), sampler, config.seed)


def save_exactly(file: Path, weights: Mapping[str, Tensor]) -> None:
    """Write weights in the precision that they have, for a training to begin with; the metadata says nothing."""
    story = dict.fromkeys(REQUIRED) | {"format": FORMAT_VERSION}
    contiguous = {key: value.contiguous() for key, value in weights.items()}
    save_file(contiguous, file, {"photorestore": json.dumps(story)})


def _digest(weights: Weights) -> str:
    """Return some letters by which weights are known."""
    found = hashlib.sha256()
    for key in sorted(weights):
        found.update(weights[key].contiguous().numpy().tobytes())
    return found.hexdigest()[:12]
