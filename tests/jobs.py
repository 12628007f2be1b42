"""What the tests of jobs share."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from gateway.jobs.records import ENDED
from tests.edge import make_picture

KEYED: dict[str, Any] = {"Idempotency-Key": "a"}


async def submit(
    edge: httpx.AsyncClient, query: str = "stages=", seed: int = 0, **headers: Any
) -> dict[str, Any]:
    answer = await edge.post(f"/v1/jobs?{query}", content=make_picture(seed=seed), headers=headers)
    assert answer.status_code in (200, 202), answer.text
    assert answer.headers["location"] == answer.json()["links"]["self"]
    return answer.json()


async def look(edge: httpx.AsyncClient, job: dict[str, Any], **headers: str) -> dict[str, Any]:
    return (await edge.get(job["links"]["self"], headers=headers)).json()


async def wait(edge: httpx.AsyncClient, job: dict[str, Any], *states: str) -> dict[str, Any]:
    """The job, once it is in one of these states; by default, once it has ended."""
    async with asyncio.timeout(30):
        while (now := await look(edge, job))["state"] not in (states or ENDED):  # noqa: ASYNC110 - asked for by HTTP
            await asyncio.sleep(0.01)
    return now


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def emptied(folder: Path) -> None:
    """Files go after the record that needed them."""
    async with asyncio.timeout(30):
        while names(folder):  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.01)


async def ready(client: httpx.AsyncClient) -> None:
    """Wait until an edge in a process of its own is ready."""
    async with asyncio.timeout(60):
        while True:
            try:
                if (await client.get("/readyz")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.02)
