"""Object stores: S3, Google's, Azure's. Needs the extra `jobs`."""

from __future__ import annotations

from datetime import timedelta

from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

_NO_BUCKET = "NoSuchBucket"


def open_store(url: str) -> ObjectStore:
    """Return the store of a URL, as `s3://bucket/prefix`. Whether it is there is not asked.

    Whoever may use the bucket is known by what the store's own client looks for: variables of the environment such as
    `AWS_ACCESS_KEY_ID`, or the role of the machine or the pod.

    Raises:
        ValueError: the URL is of no store that is known.
    """
    try:
        return from_url(
            url,
            # http only where the operator's endpoint says so
            client_options={"connect_timeout": "5s", "timeout": "60s", "allow_http": True},
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=10)},
        )
    except (BaseError, ValueError) as error:
        raise ValueError(first_line(error)) from None


def lacks_bucket(error: FileNotFoundError) -> bool:
    """Return whether the bucket itself is not there."""
    return _NO_BUCKET in str(error)


def first_line(error: Exception) -> str:
    """Return what happened; below it stands what the client knows, which need not be in the log."""
    return str(error).partition("\n")[0]
