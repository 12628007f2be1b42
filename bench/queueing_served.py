"""What the queueing model is fitted to and checked against: a service of its own, and edges before stand-ins."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from bench import machine
from bench.jobs import picture, running_edge
from bench.queues import Array, Cost, Found, Pods, arrivals, fitted, simulate
from bench.served_pairs import RESTORED, Served
from bench.service import MENDING, made_once, running_service
from bench.stand_in import Seen, serving
from bench.statistics import write
from bench.tables import table

KINDS = {
    "photograph": ("timeout=600", (0.25, 2.0), 3),
    "print": ("timeout=600", (0.25, 1.0), 5),
    "enlarged": ("timeout=600&scale=2", (0.1, 0.25), 2),
    "every stage": (f"timeout=600&stages={','.join(MENDING)}", (0.25, 1.0), 1),
}
"""Query, megapixels, and how many pictures, each at all sizes; made ones where every stage is to work on all tiles."""
STAND_INS = 2
STAND_IN_S = 1.0
"""Mean of the stand-ins' known service times, which vary as exponentially distributed ones do."""
USES = {"Poisson": (0.7, 1.0), "albums of 4": (0.6, 4.0)}
STAND_IN_PLACES = 6
"""So few that some are refused."""
REAL_USE = 0.6
REAL_SIDES_PX = (192, 288, 384)
"""Small, so that a minute holds dozens of pictures on a machine at work on other things."""
REAL_ROUNDS = 5
DRAWS = 200
"""Simulations of a run; what it gave should lie among theirs."""
REFUSED = 429
HEADER = ["", "pictures", "wait p50 s", "p95", "p99", "refused"]


def fit(photographs: Path, prints: Path) -> None:
    """Measure the processor time of each kind of restoration, fit its cost, print it and enter it in the results."""
    kinds = {}
    with running_service() as service:
        served = Served(service.supervisor, service.url)
        for name, (query, megapixels, count) in KINDS.items():
            folder = prints if name == "print" else photographs
            pairs = list(itertools.product(files_of(folder, count), megapixels))
            sent = [made(mp) if name == "every stage" else scaled(file, mp) for file, mp in pairs]
            served.restore(sent[0], query)
            seconds = [served.measured(partial(Served.restore, picture=one, query=query)).cpu for one in sent]
            mp = np.array([size for _, size in pairs])
            kinds[name] = fitted(mp, np.array(seconds))
            print(line_of(name, kinds[name], seconds), flush=True)
    entered = {name: asdict(cost) for name, cost in kinds.items()}
    write("queueing", {"processor": machine.processor(), "kinds": entered})


def line_of(name: str, cost: Cost, seconds: Sequence[float]) -> str:
    """Write a fitted cost as a line of a table."""
    low, high = min(cost.ratios), max(cost.ratios)
    spread = f"{np.std(cost.ratios):.2f} ({low:.2f} to {high:.2f})"
    return f"| {name} | {len(seconds)} | {cost.fixed_s:.2f} | {cost.s_per_mp:.2f} | {spread} |"


def files_of(folder: Path, count: int) -> list[Path]:
    """Return JPEG files evenly chosen from a folder, by name."""
    files = sorted(folder.glob("*.jp*g"))
    return [files[int(index)] for index in np.linspace(0, len(files) - 1, count)]


def scaled(file: Path, megapixels: float) -> bytes:
    """Return a picture of a file, scaled to that many megapixels, as JPEG."""
    with Image.open(file) as opened:
        ratio = (megapixels * 1e6 / (opened.width * opened.height)) ** 0.5
        size = round(opened.width * ratio), round(opened.height * ratio)
        buffer = io.BytesIO()
        opened.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def made(megapixels: float) -> bytes:
    """Return a square picture that gives every stage work."""
    side = round((megapixels * 1e6) ** 0.5)
    return made_once(side, side)


async def send(
    clients: Sequence[httpx.AsyncClient], came_s: Array, bodies: Sequence[bytes], query: str
) -> Array:
    """Send pictures when they come, each to the edge with the fewest; return the seconds to the answers, (n,).

    They count from when a picture should be sent, and are NaN for those that are refused.

    Raises:
        httpx.HTTPStatusError: anything else is answered than a result or 429.
    """
    took_s, held = np.full(len(came_s), np.nan), [0] * len(clients)
    began = time.perf_counter()

    async def one(number: int) -> None:
        due = began + came_s[number]
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        pod = held.index(min(held))
        held[pod] += 1
        try:
            answer = await clients[pod].post(
                f"/v1/restore?{query}", content=bodies[number], headers={"X-Request-Id": f"r{number}"}
            )
        finally:
            held[pod] -= 1
        if answer.status_code != REFUSED:
            answer.raise_for_status()
            took_s[number] = time.perf_counter() - due

    await asyncio.gather(*map(one, range(len(came_s))))
    return took_s


def check_stand_ins(for_s: float) -> None:
    """Send to two edges before stand-ins whose service times are known, and print waits beside the model's."""
    rows = []
    for name, (use, album) in USES.items():
        rng = np.random.default_rng(1)
        per_s = use * STAND_INS / STAND_IN_S
        came_s = arrivals(per_s, round(per_s * for_s), rng, album)
        seconds = rng.exponential(STAND_IN_S, len(came_s))
        measured = asyncio.run(stand_ins_waits(came_s, seconds))
        simulated = simulate(came_s, seconds, Pods(STAND_INS, places=STAND_IN_PLACES))
        for side, waits in (("measured", measured), ("simulated", simulated)):
            rows.append([f"{name}, {side}", f"{len(waits)}", *Found.of(waits).cells()])
    print(table(HEADER, rows))


async def stand_ins_waits(came_s: Array, seconds: Array) -> Array:
    """Return how long pictures waited at edges whose stand-ins take known times."""
    known_s = {
        f"r{number}": float(value) for number, value in enumerate(seconds)
    }  # others are the edge's canaries
    async with contextlib.AsyncExitStack() as opened:
        clients = []
        for _ in range(STAND_INS):
            root = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="queueing-"))) / "spaces"
            url = await opened.enter_async_context(
                serving(Seen(root, 1, lambda name: known_s.get(name, 0.0)))
            )
            options = ["--workspace-root", str(root), "--inference-url", url, "--management-url", url]
            options += ["--max-requests", str(STAND_IN_PLACES)]
            command = [sys.executable, "-m", "gateway", "serve", *options]
            clients.append((await opened.enter_async_context(running_edge(command, {})))[1])
        took_s = await send(clients, came_s, [picture(number) for number in range(len(came_s))], "stages=")
    return took_s - seconds


def check_real(for_s: float) -> None:
    """Fit a service's seconds to pictures one by one, load it, and print times beside the model's."""
    with running_service() as service:
        asyncio.run(load_real(service.url, for_s))


async def load_real(url: str, for_s: float) -> None:
    """Send to a service at 60 % of what it bears, and print its times and those of the model's simulations."""
    rng = np.random.default_rng(2)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=600) as client:

        async def restored(came_s: Array, sides: Array) -> Array:
            pictures = [made_once(side, side) + f"{time.time_ns()}".encode() for side in sides.astype(int)]
            return await send([client], came_s, pictures, RESTORED)

        sides = np.tile(np.array(REAL_SIDES_PX, float), REAL_ROUNDS)
        one_by_one = np.concatenate(
            [await restored(np.zeros(1), sides[number, None]) for number in range(len(sides))]
        )
        kept = one_by_one[len(REAL_SIDES_PX) :]  # the first ones warm up
        cost, per_s = fitted(sides[len(REAL_SIDES_PX) :] ** 2 / 1e6, kept), REAL_USE / kept.mean()
        count = round(per_s * for_s)
        found = Found.of(await restored(arrivals(per_s, count, rng), rng.choice(sides, count)))
    print(line_of("one by one, by the clock", cost, kept.tolist()))
    draws = [Found.of(simulated_times(cost, per_s, count, rng)) for _ in range(DRAWS)]
    rows = [["measured", f"{count}", *found.cells()]]
    for name, percent in (("simulated, median", 50), ("5th percentile", 5), ("95th percentile", 95)):
        of_draws = np.percentile([list(asdict(draw).values()) for draw in draws], percent, axis=0)
        rows.append([f"{name} of {DRAWS}", f"{count}", *Found(*of_draws.tolist()).cells()])
    print(table([cell.replace("wait ", "") for cell in HEADER], rows))


def simulated_times(cost: Cost, per_s: float, count: int, rng: np.random.Generator) -> Array:
    """Return the seconds to the answers, (count,), of one pod that has one picture at work."""
    seconds = np.array([cost.draw(side**2 / 1e6, 1, rng)[0] for side in rng.choice(REAL_SIDES_PX, count)])
    return simulate(arrivals(per_s, count, rng), seconds, Pods(1)) + seconds
