"""What the service tells of itself: stages, metrics, logs and OpenAPI."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from gateway.http.keys import key_line
from gateway.restore.returns import MEDIA_TYPES
from photorestore.options import STAGES
from photorestore.stage_table import STAGE_ROWS
from tests.edge import EdgeClient, FakeTorchServe, make_picture, metric, problem, running_edge
from tests.logged import logged

pytestmark = pytest.mark.anyio


async def test_request_id_goes_in_out_and_into_every_log(edge: EdgeClient, server: FakeTorchServe) -> None:
    with logged() as lines:
        answer = await edge.post(
            "/v1/restore?stages=", content=make_picture(), headers={"X-Request-Id": "album-7"}
        )
        strange = await edge.get("/v1/stages", headers={"X-Request-Id": "a b"})
    assert answer.headers["x-request-id"] == "album-7"
    assert server.inferences[0]["request_id"] == "album-7"
    assert [line["request_id"] for line in lines if line.get("route") == "/v1/restore"] == ["album-7"]
    assert strange.headers["x-request-id"].isalnum()


async def test_stages_options_and_cards_are_described(edge: EdgeClient) -> None:
    document = (await edge.get("/v1/stages")).json()
    assert [stage["name"] for stage in document["stages"]] == list(STAGES)
    for stage in document["stages"]:
        assert stage["ready_workers"] == 1
        row = STAGE_ROWS[stage["name"]]
        assert (stage["label"], stage["does"], stage["selectable"]) == (
            row.label,
            row.does,
            row.is_selectable,
        )
        networks = row.networks
        assert bool(stage["cards"]) == bool(networks)
        assert stage["tiers"][:1] == (["fast"] if any(network.has_tiers for network in networks) else [])
    assert document["stages"][1]["cards"][0]["licence"]
    origins = {card["network"]: card["origin"] for stage in document["stages"] for card in stage["cards"]}
    assert origins["denoise"] == {"kind": "trained"}
    assert (origins["face_detector"]["kind"], origins["face_detector"]["version"]) == ("imported", "2.6.0")
    assert document["options"]["strength"]["anyOf"][0]["maximum"] == 1


async def test_metrics_show_what_was_done(edge: EdgeClient) -> None:
    await edge.post("/v1/restore?stages=", content=make_picture())
    await edge.post("/v1/restore", content=b"x")
    text = (await edge.get("/metrics")).text
    for line in (
        'http_requests_total{method="POST",route="/v1/restore",status="200"} 1.0',
        'http_requests_total{method="POST",route="/v1/restore",status="415"} 1.0',
        'stage_outcomes_total{outcome="ran",stage="deliver"} 1.0',
        'stage_outcomes_total{outcome="passed",stage="denoise"} 1.0',
        'ready_workers{stage="denoise"} 1.0',
        'wanted_workers{stage="denoise"} 2.0',
        'pending_requests{stage="denoise"} 3.0',
        'stage_outcomes_total{outcome="failed",stage="denoise"} 0.0',
        'rejected_total{reason="pixels"} 0.0',
        'runs_total{outcome="internal"} 0.0',
        "restored_megapixels_total 0.0024",
        "in_flight_requests 0.0",
        "ready 1.0",
    ):
        assert f"photorestore_gateway_{line}\n" in text
    assert metric(edge, "shared_memory_bytes") > metric(edge, "shared_memory_used_bytes") > 0


async def test_openapi_describes_the_routes(edge: EdgeClient) -> None:
    document = (await edge.get("/openapi.json")).json()
    assert {"/v1/restore", "/v1/analyze", "/v1/stages", "/livez", "/readyz", "/metrics"} <= set(
        document["paths"]
    )
    operation = document["paths"]["/v1/restore"]["post"]
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert {"stages", "strength", "format", "timeout", "preset", "If-None-Match"} <= names
    assert {"200", "400", "401", "406", "412", "413", "415", "422", "429", "503", "504"} <= set(
        operation["responses"]
    )
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    answers = [answer for operation in operations for answer in operation["responses"].values()]
    kinds = [
        answer["content"] for answer in answers if "application/problem+json" in answer.get("content", {})
    ]
    problems = {kind: {"schema": {"$ref": "#/components/schemas/Problem"}} for kind in kinds[0]}
    assert all(kind == problems for kind in kinds)
    problem_document = (await edge.get("/nowhere")).json()
    assert set(document["components"]["schemas"]["Problem"]["properties"]) == set(problem_document)
    assert all(operation["operationId"] and operation["tags"] for operation in operations)
    assert "text/html" in (await edge.get("/docs")).headers["content-type"]
    assert (await edge.get("/livez")).json() == {"status": "alive"}


async def test_openapi_has_each_schema_once_and_none_of_answers_that_never_come(edge: EdgeClient) -> None:
    text = (await edge.get("/openapi.json")).text
    document = json.loads(text)
    schemas = document["components"]["schemas"]
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert referred == set(schemas)
    assert "Raises:" not in text  # descriptions are for callers, who see no exceptions
    for path in document["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {})
                assert status != "422" or set(content) == {"application/problem+json"}
                assert all("$ref" in kind["schema"] for name, kind in content.items() if "json" in name)


@pytest.mark.parametrize("name", ["mask", "report", "bundle"])
async def test_parts_of_a_result_have_paths_of_their_own(edge: EdgeClient, name: str) -> None:
    by_path = await edge.post(f"/v1/restore/{name}?stages=&format=png", content=make_picture())
    by_option = await edge.post(f"/v1/restore?return={name}&stages=&format=png", content=make_picture())
    assert by_path.status_code == 200
    kinds = [answer.headers["content-type"].partition(";")[0] for answer in (by_path, by_option)]
    assert kinds == [MEDIA_TYPES[name]] * 2
    assert by_path.headers["etag"] == by_option.headers["etag"]
    twice = await edge.post(f"/v1/restore/{name}?return=image", content=make_picture())
    assert problem(twice) == (400, "unsupported-option")


async def test_documents_hold_what_openapi_says(edge: EdgeClient) -> None:
    document = (await edge.get("/openapi.json")).json()
    got = {
        "Report": await edge.post("/v1/restore/report?stages=", content=make_picture()),
        "Analysis": await edge.post("/v1/analyze", content=make_picture()),
        "Service": await edge.get("/v1/stages"),
        "Readiness": await edge.get("/readyz"),
        "Liveness": await edge.get("/livez"),
    }
    for name, answer in got.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema_rs.validate(schema, answer.json())
        assert set(answer.json()) == set(document["components"]["schemas"][name]["properties"])


@pytest.mark.parametrize("keys", [True, False])
async def test_openapi_asks_for_a_key_where_the_service_does(
    server: FakeTorchServe, root: Path, tmp_path: Path, keys: bool
) -> None:
    file = tmp_path / "keys"
    file.write_text(key_line("album", "pr_key"))
    settings: dict[str, Any] = {"keys_file": file} if keys else {}
    async with running_edge(server, root, **settings) as edge:
        paths = (await edge.get("/openapi.json")).json()["paths"]
    assert ("security" in paths["/v1/restore"]["post"]) is keys
    assert "security" not in paths["/livez"]["get"]
