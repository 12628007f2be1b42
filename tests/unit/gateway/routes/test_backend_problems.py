"""Problems of TorchServe and of its stages, as callers see them."""

import json
from pathlib import Path

import pytest
from starlette.responses import Response

from photorestore.records import document_of
from tests.edge import EdgeClient, FakeTorchServe, make_picture, metric, problem
from tests.handed_on import REPORT

pytestmark = pytest.mark.anyio


async def test_backend_that_is_gone_is_503(edge: EdgeClient, server: FakeTorchServe, root: Path) -> None:
    server.is_up = False
    answer = await edge.post("/v1/restore", content=make_picture())
    assert problem(answer) == (503, "backend-unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert metric(edge, "runs_total", outcome="backend-unavailable") == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response(b"Error executing denoise", 500), (503, "backend-unavailable")),
        (Response(b'{"code": 503, "message": "no workers"}', 503), (503, "backend-unavailable")),
        (Response(b"[]", 200), (503, "backend-unavailable")),
    ],
)
async def test_answers_that_are_no_report_are_503(
    edge: EdgeClient, server: FakeTorchServe, answer: Response, expected: tuple[int, str]
) -> None:
    server.answer = answer
    assert problem(await edge.post("/v1/restore", content=make_picture())) == expected


@pytest.mark.parametrize(
    ("kind", "status"), [("out-of-space", 503), ("internal", 500), ("deadline-exceeded", 504)]
)
async def test_problems_of_the_stages_keep_type_and_status(
    edge: EdgeClient, server: FakeTorchServe, kind: str, status: int
) -> None:
    document = {
        "type": f"urn:photorestore:problem:{kind}",
        "status": status,
        "detail": "so",
        "stage": "denoise",
    }
    server.answer = Response(json.dumps(document))
    answer = await edge.post("/v1/restore", content=make_picture())
    assert problem(answer) == (status, kind)
    assert ("retry-after" in answer.headers) == (status == 503)
    assert metric(edge, "stage_outcomes_total", stage="denoise", outcome="failed") == 1


async def test_result_that_never_came_is_an_internal_problem(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    server.answer = Response(json.dumps(document_of(REPORT)))
    assert problem(await edge.post("/v1/restore", content=make_picture())) == (500, "internal")
