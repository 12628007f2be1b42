"""How the answers of a round become the next weights: Flower's FedAvg over what passed the checks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from training.federated.alignment import Moments
from training.federated.messages import (
    METRICS,
    STATISTICS,
    TASK,
    WEIGHTS,
    moments_to_record,
    to_numbers,
    to_task_record,
)
from training.federated.plan import Plan
from training.federated.updates import (
    PICTURES,
    Numbers,
    change_of,
    problem_of_metrics,
    problem_of_weights,
)
from training.log import Log


class CheckedAverage(FedAvg):  # type: ignore[misc]  # Flower is not in the environment that types are checked in
    """The mean of the sites' weights, each weighted by its pictures; sites whose answer is bad are left out and named.

    Args:
        plan: of the federation.
        done: rounds that an earlier server has seen through.
        moments: statistics that the sites are pulled to; None where they are not aligned.
        name_of: gives a site's name by Flower's number of it.
        log: gets a row for each round.

    Attributes:
        counted: names of the sites that counted in any round.
        figures: means of their figures in the last round.
    """

    def __init__(
        self, plan: Plan, done: int, moments: Moments | None, name_of: Callable[[int], str], log: Log
    ) -> None:
        super().__init__(
            fraction_evaluate=0.0,
            min_train_nodes=plan.least_sites,
            min_available_nodes=plan.least_sites,
            weighted_by_key=PICTURES,
            arrayrecord_key=WEIGHTS,
            configrecord_key=TASK,
        )
        self.plan, self.done, self.moments, self.name_of, self.log = plan, done, moments, name_of, log
        self.counted: set[str] = set()
        self.figures: dict[str, float] = {}
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
        if self.moments is not None:
            for message in messages:
                message.content[STATISTICS] = moments_to_record(self.moments)
        self._given = to_numbers(arrays)
        self._asked = {message.metadata.dst_node_id for message in messages}
        self._since = time.monotonic()
        names = ", ".join(sorted(map(self.name_of, self._asked)))
        print(f"round {task.round} of {self.plan.rounds}: {names} are asked", flush=True)
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Return the mean of what counts; nothing where nothing does, so that the weights stay as they are."""
        good: dict[str, Message] = {}
        silent = set(self._asked)
        for reply in replies:
            silent.discard(reply.metadata.src_node_id)
            name = self.name_of(reply.metadata.src_node_id)
            if problem := self._problem(reply):
                print(f"  {name} is left out: {problem}", flush=True)
            else:
                good[name] = reply
        for name in sorted(map(self.name_of, silent)):
            print(f"  {name} is left out: it did not answer in time", flush=True)
        _keep_common_metrics(good.values())
        arrays, metrics = super().aggregate_train(server_round, list(good.values()))
        self.counted |= good.keys()
        self.figures = dict(metrics or {})
        change = 0.0
        if arrays is not None:
            arrays = _as_given(to_numbers(arrays), self._given)
            change = change_of(to_numbers(arrays), self._given)
        print(f"  counted: {', '.join(sorted(good)) or 'none'}; {self.figures}", flush=True)
        self.log.write(
            self.done + server_round,
            seconds=time.monotonic() - self._since,
            sites=len(good),
            left_out=len(self._asked) - len(good),
            change=change,
        )
        return arrays, metrics

    def _problem(self, reply: Message) -> str | None:
        """Say why an answer does not count; None where it does."""
        if reply.has_error():
            return str(reply.error.reason)
        content = reply.content
        if set(content) != {WEIGHTS, METRICS}:
            return f"it sent {', '.join(sorted(content))[:80]}; expected {WEIGHTS}, {METRICS}"
        if problem := problem_of_metrics(content[METRICS], self.plan.most_pictures):
            return problem
        try:
            update = to_numbers(content[WEIGHTS])
        except Exception as error:  # noqa: BLE001 - bytes of others: whatever is wrong with them, they do not count
            return f"its weights cannot be read: {error}"
        return problem_of_weights(update, self._given, self.plan.most_change)


def _keep_common_metrics(replies: Iterable[Message]) -> None:
    """Drop metrics that not all sites have; Flower averages none where one is missing."""
    records: list[Mapping[str, float]] = [reply.content[METRICS] for reply in replies]
    if not records:
        return
    common = set.intersection(*(set(record) for record in records))
    for reply, record in zip(replies, records, strict=True):
        reply.content[METRICS] = MetricRecord({name: record[name] for name in record if name in common})


def _as_given(mean: Numbers, given: Numbers) -> ArrayRecord:
    """Return the mean with the kinds of numbers that were given: Flower makes floats of counters."""
    return ArrayRecord(
        {
            name: Array(
                (np.rint(values) if given[name].dtype.kind in "iu" else values).astype(given[name].dtype)
            )
            for name, values in mean.items()
        }
    )
