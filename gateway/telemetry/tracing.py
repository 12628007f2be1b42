"""Spans of the edge and of the stages, sent by OTLP where the environment says so: ADR 25.

A request that comes with a `traceparent` (W3C Trace Context) belongs to its trace, also where no spans are sent: logs
have its id.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Self

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.telemetry.logs import Subject, current_subject
from photorestore.envelope import Trace
from photorestore.stage_table import ROWS

SERVICE = "photorestore"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Variables that switch tracing on; the SDK reads them, and all others of OpenTelemetry's specification."""
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN = "http/protobuf"
SHORTEST_WAIT_S = 0.001
"""Shorter waits in TorchServe's queues get no span."""
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_URL = re.compile(r"https?://[^\s/?#]+\S*")
_HEADER = "traceparent"
_PROPAGATOR = TraceContextTextMapPropagator()

Value = str | int | float | bool


class Tracing:
    """Makes spans, below the current one.

    Args:
        provider: where they go; None makes none.
        shut_down: sends what has not been sent.

    Attributes:
        provider: as given.
    """

    def __init__(
        self, provider: TracerProvider | None = None, shut_down: Callable[[], object] = lambda: None
    ) -> None:
        self.provider = provider
        self.shut_down = shut_down
        self._tracer = None if provider is None else provider.get_tracer(SERVICE, metadata.version(SERVICE))

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return what the variables of OpenTelemetry's specification ask for; without an endpoint nothing is sent.

        Raises:
            ValueError: a variable cannot be used, or the packages of the extra `tracing` are missing.
        """
        place = next((name for name in ENDPOINTS if environment.get(name)), None)
        is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
        if place is None or is_off or environment.get("OTEL_TRACES_EXPORTER") == "none":
            return cls()
        if not _URL.fullmatch(environment[place]):
            raise ValueError(f"{place} is no URL; expected one like http://collector:4318")
        for name in PROTOCOLS:
            if environment.get(name, SPOKEN) != SPOKEN:
                raise ValueError(f"{name} is {environment[name]!r}; expected {SPOKEN}")
        try:
            return cls(*_sending(environment))
        except ImportError:
            raise ValueError(
                f"{place} is set; the extra is missing: pip install photorestore[tracing]"
            ) from None

    @contextlib.contextmanager
    def span(self, name: str, attributes: Mapping[str, Value] | None = None) -> Iterator[None]:
        """Trace what the block does."""
        with self._begun(name, None, SpanKind.INTERNAL, attributes or {}):
            yield

    @contextlib.contextmanager
    def later_span(self, name: str, traceparent: str, attributes: Mapping[str, Value]) -> Iterator[None]:
        """Trace what the block does for a request that was answered before.

        Args:
            traceparent: of that request; empty begins a trace.
        """
        parent = _PROPAGATOR.extract({_HEADER: traceparent}, Context())
        with self._begun(name, parent, SpanKind.CONSUMER, attributes):
            yield

    def add_stages(self, stages: Mapping[str, Trace], begun: float) -> None:
        """Add spans of what the stages have done, and of how long the request waited for each.

        Args:
            begun: when they were asked, as Unix time.
        """
        if self._tracer is None:
            return
        ends: dict[str, float] = {}
        for row in ROWS:
            entry = stages.get(row.name)
            if entry is None or entry.began is None:
                continue
            free = max((ends.get(before, begun) for before in row.after), default=begun)
            if entry.began - free >= SHORTEST_WAIT_S:
                self._add(f"{row.name} queue", free, entry.began, {})
            ends[row.name] = entry.began + entry.ms / 1000
            found = {"photorestore.outcome": entry.outcome, "photorestore.note": entry.note}
            if entry.tier is not None:
                found["photorestore.tier"] = entry.tier
            self._add(row.name, entry.began, ends[row.name], found)

    def _add(self, name: str, start: float, end: float, attributes: Mapping[str, str]) -> None:
        assert self._tracer is not None
        span = self._tracer.start_span(name, attributes=attributes, start_time=_ns(start))
        if attributes.get("photorestore.outcome") == "failed":
            span.set_status(StatusCode.ERROR)
        span.end(_ns(end))

    @contextlib.contextmanager
    def _begun(
        self, name: str, parent: Context | None, kind: SpanKind, attributes: Mapping[str, Value]
    ) -> Iterator[None]:
        if self._tracer is None:
            yield
            return
        with self._tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise


def traceparent_of(headers: Mapping[str, str]) -> str:
    """Return the `traceparent` of the current span, else a request's own; empty where it has no well-formed one."""
    given = headers.get(_HEADER, "")
    return _of_span() or (given if _TRACEPARENT.fullmatch(given) else "")


def current_traceparent() -> str:
    """Return the `traceparent` of the current span, else that of the current request or job."""
    subject = current_subject()
    return _of_span() or ("" if subject is None else subject.traceparent)


def describe_request(subject: Subject, name: str | None) -> None:
    """Add what the edge knows of a request to its span, and take out the query, in which there may be secrets.

    Args:
        name: of the span, the method and the route; None leaves that to the framework.
    """
    span = trace.get_current_span()
    if not span.is_recording():
        return
    span.set_attributes({"photorestore.request_id": subject.request_id, "url.query": "REDACTED"})
    if name is not None:
        span.set_attribute("http.route", name.partition(" ")[2])
        span.update_name(name)


def _of_span() -> str:
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get(_HEADER, "")


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def _sending(environment: Mapping[str, str]) -> tuple[TracerProvider, Callable[[], object]]:
    """Return a provider of the SDK that sends by OTLP, and what ends it.

    Raises:
        ImportError: the extra `tracing` is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider as SendingProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    ours = {"service.version": metadata.version(SERVICE)}
    if not environment.get("OTEL_SERVICE_NAME"):
        ours["service.name"] = SERVICE
    provider = SendingProvider(resource=Resource.create(ours), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider, provider.shutdown
