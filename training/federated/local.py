"""What a site does in a round, on pictures that stay where they are: the training of `training.train_denoise`.

Nothing here knows of Flower.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from photorestore.networks.weights import FORMAT_VERSION, REQUIRED, read_metadata, weights_file
from photorestore.stages.denoise.network import DenoiseUNet
from training import train_denoise
from training.data import SUFFIXES
from training.federated.alignment import Alignment, Moments, measure
from training.federated.plan import Refusal, Task
from training.on_demand import OnDemand
from training.place import Place

NETWORK = "denoise"
"""What is trained together."""
WARM_UP_SHARE = 10
"""Of a round's steps one in so many warms up: the optimiser's state is new, the weights are not."""
Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Site:
    """A partner's machine.

    Attributes:
        config: of the training, with the site's folders and degradations; what a task says goes before it.
        place: its pictures, runs, device and threads.
        most_steps: that it does in a round; a task that asks for more is refused.
        statistics: whether it sends statistics of its pictures' features; otherwise a task that aligns is refused.
        sampler: draws its samples, in experiments; None: from its pictures, by its configuration.
    """

    config: train_denoise.Config
    place: Place
    most_steps: int = 20_000
    statistics: bool = False
    sampler: train_denoise.Sampler | None = None

    def count_pictures(self) -> int:
        """Return how many pictures it learns from."""
        folders = (self.place.data / name for name in self.config.photos)
        files = (file for folder in folders for file in folder.rglob("*"))
        return sum(file.suffix.lower() in SUFFIXES for file in files)

    def check(self, task: Task) -> None:
        """Check that the site does what it is asked for.

        Raises:
            Refusal: too many steps, or statistics that it does not send.
        """
        if not 1 <= task.steps <= self.most_steps:
            raise Refusal(f"{task.steps} steps are asked for; this site does 1 to {self.most_steps}")
        if task.alignment and not self.statistics:
            raise Refusal("this site sends no statistics of its pictures' features")


def learn(
    site: Site, task: Task, weights: Weights, target: Moments | None = None
) -> tuple[Weights, dict[str, float]]:
    """Train from given weights; return those that come out, on the CPU, and the figures of held-out pictures.

    A site that is stopped in a round goes on with it when it is asked again.

    Args:
        target: statistics that the network's features are pulled to, where the task says so.

    Raises:
        Refusal: it is not what the site does.
        RuntimeError: the weights are of another architecture than the site is configured for.
    """
    site.check(task)
    folder = site.place.runs / "federated" / f"{task.round:03}-{_digest(weights)}"
    folder.mkdir(parents=True, exist_ok=True)
    begin = folder / "begin.safetensors"
    save_exactly(begin, weights)
    config = replace(
        site.config, total_steps=task.steps, learning_rate=task.learning_rate,
        final_learning_rate=task.final_learning_rate, seed=site.config.seed + 1000 * task.round,
        warm_up=max(1, min(site.config.warm_up, task.steps // WARM_UP_SHARE)),
    )  # fmt: skip
    place = replace(site.place, runs=folder, weights=folder, begin=begin)
    penalty = Alignment(target, task.alignment) if task.alignment and target is not None else None
    network = train_denoise.train(config, place, sampler=site.sampler, penalty=penalty)
    figures = read_metadata(weights_file(NETWORK, config.tier, folder))["metrics"]
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
