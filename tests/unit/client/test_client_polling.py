"""Waiting for a job without a service."""

from collections.abc import Iterator

import pytest
from photorestore_client import Job, TimedOut
from photorestore_client.polling import wait_for_end


def states(*names: str) -> Iterator[Job]:
    for name in names:
        yield Job(id="7", state=name, progress={}, problem=None, document={})


def test_pauses_grow_and_only_changes_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    jobs, told = states("queued", "queued", "running", "failed"), list[str]()
    ended = wait_for_end(lambda: next(jobs), 60.0, lambda job: told.append(job.state))
    assert ended.state == "failed"
    assert told == ["queued", "running", "failed"]
    assert slept == [0.25, 0.375, 0.5625]


def test_no_pause_goes_beyond_the_time() -> None:
    jobs = states("queued")
    with pytest.raises(TimedOut, match=r"job 7 is queued after 0\.1 s"):
        wait_for_end(lambda: next(jobs), 0.1, None)
