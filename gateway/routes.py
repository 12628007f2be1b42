"""The routes: restore, analyze, stages, and what operators ask."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from prometheus_client import CONTENT_TYPE_LATEST, CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway import documents, release
from gateway.admission import Admission
from gateway.answers import KINDS, answer, check_accept, etag_of, if_none_match
from gateway.jobs.service import Jobs
from gateway.keys import Keys
from gateway.leaving import until_left
from gateway.metrics import Metrics
from gateway.preparing import Prepared, prepare
from gateway.problems import PreconditionFailed, Unauthorized
from gateway.queries import FINDING, NAMES, parse_query
from gateway.readiness import Readiness
from gateway.runs import Finished, Runner
from gateway.settings import GatewaySettings
from gateway.torchserve_client import TorchServeClient
from gateway.uploads import Pace, receive
from photorestore.errors import UnsupportedOption
from photorestore.imaging import CONTENT_TYPES, LIMITS
from photorestore.imaging.files.sniff import ACCEPTED
from photorestore.options import STAGES, Options, describe
from photorestore.records import document_of
from photorestore.stages.table import ROWS
from photorestore.tiers import require_tier
from photorestore.workspace import Workspace


@dataclass(slots=True)
class Gateway:
    """What the routes work with.

    Attributes:
        jobs: work that outlasts a request; None where no folder is given for it.
        release: what results depend on beside the request.
        cards: what the weights say about themselves.
        tiers: those that each stage with networks has.
    """

    settings: GatewaySettings
    admission: Admission
    metrics: Metrics
    readiness: Readiness
    runner: Runner
    jobs: Jobs | None
    client: TorchServeClient
    keys: Keys | None
    release: str
    cards: dict[str, list[dict[str, object]]]
    tiers: dict[str, tuple[str, ...]]

    @property
    def drain_left_s(self) -> float:
        """How long what is in flight is still waited for at the end."""
        since = self.readiness.draining_since or time.monotonic()
        return max(since + self.settings.drain_s - time.monotonic(), 0)

    @property
    def warnings(self) -> list[str]:
        """What somebody should look at, although restorations succeed."""
        return [self.keys.problem] if self.keys is not None and self.keys.problem else []

    def renew(self) -> None:
        """The backend has come up, maybe with other archives."""
        home = self.settings.home
        self.release = release.fingerprint(home)
        self.cards, self.tiers = release.cards(home), release.tiers(home)


def gateway_of(request: Request) -> Gateway:
    """The application's gateway."""
    found: Gateway = request.app.state.gateway
    return found


_BEARER = HTTPBearer(auto_error=False, description="An API key, where the service asks for one")


async def require_key(
    request: Request,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],  # for the document
) -> None:
    """See `check_key`."""
    check_key(request)


def check_key(request: Request) -> None:
    """Refuse callers without an API key, where keys are required; note the key's name as `request.state.caller`.

    Raises:
        Unauthorized: there is none, or it is not known.
    """
    keys = gateway_of(request).keys
    request.state.caller = ""
    if keys is None:
        return
    scheme, key = get_authorization_scheme_param(request.headers.get("authorization"))
    name = keys.name_of(key) if scheme.lower() == "bearer" else None
    if name is None:
        raise Unauthorized("expected a known API key, as in `Authorization: Bearer KEY`")
    request.state.caller = name


api = APIRouter(prefix="/v1", dependencies=[Depends(require_key)], tags=["pictures"])
operations = APIRouter(tags=["operations"])


@api.post(
    "/restore",
    operation_id="restore",
    response_class=Response,
    responses=documents.answers(
        {
            **{f"image/{name}": {"schema": documents.BINARY} for name in ACCEPTED},
            "application/json": {"schema": {"type": "object"}},
            "multipart/mixed": {"schema": documents.BINARY},
        }
    ),
    openapi_extra=documents.restore_operation(),
)
async def restore(request: Request) -> Response:
    """Restore a picture; it comes as the body, or as the part `image` of a form beside a `mask`."""
    options, kind = parse_query(tuple(request.query_params.multi_items()))
    accept = request.headers.get("accept", "")
    if kind != "image":
        check_accept(KINDS[kind], accept)
        accept = ""
    if kind == "mask":
        options = replace(options, **FINDING)
    finished, headers = await _produce(request, options, accept, kind)
    return answer(kind, finished.result, headers)


async def restore_directly(scope: Scope, receive: Receive, send: Send) -> None:
    """`restore` without FastAPI's layers, which take a tenth of the edge's time for a picture: see ADR 5."""
    request = Request(scope, receive, send)
    check_key(request)
    response = await restore(request)
    await response(scope, receive, send)


@api.post(
    "/analyze",
    operation_id="analyze",
    response_class=JSONResponse,
    responses=documents.answers({"application/json": {"schema": {"type": "object"}}}),
    openapi_extra=documents.analyze_operation(),
)
async def analyze(request: Request) -> Response:
    """Say what is wrong with a picture, without restoring it."""
    if unknown := sorted(request.query_params.keys() - {"timeout"}):
        raise UnsupportedOption(f"unknown option {', '.join(unknown)}; there is timeout")
    options, _ = parse_query(tuple(request.query_params.multi_items()))
    check_accept("application/json", request.headers.get("accept", ""))
    options = replace(options, **FINDING, format="jpeg", quality=1, metadata="strip")
    finished, headers = await _produce(request, options, "", "analysis")
    report = finished.result.report
    found = {stage: report.estimates[stage] for stage in STAGES[:-1] if stage in report.estimates}
    return JSONResponse({"source": document_of(report.source), "found": found}, headers=headers)


@api.get(
    "/stages",
    operation_id="get_stages",
    responses=documents.problems({401: documents.STATUSES[401]}),
)
async def stages(request: Request) -> dict[str, object]:
    """The stages and their networks, the options and limits, whether jobs are taken, and the version."""
    gateway = gateway_of(request)
    ready = {node.stage: node.ready for node in gateway.readiness.state.nodes}
    return {
        "version": metadata.version("photorestore"),
        "stages": [
            {
                "name": row.name,
                "label": row.label,
                "does": row.does,
                "selectable": row.is_selectable,
                "ready_workers": ready.get(row.name, 0),
                "tiers": gateway.tiers.get(row.name, ()),
                "cards": gateway.cards.get(row.name, []),
            }
            for row in ROWS
        ],
        "options": {NAMES.get(name, name): schema for name, schema in describe().items()},
        "jobs": gateway.jobs is not None,
        "formats": {"read": list(ACCEPTED), "written": list(CONTENT_TYPES.values())},
        "limits": {
            "upload_bytes": LIMITS.upload_bytes,
            "pixels": LIMITS.pixels,
            "side_px": LIMITS.side_px,
            "requests_in_flight": gateway.settings.max_requests,
            "pixels_in_flight": gateway.settings.max_pixels,
        },
    }


@operations.get("/livez", operation_id="get_livez")
async def livez() -> dict[str, str]:
    """Whether this process answers."""
    return {"status": "alive"}


@operations.get(
    "/readyz", operation_id="get_readyz", responses={503: {"description": "restorations would fail"}}
)
async def readyz(request: Request) -> JSONResponse:
    """Whether restorations will succeed, and why not."""
    readiness = gateway_of(request).readiness
    nodes = {node.stage: {"ready": node.ready, "pending": node.pending} for node in readiness.state.nodes}
    document = {
        "ready": not readiness.problem,
        "problem": readiness.problem,
        "warnings": gateway_of(request).warnings,
        "stages": nodes,
    }
    return JSONResponse(document, 503 if readiness.problem else 200)


@operations.get("/metrics", operation_id="get_metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """The edge's metrics, for Prometheus."""
    gateway = gateway_of(request)
    gateway.metrics.observe_readiness(gateway.readiness)
    if gateway.jobs is not None:
        gateway.metrics.observe_jobs(await asyncio.to_thread(gateway.jobs.store.counts))
    return Response(gateway.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@operations.get(
    "/metrics/torchserve",
    operation_id="get_torchserve_metrics",
    response_class=Response,
    responses=documents.problems({503: "TorchServe does not answer"}),
)
async def torchserve_metrics(request: Request) -> Response:
    """TorchServe's own metrics, for Prometheus: it listens on loopback only."""
    return Response(await gateway_of(request).client.metrics(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


async def _produce(
    request: Request, options: Options, accept: str, kind: str
) -> tuple[Finished, dict[str, str]]:
    """Take the upload in and restore it; gives the headers of the answer, too."""
    gateway = gateway_of(request)
    gateway.admission.check_answers(request.state.caller)
    label = request.state.request_id
    workspace = Workspace.create(gateway.settings.workspace_root, options, request_id=label, accept=accept)
    workspace.envelope.answer = "report"
    is_handed_over = False
    try:
        prepared = await take_in(request, workspace, wants_mask=kind in ("mask", "bundle"))
        etag = etag_of(prepared.key, kind)
        _check_if_none_match(request, etag)
        is_handed_over = True
    finally:
        if not is_handed_over:
            workspace.remove()
    async with until_left(request.receive):
        finished = await gateway.runner.restore(prepared, request.state.caller)
    return finished, {"ETag": etag, "Server-Timing": _server_timing(finished), "Vary": "Accept"}


async def take_in(request: Request, workspace: Workspace, *, wants_mask: bool) -> Prepared:
    """Receive the upload and read its header. The time that the caller allows begins when it is there.

    Raises:
        UnavailableTier: before anything is received.
    """
    gateway = gateway_of(request)
    settings = gateway.settings
    require_tier(workspace.options, gateway.tiers)
    with gateway.admission.uploading(request.state.caller) as place:
        pace = Pace(settings.upload_grace_s, settings.upload_bytes_s)
        received = await receive(request, workspace, pace, place)
        workspace.allow_time()
        return await prepare(workspace, received, gateway.release, wants_mask=wants_mask)


def _check_if_none_match(request: Request, etag: str) -> None:
    """A result that the caller has needs no restoration. `*` names none: before a run there is no result."""
    if etag.removeprefix("W/") in if_none_match(request):
        gateway_of(request).metrics.not_modified.inc()
        raise PreconditionFailed(etag)


def _server_timing(finished: Finished) -> str:
    trace = finished.result.report.trace
    parts = [f'{stage};dur={entry.ms:g};desc="{entry.outcome}"' for stage, entry in trace.items()]
    return ", ".join([*parts, f'result;desc="{finished.by}"'])
