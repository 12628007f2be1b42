"""The course of a federation: statistics, where they are asked for, then rounds, each kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy.strategy_utils import sample_nodes

from training.federated.alignment import Moments, pooled, problem_of_moments
from training.federated.local import Weights
from training.federated.messages import (
    METRICS,
    STATISTICS,
    TASK,
    WEIGHTS,
    problem_of,
    to_moments,
    to_record,
    to_task_record,
    to_weights,
)
from training.federated.plan import Plan
from training.federated.rounds import Rounds, State
from training.federated.strategy import CheckedAverage
from training.federated.updates import PICTURES
from training.log import Log


def coordinate(grid: Grid, plan: Plan, begin: Weights, runs: Path, name_of: Callable[[int], str]) -> State:
    """See a federation through, from where its checkpoint stands; return its end.

    Args:
        grid: by which sites are reached.
        begin: the weights that it begins with where there is no checkpoint.
        runs: its checkpoint goes to `federated.<tier>/` there.
        name_of: gives a site's name by Flower's number of it.

    Raises:
        ValueError: the checkpoint is of another architecture, or too few sites gave statistics.
    """
    rounds = Rounds(runs, plan)
    state = rounds.load(begin)
    print(f"{state.round} of {plan.rounds} rounds are done", flush=True)
    if plan.alignment and state.moments is None:
        state = replace(state, moments=gather(grid, plan, state.weights, name_of))
        rounds.save(state)
    strategy = CheckedAverage(plan, state, name_of, Log(rounds.folder))
    kept, since = [state], time.monotonic() - state.seconds

    def keep(number: int, arrays: ArrayRecord) -> None:
        if number:
            kept.append(
                State(
                    state.round + number,
                    to_weights(arrays),
                    strategy.momentum,
                    state.moments,
                    sites=tuple(sorted({*state.sites, *strategy.counted})),
                    figures=strategy.figures or state.figures,
                    steps=state.steps + strategy.steps,
                    seconds=time.monotonic() - since,
                )
            )
            rounds.save(kept[-1])

    left = plan.rounds - state.round
    strategy.start(grid, to_record(state.weights), num_rounds=left, timeout=plan.wait_s, evaluate_fn=keep)
    return kept[-1]


def gather(grid: Grid, plan: Plan, weights: Weights, name_of: Callable[[int], str]) -> Moments:
    """Ask the sites for their features' statistics, and return those of all together.

    Raises:
        ValueError: too few sites gave any that count.
    """
    nodes, _ = sample_nodes(grid, plan.least_sites, plan.least_sites)
    asked: ConfigRecord = to_task_record(plan.task(1))
    content = RecordDict({WEIGHTS: to_record(weights), TASK: asked})
    messages = [Message(content, node, MessageType.QUERY) for node in {*nodes, *grid.get_node_ids()}]
    found, pictures = [], []
    for reply in grid.send_and_receive(messages, timeout=plan.wait_s):
        checks = {STATISTICS: partial(problem_of_moments, weights=weights)}
        if problem := problem_of(reply, checks, plan.most_pictures):
            name = name_of(reply.metadata.src_node_id)
            print(f"  {name}'s statistics are left out: {problem}", flush=True)
            continue
        found.append(to_moments(reply.content[STATISTICS]))
        pictures.append(reply.content[METRICS][PICTURES])
    if len(found) < plan.least_sites:
        raise ValueError(f"{len(found)} of at least {plan.least_sites} sites gave statistics that count")
    return pooled(found, pictures)
