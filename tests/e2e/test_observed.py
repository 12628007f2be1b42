"""One request, found in the spans and in every log by the same ids."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from photorestore.options import STAGES
from tests.e2e.conftest import Service, wait_for
from tests.edge import make_picture
from tests.otlp import Receiver, attributes_of

pytestmark = pytest.mark.e2e

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def lines_of(log: Path, **fields: str) -> list[dict[str, Any]]:
    """The latest lines with these fields; each has to be JSON, if nothing was killed while it wrote."""
    lines = [json.loads(line) for line in log.read_text().splitlines()[-200:]]
    return [line for line in lines if fields.items() <= line.items()]


def names(receiver: Receiver) -> set[str]:
    return {span.name for span in receiver.spans if span.trace_id.hex() == TRACE}


def failed(receiver: Receiver) -> list[Any]:
    """Spans of stages that found something wrong."""
    return [
        span
        for span in receiver.spans
        if span.trace_id.hex() == TRACE and span.name in STAGES and span.status.code
    ]


def test_a_request_has_the_same_ids_from_the_edge_to_each_stage(service: Service, spans: Receiver) -> None:
    url = f"{service.gateway_url}/v1/restore"
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "X-Request-Id": "album-7"}
    for content, status in ((make_picture(), 200), (make_picture()[:-400], 422)):
        assert requests.post(url, data=content, headers=headers, timeout=120).status_code == status
    wait_for(lambda: names(spans) >= {"POST /v1/restore", "upload", "run", *STAGES})
    metrics = requests.get(f"{service.gateway_url}/metrics/torchserve", timeout=30).text
    assert "photorestore_stage_seconds_count" in metrics  # TorchServe still reads them from workers' lines
    assert spans.headers[0]["authorization"] == "hush"
    wait_for(lambda: failed(spans))
    (stage,) = failed(spans)
    assert (stage.name, attributes_of(stage)["photorestore.outcome"]) == ("preprocess", "failed")
    ids = {"request_id": "album-7", "trace_id": TRACE}
    statuses = [
        line["status"] for line in lines_of(service.run_dir / "gateway.log", **ids) if "status" in line
    ]
    assert statuses == [200, 422]
    (told,) = lines_of(service.run_dir / "logs/workers.log", **ids)
    assert (told["stage"], told["logger"], told["level"]) == (
        "preprocess",
        "photorestore.stages.base",
        "info",
    )
    assert lines_of(service.run_dir / "logs/server.log", level="info")
    for log in service.run_dir.rglob("*.log"):
        assert "hush" not in log.read_text()
