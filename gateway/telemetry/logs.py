"""The log: one line for each record, even if callers put line ends into what is logged."""

from __future__ import annotations

import logging
from types import TracebackType

from photorestore.errors import printable

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
BEHIND = "    | "
"""Put before each line of a traceback, so that none of them can pass for a record."""


class Formatter(logging.Formatter):
    """Escapes line ends and control characters in what is logged."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text with its traceback, formatted anew even if another formatter has cached one."""
        record.exc_text = None
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the record's line with control characters escaped; called by `format`."""
        return printable(super().formatMessage(record))

    def formatException(  # noqa: N802 - logging's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """Return the traceback, each line marked; called by `format`."""
        return _behind(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        """Return the stack, each line marked; called by `format`."""
        return _behind(super().formatStack(stack_info))


def log_to_stderr() -> None:
    """Send the program's log to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter(FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request


def _behind(text: str) -> str:
    return "\n".join(BEHIND + printable(line) for line in text.split("\n"))
