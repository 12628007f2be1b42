"""The stand-in for TorchServe that the bench measures edges before."""

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from bench.stand_in import Seen
from photorestore.options import Options
from photorestore.workspace import Workspace

LASTS_S = {"long": 0.4, "short": 0.1}


@pytest.mark.anyio
@pytest.mark.parametrize(("slice_s", "ended"), [(None, ["long", "short"]), (0.02, ["short", "long"])])
async def test_restorations_take_turns_if_they_are_to(
    tmp_path: Path, slice_s: float | None, ended: list[str]
) -> None:
    seen, found = Seen(tmp_path, at_a_time=1, run_s=LASTS_S.__getitem__, slice_s=slice_s), list[str]()
    transport = httpx.ASGITransport(Starlette(routes=[Route("/", seen.restore, methods=["POST"])]))
    async with httpx.AsyncClient(transport=transport, base_url="http://stand-in") as client:

        async def ask(name: str) -> None:
            workspace = Workspace.create(tmp_path, Options(), request_id=name)
            workspace.write_file("upload", name.encode())
            answer = await client.post("/", content=workspace.envelope.to_json())
            assert answer.is_success
            found.append(name)
            assert workspace.read_file("result") == name.encode()

        async with asyncio.TaskGroup() as group:
            group.create_task(ask("long"))
            while not seen.at_work["long"]:  # noqa: ASYNC110 - it is seen from outside
                await asyncio.sleep(0.005)
            group.create_task(ask("short"))
    assert found == ended
    assert seen.ahead == {"long": 0, "short": 1}
