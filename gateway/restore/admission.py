"""How many restorations are let in at a time, by number and pixels.

Owners, which are API keys, share the places fairly. A restoration that finds no place waits if another owner holds more
places than its own, and gets the next one that is given back. So one owner alone may have all places, and none keeps
the others out.

Restorations at work make each other slower, though. So while other keys ask, a key has few at work, and as many more
for each half minute in which no other has asked: whoever comes finds a place at once, and little beside. A key that has
more waiting gives way to those that have not (`rests.py`). Each key has its share of the places, in which its others
wait; what it asks beyond that is refused. Jobs are as one key. See ADR 39.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.errors import Excess, TooManyRequests
from gateway.restore.asking import Asking
from gateway.restore.owners import Held, Owner
from gateway.restore.rests import Rests
from photorestore.errors import DeadlineExceeded

SMOOTHING = 0.2
"""Weight of the latest restoration in the mean duration."""
RETRY_S = (1.0, 30.0)
"""Shortest and longest `Retry-After`."""
SILENT_S = 30.0
"""For each so many seconds in which no other key asks, an owner may have `Limits.in_turns` more at work."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many restorations and pixels may be in flight.

    Attributes:
        of_key: restorations of one API key; None for as many as of all.
        in_turns: restorations of one API key at work while others ask, and jobs while one does; None for as many as of
            all.
    """

    requests: int
    pixels: int
    of_key: int | None = None
    in_turns: int | None = None


@dataclass(eq=False, slots=True)
class Place:
    """The place that an admitted restoration holds.

    Attributes:
        start: when it was taken, by the monotonic clock.
    """

    pixels: int
    owner: Owner
    start: float = field(default_factory=time.monotonic)


@dataclass(eq=False, slots=True)
class Waiter:
    """A restoration that waits for a place."""

    pixels: int
    owner: Owner
    place: asyncio.Future[Place]


class Admission:
    """Counts the restorations in flight, and refuses those beyond the limits.

    Attributes:
        requests, pixels: of the restorations in flight, by owner.
        waiting: restorations that wait for a place, oldest first.
        on_freed: called when a restoration has given its place back.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests, self.pixels = Held(), Held()
        self.waiting: list[Waiter] = []
        self.on_freed: Callable[[], None] = lambda: None
        self._mean_s = 1.0
        self._asking, self._rests = Asking(), Rests(self._is_beside_light, self._grant)
        self._queued = set[Owner]()  # had more waiting when a restoration of theirs ended
        self._turns, self._turn_of = 0, dict[Owner, int]()

    @property
    def retry_after_s(self) -> float:
        """Return the seconds after which a new try is worth while: about what restorations have taken of late."""
        shortest, longest = RETRY_S
        return min(max(self._mean_s, shortest), longest)

    def has_room(self, pixels: int) -> bool:
        """Return whether a job of so many pixels would be admitted now."""
        return self._is_in_turn(None) and not self._in_turn() and self._lacks(pixels) is None

    def enter(self, pixels: int, owner: Owner) -> Place | None:
        """Return a place for a restoration, or None if there is none and it may wait for one.

        A picture larger than the limit of pixels is admitted if nothing else is in flight.

        Raises:
            TooManyRequests: there is no place, and this restoration may not wait for one.
        """
        self._check_key(owner)
        self._grant()  # some may have got their turn because another key asks no more
        in_turn, lack, ahead = self._is_in_turn(owner), self._lacks(pixels), self._in_turn()
        if in_turn and lack is None and not ahead:
            return self._take(pixels, owner)
        if (owner and not in_turn) or self._may_wait(owner):
            return None
        reason, text = lack or ("requests", f"{len(ahead)} restorations of others wait, or are due first")
        raise TooManyRequests(reason, text, self.retry_after_s)

    async def wait(self, pixels: int, owner: Owner, seconds: float) -> Place:
        """Wait for a place. The owner who holds least, and whose latest turn is longest ago, goes first.

        Each owner's requests go in their order.

        Raises:
            DeadlineExceeded: no place was free within so many seconds.
        """
        waiter = Waiter(pixels, owner, asyncio.get_running_loop().create_future())
        self.waiting.append(waiter)
        try:
            async with asyncio.timeout(seconds):
                return await waiter.place
        except BaseException as error:
            self._step_back(waiter)
            if isinstance(error, TimeoutError):
                raise DeadlineExceeded("no place was free within the request's time") from None
            raise

    def leave(self, place: Place) -> None:
        """Give a place back."""
        self._asking.note(place.owner)  # whoever has an answer may be about to ask again
        self.requests.add(place.owner, -1)
        self.pixels.add(place.owner, -place.pixels)
        took_s = time.monotonic() - place.start
        self._mean_s += SMOOTHING * (took_s - self._mean_s)
        self._give_way(place.owner, took_s)
        self._grant()
        self.on_freed()

    def _check_key(self, owner: Owner) -> None:
        """Refuse an API key that has as many places as one may have, those counted that it waits for."""
        if not owner:
            return
        self._asking.note(owner)
        keys, of_all = len(self._asking.others(owner)) + 1, self.limits.requests
        most, when = self.limits.of_key, ""
        if keys > 1 and self.limits.in_turns is not None:
            share = max(of_all // keys, 1)
            if most is None or share < most:
                most, when = share, f" while {keys} keys ask"
        if most is not None and self.requests.of(owner) + self._waiting(owner) >= most:
            text = f"{most} restorations of this API key are in flight, which is its limit{when}"
            raise TooManyRequests("key", text, self.retry_after_s)

    def _give_way(self, owner: Owner, took_s: float) -> None:
        """Let the place of a restoration that has ended rest, if its owner has more waiting and another key has not."""
        if self._waiting(owner):
            self._queued.add(owner)
            if self._is_in_turn(owner) and self._is_beside_light(owner):
                self._rests.begin(owner, took_s)
            return
        self._queued.discard(owner)
        if owner and self._asking.others(owner):
            self._rests.answered(owner, took_s)

    def _is_beside_light(self, owner: Owner) -> bool:
        """Return whether another key is at work, or about to be, and has no more waiting."""
        return any(
            (self.requests.of(other) or self._rests.is_awaited(other))
            and not (self._waiting(other) or other in self._queued)
            for other in self._asking.others(owner)
        )

    def _is_in_turn(self, owner: Owner) -> bool:
        """Return whether an owner may have one more at work, as far as turns are concerned."""
        if self.limits.in_turns is None or not self._asking.others(owner):
            return True
        busy = {*self.requests.owners(), *(waiter.owner for waiter in self.waiting)}
        most = self.limits.in_turns * (1 + self._asking.silent_s(owner, busy) // SILENT_S)
        return self.requests.of(owner) + self._rests.of(owner) < most

    def _in_turn(self) -> list[Waiter]:
        """Return those who wait for nothing but room."""
        return [
            waiter for waiter in self.waiting if not waiter.place.done() and self._is_in_turn(waiter.owner)
        ]

    def _waiting(self, owner: Owner) -> int:
        return sum(waiter.owner == owner for waiter in self.waiting)

    def _lacks(self, pixels: int) -> tuple[Excess, str] | None:
        """Return why a restoration would not be admitted, as reason and text; None if it would."""
        limits, requests = self.limits, self.requests.total
        if requests >= limits.requests:
            return "requests", f"{requests} restorations are in flight; the limit is {limits.requests}"
        if requests and self.pixels.total + pixels > limits.pixels:
            in_flight, most = self.pixels.total / 1e6, limits.pixels / 1e6
            return "pixels", f"{in_flight:.1f} megapixels are in flight; the limit is {most:g}"
        return None

    def _take(self, pixels: int, owner: Owner) -> Place:
        self.requests.add(owner, 1)
        self.pixels.add(owner, pixels)
        self._turns += 1
        self._turn_of[owner] = self._turns
        self._rests.began(owner)
        return Place(pixels, owner)

    def _share(self, owner: Owner, waiting: int = 0) -> float:
        """Return an owner's share of the places, with so many waiting ones, or of the pixels, whichever is larger."""
        requests = (self.requests.of(owner) + waiting) / max(self.limits.requests, 1)
        return max(requests, self.pixels.of(owner) / max(self.limits.pixels, 1))

    def _may_wait(self, owner: Owner) -> bool:
        """Return whether an owner may wait: if another one holds more. Jobs may not, for they have their own queue."""
        if owner is None or len(self.waiting) >= self.limits.requests:
            return False
        others = [self._share(other) for other in self.requests.owners() if other != owner]
        return self._share(owner, self._waiting(owner)) < max(others, default=0)

    def _grant(self) -> None:
        """Give free places to those in turn. A large picture holds up the others, or it would wait for ever."""
        while waiting := self._in_turn():
            waiter = min(
                waiting, key=lambda each: (self._share(each.owner), self._turn_of.get(each.owner, 0))
            )
            if self._lacks(waiter.pixels) is not None:
                return
            self.waiting.remove(waiter)
            waiter.place.set_result(self._take(waiter.pixels, waiter.owner))

    def _step_back(self, waiter: Waiter) -> None:
        """Stop waiting; give the place back if it was granted meanwhile."""
        if waiter in self.waiting:
            self.waiting.remove(waiter)
            self._grant()
        else:
            self.leave(waiter.place.result())
