"""The log: one line for each record, whatever callers put into what is logged."""

from __future__ import annotations

import logging
from types import TracebackType

from photorestore.errors import printable

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
BEHIND = "    | "
"""Before each further line of a record, which are those of a traceback: none of them looks like a record."""


class Formatter(logging.Formatter):
    """Escapes line ends and control characters in what is logged."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's text, and its traceback, which another formatter may have left there."""
        record.exc_text = None
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Called by `format`."""
        return printable(super().formatMessage(record))

    def formatException(  # noqa: N802 - logging's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """Called by `format`."""
        return _behind(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        """Called by `format`."""
        return _behind(super().formatStack(stack_info))


def log_to_stderr() -> None:
    """Set up the log of a program."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter(FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request


def _behind(text: str) -> str:
    return "\n".join(BEHIND + printable(line) for line in text.split("\n"))
