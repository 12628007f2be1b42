"""How much may be uploaded and sent as answers at a time, in number and bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.errors import Excess, TooManyRequests
from gateway.restore.owners import Held, Owner
from photorestore.errors import PayloadTooLarge

SPARED = 8
"""With API keys, one in so many uploads and bytes is kept from an owner who holds all the others."""


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """Limits of what may be in flight.

    Attributes:
        has_owners: whether there are API keys.
    """

    uploads: int
    upload_bytes: int
    answer_bytes: int
    has_owners: bool = False

    def of_owner(self, limit: int) -> int:
        """Return how much of a limit one owner may hold."""
        return limit - limit // SPARED if self.has_owners else limit


class Transfers:
    """Counts uploads and answers in flight, and refuses those beyond the limits.

    Args:
        retry_after_s: returns the seconds after which a new try is worth while.

    Attributes:
        uploads, upload_bytes: uploads in flight and their bytes, by owner.
        answer_bytes: bytes of results that callers are reading, by owner.
    """

    def __init__(self, limits: TransferLimits, retry_after_s: Callable[[], float]) -> None:
        self.limits = limits
        self._retry_after_s = retry_after_s
        self.uploads, self.upload_bytes = Held(), Held()
        self.answer_bytes = Held()

    @contextlib.contextmanager
    def uploading(self, owner: Owner) -> Iterator[UploadPlace]:
        """Hold a place for an upload.

        Raises:
            TooManyRequests: the limit of uploads is reached.
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
            TooManyRequests: all uploads in flight together are too large.
        """
        most = self.limits.upload_bytes
        if not self._fits(self.upload_bytes, owner, received_bytes, most):
            text = f"{self.upload_bytes.total >> 20} MiB are being uploaded; the limit is {most >> 20}"
            raise self._refuse("uploads", text)
        self.upload_bytes.add(owner, received_bytes)

    def check_answers(self, owner: Owner) -> None:
        """Check that no more results are waiting to be read than allowed.

        Raises:
            TooManyRequests: the limit is reached.
        """
        most = self.limits.answer_bytes
        if not self._fits(self.answer_bytes, owner, 1, most):
            text = f"{self.answer_bytes.total >> 20} MiB of results are being read; the limit is {most >> 20}"
            raise self._refuse("answers", text)

    @contextlib.contextmanager
    def answering(self, owner: Owner, answer_bytes: int) -> Iterator[None]:
        """Count a result while it is being read."""
        self.answer_bytes.add(owner, answer_bytes)
        try:
            yield
        finally:
            self.answer_bytes.add(owner, -answer_bytes)

    def _fits(self, held: Held, owner: Owner, amount: int, limit: int) -> bool:
        return held.total + amount <= limit and held.of(owner) + amount <= self.limits.of_owner(limit)

    def _refuse(self, reason: Excess, text: str) -> TooManyRequests:
        return TooManyRequests(reason, text, self._retry_after_s())


class UploadPlace:
    """The place that one upload holds.

    Attributes:
        limit_bytes: the size that an upload may have if it is the only one.
        received_bytes: what has arrived so far.
    """

    def __init__(self, transfers: Transfers, owner: Owner) -> None:
        self._transfers = transfers
        self._owner = owner
        self.limit_bytes = transfers.limits.of_owner(transfers.limits.upload_bytes)
        self.received_bytes = 0

    def grow(self, received_bytes: int) -> None:
        """Count further bytes.

        Raises:
            PayloadTooLarge: the upload would be too large even as the only one.
            TooManyRequests: all uploads in flight together are too large.
        """
        if self.received_bytes + received_bytes > self.limit_bytes:
            raise PayloadTooLarge(
                f"the upload has more; this service takes {self.limit_bytes} bytes at a time"
            )
        self._transfers.grow(self._owner, received_bytes)
        self.received_bytes += received_bytes
