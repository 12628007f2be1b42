"""What a site does in a round, on pictures that stay where they are: the training of `training.train_denoise`.

Nothing here knows of Flower.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from photorestore.networks.weights import FORMAT_VERSION, REQUIRED
from photorestore.stages.denoise.network import DenoiseUNet
from training import train_denoise
from training.data import SUFFIXES, Batch, sample_batches
from training.denoise_validation import evaluate
from training.federated.alignment import Alignment, Moments, measure
from training.federated.plan import Refusal, Task
from training.muon import MuonAdamW
from training.on_demand import OnDemand
from training.place import Place
from training.run import Run

NETWORK = "denoise"
"""What is trained together."""
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


class Learner:
    """A site in a federation: its pictures are read once; what a round begins with is given, but for second moments.

    Args:
        site: whose pictures it learns from.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self._terms: Task | None = None
        self._run: Run[DenoiseUNet]
        self._optimiser: MuonAdamW
        self._config: train_denoise.Config
        self._penalty: Alignment | None

    def learn(
        self, task: Task, weights: Weights, momentum: Weights, target: Moments | None = None
    ) -> tuple[Weights, Weights, dict[str, float]]:
        """Train from given weights and momentum of the optimiser.

        Args:
            weights, momentum: by the same names.
            target: statistics that the network's features are pulled to, where the task says so.

        Returns:
            Weights and momentum that come out, on the CPU, and the figures of held-out pictures, where the task asks
            for these. The weights are the last: in a short round their moving average is hardly away from the first.

        Raises:
            Refusal: it is not what the site does.
            KeyError, RuntimeError: the weights are of another architecture than the site is configured for.
        """
        self.site.check(task)
        terms = replace(task, round=0, is_measured=False)
        if terms != self._terms:
            self._begin(task, target)
            self._terms = terms
        run, network, place = self._run, self._run.network, self.site.place
        run.step = (task.round - 1) * task.steps  # the site may have missed rounds
        network.load_state_dict(weights)
        self._optimiser.load_momentum(momentum[name] for name, _ in network.named_parameters())
        for _ in range(task.steps):
            progress = run.budget.progress(run.step)
            batch = next(self._samples)
            run.learn(
                train_denoise.loss_of(network, batch, self._config, place, progress, self._penalty), progress
            )
        figures: dict[str, float] = {}
        if task.is_measured:
            figures = evaluate(place.runner(network.eval()), self._loaded[1], self._config.max_sigma_255)
            network.train()
        names = (name for name, _ in network.named_parameters())
        moved = dict(zip(names, self._optimiser.momentum(), strict=True))
        return _on_cpu(network.state_dict()), _on_cpu(moved), figures

    def statistics(self, weights: Weights) -> Moments:
        """Return the statistics of the site's features in a denoiser of given weights, by `alignment.measure`."""
        network = self._network()
        network.load_state_dict(weights)
        return measure(network.eval(), self._sampler, self.site.config.seed)

    def _begin(self, task: Task, target: Moments | None) -> None:
        """Make what goes on from round to round: network, optimiser, penalty."""
        place = self.site.place
        place.prepare()
        self._config = config = replace(
            self.site.config, total_steps=task.rounds * task.steps,
            learning_rate=task.learning_rate, final_learning_rate=task.final_learning_rate,
        )  # fmt: skip
        network = self._network()
        self._optimiser = train_denoise.make_optimiser(network, config)
        runs = replace(place, runs=place.runs / "federated")
        self._run = Run(NETWORK, runs, config, network, self._optimiser)
        self._penalty = None
        if task.alignment and target is not None:
            self._penalty = Alignment(target, task.alignment)
            self._penalty.watch(network)

    def _network(self) -> DenoiseUNet:
        return self.site.place.take(DenoiseUNet(self.site.config.widths, self.site.config.depths))

    @cached_property
    def _loaded(self) -> tuple[train_denoise.Pictures, list[Tensor]]:
        return train_denoise.load(self.site.config, self.site.place)

    @property
    def _sampler(self) -> train_denoise.Sampler:
        """Return what draws samples: those of all difficulties alike."""
        if self.site.sampler is not None:
            return self.site.sampler
        config = self.site.config
        return partial(train_denoise.make_sample, self._loaded[0], config, OnDemand(config.difficulty_levels))

    @cached_property
    def _samples(self) -> Iterator[Batch]:
        config, place = self.site.config, self.site.place
        return sample_batches(self._sampler, config.batch_size, config.seed, place.workers, place.device)


def save_exactly(file: Path, weights: Mapping[str, Tensor]) -> None:
    """Write weights in the precision that they have, for a training to begin with; the metadata says nothing."""
    story = dict.fromkeys(REQUIRED) | {"format": FORMAT_VERSION}
    contiguous = {key: value.contiguous() for key, value in weights.items()}
    save_file(contiguous, file, {"photorestore": json.dumps(story)})


def _on_cpu(values: Weights) -> Weights:
    """Return copies, which further training does not change."""
    return {name: value.detach().to("cpu", copy=True) for name, value in values.items()}
