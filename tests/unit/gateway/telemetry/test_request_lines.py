"""What the log says of each request, and what it never says."""

import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gateway.http.keys import key_line, make_key
from tests.edge import EdgeClient, FakeTorchServe, make_mask, make_picture, metric, running_edge, until
from tests.jobs import submit, wait
from tests.logged import Lines, logged

pytestmark = pytest.mark.anyio

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


def line_of(lines: Lines, route: str) -> dict[str, object]:
    """The line that was written when a request was answered."""
    (found,) = (line for line in lines if line.get("route") == route)
    return found


async def test_a_request_has_a_line_with_all_that_matters_of_it(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    key, picture = make_key(), make_picture()
    (tmp_path / "keys").write_text(key_line("album", key))
    async with running_edge(server, root, keys_file=tmp_path / "keys") as edge:
        headers = {"Authorization": f"Bearer {key}", "X-Request-Id": "album-7", "traceparent": TRACEPARENT}
        with logged() as lines:
            answer = await edge.post(
                "/v1/restore?stages=&format=png&scale=1", content=picture, headers=headers
            )
    line = line_of(lines, "/v1/restore")
    assert line.pop("time")
    assert isinstance(line.pop("ms"), float)
    assert str(line.pop("message")).startswith("POST /v1/restore: 200 in ")
    assert line == {
        "level": "info",
        "logger": "gateway.http.middleware",
        "request_id": "album-7",
        "trace_id": TRACE,
        "key": "album",
        "client": "127.0.0.1",
        "method": "POST",
        "route": "/v1/restore",
        "status": 200,
        "bytes_in": len(picture),
        "bytes_out": len(answer.content),
        "pixels": 40 * 60,
        "options": {"stages": [], "format": "png"},
        "result": "run",
    }


async def test_a_refused_request_has_its_problem_in_its_line(edge: EdgeClient) -> None:
    with logged() as lines:
        await edge.post("/v1/restore?format=png", content=b"no picture")
    line = line_of(lines, "/v1/restore")
    assert (line["status"], line["problem"], line["bytes_in"]) == (415, "not-an-image", len(b"no picture"))
    assert line["options"] == {"format": "png"}


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00-0-0-00",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\x85",
    ],
)
async def test_a_traceparent_that_is_none_is_passed_over(edge: EdgeClient, given: str) -> None:
    with logged() as lines:
        await edge.get("/v1/stages", headers={b"traceparent": given.encode("latin-1")})
    assert "trace_id" not in line_of(lines, "/v1/stages")


async def test_lines_of_a_job_name_it_and_the_request_that_submitted_it(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    async with running_edge(server, root, jobs_dir=tmp_path / "jobs") as edge:
        with logged() as lines:
            headers: dict[str, Any] = {"X-Request-Id": "album-7", "traceparent": TRACEPARENT}
            job = await submit(edge, **headers)
            await wait(edge, job)
    (begun,) = (line for line in lines if line.get("job") and "try 1" in line["message"])
    assert (begun["job"], begun["request_id"], begun["trace_id"]) == (job["id"], "album-7", TRACE)


async def test_stages_log_under_the_ids_of_their_request(
    edge: EdgeClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await edge.post(
            "/v1/restore",
            content=make_picture()[:-400],
            headers={"X-Request-Id": "album-7", "traceparent": TRACEPARENT},
        )
    (record,) = (record for record in caplog.records if record.name.startswith("photorestore."))
    assert vars(record)["fields"] == {"request_id": "album-7", "trace_id": TRACE, "stage": "preprocess"}


async def test_no_secret_gets_into_the_log(server: FakeTorchServe, root: Path, tmp_path: Path) -> None:
    key, secret = make_key(), tmp_path / "secret"
    (tmp_path / "keys").write_text(key_line("album", key))
    secret.write_text("hush-0123456789abcdef")
    settings: dict[str, Any] = {
        "keys_file": tmp_path / "keys",
        "jobs_dir": tmp_path / "jobs",
        "webhook_hosts": "127.0.0.0/8",
        "webhook_secret_file": secret,
        "webhook_wait_s": 0.01,
        "webhook_tries": 2,
    }
    hook = "http://127.0.0.1:9/told?token=hush"
    form = {"image": ("hush.png", make_picture()), "mask": ("hush.png", make_mask())}
    async with running_edge(server, root, **settings) as edge:
        edge.headers["Authorization"] = f"Bearer {key}"
        edge.headers["Cookie"] = "session=hush"
        with logged() as lines:
            await edge.post("/v1/restore", files=form)
            await edge.post("/v1/restore?token=hush&password=hush", content=make_picture())
            await edge.get("/v1/stages", headers={"Authorization": "Bearer hush"})
            for url in ("https://elsewhere.example/?hush", "http://user:hush@127.0.0.1:9/"):
                await edge.post("/v1/jobs", params={"webhook": url}, content=make_picture())
            await wait(edge, await submit(edge, f"stages=&webhook={quote(hook)}"))
            await until(lambda: metric(edge, "webhooks_total", outcome="failed") == 1)
    assert len(lines) > 5
    told = [line for line in lines if "webhook: " in line["message"]]
    assert {line["job"] for line in told} == {told[0]["job"]}
    assert "hush" not in lines.text
    assert key not in lines.text
