"""The log as it would be written, read back."""

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

from gateway.telemetry.logs import fields_of_subject, keep_libraries_quiet
from photorestore.logs import JsonFormatter


class Lines(list[dict[str, Any]]):
    """The log's lines; complete when the block has ended.

    Attributes:
        text: of all lines.
    """

    text = ""


@contextlib.contextmanager
def logged() -> Iterator[Lines]:
    """Everything that is logged within the block."""
    stream, lines, root = io.StringIO(), Lines(), logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(fields_of_subject))
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    keep_libraries_quiet()
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        lines.text = stream.getvalue()
        lines += map(json.loads, lines.text.splitlines())
