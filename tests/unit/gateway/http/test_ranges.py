"""HEAD, and parts of results."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gateway.restore.content import PIECE_BYTES
from tests.edge import EdgeClient, FakeTorchServe, problem, running_edge
from tests.jobs import submit, wait

pytestmark = pytest.mark.anyio


@pytest.fixture
async def edge(server: FakeTorchServe, root: Path, tmp_path: Path) -> AsyncIterator[EdgeClient]:
    async with running_edge(server, root, jobs_dir=tmp_path / "jobs") as client:
        yield client


@pytest.fixture
async def job(edge: EdgeClient) -> dict[str, Any]:
    return await wait(edge, await submit(edge))


async def test_head_is_answered_wherever_get_is(edge: EdgeClient, job: dict[str, Any]) -> None:
    paths = ["/", "/docs", "/page/page.js", "/openapi.json", "/v1/stages", "/livez", "/readyz", "/metrics"]
    result = job["links"]["result"]
    for path in [*paths, job["links"]["self"], result, f"{result}/report", f"{result}/mask"]:
        got, head = await edge.get(path), await edge.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        names = set(got.headers) - {"x-request-id", "content-length"}
        assert {name: head.headers[name] for name in names} == {name: got.headers[name] for name in names}
        assert path == "/metrics" or head.headers["content-length"] == got.headers["content-length"]
    assert (await edge.head("/nowhere")).status_code == 404
    assert (await edge.head("/v1/restore")).status_code == 405
    assert "GET" not in (await edge.get("/metrics")).text.partition('method="HEAD"')[1]


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("0-0", 0, 1),
        ("100-199", 100, 200),
        ("100-", 100, None),
        ("-100", -100, None),
        ("5-999999999", 5, None),
    ],
)
async def test_a_part_of_a_result_comes(
    edge: EdgeClient, job: dict[str, Any], asked: str, start: int, stop: int | None
) -> None:
    whole = await edge.get(job["links"]["result"])
    assert whole.headers["accept-ranges"] == "bytes"
    part = await edge.get(job["links"]["result"], headers={"Range": f"bytes={asked}"})
    assert (part.status_code, part.content) == (206, whole.content[start:stop])
    length = len(whole.content)
    first = range(length)[start:stop].start
    last = first + len(part.content) - 1
    assert part.headers["content-range"] == f"bytes {first}-{last}/{length}"
    assert part.headers["content-length"] == str(len(part.content))
    assert part.headers["etag"] == whole.headers["etag"]


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=-", "bytes=9-5", "lines=0-1", "bytes=a-b", "0-5"])
async def test_what_is_no_single_part_is_answered_whole(
    edge: EdgeClient, job: dict[str, Any], asked: str
) -> None:
    answer = await edge.get(job["links"]["result"], headers={"Range": asked})
    assert answer.status_code == 200


async def test_parts_that_are_not_there_are_416(edge: EdgeClient, job: dict[str, Any]) -> None:
    whole = await edge.get(job["links"]["result"])
    answer = await edge.get(job["links"]["result"], headers={"Range": "bytes=99999999-"})
    assert problem(answer) == (416, "range-not-satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(whole.content)}"


async def test_parts_are_of_one_result(edge: EdgeClient, job: dict[str, Any]) -> None:
    url, etag = job["links"]["result"], job["result"]["etag"]
    for condition, status in ((etag, 206), ('"another"', 200)):
        headers = {"Range": "bytes=5-", "If-Range": condition}
        assert (await edge.get(url, headers=headers)).status_code == status
    report = await edge.get(f"{url}/report", headers={"Range": "bytes=0-5"})
    assert report.status_code == 200
    assert "accept-ranges" not in report.headers


async def test_parts_of_long_results_come_in_pieces(edge: EdgeClient) -> None:
    noise = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (900, 700, 3), np.uint8)).save(noise, "PNG")
    job = (await edge.post("/v1/jobs?stages=&format=png&quality=1", content=noise.getvalue())).json()
    url = (await wait(edge, job))["links"]["result"]
    whole = (await edge.get(url)).content
    assert len(whole) > 2 * PIECE_BYTES
    start, stop = 1000, PIECE_BYTES + 5000
    part = await edge.get(url, headers={"Range": f"bytes={start}-{stop - 1}"})
    assert (part.status_code, part.content) == (206, whole[start:stop])
    assert (await edge.head(url)).headers["content-length"] == str(len(whole))
