"""Requests to TorchServe: restorations by envelope, the management interface, and its metrics."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Self

import httpx

from gateway.errors import BackendUnavailable, PipelineProblem
from gateway.settings import GatewaySettings
from gateway.torchserve.connections import Connections
from photorestore.envelope import Envelope, Problem, Trace
from photorestore.housekeeping import LONGEST_TIMEOUT_S
from photorestore.long_work import long_methods
from photorestore.options import STAGES
from photorestore.records import read_record
from photorestore.report import Report
from photorestore.serving.answers import PROBLEM_TYPE
from photorestore.serving.management import REGISTER_S, WHOLE, Management, Node

logger = logging.getLogger(__name__)

CONNECT_S = 5.0
MANAGEMENT_S = 10.0


class TorchServeClient:
    """Talks to one TorchServe.

    Args:
        transport: used in tests in place of the network.
    """

    def __init__(self, settings: GatewaySettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._management = Management(settings.management_url.rstrip("/"), settings.workflow)
        self._metrics = settings.metrics_url.rstrip("/")
        self._transport = transport or Connections()
        self._http = httpx.AsyncClient(transport=self._transport, trust_env=False, timeout=MANAGEMENT_S)
        inference = settings.inference_url.rstrip("/")
        self._restore = httpx.URL(f"{inference}/wfpredict/{settings.workflow}")
        self._restore_long = httpx.URL(f"{inference}/predictions/{self._management.whole_model}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def restore(self, envelope: Envelope) -> Report:
        """Send a prepared workspace's envelope through the workflow; return the report.

        Work of minutes goes to the process that runs all stages, so that the workflow's workers are free for others.

        Raises:
            PipelineProblem: a stage reports a problem.
            BackendUnavailable: TorchServe does not answer as it should.
        """
        wait_s = envelope.options.timeout_s + LONGEST_TIMEOUT_S  # running stages are not interrupted
        request = httpx.Request(
            "POST",
            self._restore_long if long_methods(envelope.options) else self._restore,
            content=envelope.to_json(),
            headers={"X-Restore-Door": "envelope"},  # TorchServe passes every header on to all stages
            extensions={"timeout": httpx.Timeout(wait_s, connect=CONNECT_S).as_dict()},
        )
        try:
            # Straight to the transport: handling redirects, cookies and proxies would double a request's cost.
            answer = await self._transport.handle_async_request(request)
            await answer.aread()
        except httpx.TransportError as error:
            logger.warning("TorchServe: %r", error)
            raise BackendUnavailable("the restoring backend does not answer; try again later") from error
        return _read_report(answer)

    async def nodes(self) -> list[Node]:
        """Return every stage of the workflow; those that TorchServe does not know have no workers."""
        urls = {stage: self._management.model_url(stage) for stage in STAGES}
        return list(await asyncio.gather(*(self._node(stage, url) for stage, url in urls.items())))

    async def whole(self) -> Node:
        """Return the process that runs all stages, as if it were one."""
        return await self._node(WHOLE, self._management.whole_url)

    async def is_registered(self) -> bool | None:
        """Return whether the workflow is registered; None when TorchServe does not answer."""
        answer = await self._get(self._management.workflow_url)
        return None if answer is None else answer.is_success

    async def is_bare(self) -> bool:
        """Return whether TorchServe answers and has none of the workflow's models, so that nobody is registering it."""
        answer = await self._get(self._management.models_url)
        if answer is None or not answer.is_success:
            return False
        return not self._management.has_models_of_workflow(answer.json())

    async def register(self) -> None:
        """Register the workflow; return when its models are loaded.

        Raises:
            BackendUnavailable: TorchServe refuses or does not answer.
        """
        try:
            answer = await self._http.post(self._management.registration_url, timeout=REGISTER_S)
        except httpx.TransportError as error:
            raise BackendUnavailable(f"the workflow was not registered: {error!r}") from error
        if not answer.is_success:
            raise BackendUnavailable(f"the workflow was not registered: {answer.text.strip()}")

    async def metrics(self) -> bytes:
        """Return TorchServe's own metrics in the text format of Prometheus.

        Raises:
            BackendUnavailable: TorchServe does not answer.
        """
        answer = await self._get(f"{self._metrics}/metrics")
        if answer is None or not answer.is_success:
            raise BackendUnavailable("TorchServe does not answer")
        return answer.content

    async def _node(self, stage: str, url: str) -> Node:
        answer = await self._get(url)
        return Node.of(stage, answer.json()) if answer is not None and answer.is_success else Node(stage)

    async def _get(self, url: str) -> httpx.Response | None:
        try:
            return await self._http.get(url)
        except httpx.TransportError:
            return None


def _read_report(answer: httpx.Response) -> Report:
    """Return the report, or raise the problem: TorchServe's status is always 200, so the document tells which it is."""
    try:
        document = json.loads(answer.content)
    except ValueError:
        document = None
    if isinstance(document, dict):
        kind = str(document.get("type", ""))
        if kind.startswith(PROBLEM_TYPE):
            members = {name: document[name] for name in ("status", "detail", "stage")}
            trace = {stage: read_record(Trace, found) for stage, found in document.get("trace", {}).items()}
            raise PipelineProblem(Problem(type=kind.removeprefix(PROBLEM_TYPE), **members), trace)
        if answer.is_success:
            with contextlib.suppress(ValueError):
                return read_record(Report, document)
    logger.error("TorchServe answered %s: %.300r", answer.status_code, answer.text)
    raise BackendUnavailable("the restoring backend is not ready; try again later")
