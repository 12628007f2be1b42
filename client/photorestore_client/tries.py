"""Tries of a request, within time limits."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass

from photorestore_client.errors import TimedOut
from photorestore_client.messages import Answer, Request
from photorestore_client.refusals import PassingError, error_of
from photorestore_client.retry import Retry
from photorestore_client.steps import ClosedError, Exchange, Pause, Steps


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds.

    Attributes:
        connect_s: for connecting, and for each pause of an upload.
        read_s: for each pause of an answer.
        total_s: for a call as a whole, with all its tries and waits.
    """

    connect_s: float = 5.0
    read_s: float = 150.0
    total_s: float = 600.0

    def __post_init__(self) -> None:
        if min(self.connect_s, self.read_s, self.total_s) <= 0:
            raise ValueError(f"expected limits above 0 s, not {self}")


class Tries:
    """Sends requests of one client, again if need be."""

    def __init__(self, timeouts: Timeouts, retry: Retry) -> None:
        self._timeouts = timeouts
        self._retry = retry
        self._rng = random.SystemRandom()
        self._has_answered = False

    def send(self, request: Request) -> Steps[Answer]:
        """Send a request, again if need be; return its answer, whose status is below 300.

        Raises:
            Problem: the service refuses the request.
            Unreachable: the service does not answer.
            OSError: the body cannot be read.
            ValueError: a header cannot be sent, for example one with a line break.
        """
        began = time.monotonic()
        deadline = began + self._timeouts.total_s
        request_id = request.request_id or uuid.uuid4().hex
        tries = counted = 0
        while True:
            tries += 1
            try:
                return (yield from self._try(request, request_id, deadline))
            except PassingError as passing:
                starts_again = (
                    passing.refused
                    and self._has_answered
                    and time.monotonic() - began < self._retry.restart_s
                )
                counted += passing.counted and not starts_again
                if counted >= self._retry.tries:
                    raise passing.error from passing.__cause__
                wait_s = self._retry.wait_s(tries, self._rng, passing.retry_after_s)
                if time.monotonic() + wait_s >= deadline:
                    raise passing.error from passing.__cause__
                try:
                    yield Pause(wait_s)
                except ClosedError:
                    raise passing.error from passing.__cause__

    def _try(self, request: Request, request_id: str, deadline: float) -> Steps[Answer]:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimedOut("the time for all tries is over", request_id=request_id)
        read_s = max(self._timeouts.read_s, request.read_s)
        answer = yield Exchange(request, request_id, self._timeouts.connect_s, read_s, left_s)
        assert answer is not None
        self._has_answered = True
        if answer.status >= 300:
            raise error_of(answer)
        return answer
