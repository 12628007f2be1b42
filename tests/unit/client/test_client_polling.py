"""Waiting for a job without a service."""

from collections.abc import Callable

import pytest
from photorestore_client import Job, TimedOut
from photorestore_client.polling import wait_for_end
from photorestore_client.steps import Pause, Steps


def states(*names: str) -> Callable[[], Steps[Job]]:
    """Looks at a job that goes through these states."""
    waiting = iter(names)

    def look() -> Steps[Job]:
        yield from ()
        return Job(id="7", state=next(waiting), progress={}, problem=None, document={})

    return look


def test_pauses_grow_and_only_changes_are_told() -> None:
    told = list[str]()
    waiting = wait_for_end(
        states("queued", "queued", "running", "failed"), 60.0, lambda job: told.append(job.state)
    )
    pauses = [step.seconds for step in waiting if isinstance(step, Pause)]
    assert told == ["queued", "running", "failed"]
    assert pauses == [0.25, 0.375, 0.5625]


def test_no_pause_goes_beyond_the_time() -> None:
    with pytest.raises(TimedOut, match=r"job 7 is queued after 0\.1 s"):
        next(wait_for_end(states("queued"), 0.1, None))
