"""Pictures and results of jobs in buckets that are not the jobs' own. Needs the extra `jobs`."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore

from gateway.errors import PlaceUnavailable, ResultRefused, SourceForbidden, SourceNotFound
from gateway.jobs.allowed import split
from gateway.jobs.object_store import first_line, open_store
from gateway.restore.parts import Parts, too_large

logger = logging.getLogger(__name__)

PIECE_BYTES = 1 << 20
_store_of = functools.lru_cache(maxsize=64)(open_store)


def read(url: str, parts: Parts, limit_bytes: int) -> None:
    """Read a picture as the part that has begun. Blocking.

    Raises:
        SourceNotFound, SourceForbidden: it is not there, or not for this service.
        PlaceUnavailable: the store fails.
        PayloadTooLarge: it has more bytes than that.
    """
    store, key = _place(url)
    try:
        with _trouble_means_retry():
            found = store.get(key)
            if found.meta["size"] > limit_bytes:
                raise too_large("source", limit_bytes, found.meta["size"])
            for piece in found.stream(min_chunk_size=PIECE_BYTES):
                parts.write(memoryview(piece))
    except FileNotFoundError:
        raise SourceNotFound("the source is not there, or not any more") from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        logger.info("a source: %s", first_line(error))
        raise SourceForbidden("the store does not give the source to this service") from None


def write(url: str, content: bytes, content_type: str) -> str:
    """Write a result in one go, over what may be there; return its ETag. Blocking.

    Raises:
        ResultRefused: there is no such bucket, or this service may not write there.
        PlaceUnavailable: the store fails.
    """
    store, key = _place(url)
    try:
        with _trouble_means_retry():
            return store.put(key, content, attributes={"Content-Type": content_type})["e_tag"] or ""
    except FileNotFoundError:
        raise ResultRefused("there is no such bucket for the result") from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        logger.info("a result: %s", first_line(error))
        raise ResultRefused("the store does not take the result from this service") from None


def _place(url: str) -> tuple[ObjectStore, str]:
    scheme, bucket, key = split(url)
    return _store_of(f"{scheme}://{bucket}"), key


@contextlib.contextmanager
def _trouble_means_retry() -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, PermissionDeniedError, UnauthenticatedError):
        raise
    except BaseError as error:
        logger.warning("a place of jobs: %s", first_line(error))
        raise PlaceUnavailable("the store cannot be reached or fails; try again later") from None
