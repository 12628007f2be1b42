"""How much is let in at a time: restorations by number and pixels, uploads and answers by number and bytes.

Owners, which are API keys, take turns: a restoration for which there is no place waits where another owner has more of
them than its own, and gets the next one that is given back. So one owner alone may have all places, and none keeps the
others out.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gateway.problems import TooManyRequests
from gateway.shares import Held, Owner
from photorestore.errors import DeadlineExceeded, PayloadTooLarge

SMOOTHING = 0.2
"""Weight of the latest restoration in the mean duration."""
RETRY_S = (1.0, 30.0)
"""Shortest and longest `Retry-After`."""
SPARED = 8
"""Where there are API keys, one in so many uploads and bytes is out of reach for whoever has all the others."""

REASONS = ("requests", "pixels", "uploads", "answers", "jobs")
"""What there may be too much of."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be in flight; see `GatewaySettings`.

    Attributes:
        has_owners: whether there are API keys.
    """

    requests: int
    pixels: int
    uploads: int
    upload_bytes: int
    answer_bytes: int
    has_owners: bool = False

    def of_owner(self, limit: int) -> int:
        """What one owner may have of uploads or bytes."""
        return limit - limit // SPARED if self.has_owners else limit


@dataclass(eq=False, slots=True)
class Place:
    """A restoration's part of what is in flight.

    Attributes:
        start: by the monotonic clock.
    """

    pixels: int
    owner: Owner
    start: float = field(default_factory=time.monotonic)


@dataclass(eq=False, slots=True)
class Turn:
    """A restoration that waits for its place."""

    pixels: int
    owner: Owner
    place: asyncio.Future[Place]


class Admission:
    """Counts what is in flight, and refuses what would be too much.

    Attributes:
        requests, pixels: of restorations in flight.
        uploads, upload_bytes: of uploads in flight.
        answer_bytes: of results that callers are reading.
        waiting: restorations that wait for a place.
        on_freed: called when a restoration has given its place back.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests, self.pixels = Held(), Held()
        self.uploads, self.upload_bytes = Held(), Held()
        self.answer_bytes = Held()
        self.waiting: list[Turn] = []
        self.on_freed: Callable[[], None] = lambda: None
        self._mean_s = 1.0

    @property
    def retry_after_s(self) -> float:
        """When a new try is worth while: as long as a restoration has taken of late."""
        shortest, longest = RETRY_S
        return min(max(self._mean_s, shortest), longest)

    def has_room(self, pixels: int) -> bool:
        """Whether a restoration that nobody waits for would be let in now."""
        return not self.waiting and self._lacks(pixels) is None

    def enter(self, pixels: int, owner: Owner) -> Place | None:
        """A place for a restoration; None where it may wait for one. A picture that is alone is always let in.

        Raises:
            TooManyRequests: there is none, and others have a better claim to the next one.
        """
        lack = self._lacks(pixels)
        if lack is None and not self.waiting:
            return self._take(pixels, owner)
        if self._may_wait(owner):
            return None
        raise self._refuse(*(lack or ("requests", f"{len(self.waiting)} restorations of others wait")))

    async def wait(self, pixels: int, owner: Owner, seconds: float) -> Place:
        """Wait for a place: who has least goes first, and each owner's requests in their order.

        Raises:
            DeadlineExceeded: there was none in time.
        """
        turn = Turn(pixels, owner, asyncio.get_running_loop().create_future())
        self.waiting.append(turn)
        try:
            async with asyncio.timeout(seconds):
                return await turn.place
        except BaseException as error:
            self._step_back(turn)
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

    @contextlib.contextmanager
    def uploading(self, owner: Owner) -> Iterator[UploadPlace]:
        """Hold a place for an upload.

        Raises:
            TooManyRequests: there is none.
        """
        most = self.limits.uploads
        if not self._fits(self.uploads, owner, 1, most):
            raise self._refuse("uploads", f"{self.uploads.total} uploads are in flight; the limit is {most}")
        self.uploads.add(owner, 1)
        place = UploadPlace(self, owner)
        try:
            yield place
        finally:
            self.uploads.add(owner, -1)
            self.upload_bytes.add(owner, -place.received_bytes)

    def grow(self, owner: Owner, received_bytes: int) -> None:
        """Count bytes of an upload; called by `UploadPlace`.

        Raises:
            TooManyRequests: all uploads together are too large.
        """
        most = self.limits.upload_bytes
        if not self._fits(self.upload_bytes, owner, received_bytes, most):
            text = f"{self.upload_bytes.total >> 20} MiB are being uploaded; the limit is {most >> 20}"
            raise self._refuse("uploads", text)
        self.upload_bytes.add(owner, received_bytes)

    def check_answers(self, owner: Owner) -> None:
        """Begin nothing while too many bytes of results are still to be read.

        Raises:
            TooManyRequests: it is so.
        """
        most = self.limits.answer_bytes
        if not self._fits(self.answer_bytes, owner, 1, most):
            text = f"{self.answer_bytes.total >> 20} MiB of results are being read; the limit is {most >> 20}"
            raise self._refuse("answers", text)

    @contextlib.contextmanager
    def answering(self, owner: Owner, answer_bytes: int) -> Iterator[None]:
        """Count a result as long as it is being read."""
        self.answer_bytes.add(owner, answer_bytes)
        try:
            yield
        finally:
            self.answer_bytes.add(owner, -answer_bytes)

    def _fits(self, held: Held, owner: Owner, amount: int, limit: int) -> bool:
        return held.total + amount <= limit and held.of(owner) + amount <= self.limits.of_owner(limit)

    def _lacks(self, pixels: int) -> tuple[str, str] | None:
        """Why a restoration would not be let in: the reason and its text."""
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
        """What an owner has of the places, with so many more, or of the pixels, whichever is more."""
        requests = (self.requests.of(owner) + waiting) / max(self.limits.requests, 1)
        return max(requests, self.pixels.of(owner) / max(self.limits.pixels, 1))

    def _may_wait(self, owner: Owner) -> bool:
        """Whether others have more, who are to give some of it up. Jobs have a queue of their own."""
        if owner is None or len(self.waiting) >= self.limits.requests:
            return False
        waiting = sum(turn.owner == owner for turn in self.waiting)
        others = [self._share(other) for other in self.requests.owners() if other != owner]
        return self._share(owner, waiting) < max(others, default=0)

    def _grant(self) -> None:
        """Give free places to those who wait. A large picture is not passed over for ever: it holds up the others."""
        while turns := [turn for turn in self.waiting if not turn.place.done()]:
            turn = min(turns, key=lambda turn: self._share(turn.owner))
            if self._lacks(turn.pixels) is not None:
                return
            self.waiting.remove(turn)
            turn.place.set_result(self._take(turn.pixels, turn.owner))

    def _step_back(self, turn: Turn) -> None:
        """Nobody waits for this place any more."""
        if turn in self.waiting:
            self.waiting.remove(turn)
            self._grant()
        else:
            self.leave(turn.place.result())

    def _refuse(self, reason: str, text: str) -> TooManyRequests:
        return TooManyRequests(reason, text, self.retry_after_s)


class UploadPlace:
    """One upload's part of what is in flight.

    Attributes:
        limit_bytes: what no upload may exceed, were it alone.
    """

    def __init__(self, admission: Admission, owner: Owner) -> None:
        self._admission = admission
        self._owner = owner
        self.limit_bytes = admission.limits.of_owner(admission.limits.upload_bytes)
        self.received_bytes = 0

    def grow(self, received_bytes: int) -> None:
        """Count further bytes.

        Raises:
            PayloadTooLarge: they would not fit if this were the only upload.
            TooManyRequests: all uploads together are too large.
        """
        if self.received_bytes + received_bytes > self.limit_bytes:
            raise PayloadTooLarge(
                f"the upload has more; this service takes {self.limit_bytes} bytes at a time"
            )
        self._admission.grow(self._owner, received_bytes)
        self.received_bytes += received_bytes
