"""Tracing is off by default, and what the environment says of it is understood or named."""

import subprocess
import sys

import pytest

from gateway.__main__ import main
from gateway.telemetry.tracing import ENDPOINTS, Tracing
from tests.edge import ENVIRONMENT

SENT = "http://collector:4318"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {ENDPOINTS[0]: ""},
        {ENDPOINTS[1]: SENT, "OTEL_SDK_DISABLED": "TRUE"},
        {ENDPOINTS[1]: SENT, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_an_endpoint_nothing_is_traced(environment: dict[str, str]) -> None:
    tracing = Tracing.of(environment)
    assert tracing.provider is None
    with tracing.span("a"), tracing.later_span("b", "", {}):
        tracing.add_stages({}, 0.0)


def test_the_edge_imports_no_sdk_where_it_is_off() -> None:
    program = (
        "import sys, gateway.app; assert not [name for name in sys.modules if 'opentelemetry.sdk' in name]"
    )
    subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, check=True)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (ENDPOINTS[0], "collector:4318", "expected one like http://collector:4318"),
        (ENDPOINTS[1], "ftp://user:hush@collector", "expected one like http://collector:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "is 'grpc'; expected http/protobuf"),
    ],
)
def test_what_cannot_be_used_ends_the_start(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(ENDPOINTS[1], SENT)
    monkeypatch.setenv(name, value)
    assert main(["serve"]) == 2
    error = capsys.readouterr().err
    assert f"{name} {told}" in error or f"{name} is no URL; {told}" in error
    assert "hush" not in error


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=r"pip install photorestore\[tracing\]"):
        Tracing.of({ENDPOINTS[0]: SENT})
