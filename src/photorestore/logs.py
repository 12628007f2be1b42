"""Write log records as JSON, one object a line: for the edge, the workers and the supervisor. No torch here.

A line has `time` (UTC), `level`, `logger` and `message`, what the record's `fields` add, and the `exception` with its
traceback. All but ASCII is escaped, so nothing that callers send can begin a line of its own.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TextIO

Fields = Mapping[str, object]
OURS = "photorestore"
"""The logger above all of this package."""


def about(**fields: object) -> dict[str, Fields]:
    """Return the `extra` of a logging call, which adds fields to its line; those that are empty are left out."""
    return {"fields": {name: value for name, value in fields.items() if value not in (None, "", {})}}


class JsonFormatter(logging.Formatter):
    """Formats each record as a JSON object on one line.

    Args:
        common: returns fields that every line has at that moment; a record's own come after them.
    """

    def __init__(self, common: Callable[[], Fields] = dict) -> None:
        super().__init__()
        self._common = common

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, without its end."""
        moment = datetime.fromtimestamp(record.created, UTC)
        document: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._common(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str)


def trace_id_of(traceparent: str) -> str:
    """Return the trace's id in a well-formed `traceparent` (W3C Trace Context); empty for an empty one."""
    return traceparent[3:35]


def log_as_json(stream: TextIO, common: Callable[[], Fields] = dict) -> None:
    """Send the program's log to a stream, as JSON."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(common))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class _OursAsJson(logging.Formatter):
    """Formats our own records as JSON, and all others as before: TorchServe reads its metrics from lines of theirs."""

    def __init__(self, before: logging.Formatter, common: Callable[[], Fields]) -> None:
        super().__init__()
        self._before = before
        self._json = JsonFormatter(common)

    def format(self, record: logging.LogRecord) -> str:
        is_ours = record.name.partition(".")[0] == OURS
        return (self._json if is_ours else self._before).format(record)


def format_ours_as_json(common: Callable[[], Fields] = dict) -> None:
    """Let what this package logs to standard output be JSON, in a worker, whose log TorchServe has set up."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setFormatter(_OursAsJson(handler.formatter or logging.Formatter(), common))
