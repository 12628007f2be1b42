"""What server and sites send each other: Flower's records with these names, and nothing else.

To a site: `arrays`, the global weights; `momentum`, the global one of the optimiser; `config`, the task; `statistics`,
where a plan aligns. From it: `arrays` and `momentum`, its own; `metrics`, its number of pictures and, where the task
says so, the figures of its held-out ones; or, when asked for them, `statistics` and the number of pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MessageType, MetricRecord, RecordDict
from torch import Tensor

from training.federated.alignment import Moments
from training.federated.local import Learner, Site
from training.federated.plan import Refusal, Task
from training.federated.updates import PICTURES, Numbers, problem_of_metrics

WEIGHTS, MOMENTUM, TASK, STATISTICS, METRICS = "arrays", "momentum", "config", "statistics", "metrics"
"""Names of the records."""
FAILED = 1
"""Code of an answer that says what went wrong at a site."""
Answer = Callable[[Message], Message]
"""A site: answers a message."""
Check = Callable[[Numbers], str | None]
"""Says what is wrong with arrays; None where nothing is."""


def to_record(weights: Mapping[str, Tensor]) -> ArrayRecord:
    """Return tensors as Flower sends them."""
    return ArrayRecord({name: Array(value.contiguous().numpy()) for name, value in weights.items()})


def to_numbers(record: ArrayRecord) -> Numbers:
    """Return a record's values; they are read without pickle.

    Raises:
        ValueError: they are not as they say.
    """
    return {name: array.numpy() for name, array in record.items()}


def to_weights(record: ArrayRecord) -> dict[str, Tensor]:
    """Return a record as tensors."""
    return {name: torch.from_numpy(values.copy()) for name, values in to_numbers(record).items()}


def moments_to_record(moments: Moments) -> ArrayRecord:
    """Return statistics as Flower sends them."""
    return to_record({"mean": moments.mean, "covariance": moments.covariance})


def to_moments(record: ArrayRecord) -> Moments:
    """Return statistics that were sent."""
    return Moments(**to_weights(record))


def train(learner: Learner, message: Message) -> RecordDict:
    """Return a site's answer to a round."""
    content = message.content
    task = Task.of(content[TASK])
    target = to_moments(content[STATISTICS]) if STATISTICS in content else None
    print(f"round {task.round} of {task.rounds}: {task.steps} steps", flush=True)
    weights, momentum, figures = learner.learn(
        task, to_weights(content[WEIGHTS]), to_weights(content[MOMENTUM]), target
    )
    metrics = MetricRecord({PICTURES: learner.site.count_pictures(), **figures})
    return RecordDict({WEIGHTS: to_record(weights), MOMENTUM: to_record(momentum), METRICS: metrics})


def query(learner: Learner, message: Message) -> RecordDict:
    """Return a site's answer to who asks for its statistics."""
    learner.site.check(Task.of(message.content[TASK]))
    print("statistics of the pictures' features are measured, and sent", flush=True)
    found = learner.statistics(to_weights(message.content[WEIGHTS]))
    metrics = MetricRecord({PICTURES: learner.site.count_pictures()})
    return RecordDict({STATISTICS: moments_to_record(found), METRICS: metrics})


ANSWERS = {MessageType.TRAIN: train, MessageType.QUERY: query}


def answering(site: Site) -> Answer:
    """Return what answers each message of a server; where the site cannot, it says so, but names no file."""
    learner = Learner(site)

    def answer(message: Message) -> Message:
        try:
            return Message(ANSWERS[message.metadata.message_type](learner, message), reply_to=message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the server has to hear of it
            print(f"failed: {type(error).__name__}: {error}", flush=True)
            told = str(error) if isinstance(error, Refusal) else f"it failed ({type(error).__name__})"
            return Message(Error(FAILED, told), reply_to=message)

    return answer


def problem_of(reply: Message, checks: Mapping[str, Check], most_pictures: int) -> str | None:
    """Say why a site's answer does not count; None where it does.

    Args:
        checks: say what is wrong with its arrays, by their names; it has these, its metrics and nothing else.
        most_pictures: that it may say it has.
    """
    if reply.has_error():
        return f"it says: {reply.error.reason[:200]}"
    if set(reply.content) != {*checks, METRICS}:
        return f"it sent {', '.join(sorted(reply.content))[:80]}; expected {', '.join(checks)}, {METRICS}"
    try:
        problems = [problem_of_metrics(dict(reply.content[METRICS]), most_pictures)]
        problems += [check(to_numbers(reply.content[name])) for name, check in checks.items()]
    except Exception as error:  # noqa: BLE001 - bytes of others: whatever is wrong with them, they do not count
        return f"what it sent cannot be read: {str(error)[:200]}"
    return next(filter(None, problems), None)


def to_task_record(task: Task) -> ConfigRecord:
    """Return a task as Flower sends it."""
    return ConfigRecord(task.values())
