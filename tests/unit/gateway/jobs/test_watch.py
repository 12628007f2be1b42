"""When a running job counts as one that nobody works on."""

from dataclasses import replace

import pytest

from gateway.jobs.records import Record
from gateway.jobs.watch import BEAT, FENCE, Watch
from tests.unit.gateway.jobs.test_store import make_record

RUNNING = make_record(state="running", holder="another", held=100.0, tries=1)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("gateway.jobs.watch.time.monotonic", made)
    return made


def test_a_record_that_stays_as_it_is_is_abandoned_after_a_lease(clock: Clock) -> None:
    watch = Watch(30.0)
    assert watch.abandoned([RUNNING], ()) == []
    clock.now += 29.0
    assert watch.abandoned([RUNNING], ()) == []
    clock.now += 1.0
    assert watch.abandoned([RUNNING], ()) == [RUNNING]


@pytest.mark.parametrize(
    "heard", [replace(RUNNING, held=50.0), replace(RUNNING, tries=2), replace(RUNNING, holder="a third")]
)
def test_whoever_is_heard_of_keeps_the_job_whatever_their_clock_says(clock: Clock, heard: Record) -> None:
    watch = Watch(30.0)
    watch.abandoned([RUNNING], ())
    clock.now += 29.0
    assert watch.abandoned([heard], ()) == []
    clock.now += 29.0
    assert watch.abandoned([heard], ()) == []
    clock.now += 1.0
    assert watch.abandoned([heard], ()) == [heard]


def test_ones_own_jobs_are_never_abandoned_and_those_that_ended_are_forgotten(clock: Clock) -> None:
    watch = Watch(30.0)
    watch.abandoned([RUNNING], ())
    clock.now += 60.0
    assert watch.abandoned([RUNNING], {RUNNING.id}) == []
    assert watch.abandoned([], ()) == []
    assert watch.abandoned([RUNNING], ()) == []


def test_where_nobody_else_can_be_at_work_nobody_is_waited_for(clock: Clock) -> None:
    assert Watch(0.0).abandoned([RUNNING], ()) == [RUNNING]


def test_an_edge_gives_up_before_others_take_over_although_a_word_takes_a_beat() -> None:
    assert FENCE + 2 * BEAT < 1
