"""The client that is awaited: the same calls, in asyncio."""

import asyncio
import inspect
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path

import photorestore_client
import pytest
from photorestore_client import AsyncClient, BadOption, Busy, Client, Job, TimedOut, Timeouts, Unreachable

from tests.edge_double import JPEG, QUICK, Edge, Misbehaviour, drop, refuse, stall, trickle

pytestmark = pytest.mark.anyio


@pytest.fixture
async def awaited(edge: Edge) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(edge.url, api_key="secret", retry=QUICK) as connected:
        yield connected


def test_both_clients_have_the_same_methods() -> None:
    methods = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if name[0] != "_"}
    assert methods == {
        name for name, _ in inspect.getmembers(AsyncClient, inspect.isfunction) if name[0] != "_"
    }
    for name in methods - {"close"}:
        blocking, awaited = getattr(Client, name), getattr(AsyncClient, name)
        assert inspect.signature(blocking) == inspect.signature(awaited)
        assert "Steps" not in str(inspect.signature(blocking))
        assert blocking.__doc__ == awaited.__doc__
        assert inspect.iscoroutinefunction(awaited)
        assert not inspect.iscoroutinefunction(blocking)
    assert "AsyncClient" in photorestore_client.__all__


async def test_a_picture_is_streamed_and_restored(edge: Edge, awaited: AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "old.jpg").write_bytes(b"old" * 100_000)
    restored = await awaited.restore(tmp_path / "old.jpg", mask=b"mask", strength=0.5, request_id="r1")
    assert restored.content.startswith(JPEG)
    assert edge.seen[0].parts() == {"image": b"old" * 100_000, "mask": b"mask"}
    assert edge.seen[0].query == {"strength": "0.5"}
    assert edge.seen[0].headers["Authorization"] == "Bearer secret"
    assert (await awaited.bundle(b"old")).report == {"tier": "fast"}
    assert (await awaited.stages()).details == {"version": "1"}


async def test_trouble_that_passes_is_tried_again(edge: Edge, awaited: AsyncClient) -> None:
    edge.misbehave += [drop, refuse(503, "out-of-space"), refuse(429, "busy")]
    assert (await awaited.restore(b"old")).content.startswith(JPEG)
    edge.misbehave += [drop] * 9
    with pytest.raises(Unreachable):
        await awaited.restore(b"old")
    assert len(edge.seen) == 4 + QUICK.tries
    edge.misbehave.clear()
    edge.misbehave.append(refuse(400, "unsupported-option"))
    with pytest.raises(BadOption):
        await awaited.check(stages=["none"])


@pytest.mark.parametrize("trouble", [trickle, stall(2.0)])
async def test_limits_of_time_hold(edge: Edge, trouble: Misbehaviour) -> None:
    edge.misbehave.append(trouble)
    start = time.monotonic()
    async with AsyncClient(edge.url, timeouts=Timeouts(read_s=0.5, total_s=0.7), retry=QUICK) as client:
        with pytest.raises(TimedOut):
            await client.restore(b"old")
    assert time.monotonic() - start < 5


async def test_jobs_are_awaited(edge: Edge, awaited: AsyncClient) -> None:
    changes: list[Job] = []
    restored = await awaited.wait(await awaited.submit(b"old"), on_change=changes.append)
    assert [change.state for change in changes] == ["queued", "running", "succeeded"]
    assert restored.content.startswith(JPEG)


async def test_many_are_in_flight_at_a_time(edge: Edge, awaited: AsyncClient) -> None:
    edge.delay_s = 0.3
    start = time.monotonic()
    pictures = [f"picture {number}".encode() for number in range(20)]
    restored = await asyncio.gather(*map(awaited.restore, pictures))
    assert len({picture.content for picture in restored}) == 20
    assert time.monotonic() - start < 20 * edge.delay_s / 2


async def test_closing_wakes_the_calls_that_wait(edge: Edge) -> None:
    edge.misbehave.append(refuse(429, "busy", Retry_After="60"))
    client = AsyncClient(edge.url)
    waiting = asyncio.create_task(client.restore(b"old"))
    while not edge.seen:  # noqa: ASYNC110 - the server is in a thread
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    await client.close()
    with pytest.raises(Busy):
        await asyncio.wait_for(waiting, 10)


async def test_cancelling_leaves_the_client_usable(edge: Edge, awaited: AsyncClient) -> None:
    edge.delay_s = 5.0
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(awaited.restore(b"old"), 0.2)
    edge.delay_s = 0.0
    assert (await awaited.restore(b"new")).content.startswith(JPEG)


def test_open_files_and_streams_are_pictures(edge: Edge, client: Client, tmp_path: Path) -> None:
    (tmp_path / "old.jpg").write_bytes(b"--old")
    edge.misbehave.append(drop)
    with (tmp_path / "old.jpg").open("rb") as file:
        file.seek(2)
        restored = client.restore(file, mask=io.BytesIO(b"mask"))
    assert [seen.parts() for seen in edge.seen] == [{"image": b"old", "mask": b"mask"}] * 2
    assert restored.open().read() == restored.content
    target = io.BytesIO()
    restored.save(target)
    assert target.getvalue() == restored.content
