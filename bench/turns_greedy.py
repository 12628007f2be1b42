"""A key's caller, and one who has 50 requests at a time, in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field

import httpx

from bench.service import made_once

AT_ONCE = 50
SETTLE_S = 2.0
"""How long the greedy key is at work before anything is measured."""
AGAIN_S = 0.02
"""After a refusal, hammering callers come back so soon."""
REFUSED = 429


@dataclass(frozen=True, slots=True)
class Side:
    """One key's caller.

    Attributes:
        size_hw: of its pictures.
        hurries: the greedy key does not wait for `Retry-After`, the modest one not for its pause.
    """

    url: str
    key: str
    size_hw: tuple[int, int]
    hurries: bool

    def client(self) -> httpx.AsyncClient:
        """Return a client that has the key."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.key}"},
            trust_env=False,
            timeout=900,
            limits=httpx.Limits(max_connections=AT_ONCE),
        )

    def picture(self, name: str) -> bytes:
        """Make a picture that nobody has sent before: identical ones would share a run."""
        return made_once(*self.size_hw) + name.encode()


@dataclass(slots=True)
class Got:
    """What the greedy key got, known when it has ended.

    Attributes:
        statuses: of its answers.
        without_retry_after: answers of 429 that do not tell when to come back.
        rates: restorations a second that came back while something was measured, for each time.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    without_retry_after: int = 0
    rates: list[float] = field(default_factory=list)


@contextlib.asynccontextmanager
async def at_work(side: Side, got: Got) -> AsyncIterator[None]:
    """Run the greedy callers for as long as the block runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.turns_greedy", json.dumps(asdict(side))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()  # it takes seconds to start
    await asyncio.sleep(SETTLE_S)
    began = time.monotonic()
    try:
        yield
    finally:
        ended = time.monotonic()
        printed, _ = await process.communicate(b"")  # the end of its input is its end
    statuses, without, came = json.loads(printed)
    got.statuses += Counter(statuses)
    got.without_retry_after += without
    got.rates.append(sum(began < second < ended for second in came) / (ended - began))


async def be_greedy(side: Side) -> tuple[Counter[str], int, list[float]]:
    """Send 50 pictures at a time until the input ends.

    Returns:
        The statuses, how many 429 told no time, and when restorations came back, by the machine's monotonic clock.
    """
    statuses, without, came = Counter[str](), 0, list[float]()

    async def caller(client: httpx.AsyncClient, name: str) -> None:
        nonlocal without
        for number in range(sys.maxsize):
            answer = await client.post(
                "/v1/restore", content=side.picture(f"{time.time_ns()} {name} {number}")
            )
            statuses[str(answer.status_code)] += 1
            if answer.is_success:
                came.append(time.monotonic())
            if answer.status_code == REFUSED:
                wait_s = answer.headers.get("retry-after")
                without += wait_s is None
                await asyncio.sleep(AGAIN_S if side.hurries else float(wait_s or 1))

    async with side.client() as client:
        callers = [asyncio.create_task(caller(client, f"{name}")) for name in range(AT_ONCE)]
        print("begun", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        for task in callers:
            task.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    return statuses, without, came


if __name__ == "__main__":
    print(json.dumps(asyncio.run(be_greedy(Side(**json.loads(sys.argv[1]))))))
