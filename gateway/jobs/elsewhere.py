"""Pictures that jobs take from elsewhere, and results that they write there, where the operator allows it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from dataclasses import dataclass

from gateway.errors import PlaceUnavailable
from gateway.jobs import hosts
from gateway.jobs.allowed import Places, is_in_bucket, shown
from gateway.jobs.records import Work, Written
from gateway.restore.content import PIECE_BYTES, Content, piece
from gateway.restore.parts import Parts, Received
from gateway.restore.results import Result
from gateway.restore.returns import MEDIA_TYPES
from gateway.restore.upload import all_bytes
from gateway.settings import GatewaySettings
from photorestore.errors import NotAnImage, UnsupportedOption
from photorestore.imaging import LIMITS
from photorestore.records import document_of
from photorestore.workspace import Workspace


class Elsewhere:
    """Reads pictures and writes results.

    Raises:
        ValueError: the places that the settings name are none, or buckets are named and the extra `jobs` is missing.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._sources = Places.parse(settings.source_places, "source")
        self._results = Places.parse(settings.result_places, "result")
        self._most_bytes = min(LIMITS.upload_bytes, settings.max_upload_bytes)
        if self._sources.prefixes or self._results.prefixes:
            try:
                from gateway.jobs import buckets  # noqa: F401, PLC0415 - of an extra
            except ImportError as error:
                raise ValueError(f"places in buckets need the extra photorestore[jobs]: {error}") from error

    def check(self, source: str | None, result: str | None, kind: str) -> None:
        """Refuse places that are not allowed.

        Args:
            kind: the part of the result that is written, one of `RETURNS`.

        Raises:
            UnsupportedOption: a place is of no known kind, both are the same, or the kind cannot be written.
            PlaceNotAllowed: the operator has not listed a place.
        """
        if source is not None:
            self._sources.check(source)
        if result is None:
            return
        self._results.check(result)
        if kind == "bundle":
            raise UnsupportedOption("result takes one file: image, mask, confidence or report, and no bundle")
        if source is not None and shown(source) == shown(result):
            raise UnsupportedOption("result is the same as source; a source is never replaced")

    async def fetch(self, url: str, workspace: Workspace) -> Received:
        """Read a picture into its workspace; return its hash.

        Raises:
            PlaceNotAllowed: the operator does not allow the place any more, or its address.
            SourceNotFound, SourceForbidden: it is not there, or not for this service.
            PlaceUnavailable: it cannot be read now.
            PayloadTooLarge: it has too many bytes.
            NotAnImage: it has none.
            OutOfSpace: shared memory is full.
        """
        self._sources.check(url)
        limit_bytes = min(self._most_bytes, all_bytes(workspace.root))
        with contextlib.ExitStack() as files:
            parts = Parts(workspace, files, limit_bytes)
            parts.begin("image", is_file=True)
            if is_in_bucket(url):
                from gateway.jobs import buckets  # noqa: PLC0415 - of an extra

                await asyncio.to_thread(buckets.read, url, parts, limit_bytes)
            else:
                await hosts.read(url, self._sources.hosts, parts, limit_bytes)
            try:
                parts.end()
            except NotAnImage:
                raise NotAnImage("the source is empty; expected a picture") from None
            return parts.received()

    def write(self, work: Work, result: Result) -> Written:
        """Write the part of a result that its job is for; return what was written. Blocking: to be called in a thread.

        Raises:
            PlaceNotAllowed: the operator does not allow the place any more, or its address.
            ResultRefused: the place does not take it.
            PlaceUnavailable: it cannot be written now.
        """
        self._results.check(work.result)
        content, content_type = _part(work.kind, result)
        if is_in_bucket(work.result):
            from gateway.jobs import buckets  # noqa: PLC0415 - of an extra

            etag = buckets.write(work.result, content, content_type)
        else:
            etag = asyncio.run(hosts.write(work.result, self._results.hosts, content, content_type))
        return Written(etag, hashlib.sha256(content).hexdigest(), len(content))


@dataclass(slots=True)
class Delivery:
    """Writes the result of one try of a job elsewhere, once, however often it is asked to.

    Attributes:
        tries: how many are left.
    """

    elsewhere: Elsewhere
    tries: int
    _written: Written | None = None

    def deliver(self, work: Work, result: Result) -> Written | None:
        """Write the result, unless that has been done; return what was written, None where the job names no place.

        Raises:
            PlaceNotAllowed, ResultRefused, PlaceUnavailable: as `Elsewhere.write`.
        """
        if work.result and self._written is None:
            try:
                self._written = self.elsewhere.write(work, result)
            except PlaceUnavailable:
                self.tries -= 1
                raise
        return self._written


def _part(kind: str, result: Result) -> tuple[bytes, str]:
    """Return a part of a result as a whole, and its media type."""
    if kind == "report":
        return json.dumps(document_of(result.report)).encode(), MEDIA_TYPES["report"]
    return _whole(result.file(kind)), MEDIA_TYPES.get(kind, result.content_type)


def _whole(content: Content) -> bytes:
    return b"".join(piece(content, start) for start in range(0, len(content), PIECE_BYTES))
