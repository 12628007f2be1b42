"""How many restorations are let in at a time, by number and pixels.

Owners, which are API keys, share the places fairly. A restoration that finds no place waits if another owner holds more
places than its own, and gets the next one that is given back. So one owner alone may have all places, and none keeps
the others out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.errors import Excess, TooManyRequests
from gateway.restore.owners import Held, Owner
from photorestore.errors import DeadlineExceeded

SMOOTHING = 0.2
"""Weight of the latest restoration in the mean duration."""
RETRY_S = (1.0, 30.0)
"""Shortest and longest `Retry-After`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many restorations and pixels may be in flight.

    Attributes:
        of_key: restorations of one API key; None for as many as of all.
    """

    requests: int
    pixels: int
    of_key: int | None = None


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

    @property
    def retry_after_s(self) -> float:
        """Return the seconds after which a new try is worth while: about what restorations have taken of late."""
        shortest, longest = RETRY_S
        return min(max(self._mean_s, shortest), longest)

    def has_room(self, pixels: int) -> bool:
        """Return whether a job of so many pixels would be admitted now."""
        return not self.waiting and self._lacks(pixels) is None

    def enter(self, pixels: int, owner: Owner) -> Place | None:
        """Return a place for a restoration, or None if there is none and it may wait for one.

        A picture larger than the limit of pixels is admitted if nothing else is in flight.

        Raises:
            TooManyRequests: there is no place, and this restoration may not wait for one.
        """
        self._check_key(owner)
        lack = self._lacks(pixels)
        if lack is None and not self.waiting:
            return self._take(pixels, owner)
        if self._may_wait(owner):
            return None
        reason, text = lack or ("requests", f"{len(self.waiting)} restorations of others wait")
        raise TooManyRequests(reason, text, self.retry_after_s)

    async def wait(self, pixels: int, owner: Owner, seconds: float) -> Place:
        """Wait for a place. The owner who holds least goes first, and each owner's requests go in their order.

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
        self.requests.add(place.owner, -1)
        self.pixels.add(place.owner, -place.pixels)
        self._mean_s += SMOOTHING * (time.monotonic() - place.start - self._mean_s)
        self._grant()
        self.on_freed()

    def _check_key(self, owner: Owner) -> None:
        """Refuse an API key that has as many places as one may have, those counted that it waits for."""
        most = self.limits.of_key
        if not owner or most is None:
            return
        if self.requests.of(owner) + sum(waiter.owner == owner for waiter in self.waiting) >= most:
            text = f"{most} restorations of this API key are in flight, which is its limit"
            raise TooManyRequests("key", text, self.retry_after_s)

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
        return Place(pixels, owner)

    def _share(self, owner: Owner, waiting: int = 0) -> float:
        """Return an owner's share of the places, with so many waiting ones, or of the pixels, whichever is larger."""
        requests = (self.requests.of(owner) + waiting) / max(self.limits.requests, 1)
        return max(requests, self.pixels.of(owner) / max(self.limits.pixels, 1))

    def _may_wait(self, owner: Owner) -> bool:
        """Return whether an owner may wait: if another one holds more. Jobs may not, for they have their own queue."""
        if owner is None or len(self.waiting) >= self.limits.requests:
            return False
        waiting = sum(waiter.owner == owner for waiter in self.waiting)
        others = [self._share(other) for other in self.requests.owners() if other != owner]
        return self._share(owner, waiting) < max(others, default=0)

    def _grant(self) -> None:
        """Give free places to those who wait. A large picture holds up the others, or it would wait for ever."""
        while waiting := [waiter for waiter in self.waiting if not waiter.place.done()]:
            waiter = min(waiting, key=lambda waiter: self._share(waiter.owner))
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
