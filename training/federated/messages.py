"""What server and sites send each other: Flower's records with these names, and nothing else.

To a site: `arrays`, the global weights; `config`, the task; `statistics`, where a plan aligns. From it: `arrays`, its
weights; `metrics`, its number of pictures and the figures of its held-out ones; or, when asked for
them, `statistics` and the number of pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from torch import Tensor

from training.federated.alignment import Moments
from training.federated.local import Site, learn, statistics
from training.federated.plan import Task
from training.federated.updates import PICTURES, Numbers

WEIGHTS, TASK, STATISTICS, METRICS = "arrays", "config", "statistics", "metrics"
"""Names of the records."""
FAILED = 1
"""Code of an answer that says what went wrong at a site."""
Answer = Callable[[Message], Message]
"""A site: answers a message."""


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


def make_app(site: Site) -> ClientApp:
    """Return a site as Flower calls it."""
    app = ClientApp()

    def train(message: Message, _context: Context) -> Message:
        content = message.content
        task = Task.of(dict(content[TASK]))
        target = to_moments(content[STATISTICS]) if STATISTICS in content else None
        print(f"round {task.round}: {task.steps} steps of {task.network}", flush=True)
        weights, figures = learn(site, task, to_weights(content[WEIGHTS]), target)
        metrics = MetricRecord({PICTURES: site.count_pictures(), **figures})
        return Message(RecordDict({WEIGHTS: to_record(weights), METRICS: metrics}), reply_to=message)

    def query(message: Message, _context: Context) -> Message:
        site.check(Task.of(dict(message.content[TASK])))
        print("statistics of the pictures' features are measured, and sent", flush=True)
        found = statistics(site, to_weights(message.content[WEIGHTS]))
        metrics = MetricRecord({PICTURES: site.count_pictures()})
        content = RecordDict({STATISTICS: moments_to_record(found), METRICS: metrics})
        return Message(content, reply_to=message)

    app.train()(train)
    app.query()(query)
    return app


def answering(site: Site) -> Answer:
    """Return what answers each message of a server; where the site cannot, the answer says why."""
    app = make_app(site)
    context = Context(run_id=0, series_id=0, node_id=0, node_config={}, state=RecordDict(), run_config={})

    def answer(message: Message) -> Message:
        try:
            return app(message, context)
        except Exception as error:  # noqa: BLE001 - whatever it is, the server has to hear of it
            print(f"failed: {error}", flush=True)
            return Message(Error(FAILED, f"{type(error).__name__}: {error}"[:500]), reply_to=message)

    return answer


def to_task_record(task: Task) -> ConfigRecord:
    """Return a task as Flower sends it."""
    return ConfigRecord(task.values())
