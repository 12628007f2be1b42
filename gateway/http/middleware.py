"""What every request gets: a request id, a log line, metrics, and an answer whatever happens."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import TooManyConnections
from gateway.http.metrics import RequestMetrics
from gateway.http.origins import check_origin
from gateway.http.problems import problem_response
from gateway.http.proxies import Proxies
from gateway.telemetry.logs import Subject, work_on
from gateway.telemetry.tracing import describe_request, traceparent_of
from photorestore.logs import about
from photorestore.serving.requests import request_id

logger = logging.getLogger(__name__)

QUIET = ("/livez", "/readyz", "/metrics", "/metrics/torchserve")
"""Routes that machines ask every few seconds: logged only when they fail, and answered however many connect."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Headers of every answer; pages set a policy of their own."""
IN_A_CROWD = "is_in_a_crowd"
"""Key of a request's state: true if more connections are busy than the limit allows."""
IS_HEAD = "is_head"
"""Key of a request's state: true if only the head of the answer is sent. Routes see such a request as a GET."""
CLIENT_CLOSED = 499
"""Status that is counted when the caller left before the answer; it is never sent."""


@dataclass(slots=True)
class Exchange:
    """One request and its answer, as far as it got."""

    subject: Subject
    route: str = "other"
    status: int = 0
    sent_bytes: int = 0
    start: float = field(default_factory=time.perf_counter)


class Middleware:
    """The outermost layer of the application.

    Args:
        express: applications by method and path that are called directly, without the framework's layers.
        origins: other origins whose pages may call.
        proxies: through which requests come.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: RequestMetrics,
        express: Mapping[tuple[str, str], ASGIApp],
        origins: Collection[str],
        proxies: Proxies,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._express = express
        self._origins = origins
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, redirect = scope["method"], self._proxies.redirect(scope["path"])
        scope = self._proxies.seen_from_outside(scope)
        headers = Headers(scope=scope)
        exchange = Exchange(Subject(request_id(headers), traceparent_of(headers)))
        work_on(exchange.subject)
        label = exchange.subject.request_id
        scope.setdefault("state", {}).update({"request_id": label, IS_HEAD: method == "HEAD"})
        scope["method"] = "GET" if method == "HEAD" else method

        async def send_labelled(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                sent = MutableHeaders(scope=message)
                sent["X-Request-Id"] = label
                for name, value in HEADERS.items():
                    sent.setdefault(name, value)
            elif method != "HEAD":
                exchange.sent_bytes += len(message.get("body", b""))
            await (_send_head(message, send) if method == "HEAD" else send(message))

        app = redirect or self._express.get((method, scope["path"]))
        if app is not None:
            exchange.route = scope["path"]
        describe_request(exchange.subject, None if app is None else f"{method} {exchange.route}")
        try:
            _check_crowd(scope)
            check_origin(method, headers, self._origins)
            await (app or self._app)(scope, receive, send_labelled)
        except ClientDisconnect:
            exchange.status = CLIENT_CLOSED
        except Exception as error:
            if exchange.status:
                raise
            self._metrics.count(error)
            await problem_response(error, label)(scope, receive, send_labelled)
        finally:
            exchange.route = getattr(scope.get("route"), "path", exchange.route)
            self._note(method, scope, exchange)

    def _note(self, method: str, scope: Scope, exchange: Exchange) -> None:
        seconds = time.perf_counter() - exchange.start
        method, route, status = _known(method), exchange.route, exchange.status
        self._metrics.answers.labels(route, method, status).inc()
        self._metrics.latency.labels(route).observe(seconds)
        if route not in QUIET:
            self._metrics.of_keys.labels(exchange.subject.key, f"{status // 100}xx").inc()
        level = logging.DEBUG if route in QUIET and status < 400 else logging.INFO
        if not logger.isEnabledFor(level):
            return
        found = about(
            method=method,
            route=route,
            status=status,
            ms=round(1000 * seconds, 1),
            client=(scope.get("client") or ("",))[0],
            bytes_out=exchange.sent_bytes,
            **exchange.subject.noted,
        )
        logger.log(level, "%s %s: %s in %.0f ms", method, route, status, 1000 * seconds, extra=found)


async def _send_head(message: Message, send: Send) -> None:
    await send({**message, "body": b""} if message["type"] == "http.response.body" else message)


def _check_crowd(scope: Scope) -> None:
    if scope["state"].get(IN_A_CROWD) and scope["path"] not in QUIET:
        raise TooManyConnections("more connections are busy than this service takes; try again later")


def _known(method: str) -> str:
    """Return a method as a label of metrics: callers may invent methods, which must not become labels."""
    return method if method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS") else "other"
