"""Keys that have more waiting, and how long they rest beside those that have not."""

import asyncio
import statistics
from collections import defaultdict

import pytest

from gateway.errors import TooManyRequests
from gateway.restore.admission import Admission, Limits, Place
from gateway.restore.rests import Rests

pytestmark = pytest.mark.anyio

Clock = list[float]


async def pass_time(clock: Clock, seconds: float) -> None:
    clock[0] += seconds
    for _ in range(5):
        await asyncio.sleep(0)


async def rests_at(clock: Clock, rests: Rests, *at_s: float) -> list[int]:
    """How many places of the heavy key rest, so many seconds after the start."""
    found = []
    for second in at_s:
        await pass_time(clock, 1000 + second - clock[0])
        found.append(rests.of("heavy"))
    return found


async def test_a_place_rests_at_most_three_quarters_of_what_its_restoration_took(timers: Clock) -> None:
    ended = list[float]()
    rests = Rests(lambda _: True, lambda: ended.append(timers[0] - 1000))
    rests.begin("heavy", 3)
    rests.begin("heavy", 6)
    assert await rests_at(timers, rests, 2.2, 2.3, 4.4, 4.6) == [2, 1, 1, 0]
    assert ended == pytest.approx([2.3, 4.6])


@pytest.mark.parametrize(
    ("light_took_s", "ends_s"),
    [
        (1.5, 1.3),  # a third of what the light key's took, after its answer
        (0.3, 2.25),  # a third of its own is not over by then
        (6, 2.25),  # three quarters of its own
    ],
)
async def test_an_answer_of_a_light_key_ends_rests(timers: Clock, light_took_s: float, ends_s: float) -> None:
    rests = Rests(lambda _: True, lambda: None)
    rests.begin("heavy", 3)
    await pass_time(timers, 0.8)
    rests.answered("heavy", 0.3)  # its own one changes nothing
    rests.answered("light", light_took_s)
    assert await rests_at(timers, rests, 0.95, ends_s - 0.01, ends_s + 0.01) == [1, 1, 0]


async def test_all_rests_end_where_no_light_key_comes_back(timers: Clock) -> None:
    is_beside = [True]
    rests = Rests(lambda _: is_beside[0], lambda: None)
    rests.answered("light", 0.9)
    rests.begin("heavy", 3)
    is_beside[0] = False
    assert await rests_at(timers, rests, 0.29, 0.31) == [1, 0]


async def test_the_third_counts_from_when_a_light_key_comes_back(timers: Clock) -> None:
    rests = Rests(lambda _: True, lambda: None)
    rests.began("light")  # never awaited
    rests.begin("heavy", 3)
    rests.answered("light", 3)
    await pass_time(timers, 0.4)
    rests.began("light")
    assert await rests_at(timers, rests, 1.35, 1.45) == [1, 0]


async def test_who_has_had_an_answer_is_awaited_for_a_third_of_what_it_took(timers: Clock) -> None:
    rests = Rests(lambda _: True, lambda: None)
    assert not rests.is_awaited("light")
    rests.answered("light", 9)
    rests.answered("light", 3)  # the latest counts
    await pass_time(timers, 0.9)
    assert rests.is_awaited("light")
    await pass_time(timers, 0.2)
    assert not rests.is_awaited("light")


class Keys:
    """Requests of keys, as admission sees them."""

    def __init__(self, clock: Clock, in_turns: int = 1) -> None:
        self.clock, self.admission = clock, Admission(Limits(16, 100, in_turns=in_turns))
        self._tasks: list[asyncio.Task[Place]] = []

    async def ask(self, owner: str) -> asyncio.Task[Place]:
        """Come for a place; the task is done when there is one."""
        task = asyncio.create_task(self._come(owner))
        await pass_time(self.clock, 0)
        self._tasks.append(task)
        return task

    async def _come(self, owner: str) -> Place:
        place = self.admission.enter(1, owner) or await self.admission.wait(1, owner, 1000)
        place.start = self.clock[0]
        return place

    async def end(self, *tasks: asyncio.Task[Place]) -> None:
        for task in tasks:
            self.admission.leave(task.result())
        await pass_time(self.clock, 0)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def test_beside_a_light_key_a_key_that_has_more_waiting_rests(timers: Clock) -> None:
    keys = Keys(timers)
    light, first = await keys.ask("light"), await keys.ask("heavy")
    second = await keys.ask("heavy")
    await pass_time(timers, 3)
    await keys.end(first)
    assert not second.done()
    third = await keys.ask("heavy")
    await pass_time(timers, 0.6)
    await keys.end(light)
    light = await keys.ask("light")
    assert light.done()  # it never rests
    await pass_time(timers, 1.1)
    assert not second.done()
    await pass_time(timers, 0.2)  # a third of the 3.6 s that the light key's took
    assert second.done()
    assert not third.done()
    await keys.end(light, second)
    await pass_time(timers, 2)
    assert third.done()
    await keys.close()


async def test_who_has_just_had_an_answer_counts_as_at_work(timers: Clock) -> None:
    keys = Keys(timers)
    light, first = await keys.ask("light"), await keys.ask("heavy")
    second = await keys.ask("heavy")
    await pass_time(timers, 3)
    await keys.end(light, first)
    await pass_time(timers, 0.9)
    assert not second.done()
    await pass_time(timers, 0.2)
    assert second.done()  # it did not come back
    third = await keys.ask("heavy")
    await keys.end(second)
    assert third.done()
    await keys.close()


async def test_two_keys_that_have_more_waiting_do_not_rest(timers: Clock) -> None:
    keys = Keys(timers)
    tasks = [await keys.ask(owner) for owner in ("a", "b", "a", "b")]
    await pass_time(timers, 3)
    await keys.end(*tasks[:2])
    assert all(task.done() for task in tasks)
    await keys.close()


async def test_only_what_would_be_at_work_again_rests(timers: Clock) -> None:
    keys = Keys(timers)
    alone = [await keys.ask("heavy") for _ in range(3)]
    await keys.ask("light")
    last = await keys.ask("heavy")
    await pass_time(timers, 3)
    await keys.end(*alone[:2])  # it still has one at work, as it may
    await pass_time(timers, 3)
    await keys.end(alone[2])
    await pass_time(timers, 4.4)
    assert not last.done()
    await pass_time(timers, 0.2)
    assert last.done()
    await keys.close()


async def test_each_place_rests_by_itself(timers: Clock) -> None:
    keys = Keys(timers, in_turns=2)
    await keys.ask("light")
    first, second, third, fourth = [await keys.ask("heavy") for _ in range(4)]
    await pass_time(timers, 3)
    await keys.end(first)
    await pass_time(timers, 1.5)
    await keys.end(second)
    await pass_time(timers, 0.8)
    assert (third.done(), fourth.done()) == (True, False)
    await pass_time(timers, 2.7)
    assert fourth.done()
    await keys.close()


class Machine:
    """Callers whose restorations share a machine: of so many at work each has so much less of it.

    Attributes:
        took: seconds of each restoration, by key.
    """

    STEP_S = 0.01
    START_S = 5.0
    """Until both keys are known to ask."""
    ASKS_AGAIN_S = 0.03
    """What a caller takes to ask again."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.admission = clock, Admission(Limits(16, 1000, in_turns=1))
        self.took = defaultdict[str, list[float]](list)
        self._left_s: dict[asyncio.Future[None], float] = {}

    async def ask(self, owner: str, work_s: float) -> None:
        """Restore one picture after the other."""
        while True:
            began = self.clock[0]
            try:
                place = self.admission.enter(1, owner) or await self.admission.wait(1, owner, 1000)
            except TooManyRequests:
                await asyncio.sleep(1)
                continue
            place.start = self.clock[0]
            ended = asyncio.get_running_loop().create_future()
            self._left_s[ended] = work_s
            await ended
            self.admission.leave(place)
            if self.clock[0] > 1000 + self.START_S:
                self.took[owner].append(self.clock[0] - began)
            await asyncio.sleep(self.ASKS_AGAIN_S)

    async def run(self, seconds: float, *callers: tuple[str, float]) -> None:
        """Let callers ask, named by key and seconds of work, for so long after both keys are known to ask."""
        tasks = [asyncio.create_task(self.ask(*caller)) for caller in callers]
        while self.clock[0] < 1000 + self.START_S + seconds:
            await pass_time(self.clock, self.STEP_S)
            for ended in self._left_s:
                self._left_s[ended] -= self.STEP_S / len(self._left_s)
            for ended in [each for each, left_s in self._left_s.items() if left_s <= 0]:
                del self._left_s[ended]
                ended.set_result(None)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(("heavy_s", "times"), [(0.1, 1.7), (0.3, 1.7), (0.5, 2.0), (2.0, 2.1)])
async def test_beside_a_key_with_a_queue_another_takes_less_than_twice_as_long(
    timers: Clock, heavy_s: float, times: float
) -> None:
    machine = Machine(timers)
    await machine.run(60, ("light", 0.3), *[("heavy", heavy_s)] * 12)
    took = sorted(machine.took["light"])
    assert took[len(took) * 95 // 100] < times * 0.3
    assert statistics.mean(took) < 1.65 * 0.3
    assert (
        0.28 < len(machine.took["heavy"]) * heavy_s / 60 < 0.40
    )  # of the machine, which it has all of alone


async def test_two_keys_with_a_queue_share_equally(timers: Clock) -> None:
    machine = Machine(timers)
    await machine.run(60, *[("a", 0.3)] * 12, *[("b", 0.3)] * 3)
    shares = [len(machine.took[owner]) * 0.3 / 60 for owner in ("a", "b")]
    assert shares == pytest.approx([0.5, 0.5], abs=0.03)


async def test_a_key_alone_has_the_whole_machine(timers: Clock) -> None:
    machine = Machine(timers)
    await machine.run(60, *[("a", 0.3)] * 12)
    assert len(machine.took["a"]) * 0.3 / 60 == pytest.approx(1, abs=0.07)
