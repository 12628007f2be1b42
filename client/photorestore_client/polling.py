"""Waits for a job by asking for it again and again, with growing pauses."""

from __future__ import annotations

import time
from collections.abc import Callable

from photorestore_client.errors import TimedOut
from photorestore_client.results import Job
from photorestore_client.steps import ClosedError, Pause, Steps

FIRST_POLL_S = 0.25
LONGEST_POLL_S = 5.0


def wait_for_end(
    look: Callable[[], Steps[Job]], timeout_s: float, on_change: Callable[[Job], None] | None
) -> Steps[Job]:
    """Return the job once it has ended.

    Args:
        look: returns the present state of the job.
        timeout_s: how long to wait.
        on_change: called with the job each time that it has changed.

    Raises:
        TimedOut: the job has not ended in time, or the client was closed.
    """
    deadline, poll_s = time.monotonic() + timeout_s, FIRST_POLL_S
    last: Job | None = None
    while True:
        now = yield from look()
        if on_change is not None and now != last:
            on_change(now)
        if now.ended:
            return now
        late = TimedOut(f"job {now.id} is {now.state} after {timeout_s:g} s", request_id=now.request_id)
        if time.monotonic() + poll_s > deadline:
            raise late
        try:
            yield Pause(poll_s)
        except ClosedError:
            raise late from None
        last, poll_s = now, min(1.5 * poll_s, LONGEST_POLL_S)
