"""The course of a federation: statistics, where they are asked for, then rounds, each kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy.strategy_utils import sample_nodes

from training.federated.alignment import Moments, pooled
from training.federated.local import Weights
from training.federated.messages import (
    METRICS,
    STATISTICS,
    TASK,
    WEIGHTS,
    to_moments,
    to_numbers,
    to_record,
    to_task_record,
    to_weights,
)
from training.federated.plan import Plan
from training.federated.rounds import Rounds, State
from training.federated.strategy import CheckedAverage
from training.federated.updates import PICTURES, problem_of_metrics, problem_of_shapes
from training.log import Log


def coordinate(grid: Grid, plan: Plan, begin: Weights, runs: Path, name_of: Callable[[int], str]) -> State:
    """See a federation through, from where its checkpoint stands; return its end.

    Args:
        grid: by which sites are reached.
        begin: the weights that it begins with where there is no checkpoint.
        runs: its checkpoint goes to `federated.<tier>/` there.
        name_of: gives a site's name by Flower's number of it.

    Raises:
        ValueError: the checkpoint is of another architecture, or no site gave statistics.
    """
    rounds = Rounds(runs, plan)
    state = rounds.load(begin)
    print(f"{state.round} of {plan.rounds} rounds are done", flush=True)
    if plan.alignment and state.moments is None:
        state = replace(state, moments=gather(grid, plan, state.weights, name_of))
        rounds.save(state)
    strategy = CheckedAverage(plan, state.round, state.moments, name_of, Log(rounds.folder))
    kept, since = [state], time.monotonic() - state.seconds

    def keep(number: int, arrays: ArrayRecord) -> None:
        if number:
            sites = tuple(sorted({*state.sites, *strategy.counted}))
            spent_s = time.monotonic() - since
            weights = to_weights(arrays)
            kept.append(State(state.round + number, weights, state.moments, sites, strategy.figures, spent_s))
            rounds.save(kept[-1])

    left = plan.rounds - state.round
    strategy.start(grid, to_record(state.weights), num_rounds=left, timeout=plan.wait_s, evaluate_fn=keep)
    return kept[-1]


def gather(grid: Grid, plan: Plan, weights: Weights, name_of: Callable[[int], str]) -> Moments:
    """Ask the sites for their features' statistics, and return those of all together.

    Raises:
        ValueError: no site gave any that count.
    """
    nodes, _ = sample_nodes(grid, plan.least_sites, plan.least_sites)
    asked: ConfigRecord = to_task_record(plan.task(1))
    content = RecordDict({WEIGHTS: to_record(weights), TASK: asked})
    messages = [Message(content, node, MessageType.QUERY) for node in {*nodes, *grid.get_node_ids()}]
    found, pictures = [], []
    for reply in grid.send_and_receive(messages, timeout=plan.wait_s):
        name = name_of(reply.metadata.src_node_id)
        if problem := _problem_of_statistics(reply, plan):
            print(f"  {name}'s statistics are left out: {problem}", flush=True)
            continue
        found.append(to_moments(reply.content[STATISTICS]))
        pictures.append(reply.content[METRICS][PICTURES])
    if not found:
        raise ValueError("no site gave statistics that count")
    return pooled(found, pictures)


def _problem_of_statistics(reply: Message, plan: Plan) -> str | None:
    """Say why statistics do not count; None where they do."""
    if reply.has_error():
        return str(reply.error.reason)
    if set(reply.content) != {STATISTICS, METRICS}:
        return "it sent something else"
    numbers = to_numbers(reply.content[STATISTICS])
    channels = len(next(iter(numbers.values()), np.zeros(0)))
    expected = {
        "mean": np.zeros(channels, np.float32),
        "covariance": np.zeros((channels, channels), np.float32),
    }
    return problem_of_shapes(numbers, expected) or problem_of_metrics(
        reply.content[METRICS], plan.most_pictures
    )
