"""Which jobs begin before a job, and how long it still takes."""

import asyncio
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import JobsUnavailable
from gateway.jobs import clock, forecast
from gateway.jobs.forecast import UNKNOWN, Forecast, Outlook, Speeds, outlooks
from gateway.jobs.records import Outcome, Record
from gateway.jobs.store import Store
from tests.edge import EdgeClient, FakeTorchServe, running_edge
from tests.jobs import look, submit, wait
from tests.unit.gateway.jobs.test_store import ROOM, WIDE, make_record, opening, store

pytestmark = pytest.mark.anyio
__all__ = ["opening", "store"]  # fixtures


@pytest.fixture
def at_100(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: 100.0)


def sized(pixels: int | None, **options: object) -> Record:
    record = make_record()
    return replace(record, work=replace(record.work, pixels=pixels, options=options))


def took(seconds: float, pixels: int, **options: object) -> Record:
    return replace(sized(pixels, **options), state="succeeded", started=10.0, ended=10.0 + seconds)


def waiting(name: str, owner: str = "", created: float = 0.0, **changes: Any) -> Record:
    return make_record(name, owner=owner, created=created, **changes)


def seen(*args: Any, turns: Mapping[str, int] | None = None, lanes: int = 1) -> dict[str, tuple[Any, Any]]:
    queued, running, speeds = args
    found = outlooks(queued, turns or {}, running, speeds, lanes)
    return {name: (each.ahead, each.seconds_left) for name, each in found.items()}


def test_nothing_measured_tells_nothing() -> None:
    assert Speeds([]).seconds(sized(100).work) is None
    assert Speeds([make_record()]).seconds(sized(100).work) is None


def test_larger_pictures_take_longer() -> None:
    speeds = Speeds([took(3.0, 100), took(5.0, 200), took(9.0, 400)])
    assert speeds.seconds(sized(300).work) == pytest.approx(7.0)
    assert speeds.seconds(sized(1).work) == pytest.approx(3.0)  # none was faster
    assert speeds.seconds(sized(None).work) == pytest.approx(17 / 3)
    same = Speeds([took(2.0, 100), took(4.0, 100)])
    assert same.seconds(sized(1000).work) == pytest.approx(3.0)
    falling = Speeds([took(4.0, 100), took(2.0, 200)])
    assert falling.seconds(sized(1000).work) == pytest.approx(3.0)


def test_equal_options_count_first_and_work_of_minutes_is_apart() -> None:
    speeds = Speeds(
        [took(2.0, 100, scale=1), took(10.0, 100, scale=4), took(300.0, 100, denoise_method="dip")]
    )
    assert speeds.seconds(sized(100, scale=4, format="png").work) == 10.0
    assert speeds.seconds(sized(100, scale=2).work) == 6.0
    assert speeds.seconds(sized(100, upscale_method="dip").work) == 300.0
    blurred = Speeds([took(2.0, 100), took(9.0, 100, psf="gaussian:2")])
    assert [blurred.seconds(sized(100, psf=psf).work) for psf in ("motion:9,3", None)] == [9.0, 2.0]
    assert Speeds([took(2.0, 100)]).seconds(sized(100, denoise_method="dip").work) is None


@pytest.mark.usefixtures("at_100")
def test_jobs_run_one_after_the_other_in_each_lane() -> None:
    speeds = Speeds([took(10.0, 100)])
    running = [waiting("r", state="running", started=96.0)]
    queued = [waiting(name, created=float(number)) for number, name in enumerate("abc")]
    one = {"r": (None, 6), "a": (0, 16), "b": (1, 26), "c": (2, 36)}
    assert seen(reversed(queued), running, speeds) == one
    two = {"r": (None, 6), "a": (0, 10), "b": (1, 16), "c": (2, 20)}
    assert seen(queued, running, speeds, lanes=2) == two


@pytest.mark.usefixtures("at_100")
def test_late_job_is_about_to_end_and_one_that_is_put_off_waits() -> None:
    speeds = Speeds([took(10.0, 100)])
    late = waiting("r", state="running", started=50.0)
    off = waiting("a", due=130.0)
    assert seen([off], [late], speeds) == {"r": (None, 0), "a": (0, 40)}


@pytest.mark.usefixtures("at_100")
def test_behind_what_is_not_known_nothing_is_known() -> None:
    speeds = Speeds([took(10.0, 100)])
    unknown = replace(sized(100, denoise_method="dip"), id="r", state="running", started=99.0)
    queued = [waiting("a")]
    assert seen(queued, [unknown], speeds) == {"r": (None, None), "a": (0, None)}
    assert seen(queued, [unknown], speeds, lanes=2) == {"r": (None, None), "a": (0, 10)}


@pytest.mark.usefixtures("at_100")
def test_of_those_that_take_minutes_one_runs_at_a_time_and_others_overtake() -> None:
    speeds = Speeds([took(10.0, 100), took(300.0, 100, denoise_method="dip")])
    fitted = [
        replace(sized(100, denoise_method="dip"), id=name, created=float(at)) for at, name in enumerate("pq")
    ]
    queued = [*fitted, waiting("a", created=2.0), waiting("b", created=3.0)]
    expected = {"p": (0, 300), "q": (1, 600), "a": (2, 10), "b": (3, 20)}
    assert seen(queued, [], speeds, lanes=2) == expected
    running = replace(fitted[0], state="running", started=90.0)
    assert seen(queued[1:], [running], speeds, lanes=2) == {
        "p": (None, 290),
        "q": (0, 590),
        "a": (1, 10),
        "b": (2, 20),
    }
    found = outlooks(queued, {}, [], speeds, 2, 2)  # two edges
    assert [found[name].seconds_left for name in "pqab"] == [300, 300, 310, 310]


@pytest.mark.usefixtures("at_100")
def test_what_waits_for_a_fit_of_unknown_length_holds_up_nobody() -> None:
    running = replace(sized(100, denoise_method="dip"), id="r", state="running", started=99.0)
    queued = [replace(running, id="p", state="queued"), waiting("a", created=5.0)]
    found = seen(queued, [running], Speeds([took(10.0, 100)]), lanes=2)
    assert found == {"r": (None, None), "p": (0, None), "a": (1, 10)}


def test_place_is_the_one_in_which_the_store_begins_jobs(store: Store) -> None:
    owners = {"a": "ann", "b": "ann", "c": "bob", "d": "ann", "e": "cy", "f": "bob"}
    store.add(make_record("z", owner="bob"), WIDE, 1.0)
    store.begin("z", 2.0)
    for number, (name, owner) in enumerate(owners.items()):
        store.add(make_record(name, owner=owner, created=3.0 + number), WIDE, 1.0)
    found = outlooks(store.queued(), store.turns(), [], Speeds([]), 1)
    told = sorted(owners, key=lambda name: found[name].ahead or 0)
    begun = []
    while (following := store.next_queued(9.0, *ROOM)) is not None:
        store.begin(following.id, 9.0)
        begun.append(following.id)
    assert told == begun == ["a", "e", "c", "b", "f", "d"]


def test_measures_are_the_latest_jobs_that_succeeded(store: Store) -> None:
    for number, name in enumerate("abcd"):
        store.add(make_record(name, created=float(number)), WIDE, 1.0)
        begun = store.begin(name, 10.0)
        assert begun is not None
        if name == "c":
            store.fail(begun, {"type": "internal", "stage": "gateway"}, 12.0, 99.0)
        else:
            store.succeed(begun, Outcome("k", "image/png", 1, {}, name), 12.0, 99.0)
    assert [record.id for record in store.latest(2)] == ["d", "b"]


def test_looks_are_shared_and_a_store_that_fails_tells_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(make_record("a"), WIDE, 1.0)
    told = Forecast(store, 2)
    monkeypatch.setattr(forecast, "FRESH_S", 60.0)
    assert told.of("a") == Outlook(0, None)
    store.add(make_record("b"), WIDE, 1.0)
    assert told.of("b") == UNKNOWN  # not yet
    monkeypatch.setattr(forecast, "FRESH_S", 0.0)
    monkeypatch.setattr(forecast, "SHARE", 1e9)
    told = Forecast(store, 2)
    assert told.of("b") == Outlook(1, None)

    def fail() -> list[Record]:
        raise JobsUnavailable("away")

    monkeypatch.setattr(store, "running", fail)
    assert told.of("b") == UNKNOWN


async def test_caller_is_told_of_the_place_and_of_the_time_that_is_left(
    server: FakeTorchServe, root: Path, folder: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "FRESH_S", 0.0)
    monkeypatch.setattr(forecast, "SHARE", 1e6)
    async with running_edge(server, root, jobs_dir=folder, max_jobs=1) as edge:
        first = await submit(edge)
        assert (first["ahead"] or 0, first["seconds_left"]) == (0, None)  # it may have begun already
        done = await wait(edge, first)
        assert (done["ahead"], done["seconds_left"]) == (None, None)
        server.is_open.clear()
        running = await wait(edge, await submit(edge, seed=1), "running")
        queued = [await submit(edge, seed=2 + number) for number in range(2)]
        assert [job["ahead"] for job in queued] == [0, 1]
        assert all(job["seconds_left"] >= 0 for job in queued)
        assert (await look(edge, running))["seconds_left"] == 0 or running["seconds_left"] is not None
        server.is_open.set()
        for job in queued:
            await wait(edge, job)


async def test_time_that_runs_is_no_event(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.routes.job_views.LOOK_EVERY_S", 0.01)
    left = iter(range(10_000, 0, -1))
    monkeypatch.setattr(Forecast, "of", lambda *_: Outlook(None, next(left)))
    async with running_edge(server, root, jobs_dir=folder) as edge:
        server.is_open.clear()
        job = await wait(edge, await submit(edge), "running")
        events = await follow(edge, server, job)
    told = [json.loads(line.removeprefix("data: ")) for line in events if line.startswith("data")]
    assert all(job["seconds_left"] for job in told[:-1])
    changes = [(job["state"], job["progress"]) for job in told]
    assert all(before != after for before, after in itertools.pairwise(changes))
    assert changes[-1][0] == "succeeded"


async def follow(edge: EdgeClient, server: FakeTorchServe, job: dict[str, Any]) -> list[str]:
    reading = asyncio.create_task(edge.get(f"{job['links']['self']}/events"))
    await asyncio.sleep(0.3)
    server.is_open.set()
    return (await reading).text.splitlines()
