"""How much is let in at a time: restorations by number and pixels, uploads by number and bytes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.problems import TooManyRequests

SMOOTHING = 0.2
"""Weight of the latest restoration in the mean duration."""
RETRY_S = (1.0, 30.0)
"""Shortest and longest `Retry-After`."""

REASONS = ("requests", "pixels", "uploads", "jobs")
"""What there may be too much of."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be in flight; see `GatewaySettings`."""

    requests: int
    pixels: int
    uploads: int
    upload_bytes: int


class Admission:
    """Counts what is in flight, and refuses what would be too much.

    Attributes:
        requests, pixels: of restorations in flight.
        uploads, upload_bytes: of uploads in flight.
        on_freed: called when a restoration has given its place back.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests = 0
        self.pixels = 0
        self.uploads = 0
        self.upload_bytes = 0
        self.on_freed: Callable[[], None] = lambda: None
        self._mean_s = 1.0

    @property
    def retry_after_s(self) -> float:
        """When a new try is worth while: as long as a restoration has taken of late."""
        shortest, longest = RETRY_S
        return min(max(self._mean_s, shortest), longest)

    def has_room(self, pixels: int) -> bool:
        """Whether a restoration would be let in now."""
        return self._lacks(pixels) is None

    @contextlib.contextmanager
    def restoring(self, pixels: int) -> Iterator[None]:
        """Hold a place for a restoration. A picture that is alone is always let in.

        Raises:
            TooManyRequests: there is none.
        """
        if (lack := self._lacks(pixels)) is not None:
            raise self._refuse(*lack)
        self.requests += 1
        self.pixels += pixels
        start = time.monotonic()
        try:
            yield
        finally:
            self.requests -= 1
            self.pixels -= pixels
            self._mean_s += SMOOTHING * (time.monotonic() - start - self._mean_s)
            self.on_freed()

    @contextlib.contextmanager
    def uploading(self) -> Iterator[UploadPlace]:
        """Hold a place for an upload.

        Raises:
            TooManyRequests: there is none.
        """
        if self.uploads >= self.limits.uploads:
            raise self._refuse(
                "uploads", f"{self.uploads} uploads are in flight; the limit is {self.limits.uploads}"
            )
        self.uploads += 1
        place = UploadPlace(self)
        try:
            yield place
        finally:
            self.uploads -= 1
            self.upload_bytes -= place.received_bytes

    def grow(self, received_bytes: int) -> None:
        """Count bytes of an upload; called by `UploadPlace`.

        Raises:
            TooManyRequests: all uploads together are too large.
        """
        if self.upload_bytes + received_bytes > self.limits.upload_bytes:
            text = f"{self.upload_bytes >> 20} MiB are being uploaded; the limit is {self.limits.upload_bytes >> 20}"
            raise self._refuse("uploads", text)
        self.upload_bytes += received_bytes

    def _lacks(self, pixels: int) -> tuple[str, str] | None:
        """Why a restoration would not be let in: the reason and its text."""
        limits = self.limits
        if self.requests >= limits.requests:
            return "requests", f"{self.requests} restorations are in flight; the limit is {limits.requests}"
        if self.requests and self.pixels + pixels > limits.pixels:
            in_flight, most = self.pixels / 1e6, limits.pixels / 1e6
            return "pixels", f"{in_flight:.1f} megapixels are in flight; the limit is {most:g}"
        return None

    def _refuse(self, reason: str, text: str) -> TooManyRequests:
        return TooManyRequests(reason, text, self.retry_after_s)


class UploadPlace:
    """One upload's part of what is in flight."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.received_bytes = 0

    def grow(self, received_bytes: int) -> None:
        """Count further bytes.

        Raises:
            TooManyRequests: all uploads together are too large.
        """
        self._admission.grow(received_bytes)
        self.received_bytes += received_bytes
