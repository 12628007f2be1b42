"""The end of the server."""

import asyncio
import signal
import sys
from pathlib import Path

import httpx
import pytest

from gateway.settings import HOME
from tests.edge import ENVIRONMENT, FakeTorchServe, free_port, make_picture, serving, until

pytestmark = pytest.mark.anyio


async def readyz_says(client: httpx.AsyncClient, expected: int | None) -> None:
    """Poll until the status is so; None = nobody listens."""
    status: int | None = 0
    async with asyncio.timeout(60):
        while status != expected:
            await asyncio.sleep(0.02)
            try:
                status = (await client.get("/readyz")).status_code
            except httpx.TransportError:
                status = None


async def test_sigterm_answers_what_is_in_flight(server: FakeTorchServe, root: Path) -> None:
    """The whole program in its own process, before a stand-in that listens on a port."""
    own_port = free_port()
    async with serving(server) as url:
        command = [
            sys.executable,
            "-m",
            "gateway",
            "serve",
            "--port",
            str(own_port),
            "--workspace-root",
            str(root),
        ]
        command += [
            "--inference-url",
            url,
            "--management-url",
            url,
            "--poll-s",
            "0.1",
            "--drain-delay-s",
            "1",
        ]
        process = await asyncio.create_subprocess_exec(*command, cwd=HOME, env=ENVIRONMENT)
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{own_port}", timeout=60, trust_env=False
            ) as client:
                await readyz_says(client, 200)
                server.is_open.clear()
                asked = asyncio.create_task(client.post("/v1/restore?stages=", content=make_picture()))
                await until(lambda: len(server.inferences) == 2)  # the canary was the first
                process.send_signal(signal.SIGTERM)
                await readyz_says(client, 503)
                await readyz_says(client, None)
                assert not asked.done()
                server.is_open.set()
                assert (await asked).status_code == 200
            assert await asyncio.wait_for(process.wait(), 30) == 0
        finally:
            if process.returncode is None:
                process.kill()
    assert list(root.iterdir()) == []
