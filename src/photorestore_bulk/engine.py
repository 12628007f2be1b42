"""Hand pictures out to actors on Ray, with Ray Data: the only module that knows Ray."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_agent_register_timeout_ms", "100000")  # else Ray does not start on a busy machine

import ray
import ray.data
import ray.exceptions

from photorestore.errors import BrokenArtifact
from photorestore_bulk.ledger import Ledger
from photorestore_bulk.places import Place
from photorestore_bulk.plan import Item, chunks
from photorestore_bulk.restorer import Order, Restorer, Row, empty_row

ROUND = 20_000
"""Pictures that are given to Ray at once. Their keys are in memory; and actors start anew for each round."""
ACTOR_BYTES = 1_500_000_000
"""Memory that an actor with all networks takes."""
STARTS = 4
"""How often Ray is started on this machine before that is an error: it gives up after 30 s, whatever the load is."""

REACHED_S = 10.0
"""How long a cluster's address may take to answer."""
HOW_TO_ENTER = "a cluster that asks for a token is entered with RAY_AUTH_MODE=token in the environment"
"""Ray sends no token to an address that is named, lest it go to a stranger; it says no more than that it failed."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Who does the work.

    Attributes:
        actors: how many.
        cpus: cores, and threads, of each.
        gpus: GPUs of each; a part of one lets several share it.
        at_once: pictures that an actor is given at a time.
    """

    actors: int
    cpus: int = 1
    gpus: float = 0.0
    at_once: int = 8


class Actor:
    """A `Restorer` as Ray Data calls it: with a table of items, answering with tables of one row, a JSON list."""

    def __init__(self, order: Order) -> None:
        self._restorer = Restorer(order)

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """Restore the pictures of a table, whose column `item` holds `Item`s as JSON; tell of them once noted."""
        items = [Item(**json.loads(text)) for text in batch["item"].to_pylist()]
        for rows in self._restorer.restore(items):
            yield pa.table({"rows": [json.dumps([told(row) for row in rows])]})


def told(row: Row) -> Row:
    """Return what the driver is told of a picture; `ago_s`: how long ago it was begun."""
    pixels = int(str(row.get("width") or 0)) * int(str(row.get("height") or 0))
    began = row["at"]
    assert isinstance(began, datetime)
    names = ("key", "work", "source_bytes", "problem", "detail", "final")
    ago_s = (datetime.now(UTC) - began).total_seconds()
    return {name: row[name] for name in names} | {"pixels": pixels, "ago_s": ago_s}


@contextmanager
def cluster(address: str | None, crew: Crew) -> Iterator[None]:
    """Start Ray in this process, or enter the cluster at an address, for the length of the block."""
    if address is None:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # idle threads that spin slow the others
        cpus = crew.actors * crew.cpus
        gpus = None if crew.gpus else 0
        for tries_left in reversed(range(STARTS)):
            try:
                ray.init(
                    "local", num_cpus=cpus, num_gpus=gpus, include_dashboard=False, logging_level="error"
                )
                break
            except Exception as error:
                if "timed out during startup" not in str(error) or not tries_left:
                    raise OSError(f"Ray does not start: {error}") from error
    else:
        _enter(address)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.print_on_execution_start = False
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # an actor that dies takes its pictures along, and not the run
    context.target_max_block_size = 1  # byte: whatever an actor yields goes to the driver at once
    try:
        yield
    finally:
        ray.shutdown()


def default_actors(address: str | None, cpus: int, gpus: float) -> int:
    """Return how many actors there are room for: on this machine by cores and memory, in a cluster by what it has."""
    if address is None:
        memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return max(1, min(len(os.sched_getaffinity(0)) // cpus, memory // ACTOR_BYTES))
    _enter(address)
    try:
        there = ray.cluster_resources()
    finally:
        ray.shutdown()
    return max(1, int(there.get("GPU", 0) / gpus if gpus else there.get("CPU", 0) // cpus))


def _enter(address: str) -> None:
    """Enter the cluster at an address.

    Raises:
        OSError: nobody answers there, or the cluster does not let us in.
    """
    host, _, port = address.rpartition(":")
    try:
        if host and port.isdecimal():  # Ray would look for it for four minutes
            socket.create_connection((host, int(port)), REACHED_S).close()
        ray.init(address, logging_level="error")
    except (OSError, ray.exceptions.AuthenticationError) as error:
        raise OSError(f"cannot enter the Ray cluster {address}: {error}; {HOW_TO_ENTER}") from error


def run(items: Iterator[Item], order: Order, crew: Crew) -> Iterator[Row]:
    """Restore pictures on Ray, which `cluster` has started; yield what is told of each, in the order of their ends.

    Pictures whose actor died are tried once more, each alone; one whose actor dies again gets a row that says so and is
    tried again by the next run, since it may have been the machine that went.

    Raises:
        OSError: actors cannot start, or not one picture comes back, so that it is not they that are wrong.
    """
    ledger = Ledger.of(Place.of(order.output))
    for chunk in chunks(items, ROUND):
        left = {item.work: item for item in chunk}
        for at_once in (crew.at_once, 1):
            if left:
                for row in _stream(list(left.values()), order, crew, at_once):
                    left.pop(int(str(row["work"])), None)
                    yield row
            if len(left) == len(chunk) > crew.at_once:
                raise OSError(f"none of {len(chunk)} pictures came back from Ray; its logs say why")
        lost = [empty_row(item) | {"detail": "its process died twice"} for item in left.values()]
        for row in lost:
            row |= {"problem": BrokenArtifact.type}
        ledger.add(lost)
        yield from map(told, lost)
        ledger.merge()


def _stream(items: Sequence[Item], order: Order, crew: Crew, at_once: int) -> Iterator[Row]:
    texts = np.array([json.dumps(asdict(item)) for item in items], dtype=object)
    tables = [pa.table({"item": texts[start : start + at_once]}) for start in range(0, len(items), at_once)]
    restored = ray.data.from_arrow(tables).map_batches(
        Actor,
        fn_constructor_args=(order,),
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(
            size=min(crew.actors, len(tables)),
            # None waits at an actor behind a picture that is alone since it may end the actor.
            max_tasks_in_flight_per_actor=1 if at_once == 1 else 2,
        ),
        num_cpus=crew.cpus,
        num_gpus=crew.gpus or None,
        ray_remote_args_fn=_actors_are_replaced,
    )
    try:
        for batch in restored.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for text in batch["rows"].to_pylist():
                yield from json.loads(text)
    except ray.exceptions.RayError as error:
        raise OSError(f"Ray gives up: {str(error).strip().splitlines()[-1]}") from error


def _actors_are_replaced() -> dict[str, int]:
    """Say that another actor takes the place of one that dies, but does not get the pictures that it had."""
    return {"max_restarts": -1, "max_task_retries": 0}
