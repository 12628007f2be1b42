"""A receiver of OTLP over HTTP."""

import contextlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.local_servers import answering

trace_service = pytest.importorskip(
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="the extra `tracing` is not installed"
)


class Receiver(ThreadingHTTPServer):
    """Takes what an exporter sends.

    Attributes:
        spans: those that came, decoded.
        resources: attributes of those that sent them.
        headers: of the requests.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def named(self, name: str) -> Any:
        """The only span of a name."""
        (found,) = (span for span in self.spans if span.name == name)
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = trace_service.ExportTraceServiceRequest.FromString(body)
        assert self.path == "/v1/traces"
        self.server.headers.append(dict(self.headers))
        for resource in request.resource_spans:
            self.server.resources.append(attributes_of(resource.resource))
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


def attributes_of(described: Any) -> dict[str, Any]:
    """Attributes of a span or a resource."""
    return {
        entry.key: getattr(entry.value, entry.value.WhichOneof("value")) for entry in described.attributes
    }


@contextlib.contextmanager
def receiving_spans() -> Iterator[Receiver]:
    with Receiver() as receiver, answering(receiver):
        yield receiver
