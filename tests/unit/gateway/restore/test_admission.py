"""Places for restorations, and who has the next one."""

import asyncio

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
