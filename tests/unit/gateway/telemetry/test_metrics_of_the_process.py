"""What the edge shows of itself, and of each API key."""

from importlib import metadata
from pathlib import Path

import pytest

from gateway.http.keys import key_line, make_key
from tests.edge import EdgeClient, FakeTorchServe, make_picture, metric, running_edge
from tests.jobs import submit, wait

pytestmark = pytest.mark.anyio


async def test_process_and_build_are_shown(edge: EdgeClient) -> None:
    text = (await edge.get("/metrics")).text
    for name in ("resident_memory_bytes", "cpu_seconds_total", "open_fds", "max_fds", "start_time_seconds"):
        assert f"\nprocess_{name} " in text
    assert 'build_info{python="3.11.' in text
    assert f'version="{metadata.version("photorestore")}"}} 1.0' in text


async def test_each_key_has_its_requests_and_megapixels(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    keys = {name: make_key() for name in ("album", "archive")}
    (tmp_path / "keys").write_text("\n".join(key_line(name, key) for name, key in keys.items()))
    async with running_edge(server, root, keys_file=tmp_path / "keys", jobs_dir=tmp_path / "jobs") as edge:
        edge.headers["Authorization"] = f"Bearer {keys['album']}"
        await edge.post("/v1/restore?stages=", content=make_picture(100, 200))
        await edge.post("/v1/restore?stages=", content=b"no picture")
        edge.headers["Authorization"] = f"Bearer {keys['archive']}"
        await wait(edge, await submit(edge))
        await edge.get("/livez")
        await edge.get("/v1/stages", headers={"Authorization": "Bearer unknown"})
        counted = {
            (key, status): metric(edge, "key_requests_total", key=key, status=status)
            for key in ("", "album", "archive")
            for status in ("2xx", "4xx")
        }
        megapixels = [metric(edge, "key_megapixels_total", key=key) for key in keys]
    assert counted["album", "2xx"] == counted["album", "4xx"] == counted["", "4xx"] == 1
    assert counted["", "2xx"] == 0
    assert counted["archive", "2xx"] >= 2
    assert megapixels == pytest.approx([0.02, 0.0024])


async def test_what_jobs_fail_by_is_counted(server: FakeTorchServe, root: Path, tmp_path: Path) -> None:
    async with running_edge(server, root, jobs_dir=tmp_path / "jobs") as edge:
        answer = await edge.post("/v1/jobs?stages=", content=make_picture()[:-400])
        await wait(edge, answer.json())
        assert metric(edge, "job_problems_total", type="truncated-image") == 1
        assert metric(edge, "job_problems_total", type="internal") == 0
