"""How much may be uploaded and answered at a time, in number and bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.errors import Excess, TooManyRequests
from gateway.restore.owners import Held, Owner
from photorestore.errors import PayloadTooLarge

SPARED = 8
"""Where there are API keys, one in so many uploads and bytes is out of reach for whoever has all the others."""


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """What may be in flight; see `GatewaySettings`.

    Attributes:
        has_owners: whether there are API keys.
    """

    uploads: int
    upload_bytes: int
    answer_bytes: int
    has_owners: bool = False

    def of_owner(self, limit: int) -> int:
        """What one owner may have of uploads or bytes."""
        return limit - limit // SPARED if self.has_owners else limit


class Transfers:
    """Counts uploads and answers in flight, and refuses what would be too much.

    Args:
        retry_after_s: gives when a new try is worth while.

    Attributes:
        uploads, upload_bytes: of uploads in flight.
        answer_bytes: of results that callers are reading.
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

    def _refuse(self, reason: Excess, text: str) -> TooManyRequests:
        return TooManyRequests(reason, text, self._retry_after_s())


class UploadPlace:
    """One upload's part of what is in flight.

    Attributes:
        limit_bytes: what no upload may exceed, were it alone.
    """

    def __init__(self, transfers: Transfers, owner: Owner) -> None:
        self._transfers = transfers
        self._owner = owner
        self.limit_bytes = transfers.limits.of_owner(transfers.limits.upload_bytes)
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
        self._transfers.grow(self._owner, received_bytes)
        self.received_bytes += received_bytes
