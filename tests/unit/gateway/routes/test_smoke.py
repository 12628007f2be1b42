"""`make smoke` against a service that runs, and one that does not."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import HOME
from tests.edge import ENVIRONMENT, FakeTorchServe, free_port, listening

pytestmark = pytest.mark.anyio


def smoke(port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "client.smoke", f"http://127.0.0.1:{port}"]
    path = f"{ENVIRONMENT['PYTHONPATH']}:{HOME}/client"
    return subprocess.run(
        command,
        cwd=HOME,
        env=ENVIRONMENT | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_a_picture_goes_through_the_edge(server: FakeTorchServe, root: Path) -> None:
    async with listening(server, root) as (port, _):
        done = await asyncio.to_thread(smoke, port)
    assert (done.returncode, done.stdout.partition(" px")[0]) == (0, "image/png, 64x64"), done.stderr
    assert server.inferences[-1]["request_id"] == "smoke"


def test_where_nobody_listens_it_says_so() -> None:
    done = smoke(free_port())
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr
