"""The rounds of a federation, by Flower: who is asked what, and what becomes of the answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from training.federated.messages import (
    METRICS,
    MOMENTUM,
    STATISTICS,
    TASK,
    WEIGHTS,
    Check,
    moments_to_record,
    problem_of,
    to_numbers,
    to_record,
    to_task_record,
)
from training.federated.plan import Plan
from training.federated.rounds import State
from training.federated.updates import (
    Numbers,
    Update,
    change_of,
    mean_metrics,
    mean_momentum,
    mean_weights,
    problem_of_shapes,
    problem_of_weights,
    shares_of,
)
from training.log import Log


class CheckedAverage(FedAvg):  # type: ignore[misc]  # Flower is not in the environment that types are checked in
    """The means of the sites' weights and momenta; sites whose answer is bad are left out and named.

    That all sites go on with the same momentum keeps them together: each would otherwise drift in a direction of its
    own, which is lost in the mean (Yu et al., *Communication Efficient Momentum SGD*, ICML 2019).

    Args:
        plan: of the federation.
        state: where it stands: what an earlier server has seen through.
        name_of: gives a site's name by Flower's number of it.
        log: gets a row for each round.

    Attributes:
        counted: names of the sites that counted in any round.
        figures: means of their figures in the last round that had any.
        steps: that each site has done in rounds that counted.
        momentum: the global one.
    """

    def __init__(self, plan: Plan, state: State, name_of: Callable[[int], str], log: Log) -> None:
        super().__init__(
            fraction_evaluate=0.0,
            min_train_nodes=plan.least_sites,
            min_available_nodes=plan.least_sites,
            arrayrecord_key=WEIGHTS,
            configrecord_key=TASK,
        )
        self.plan, self.name_of, self.log = plan, name_of, log
        self.done, self.moments, self.momentum = state.round, state.moments, state.momentum
        self.counted: set[str] = set()
        self.figures: dict[str, float] = {}
        self.steps = 0
        self._given: Numbers = {}
        self._asked: set[int] = set()
        self._since = time.monotonic()

    def configure_train(
        self,
        server_round: int,
        arrays: ArrayRecord,
        config: ConfigRecord,  # noqa: ARG002 - the plan says it
        grid: Grid,
    ) -> Iterable[Message]:
        """Ask every site that is there, once there are enough."""
        task = self.plan.task(self.done + server_round)
        messages = list(super().configure_train(server_round, arrays, to_task_record(task), grid))
        for message in messages:
            message.content[MOMENTUM] = to_record(self.momentum)
            if self.moments is not None:
                message.content[STATISTICS] = moments_to_record(self.moments)
        self._given = to_numbers(arrays)
        self._asked = {message.metadata.dst_node_id for message in messages}
        self._since = time.monotonic()
        names = ", ".join(sorted(map(self.name_of, self._asked)))
        print(f"round {task.round} of {self.plan.rounds}: {names} are asked", flush=True)
        return messages

    def aggregate_train(
        self,
        server_round: int,
        replies: Iterable[Message],
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Return the mean of what counts; nothing where too few do, so that the weights stay as they are."""
        good = self._good(replies)
        arrays, metrics, change = None, None, 0.0
        if len(good) < self.plan.least_sites:
            print(f"  nothing counts: {len(good)} of at least {self.plan.least_sites} answers", flush=True)
        else:
            updates = list(good.values())
            shares = shares_of(updates, by_pictures=self.plan.by_pictures)
            mean = mean_weights(updates, shares, self._given, self.plan.clip)
            self.momentum = {
                name: torch.from_numpy(values)
                for name, values in mean_momentum(updates, shares, self._given).items()
            }
            change = change_of(mean, self._given)
            figures = mean_metrics(updates, shares)
            self.figures = figures or self.figures
            self.counted |= good.keys()
            self.steps += self.plan.steps
            arrays = ArrayRecord({name: Array(values) for name, values in mean.items()})
            metrics = MetricRecord(figures)
            print(f"  counted: {', '.join(sorted(good))}; {figures or 'not measured'}", flush=True)
        self.log.write(
            self.done + server_round,
            seconds=time.monotonic() - self._since,
            sites=len(good),
            left_out=len(self._asked) - len(good),
            change=change,
        )
        return arrays, metrics

    def _good(self, replies: Iterable[Message]) -> dict[str, Update]:
        """Return the answers that count, by their sites; tell why the others do not."""
        good: dict[str, Update] = {}
        silent = set(self._asked)
        for reply in replies:
            site = reply.metadata.src_node_id
            silent.discard(site)
            if problem := problem_of(reply, self._checks, self.plan.most_pictures):
                print(f"  {self.name_of(site)} is left out: {problem}", flush=True)
            else:
                content = reply.content
                good[self.name_of(site)] = Update(
                    to_numbers(content[WEIGHTS]), to_numbers(content[MOMENTUM]), dict(content[METRICS])
                )
        for name in sorted(map(self.name_of, silent)):
            print(f"  {name} is left out: it did not answer in time", flush=True)
        return good

    @property
    def _checks(self) -> dict[str, Check]:
        return {
            WEIGHTS: partial(problem_of_weights, given=self._given, most_change=self.plan.most_change),
            MOMENTUM: partial(problem_of_shapes, given=self._given),
        }
