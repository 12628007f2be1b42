"""One API key with 50 requests at a time, another with one: how much longer the other's take than alone.

    python -m bench.turns                               # a stand-in that restores one picture after the other
    python -m bench.turns --real --height 300 --width 400   # TorchServe

The greedy key's callers come back when `Retry-After` tells them to, or at once (`--hammering`). The modest one sends
its next picture when the last one is back, or after a pause of up to half a second (`--pausing`). Alone and beside take
turns in rounds; the first request of each round is told by itself, for it meets what the greedy key began when it was
alone. The stand-in counts in addition how many restorations were ahead of each of the modest key's, which no other load
of the machine changes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import numpy as np

from bench.jobs import running_edge
from bench.service import made_once, running_service
from bench.stand_in import Seen, serving
from gateway.http.keys import key_line, make_key

AT_ONCE = 50
SETTLE_S = 2.0
"""How long the greedy key is at work before the modest one begins."""
PAUSE_S = 0.5
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
class Found:
    """What was seen.

    Attributes:
        alone_s, beside_s: the modest key's seconds but for the first of each round.
        first_s: those.
        statuses: of the greedy key's answers.
        without_retry_after: answers of 429 that do not tell when to come back.
        names: request ids of those in `beside_s`.
    """

    alone_s: list[float] = field(default_factory=list)
    beside_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    without_retry_after: int = 0
    names: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, object]:
        """Return milliseconds, ratios and counts."""
        quantiles = {
            f"p{percent}": [float(np.percentile(side, percent)) for side in (self.alone_s, self.beside_s)]
            for percent in (50, 95)
        }
        figures: dict[str, object] = {}
        for name, (alone_s, beside_s) in quantiles.items():
            figures |= {
                f"{name}_alone_ms": round(1000 * alone_s),
                f"{name}_beside_ms": round(1000 * beside_s),
            }
            figures[f"{name}_ratio"] = round(beside_s / alone_s, 2)
        return figures | {
            "first_ms": [round(1000 * seconds) for seconds in self.first_s],
            "greedy_statuses": dict(self.statuses),
            "greedy_429_without_retry_after": self.without_retry_after,
        }


Asked = dict[str, float]
"""Seconds by request id."""


async def measure(greedy: Side, modest: Side, rounds: int, in_round: int) -> Found:
    """Send the modest key's pictures alone and beside the greedy one's, in turns."""
    found = Found()
    async with modest.client() as client:
        await ask(client, modest, in_round)  # the first ones are slow
        for _ in range(rounds):
            found.alone_s += list((await ask(client, modest, in_round)).values())[1:]
            async with at_work(greedy, found):
                asked = await ask(client, modest, in_round)
            first, *others = asked
            found.first_s.append(asked[first])
            found.beside_s += [asked[name] for name in others]
            found.names += others
    return found


async def ask(client: httpx.AsyncClient, side: Side, count: int) -> Asked:
    """Restore pictures, one after the other."""
    asked, rng = Asked(), np.random.default_rng(0)
    for number in range(count):
        name = f"modest-{time.time_ns()}-{number}"
        began = time.perf_counter()
        answer = await client.post("/v1/restore", content=side.picture(name), headers={"X-Request-Id": name})
        assert answer.is_success, answer.text
        asked[name] = time.perf_counter() - began
        if not side.hurries:
            await asyncio.sleep(rng.uniform(0, PAUSE_S))
    return asked


@contextlib.asynccontextmanager
async def at_work(side: Side, found: Found) -> AsyncIterator[None]:
    """Run the greedy callers, in a process of their own, for as long as the block runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.turns", "--greedy", json.dumps(asdict(side))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()  # it takes seconds to start
    await asyncio.sleep(SETTLE_S)
    try:
        yield
    finally:
        printed, _ = await process.communicate(b"")  # the end of its input is its end
    statuses, without = json.loads(printed)
    found.statuses += Counter(statuses)
    found.without_retry_after += without


async def be_greedy(side: Side) -> tuple[Counter[str], int]:
    """Send 50 pictures at a time until the input ends; return the statuses, and how many 429 told no time."""
    statuses, without = Counter[str](), 0

    async def caller(client: httpx.AsyncClient, name: str) -> None:
        nonlocal without
        for number in range(sys.maxsize):
            answer = await client.post(
                "/v1/restore", content=side.picture(f"{time.time_ns()} {name} {number}")
            )
            statuses[str(answer.status_code)] += 1
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
    return statuses, without


@contextlib.asynccontextmanager
async def edge(
    folder: Path, settings: Mapping[str, str], *, real: bool
) -> AsyncIterator[tuple[str, dict[str, int]]]:
    """Run an edge before TorchServe, or before the stand-in; give its URL, and what the stand-in sees ahead."""
    if real:
        with running_service(settings) as service:
            yield service.url, {}
        return
    seen = Seen(folder / "spaces", at_a_time=1)
    variables = {f"PHOTORESTORE_GATEWAY_{name.upper()}": value for name, value in settings.items()}
    async with serving(seen) as url:
        options = {"workspace-root": seen.root, "inference-url": url, "management-url": url}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "gateway", "serve", *words]
        async with running_edge(command, variables) as (_, client):
            yield str(client.base_url), seen.ahead


async def run(given: argparse.Namespace) -> None:
    """Run an edge, and print what was found."""
    keys = {name: make_key() for name in ("greedy", "modest")}
    settings = dict(text.split("=", 1) for text in given.setting)
    size_hw = (given.height, given.width)
    with tempfile.TemporaryDirectory(prefix="turns-") as text:
        file = Path(text) / "keys"
        file.write_text("\n".join(key_line(name, key) for name, key in keys.items()))
        async with edge(Path(text), settings | {"keys_file": str(file)}, real=given.real) as (url, ahead):
            greedy = Side(url, keys["greedy"], size_hw, given.hammering)
            modest = Side(url, keys["modest"], size_hw, not given.pausing)
            found = await measure(greedy, modest, given.rounds, given.in_round)
    figures = found.figures()
    if ahead:
        figures["ahead"] = dict(Counter(str(ahead[name]) for name in found.names))
    print(json.dumps(figures, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", action="store_true", help="before TorchServe, whose archives are built")
    parser.add_argument("--hammering", action="store_true")
    parser.add_argument("--pausing", action="store_true")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--in-round", type=int, default=30)
    parser.add_argument("--height", type=int, default=300)
    parser.add_argument("--width", type=int, default=400)
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the edge")
    parser.add_argument("--greedy", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.greedy:
        print(json.dumps(asyncio.run(be_greedy(Side(**json.loads(given.greedy))))))
    else:
        asyncio.run(run(given))


if __name__ == "__main__":
    main()
