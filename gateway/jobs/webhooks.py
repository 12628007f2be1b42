"""Webhooks: a signed POST at a job's end, tried again until it is accepted or given up."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from gateway.jobs import clock
from gateway.jobs.destinations import Destinations, ForbiddenAddressError
from gateway.jobs.disk_trouble import entered
from gateway.jobs.documents import announcement
from gateway.jobs.metrics import JobMetrics
from gateway.jobs.pinned import answer_to, new_client
from gateway.jobs.records import Record, Webhook, subject_of
from gateway.jobs.signatures import read_secrets, sign
from gateway.jobs.store import Store
from gateway.telemetry.logs import work_on
from photorestore.errors import RestorationError, UnsupportedOption

logger = logging.getLogger(__name__)

AT_ONCE = 8
TRY_S = 10.0
"""Time limit of one try as a whole."""
CLAIM_S = 30.0
"""Seconds for which no other edge sends a webhook that one has begun to send; longer than a try."""
GROWTH = 4.0
LONGEST_WAIT_S = 3600.0
POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a webhook is tried, and how long it waits for its second try."""

    tries: int
    wait_s: float

    def wait_after_s(self, tries: int) -> float:
        """Return the seconds to wait after that many tries."""
        return min(self.wait_s * GROWTH ** (tries - 1), LONGEST_WAIT_S)

    @property
    def longest_s(self) -> float:
        """Return the seconds after a job's end within which the last try of its webhook is surely over."""
        return self.tries * LONGEST_WAIT_S


class Webhooks:
    """Sends webhooks that are due, a few at a time and shared fairly among owners.

    So an owner whose receivers hang does not delay the webhooks of others.

    Args:
        secret_file: read for each try, so that secrets can be rotated; None turns webhooks off.
        path_of: returns the path of a job's URL.
    """

    def __init__(
        self,
        store: Store,
        metrics: JobMetrics,
        destinations: Destinations,
        secret_file: Path | None,
        patience: Patience,
        path_of: Callable[[Record], str],
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._destinations = destinations
        self._secret_file = secret_file
        self._patience = patience
        self._path_of = path_of
        self._wake = asyncio.Event()
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._places: Counter[str] = Counter()
        self._latest_begun: dict[str, int] = {}

    def check(self, url: str) -> None:
        """Refuse a URL that webhooks may not be sent to.

        Raises:
            UnsupportedOption: webhooks are off, or the URL is not allowed.
        """
        if self._secret_file is None:
            raise UnsupportedOption("webhook is given; this service sends none")
        self._destinations.check(url)

    def wake(self) -> None:
        """Look for due webhooks now, because a job has ended."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled. Webhooks in flight at that moment are sent again after the next start."""
        async with new_client(TRY_S) as http:
            try:
                while True:
                    try:
                        await self._send_due(http)
                    except RestorationError as error:
                        logger.warning("the webhooks cannot be looked at: %s", error)
                    except Exception:
                        logger.exception("the webhooks could not be looked at")
                    await self._pause()
            finally:
                sending = list(self._sending.values())
                for task in sending:
                    task.cancel()
                await asyncio.gather(*sending, return_exceptions=True)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._wake.wait()
        self._wake.clear()

    async def _send_due(self, http: httpx.AsyncClient) -> None:
        if len(self._sending) >= AT_ONCE:
            return
        sending = set(self._sending)  # one that ends during the query is no longer due
        due = await asyncio.to_thread(self._store.webhooks_due, clock.now(), AT_ONCE)
        waiting = [record for record in due if record.id not in sending]
        while (record := self._choose(waiting)) is not None:
            waiting.remove(record)
            self._begin(http, record)

    def _choose(self, waiting: list[Record]) -> Record | None:
        """Return the oldest webhook of the owner who was served longest ago, or None.

        As in the queue of jobs, an owner may not hold more places than are left to others. Without API keys there is
        one owner, for whom this does not hold.
        """
        left = AT_ONCE - len(self._sending) - 1
        if left < 0:
            return None
        fair = [record for record in waiting if not record.owner or self._places[record.owner] <= left]
        return min(fair, key=lambda record: self._latest_begun.get(record.owner, 0), default=None)

    def _begin(self, http: httpx.AsyncClient, record: Record) -> None:
        def leave(_: asyncio.Task[None]) -> None:
            del self._sending[record.id]
            self._places -= Counter({record.owner: 1})  # removes owners without places
            self.wake()

        self._latest_begun[record.owner] = max(self._latest_begun.values(), default=0) + 1
        self._places[record.owner] += 1
        self._sending[record.id] = asyncio.create_task(self._tell(http, record))
        self._sending[record.id].add_done_callback(leave)

    async def _tell(self, http: httpx.AsyncClient, record: Record) -> None:
        """Send once and record the outcome, whatever happens: an error must not stop other webhooks."""
        if record.webhook is None:
            return
        work_on(subject_of(record))
        if self._store.is_shared and not await self._claims(record):
            return
        error = await self._try(http, record, record.webhook.url)
        noted = self._judge(record.webhook, error)
        await entered(record.id, functools.partial(self._store.note_webhook, record.id, noted))
        outcome = "retried" if noted.state == "pending" else noted.state
        self._metrics.webhooks.labels(outcome).inc()
        logger.info("job %s: webhook: %s %s", record.id, outcome, error)

    async def _claims(self, record: Record) -> bool:
        """Return whether no other edge sends it now; one that cannot be claimed stays due."""
        with contextlib.suppress(RestorationError):
            return await asyncio.to_thread(self._store.claim_webhook, record, clock.now() + CLAIM_S)
        return False

    async def _try(self, http: httpx.AsyncClient, record: Record, url: str) -> str:
        """Send once; return the error, or an empty text."""
        try:
            self.check(url)  # the operator may have changed the list since
            async with asyncio.timeout(TRY_S):
                body = json.dumps(announcement(record, self._path_of(record))).encode()
                return await self._post(http, url, record.id, body)
        except TimeoutError:
            return f"no answer in {TRY_S:g} s"
        except (ForbiddenAddressError, UnsupportedOption) as found:
            return str(found)
        except (httpx.HTTPError, OSError, ValueError) as found:
            logger.info("job %s: webhook: %r", record.id, found)
            return "it cannot be reached"
        except Exception:
            logger.exception("job %s: its webhook", record.id)
            return "it cannot be sent"

    async def _post(self, http: httpx.AsyncClient, url: str, message_id: str, body: bytes) -> str:
        """Send once, to the address that was checked, without redirects; return the error, or an empty text."""
        assert self._secret_file is not None
        secrets = await asyncio.to_thread(read_secrets, self._secret_file)
        headers = {
            "Content-Type": "application/json",
            **sign(secrets, message_id, body, int(time.time())),
        }
        async with answer_to(http, self._destinations, "POST", url, headers, body) as answer:
            return "" if answer.is_success else f"it answered {answer.status_code}"

    def _judge(self, webhook: Webhook, error: str) -> Webhook:
        """Return the webhook's state after a try."""
        tries = webhook.tries + 1
        if not error:
            return replace(webhook, state="delivered", tries=tries, error="")
        if tries >= self._patience.tries:
            return replace(webhook, state="failed", tries=tries, error=error)
        due = clock.now() + self._patience.wait_after_s(tries)
        return replace(webhook, tries=tries, due=due, error=error)
