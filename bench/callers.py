"""Callers of a service: they restore pictures and leave jobs for as long as something is tried on it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from photorestore_client import Client, Job, RestoreError

from bench.service import Service, made_once

CALLERS = 3
JOB_EVERY_S = 1.0
ENDS_WITHIN_S = 180.0
"""How long jobs are waited for."""
QUIET_S = 3.0
"""How long callers are at work before the first fault and after the last."""


@dataclass
class Load:
    """Callers, what they have got, and what was raised."""

    client: Client
    over: threading.Event = field(default_factory=threading.Event)
    restored: int = 0
    jobs: list[Job] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def restore(self, caller: int) -> None:
        """Restore one picture after the other."""
        number = 0
        while not self.over.is_set():
            number += 1
            with self._noted():
                self.client.restore(made_once(160, 160) + b"%d %d" % (caller, number))
                self.restored += 1

    def submit(self) -> None:
        """Leave a job each second, of a time with room for a long fault."""
        while not self.over.wait(JOB_EVERY_S):
            with self._noted():
                self.jobs.append(self.client.submit(made_once(160, 160) + b"job %d" % len(self.jobs)))

    def states(self) -> dict[str, int]:
        """Count the jobs by the end that they came to, after waiting for them to come to one."""
        counts: dict[str, int] = {}
        until = time.monotonic() + ENDS_WITHIN_S
        for job in self.jobs:
            state = "lost"
            with self._noted():
                while not (now := self.client.job(job)).ended and time.monotonic() < until:
                    time.sleep(0.2)
                state = now.state
            counts[state] = counts.get(state, 0) + 1
        return counts

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except (RestoreError, OSError) as error:
            print(repr(error), flush=True)
            self.errors.append(repr(error))


@contextlib.contextmanager
def loaded(service: Service) -> Iterator[Load]:
    """Run callers for as long as the block runs."""
    with Client(service.url) as client:
        load = Load(client)
        threads = [threading.Thread(target=load.restore, args=(caller,)) for caller in range(CALLERS)]
        threads.append(threading.Thread(target=load.submit))
        for thread in threads:
            thread.start()
        try:
            time.sleep(QUIET_S)
            yield load
            time.sleep(QUIET_S)
        finally:
            load.over.set()
            for thread in threads:
                thread.join()
