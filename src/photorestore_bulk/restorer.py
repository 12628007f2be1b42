"""Restore a list of pictures in one process: what each of Ray's actors does, without Ray.

Pictures are read and written here and not by Ray, so that none of them goes through its object store: an actor holds
two that wait beside the one in work, however many there are.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from photorestore import pipeline
from photorestore.errors import InvalidInput, RestorationError
from photorestore.options import Options
from photorestore.report import Report
from photorestore_bulk.ledger import Ledger
from photorestore_bulk.places import Place
from photorestore_bulk.plan import Item

AHEAD = 2
"""Pictures that are read while another one is restored."""
NOTED_EVERY_S = 5.0
"""Rows wait at most so long, and until the picture in work is done, before they are in the ledger."""
CANNOT_READ, CANNOT_WRITE = "cannot-read", "cannot-write"
"""Types of problems that the service does not have."""

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Order:
    """What all actors of a run are told.

    Attributes:
        source: URL of the folder with the pictures.
        output: URL of the folder of results.
        threads: of each actor.
        device: where networks run.
        weights: the folder `weights/`; None: the one beside the package.
        load: loads the pipeline.
    """

    source: str
    output: str
    threads: int = 1
    device: str = "cpu"
    weights: Path | None = None
    load: Callable[..., pipeline.Pipeline] = pipeline.load


class Restorer:
    """Restores pictures, writes the results and the rows of the ledger."""

    def __init__(self, order: Order) -> None:
        torch.set_num_threads(order.threads)
        self._source, self._output = Place.of(order.source), Place.of(order.output)
        self._ledger = Ledger.of(self._output)
        self._pipeline = order.load("auto", order.device, weights=order.weights)

    def restore(self, items: Sequence[Item]) -> Iterator[list[Row]]:
        """Restore pictures; yield rows, some at a time, when they are in the ledger, or when nothing can be written."""
        waiting: list[Row] = []
        noted = time.monotonic()
        with ThreadPoolExecutor(AHEAD, thread_name_prefix="read") as pool:
            for item, content in _read_ahead(pool, self._source, items):
                row = self._row(item, content)
                if row["problem"] == CANNOT_WRITE:
                    yield [row]
                    continue
                waiting.append(row)
                if time.monotonic() - noted > NOTED_EVERY_S:
                    yield self._note(waiting)
                    waiting, noted = [], time.monotonic()
        if waiting:
            yield self._note(waiting)

    def _note(self, rows: list[Row]) -> list[Row]:
        try:
            self._ledger.add(rows)
        except OSError as error:
            return [{**row, "problem": CANNOT_WRITE, "detail": str(error)} for row in rows]
        return rows

    def _row(self, item: Item, reading: Future[bytes]) -> Row:
        began = time.monotonic()
        row = empty_row(item)
        try:
            content = reading.result()
        except OSError as error:
            return row | {"problem": CANNOT_READ, "detail": str(error)}
        row |= {"source_bytes": len(content), "source_sha256": hashlib.sha256(content).hexdigest()}
        if item.problem:
            return row | {"problem": InvalidInput.type, "detail": item.problem, "final": True}
        try:
            restored = self._pipeline.restore(content, Options.from_json(item.options))
        except RestorationError as error:
            is_final = isinstance(error, InvalidInput)
            return row | {"problem": error.type, "detail": str(error), "final": is_final}
        try:
            self._output.write(item.result, restored.encoded)
        except OSError as error:
            return row | {"problem": CANNOT_WRITE, "detail": str(error)}
        report = restored.report
        return row | {
            "result_bytes": len(restored.encoded),
            "result_sha256": hashlib.sha256(restored.encoded).hexdigest(),
            "width": report.width,
            "height": report.height,
            "unchanged": report.unchanged,
            "report": json.dumps(summary(report)),
            "seconds": round(time.monotonic() - began, 3),
            "final": True,
        }


def empty_row(item: Item) -> Row:
    """Return the row of a picture of which nothing is known yet."""
    return {
        "key": item.key,
        "result": item.result,
        "work": item.work,
        "options": item.options,
        "source_bytes": max(0, item.size_bytes),
        "problem": "",
        "detail": "",
        "seconds": 0.0,
        "final": False,
        "at": datetime.now(UTC),
    }


def summary(report: Report) -> dict[str, object]:
    """Return what a ledger keeps of a report: the judgement, which stages worked, and what was lost."""
    judged = report.estimates.get("preprocess")
    found = judged if isinstance(judged, dict) else {}
    return {
        "kind": found.get("kind"),
        "mode": found.get("mode"),
        "ran": [stage for stage, trace in report.trace.items() if trace.outcome == "ran"],
        "dropped": list(report.dropped),
    }


def _read_ahead(
    pool: ThreadPoolExecutor, source: Place, items: Sequence[Item]
) -> Iterator[tuple[Item, Future[bytes]]]:
    """Yield items with their bytes, which are being read for the next `AHEAD` as well."""
    reading: deque[tuple[Item, Future[bytes]]] = deque()
    for item in items:
        reading.append((item, pool.submit(source.read, item.key)))
        if len(reading) > AHEAD:
            yield reading.popleft()
    yield from reading
