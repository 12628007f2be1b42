"""What calls do, step by step, and not how: one code for callers that block and for callers that await.

A call is a generator. It yields a step, gets what came of it, and returns the call's result. `connections` runs calls.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from photorestore_client.messages import Answer, Request

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One try of a request.

    Its `Answer` is sent back, whatever its status; or one of these is thrown: `PassingError` if there was none,
    `TimedOut` if it took too long, `OSError` if the body cannot be read, `ValueError` if a header cannot be sent.

    Attributes:
        request_id: sent with it.
        connect_s: limit for connecting, and for each pause of the upload.
        read_s: limit for each pause of the answer.
        left_s: limit for the whole.
    """

    request: Request
    request_id: str
    connect_s: float
    read_s: float
    left_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait of some seconds. `ClosedError` is thrown if the client is closed meanwhile."""

    seconds: float


class ClosedError(Exception):
    """The client was closed while a call waited."""


Steps: TypeAlias = Generator[Exchange | Pause, Answer | None, T]
"""A call whose result is a T."""
