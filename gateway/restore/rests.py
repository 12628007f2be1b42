"""Keys that have more waiting give way to those that have not.

Two keys that share the machine equally take twice as long as alone. Who has a queue loses nothing else by it; who asks
for one picture after the other, a *light* key, waits so much longer for each. So where a restoration of a key ends that
has more waiting, while a light one is at work, its place rests: until the light one's restoration has ended, and its
next one has had a third of the time that this took.

Where pictures take equally long, what begins then meets the second half of one of the light key's restorations, and the
first half of the next. Each of them takes one and a half times its time alone, and the other key has a third of the
machine. If they began together, every second one would take twice its time.

A rest lasts a third to three quarters of the time that the place's own restoration took: so the other key has about a
third of the machine beside smaller and larger pictures as well. Where no light key comes back, all rests end.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from gateway.restore.owners import Owner

LEAST, MOST = 1 / 3, 3 / 4
"""How long a place rests, as parts of the time that its restoration took."""
NEXT = 1 / 3
"""How much a light key's next restoration has had when rests end, as a part of the time that its last one took."""


class Rests:
    """Places that rest, by owner.

    Args:
        is_beside_light: whether a light key is at work beside an owner.
        on_end: called when rests may have ended.
    """

    def __init__(self, is_beside_light: Callable[[Owner], bool], on_end: Callable[[], None]) -> None:
        self._is_beside_light, self._on_end = is_beside_light, on_end
        self._earliest: defaultdict[Owner, list[float]] = defaultdict(list)  # ends, by the loop's clock
        self._awaited: dict[Owner, tuple[float, asyncio.TimerHandle]] = {}

    def of(self, owner: Owner) -> int:
        """Return how many places of an owner rest."""
        return len(self._earliest.get(owner, ()))

    def is_awaited(self, light: Owner) -> bool:
        """Return whether a light key is likely to ask again, for it has just had an answer."""
        return light in self._awaited

    def begin(self, owner: Owner, took_s: float) -> None:
        """Let a place rest whose restoration took so long."""
        loop = asyncio.get_running_loop()
        earliest = loop.time() + LEAST * took_s
        self._earliest[owner].append(earliest)
        loop.call_later(MOST * took_s, self._end, owner, earliest)

    def answered(self, light: Owner, took_s: float) -> None:
        """Await the next restoration of a light key, whose last one took so long, and has ended."""
        self._await(light, NEXT * took_s)

    def began(self, light: Owner) -> None:
        """Count from now, if a light key was awaited: how long its caller takes to ask again is no part of its next."""
        if light in self._awaited:
            self._await(light, self._awaited[light][0])

    def _await(self, light: Owner, seconds: float) -> None:
        if light in self._awaited:
            self._awaited[light][1].cancel()
        later = asyncio.get_running_loop().call_later
        self._awaited[light] = (seconds, later(seconds, self._end_others, light))

    def _end_others(self, light: Owner) -> None:
        del self._awaited[light]
        now = asyncio.get_running_loop().time()
        for owner, earliest in self._earliest.items():
            if owner != light:
                goes_on = self._is_beside_light(owner)
                earliest[:] = [time for time in earliest if time > now and goes_on]
        self._on_end()

    def _end(self, owner: Owner, earliest: float) -> None:
        if earliest in self._earliest[owner]:
            self._earliest[owner].remove(earliest)
            self._on_end()
