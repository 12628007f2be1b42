"""Tells whoever asked for it of a job's end: a signed POST, tried again until it is taken or given up."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from gateway.jobs.destinations import Destinations, ForbiddenAddressError
from gateway.jobs.records import Record, Webhook, announcement
from gateway.jobs.store import Store
from gateway.metrics import Metrics
from photorestore.errors import UnsupportedOption

logger = logging.getLogger(__name__)

SIGNATURE = "X-Photorestore-Signature"
SHORTEST_SECRET = 16
AT_ONCE = 8
TRY_S = 10.0
"""For one try as a whole."""
GROWTH = 4.0
LONGEST_WAIT_S = 3600.0
POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a webhook is tried, and how long it waits for its second try."""

    tries: int
    wait_s: float

    def wait_after_s(self, tries: int) -> float:
        """Seconds to wait after that many tries."""
        return min(self.wait_s * GROWTH ** (tries - 1), LONGEST_WAIT_S)


def read_secret(file: Path) -> bytes:
    """The secret that signs.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is too short to be one.
    """
    secret = file.read_bytes().strip()
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"{file} holds no secret of at least {SHORTEST_SECRET} bytes")
    return secret


def sign(secret: bytes, body: bytes, now: int) -> str:
    """The header's text: Unix time, and HMAC-SHA-256 of `TIME.BODY` in hexadecimal."""
    digest = hmac.new(secret, b"%d." % now + body, hashlib.sha256).hexdigest()
    return f"t={now},v1={digest}"


class Webhooks:
    """Sends what is due.

    Args:
        secret_file: read anew for each try, so that a secret can be exchanged; None = webhooks are off.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        destinations: Destinations,
        secret_file: Path | None,
        patience: Patience,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._destinations = destinations
        self._secret_file = secret_file
        self._patience = patience
        self._wake = asyncio.Event()

    def check(self, url: str) -> None:
        """Refuse a URL that nothing may be sent to.

        Raises:
            UnsupportedOption: webhooks are off, or the URL is not allowed.
        """
        if self._secret_file is None:
            raise UnsupportedOption("webhook is given; this service sends none")
        self._destinations.check(url)

    def wake(self) -> None:
        """A job has ended."""
        self._wake.set()

    async def run(self) -> None:
        """Send for ever. What is on its way when this is cancelled is sent again."""
        async with httpx.AsyncClient(
            trust_env=False, timeout=TRY_S, headers={"User-Agent": "photorestore"}
        ) as http:
            while True:
                try:
                    is_idle = not await self._send_due(http)
                except Exception:
                    logger.exception("the webhooks could not be looked at")
                    is_idle = True
                if is_idle:
                    await self._pause()

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._wake.wait()
        self._wake.clear()

    async def _send_due(self, http: httpx.AsyncClient) -> bool:
        due = await asyncio.to_thread(self._store.webhooks_due, time.time(), AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for record in due:
                if record.webhook is not None:
                    group.create_task(self._tell(http, record, record.webhook))
        return bool(due)

    async def _tell(self, http: httpx.AsyncClient, record: Record, webhook: Webhook) -> None:
        try:
            self.check(webhook.url)  # the operator may have thought better of it
            async with asyncio.timeout(TRY_S):
                error = await self._post(http, webhook.url, json.dumps(announcement(record)).encode())
        except TimeoutError:
            error = f"no answer in {TRY_S:g} s"
        except (ForbiddenAddressError, UnsupportedOption) as found:
            error = str(found)
        except (httpx.HTTPError, OSError, ValueError) as found:
            logger.info("job %s: webhook: %r", record.id, found)
            error = "it cannot be reached"
        noted = self._judge(webhook, error)
        await asyncio.to_thread(self._store.note_webhook, record.id, noted)
        outcome = "retried" if noted.state == "pending" else noted.state
        self._metrics.webhooks.labels(outcome).inc()
        logger.info("job %s: webhook: %s %s", record.id, outcome, error)

    async def _post(self, http: httpx.AsyncClient, url: str, body: bytes) -> str:
        """Send once; gives what is wrong, or nothing. Goes to the address that was checked, and follows nobody."""
        assert self._secret_file is not None
        secret = await asyncio.to_thread(read_secret, self._secret_file)
        target = httpx.URL(url)
        address = await self._destinations.address_of(target)
        headers = {
            "Host": target.netloc.decode(),
            "Content-Type": "application/json",
            SIGNATURE: sign(secret, body, int(time.time())),
        }
        request = http.build_request(
            "POST",
            target.copy_with(host=address),
            content=body,
            headers=headers,
            extensions={"sni_hostname": target.raw_host.decode()},
        )
        answer = await http.send(request, stream=True, follow_redirects=False)
        await answer.aclose()
        return "" if answer.is_success else f"it answered {answer.status_code}"

    def _judge(self, webhook: Webhook, error: str) -> Webhook:
        """How the webhook stands after a try."""
        tries = webhook.tries + 1
        if not error:
            return replace(webhook, state="delivered", tries=tries, error="")
        if tries >= self._patience.tries:
            return replace(webhook, state="failed", tries=tries, error=error)
        due = time.time() + self._patience.wait_after_s(tries)
        return replace(webhook, tries=tries, due=due, error=error)
