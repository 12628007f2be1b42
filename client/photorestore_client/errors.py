"""What can go wrong, in one tree.

RestoreError
├── Unreachable           the service did not answer, or not in its language; try again
└── Problem               the service says why it did not restore the picture
    ├── BadOption             an option is unknown, or what it asks for cannot be had
    ├── BadPicture            not a picture of an accepted type, broken, or too large
    ├── TooLate               the time allowed by `timeout_s` is over
    ├── Busy                  no room for this picture now; try again
    └── Failed                the service's own fault
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class RestoreError(Exception):
    """Base of all errors of this package."""


class Unreachable(RestoreError):
    """The service did not answer, or not in its language."""


class Problem(RestoreError):
    """A problem document of the service (RFC 9457).

    Attributes:
        type: stable name, for example `truncated-image`.
        status: HTTP status that says the same.
        detail: what was expected and what was got.
        stage: where it was found.
        request_id: under which the service's log has it.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.type = str(document.get("type", "")).rsplit(":", 1)[-1]
        self.status = int(document.get("status", 500))
        self.detail = str(document.get("detail", ""))
        self.stage = str(document.get("stage", ""))
        self.request_id = str(document.get("request_id", ""))
        super().__init__(f"{self.type}: {self.detail}")


class BadOption(Problem):
    """An option is unknown, or what it asks for cannot be had."""


class BadPicture(Problem):
    """Not a picture of an accepted type, broken, or too large."""


class TooLate(Problem):
    """The time allowed by `timeout_s` is over."""


class Busy(Problem):
    """No room for this picture now; try again."""


class Failed(Problem):
    """The service's own fault."""


_BY_STATUS: dict[int, type[Problem]] = {
    400: BadOption,
    406: BadOption,
    413: BadPicture,
    415: BadPicture,
    422: BadPicture,
    429: Busy,
    503: Busy,
    504: TooLate,
}


def problem(document: Mapping[str, Any]) -> Problem:
    """The exception that a problem document stands for."""
    status = document.get("status", 500)
    return _BY_STATUS.get(status, Failed)(document)
