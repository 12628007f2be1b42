"""Restores many pictures, several at a time and each only once."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import Enum
from os import PathLike
from pathlib import Path
from typing import Any

import imagesize

from photorestore_client.client import Client
from photorestore_client.errors import BadOption, Busy, Denied, RestoreError, TimedOut, Unreachable
from photorestore_client.ledger import CannotWriteError, Key, Ledger
from photorestore_client.options import Options
from photorestore_client.plan import Work

UNREACHABLE_IN_A_ROW = 3
"""A run ends after so many failures of the service in a row, beside those of the pictures in flight."""


class Did(Enum):
    """What became of a picture."""

    RESTORED = "restored"
    COPIED = "copied"  # the same picture was restored under another name
    SKIPPED = "skipped"  # an earlier run has restored it
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a picture.

    Attributes:
        work: the picture.
        did: what was done; in a dry run, what would be done.
        pixels: of the result; 0 if unknown.
        error: why it failed.
    """

    work: Work
    did: Did
    pixels: int = 0
    error: Exception | None = None


class OccupiedError(Exception):
    """A file that was not made here lies where the result would go."""


@dataclass(slots=True)
class Run:
    """One pass over the pictures.

    Attributes:
        client: sends the pictures.
        ledger: the ledger of the folder of results.
        options: options of the restorations.
        jobs: how many pictures are in flight at a time.
        overwrite: whether to replace files that the ledger does not know.
        rehearse: whether only to find out what there is to do.
        stopping: set when no further picture may begin.
        wrong_option: what the service says of the options, if it refuses them for all pictures.
    """

    client: Client
    ledger: Ledger
    options: Options
    jobs: int = 4
    overwrite: bool = False
    rehearse: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)
    wrong_option: str = ""
    _locks: dict[str, threading.Lock] = field(default_factory=dict)

    def stop(self) -> None:
        """Begin no further picture, and finish those that have begun."""
        self.stopping.set()

    def outcomes(self, works: Sequence[Work]) -> Iterator[Outcome]:
        """Yield the outcome of each picture, in the order in which they finish.

        It ends early after `stop`, when the service cannot be used, and when results cannot be written.
        """
        lost = 0
        with ThreadPoolExecutor(self.jobs, thread_name_prefix="restore") as pool:
            for outcome in _in_parallel(pool, self._outcome, works, self.jobs, self.stopping):
                lost = lost + 1 if _is_lost(outcome.error) else 0
                if isinstance(outcome.error, Denied | CannotWriteError):
                    self.stop()
                if isinstance(outcome.error, BadOption) and not self.wrong_option:
                    self._check_options()
                if lost >= self.jobs + UNREACHABLE_IN_A_ROW:
                    self.stop()
                yield outcome

    def _check_options(self) -> None:
        """Stop if the service refuses the options whatever the picture is, so that no further one is sent."""
        try:
            self.client.check(**self.options)
        except BadOption as error:
            self.wrong_option = str(error)
            self.stop()
        except RestoreError:
            pass  # the next pictures will tell

    def _outcome(self, work: Work) -> Outcome:
        try:
            key = Key(_hash_of(work.source), canonical(self.options))
            # The same picture under two names is restored once.
            with self._locks.setdefault(key.content, threading.Lock()):
                return self._restore(work, key)
        except (RestoreError, OSError, CannotWriteError, OccupiedError) as error:
            return Outcome(work, Did.FAILED, error=error)

    def _restore(self, work: Work, key: Key) -> Outcome:
        there = self.ledger.at(work.result)
        if there is not None and there.key == key:
            return Outcome(work, Did.SKIPPED)
        target = self.ledger.folder / work.result
        if there is None and target.exists() and not self.overwrite:
            raise OccupiedError(f"{target} is there already, and was not made here")
        twin = self.ledger.find(key)
        did = Did.RESTORED if twin is None else Did.COPIED
        if self.rehearse:
            return Outcome(work, did)
        if twin is not None:
            content, request_id = (self.ledger.folder / twin.path).read_bytes(), twin.request_id
        else:
            restored = self.client.restore(work.source, **self.options)
            content, request_id = restored.content, restored.request_id
        self.ledger.write(work.result, key, content, request_id)
        return Outcome(work, did, count_pixels(content))


def canonical(options: Mapping[str, Any]) -> str:
    """Return options as JSON, which is equal for options that give equal results."""
    return json.dumps(
        {name: _plain(value) for name, value in options.items() if name != "timeout" and value is not None},
        sort_keys=True,
    )


def _plain(value: object) -> object:
    """Return an option's value as JSON takes it; of a picture, as of a blur, its hash."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, PathLike):
        return _hash_of(Path(value))
    return list(value) if isinstance(value, tuple) else value


def count_pixels(content: bytes) -> int:
    """Return the number of pixels in a picture's header; 0 if unknown."""
    width, height = imagesize.get(io.BytesIO(content))
    return max(0, int(width)) * max(0, int(height))


def _in_parallel(
    pool: ThreadPoolExecutor,
    function: Callable[[Work], Outcome],
    works: Sequence[Work],
    jobs: int,
    stopping: threading.Event,
) -> Iterator[Outcome]:
    """Yield results in the order in which they finish; begin none once `stopping` is set."""
    waiting, running = iter(works), set[Future[Outcome]]()
    while True:
        while len(running) < jobs and not stopping.is_set() and (work := next(waiting, None)):
            running.add(pool.submit(function, work))
        if not running:
            return
        finished, running = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            yield future.result()


def _is_lost(error: Exception | None) -> bool:
    return isinstance(error, Unreachable | Busy) and not isinstance(error, TimedOut)


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
