"""Places for restorations, and who has the next one."""

import asyncio
import contextlib
from collections import deque

import pytest

from gateway.errors import TooManyRequests
from gateway.restore.admission import Admission, Limits, Place
from photorestore.errors import DeadlineExceeded
from tests.edge import until

pytestmark = pytest.mark.anyio


def filled(owner: str | None, count: int = 4, pixels: int = 100) -> tuple[Admission, list[Place]]:
    admission = Admission(Limits(4, pixels))
    places = [admission.enter(1, owner) for _ in range(count)]
    return admission, [place for place in places if place is not None]


async def waiting(admission: Admission, *turns: tuple[str, int]) -> list[asyncio.Task[Place]]:
    """Who waits for places, in this order."""
    tasks = []
    for owner, pixels in turns:
        assert admission.enter(pixels, owner) is None
        tasks.append(asyncio.create_task(admission.wait(pixels, owner, 20)))
        await until(lambda: len(admission.waiting) == len(tasks))
    return tasks


@pytest.mark.parametrize("owner", ["", "a"])
def test_an_owner_alone_has_all_places(owner: str) -> None:
    admission, places = filled(owner)
    assert len(places) == 4
    with pytest.raises(TooManyRequests, match="4 restorations are in flight"):
        admission.enter(1, owner)


async def test_who_has_least_goes_first() -> None:
    admission, places = filled("a")
    tasks = await waiting(admission, ("b", 1), ("b", 2), ("c", 1))
    for _ in range(3):
        admission.leave(places.pop())
    owners = [(await task).owner for task in tasks]
    assert owners == ["b", "b", "c"]
    assert [place.pixels for place in (tasks[0].result(), tasks[1].result())] == [1, 2]
    admission, places = filled("a")
    first, second, other = await waiting(admission, ("b", 1), ("b", 1), ("c", 1))
    admission.leave(places.pop())
    await first
    admission.leave(places.pop())
    await other
    assert not second.done()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert (admission.waiting, admission.requests.total) == ([], 4)


async def test_who_has_as_much_as_others_does_not_wait() -> None:
    admission, places = filled("a", 2)
    admission.enter(1, "b")
    admission.enter(1, "b")
    with pytest.raises(TooManyRequests):
        admission.enter(1, "b")
    (task,) = await waiting(admission, ("c", 1))
    admission.leave(places.pop())
    assert (await task).owner == "c"


async def test_a_large_picture_is_not_passed_over() -> None:
    admission, places = filled("a", pixels=10)
    large, small = await waiting(admission, ("b", 9), ("c", 1))
    admission.leave(places.pop())
    await asyncio.sleep(0)
    assert not large.done()
    assert not small.done()
    admission.leave(places.pop())
    admission.leave(places.pop())
    assert (await large).pixels == 9
    admission.leave(places.pop())
    assert (await small).pixels == 1


def test_jobs_have_a_queue_of_their_own() -> None:
    admission, _ = filled("a")
    assert not admission.has_room(1)
    with pytest.raises(TooManyRequests):
        admission.enter(1, None)


async def test_jobs_go_behind_who_waits() -> None:
    admission, places = filled(None, pixels=10)
    (task,) = await waiting(admission, ("a", 9))
    admission.leave(places.pop())
    assert not admission.has_room(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert admission.has_room(1)


async def test_a_place_that_comes_when_nobody_waits_any_more_is_given_back() -> None:
    admission, places = filled("a")
    (task,) = await waiting(admission, ("b", 1))
    admission.leave(places.pop())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (admission.requests.total, admission.requests.of("b")) == (3, 0)
    admission.enter(1, "a")
    with pytest.raises(DeadlineExceeded):
        await admission.wait(1, "b", 0)
    assert admission.waiting == []


def test_a_key_has_no_more_places_than_one_may_and_the_others_find_some_free() -> None:
    admission = Admission(Limits(4, 100, of_key=2))
    assert all(admission.enter(1, "a") for _ in range(2))
    with pytest.raises(TooManyRequests, match="2 restorations of this API key") as caught:
        admission.enter(1, "a")
    assert (caught.value.reason, caught.value.retry_after_s) == ("key", 1)
    assert all(admission.enter(1, owner) for owner in ("b", "b"))


@pytest.mark.parametrize("owner", ["", None])
def test_callers_without_a_key_and_jobs_have_no_limit_of_their_own(owner: str | None) -> None:
    admission = Admission(Limits(4, 100, of_key=1))
    assert all(admission.enter(1, owner) for _ in range(4))


async def test_places_that_a_key_waits_for_count_among_its_own() -> None:
    admission = Admission(Limits(4, 100, of_key=3))
    places = [admission.enter(1, owner) for owner in ("a", "a", "a", "b")]
    (task,) = await waiting(admission, ("b", 1))
    assert None not in places
    admission.limits = Limits(4, 100, of_key=2)
    with pytest.raises(TooManyRequests, match="2 restorations of this API key"):
        admission.enter(1, "b")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_while_several_keys_ask_each_has_one_at_work_and_waits_within_its_share_of_the_places() -> None:
    admission = Admission(Limits(6, 100, in_turns=1))
    first, second = (admission.enter(1, "a") for _ in range(2))
    others = admission.enter(1, "b")  # finds a place at once
    assert first
    assert second
    assert others
    a, b, last = await waiting(admission, ("a", 1), ("b", 1), ("b", 1))
    for owner in ("a", "b"):
        with pytest.raises(TooManyRequests, match=r"3 restorations .* while 2 keys ask") as caught:
            admission.enter(1, owner)
        assert caught.value.reason == "key"
    assert admission.has_room(1)  # those wait for their turn, which holds up no job
    admission.leave(first)
    await asyncio.sleep(0)
    assert not a.done()
    admission.leave(second)
    assert (await a).owner == "a"
    assert not b.done()
    admission.leave(others)
    admission.leave(await b)
    assert (await last).owner == "b"


async def test_a_key_has_more_at_work_the_longer_the_others_are_silent(clock: list[float]) -> None:
    admission = Admission(Limits(16, 100, in_turns=1))
    others = admission.enter(1, "b")
    assert admission.enter(1, "a")
    clock[0] += 120
    assert admission.enter(1, "a") is None  # the other one has had something at work all the while
    assert others is not None
    admission.leave(others)
    for seconds, most in ((29, 1), (1, 2), (30, 3), (240, 8)):
        clock[0] += seconds
        while admission.requests.of("a") < most:
            assert admission.enter(1, "a")
        if most < 8:
            assert admission.enter(1, "a") is None
    with pytest.raises(TooManyRequests, match=r"8 restorations .* while 2 keys ask"):
        admission.enter(1, "a")  # its share of the places
    clock[0] += 301
    assert all(admission.enter(1, "a") for _ in range(8))  # alone


async def test_who_comes_back_ends_the_others_liberty(clock: list[float]) -> None:
    admission = Admission(Limits(16, 100, in_turns=1))
    first = admission.enter(1, "b")
    assert first is not None
    admission.leave(first)
    clock[0] += 30
    places = [admission.enter(1, "a") for _ in range(2)]
    assert all(places)
    assert admission.enter(1, "b")
    assert places[0] is not None
    admission.leave(places[0])
    assert admission.enter(1, "a") is None


async def test_all_jobs_together_take_turns_as_one_key_does() -> None:
    admission = Admission(Limits(6, 100, in_turns=2))
    jobs = [admission.enter(1, None) for _ in range(3)]
    assert admission.has_room(1)
    assert admission.enter(1, "a")
    assert not admission.has_room(1)
    with pytest.raises(TooManyRequests, match="due first"):  # they have their own queue
        admission.enter(1, None)
    for job in jobs[:2]:
        assert job is not None
        admission.leave(job)
    assert admission.has_room(1)


def test_callers_without_a_key_are_alone() -> None:
    admission = Admission(Limits(4, 100, in_turns=1))
    assert all(admission.enter(1, "") for _ in range(4))


def test_a_limit_of_a_key_that_is_below_its_share_stands() -> None:
    admission = Admission(Limits(16, 100, of_key=1, in_turns=1))
    assert all(admission.enter(1, owner) for owner in ("b", "a"))
    with pytest.raises(TooManyRequests, match=r"which is its limit$"):
        admission.enter(1, "b")


class OneByOne:
    """A backend that restores one picture after the other, each in a second."""

    def __init__(self, clock: list[float], admission: Admission) -> None:
        self.clock, self.admission, self.ended = clock, admission, list[Place]()
        self._queue: deque[tuple[Place, asyncio.Future[None]]] = deque()

    async def restore(self, owner: str) -> None:
        place = self.admission.enter(1, owner) or await self.admission.wait(1, owner, 1000)
        place.start = self.clock[0]
        ended = asyncio.get_running_loop().create_future()
        self._queue.append((place, ended))
        await ended

    async def work(self) -> None:
        while True:
            for _ in range(10):
                self.clock[0] += 0.1
                for _ in range(5):
                    await asyncio.sleep(0)
            if self._queue:
                place, ended = self._queue.popleft()
                self.ended.append(place)
                self.admission.leave(place)
                ended.set_result(None)

    async def be_greedy(self) -> None:
        while True:
            with contextlib.suppress(TooManyRequests):
                await self.restore("greedy")
            await asyncio.sleep(0)


@pytest.mark.parametrize(("in_turns", "most"), [(1, 2), (2, 2), (None, 17)])
async def test_beside_a_key_that_sends_very_many_another_waits_for_what_that_has_at_work(
    timers: list[float], in_turns: int | None, most: int
) -> None:
    backend = OneByOne(timers, Admission(Limits(16, 1000, in_turns=in_turns)))
    greedy = [backend.be_greedy() for _ in range(20)]
    tasks = [asyncio.create_task(each) for each in (*greedy, backend.work())]
    await until(lambda: backend.ended)
    took = []
    for _ in range(18):
        came = len(backend.ended)
        await backend.restore("modest")
        took.append(len(backend.ended) - came)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert max(took[1:]) == most  # in restorations; the first one meets what was begun when nobody else asked
    assert sum(place.owner == "greedy" for place in backend.ended[-9:]) >= 3
