"""One API key with 50 requests at a time, another with one: how much longer the other's take than alone.

    python -m bench.turns                               # a stand-in whose restorations take turns, 20 ms at a time
    python -m bench.turns --real --height 300 --width 400   # TorchServe

The greedy key's callers come back when `Retry-After` tells them to, or at once (`--hammering`). The modest one sends
its next picture when the last one is back, or after a pause of up to half a second (`--pausing`). Alone and beside take
turns in rounds; the first request of each round is told by itself, for it meets what the greedy key began when it was
alone. What the greedy key gets a second is told beside the other one, before that has ever asked, and twice when it has
just fallen silent. The stand-in counts in addition how many restorations were ahead of each of the modest key's, which
no other load of the machine changes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from bench.jobs import running_edge
from bench.service import running_service
from bench.stand_in import Seen, serving
from bench.turns_greedy import Got, Side, at_work
from gateway.http.keys import key_line, make_key

PAUSE_S = 0.5
SLICE_S = 0.02
"""How long a restoration of the stand-in goes on before another one does."""


@dataclass(slots=True)
class Found:
    """What was seen.

    Attributes:
        alone_s, beside_s: the modest key's seconds but for the first of each round.
        first_s: those.
        names: request ids of those in `beside_s`.
        greedy_alone, greedy_beside, greedy_silent: what the greedy key got before the other one had asked, while it
            asked, and when it had asked for the last time.
    """

    alone_s: list[float] = field(default_factory=list)
    beside_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    greedy_alone: Got = field(default_factory=Got)
    greedy_beside: Got = field(default_factory=Got)
    greedy_silent: Got = field(default_factory=Got)

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
            "greedy_alone_a_second": rounded(self.greedy_alone.rates),
            "greedy_beside_a_second": rounded(self.greedy_beside.rates),
            "greedy_silent_a_second": rounded(self.greedy_silent.rates),
            "greedy_statuses": dict(self.greedy_beside.statuses),
            "greedy_429_without_retry_after": self.greedy_beside.without_retry_after,
            "load": os.getloadavg(),
        }


def rounded(rates: Sequence[float]) -> list[float]:
    """Return rates to three digits."""
    return [round(rate, 3) for rate in rates]


Asked = dict[str, float]
"""Seconds by request id."""


async def measure(greedy: Side, modest: Side, given: argparse.Namespace) -> Found:
    """Send the modest key's pictures alone and beside the greedy one's, in turns; before and after the latter alone."""
    found, rounds, in_round = Found(), given.rounds, given.in_round
    async with greedy.client() as client:
        await ask(client, greedy, in_round)  # the first ones are slow
    async with at_work(greedy, found.greedy_alone):
        await asyncio.sleep(given.seconds)
    async with modest.client() as client:
        for _ in range(rounds):
            found.alone_s += list((await ask(client, modest, in_round)).values())[1:]
            async with at_work(greedy, found.greedy_beside):
                asked = await ask(client, modest, in_round)
            first, *others = asked
            found.first_s.append(asked[first])
            found.beside_s += [asked[name] for name in others]
            found.names += others
        await ask(client, modest, 1)
    for _ in range(2):
        async with at_work(greedy, found.greedy_silent):
            await asyncio.sleep(given.seconds)
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
async def edge(
    folder: Path, settings: Mapping[str, str], *, real: bool
) -> AsyncIterator[tuple[str, dict[str, int]]]:
    """Run an edge before TorchServe, or before the stand-in; give its URL, and what the stand-in sees ahead."""
    if real:
        with running_service(settings) as service:
            yield service.url, {}
        return
    seen = Seen(folder / "spaces", at_a_time=1, slice_s=SLICE_S)
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
            found = await measure(greedy, modest, given)
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
    parser.add_argument(
        "--seconds", type=float, default=20, help="of the greedy key alone, once before and twice after"
    )
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
