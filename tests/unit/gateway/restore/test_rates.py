"""How often an API key may ask: counted in memory, and in a real Redis where there is one."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.ports import free_ports
from gateway.errors import TooManyRequests
from gateway.restore.rates import Rates

pytestmark = pytest.mark.anyio


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed; .ci/tools fetches it")
    port = free_ports(1)
    words = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        for line in server.stdout:
            if "eady to accept connections" in line:
                break
        yield f"redis://127.0.0.1:{port}"
        server.terminate()


async def test_a_key_may_ask_so_often_and_others_are_not_touched_by_it() -> None:
    rates = Rates("3/minute")
    for _ in range(3):
        await rates.check("a")
    with pytest.raises(TooManyRequests, match="3 per 1 minute") as caught:
        await rates.check("a")
    assert caught.value.reason == "rate"
    assert 1 <= caught.value.retry_after_s <= 60
    await rates.check("b")


async def test_who_waits_as_long_as_it_was_told_is_let_in() -> None:
    rates = Rates("1/second")
    await rates.check("a")
    with pytest.raises(TooManyRequests) as caught:
        await rates.check("a")
    assert caught.value.retry_after_s == 1
    await asyncio.sleep(1.1)
    await rates.check("a")


async def test_callers_without_a_key_are_not_counted() -> None:
    rates = Rates("1/minute")
    for _ in range(3):
        await rates.check("")


async def test_edges_count_together_in_redis(redis: str) -> None:
    edges = Rates("2/minute", redis), Rates("2/minute", redis)
    for edge in edges:
        await edge.check("a")
    for edge in edges:
        with pytest.raises(TooManyRequests):
            await edge.check("a")
        await edge.close()


async def test_where_redis_fails_everybody_is_let_in(caplog: pytest.LogCaptureFixture) -> None:
    rates = Rates("1/minute", f"redis://127.0.0.1:{free_ports(1)}")
    began = time.monotonic()
    await rates.check("a")
    await rates.check("a")
    await rates.close()
    assert "nobody is held to them" in caplog.text
    assert time.monotonic() - began < 20
