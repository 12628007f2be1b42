"""Restore pictures with a photorestore service.

    from photorestore_client import Client

    with Client("http://127.0.0.1:8000") as client:
        client.restore("old.jpg", strength=0.8).save("restored.jpg")

`AsyncClient` has the same methods, which are awaited.

All that can go wrong is in one tree; each error carries the `request_id` under which the service's log has it:

RestoreError
├── Unreachable           there was no answer, or it was not the service's; tried again
│   └── TimedOut              an answer, or the time allowed for all tries, took too long
├── Problem               the service says why not (RFC 9457)
│   ├── BadOption             an option is unknown, or what it asks for cannot be had          400 403 406
│   ├── Denied                the API key is missing or wrong                                  401 403
│   ├── NotFound              there is no such job, or its result is no longer kept            404 410
│   ├── Conflict              the job has no result, or the idempotency key was used otherwise 409
│   ├── Unchanged             the result is the one that the caller has (`if_none_match`)      412
│   ├── BadPicture            not a picture of an accepted type, broken, or too large          403 404 413 415 422
│   ├── Busy                  no room for this picture now; tried again                        429 503
│   ├── TooLate               the option `timeout` allows no more time, or the upload is slow  408 504
│   └── Failed                the service's own fault                                          500
└── JobCancelled          the job that was waited for has been cancelled

A missing or unreadable file is an `OSError`.
"""

from importlib.metadata import version

from photorestore_client.client import AsyncClient, Client
from photorestore_client.errors import (
    BadOption,
    BadPicture,
    Busy,
    Conflict,
    Denied,
    Failed,
    JobCancelled,
    NotFound,
    Problem,
    RestoreError,
    TimedOut,
    TooLate,
    Unchanged,
    Unreachable,
)
from photorestore_client.options import Options
from photorestore_client.orders import Order
from photorestore_client.results import Analysis, Bundle, Job, Restored, Service, Stage
from photorestore_client.retry import Retry
from photorestore_client.tries import Timeouts

__version__ = version("photorestore-client")

__all__ = [
    "Analysis",
    "AsyncClient",
    "BadOption",
    "BadPicture",
    "Bundle",
    "Busy",
    "Client",
    "Conflict",
    "Denied",
    "Failed",
    "Job",
    "JobCancelled",
    "NotFound",
    "Options",
    "Order",
    "Problem",
    "RestoreError",
    "Restored",
    "Retry",
    "Service",
    "Stage",
    "TimedOut",
    "Timeouts",
    "TooLate",
    "Unchanged",
    "Unreachable",
]
