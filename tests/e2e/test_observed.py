"""One request, found in the spans and in every log by the same ids."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from photorestore.options import STAGES
from tests.e2e.conftest import running_service, wait_for
from tests.edge import make_picture
from tests.otlp import Receiver, attributes_of, receiving_spans

pytestmark = pytest.mark.e2e

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VARIABLES = {"OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=hush"}


def lines_of(log: Path, **fields: str) -> list[dict[str, Any]]:
    """Lines with these fields; every line of the log has to be JSON."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in lines if fields.items() <= line.items()]


def names(receiver: Receiver) -> set[str]:
    return {span.name for span in receiver.spans if span.trace_id.hex() == TRACE}


def test_a_request_has_the_same_ids_from_the_edge_to_each_stage(tmp_path: Path, root: Path) -> None:
    own_root = root.with_name(f"{root.name}-observed")
    with receiving_spans() as receiver:
        variables = VARIABLES | {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        with running_service(tmp_path, own_root, has_gateway=True, variables=variables) as service:
            url = f"{service.gateway_url}/v1/restore"
            headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "X-Request-Id": "album-7"}
            for content, status in ((make_picture(), 200), (make_picture()[:-400], 422)):
                assert requests.post(url, data=content, headers=headers, timeout=120).status_code == status
            wait_for(lambda: names(receiver) >= {"POST /v1/restore", "upload", "run", *STAGES})
            metrics = requests.get(f"{service.gateway_url}/metrics/torchserve", timeout=30).text
            assert (
                "photorestore_stage_seconds_count" in metrics
            )  # TorchServe still reads them from workers' lines
    assert receiver.headers[0]["authorization"] == "hush"
    (stage,) = (span for span in receiver.spans if span.name == "preprocess" and span.status.code)
    assert attributes_of(stage)["photorestore.outcome"] == "failed"
    ids = {"request_id": "album-7", "trace_id": TRACE}
    assert [line["status"] for line in lines_of(tmp_path / "gateway.log", **ids) if "status" in line] == [
        200,
        422,
    ]
    (told,) = lines_of(tmp_path / "logs/workers.log", **ids)
    assert (told["stage"], told["logger"], told["level"]) == (
        "preprocess",
        "photorestore.stages.base",
        "info",
    )
    assert lines_of(tmp_path / "logs/server.log", level="info")
    for log in tmp_path.rglob("*.log"):
        assert "hush" not in log.read_text()
    own_root.rmdir()
