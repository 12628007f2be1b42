"""The REST edge under load, before a real TorchServe. Run it on a machine that does nothing else.

    python -m bench.edge
    python -m bench.edge --suites overhead crowd

`overhead`: the edge against TorchServe's own workflow endpoint, and against decoding and encoding alone; 1 megapixel,
all stages told to pass. `crowd`: 64 requests at once for a service sized for 8, plainly and by the client. `slow`:
others' requests while 100 uploads trickle in. `folder`: 1,000 photographs by the command line, interrupted twice.
`stopped`: TorchServe is killed under load, then the service is told to end under load.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from photorestore_client import Client, Retry, Timeouts

from bench.folder import measure_folder
from bench.load import (
    SLOW_UPLOADS,
    at_once,
    in_flight_requests,
    is_ready,
    post,
    repeat,
    restore,
    timed,
    trickling,
    wait_until,
)
from bench.service import PASSING, in_process, made_picture, running_service, taking_turns
from bench.statistics import RESULTS, write
from photorestore import pipeline

SIZED_FOR = 8
"""Requests in flight that the crowded service admits."""
AT_ONCE = 64
IN_FLIGHT = 16
WARM_UP_ROUNDS = 8
"""Rounds of each side that do not count: Java goes on compiling for some two thousand requests."""
ROUNDS = 15
"""Their medians still differ by a hundredth from run to run."""
LOAD_S = 20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suites", nargs="*", choices=SUITES, default=list(SUITES))
    file = RESULTS / "edge.json"
    figures = json.loads(file.read_text())["figures"] if file.exists() else {}
    for suite in parser.parse_args().suites:
        print(f"measuring {suite} ...", flush=True)
        found = SUITES[suite]()
        print(json.dumps(found, indent=1), flush=True)
        figures |= found
    write("edge", {"cores": len(os.sched_getaffinity(0)), "figures": figures})


def measure_overhead() -> dict[str, Any]:
    """Measure latency and throughput of the edge, of TorchServe alone, and of decoding and encoding in this process."""
    picture = made_picture(1000, 1000, sigma_255=3)
    loaded = [pipeline.load(stages=("preprocess", "deliver")) for _ in range(2)]
    with (
        running_service({"max_requests": "64", "max_pixels": "1000000000"}) as service,
        ThreadPoolExecutor(IN_FLIGHT) as pool,
    ):
        numbers = itertools.count()

        def edge() -> bytes:
            """Each upload is another, by bytes behind its end: identical ones would share a run."""
            return restore(service, picture + b"%d" % next(numbers))

        direct = partial(service.restore, picture, PASSING)
        medians = taking_turns({"edge": edge, "direct": direct}, 100, warm_up=20)
        with ThreadPoolExecutor(2) as pair:
            sides: dict[str, Callable[[], object]] = {
                "edge": lambda: at_once(pool, edge, 8 * IN_FLIGHT),
                "direct": lambda: at_once(pool, direct, 8 * IN_FLIGHT),
                "in process": lambda: list(
                    pair.map(
                        lambda one: [in_process(one, [picture], PASSING) for _ in range(4 * IN_FLIGHT)],
                        loaded,
                    )
                ),
            }
            seconds = taking_turns(sides, ROUNDS, warm_up=WARM_UP_ROUNDS)
    rates = {name: 8 * IN_FLIGHT / s for name, s in seconds.items()}
    return {
        "passing_1_mp_edge_ms": round(1000 * medians["edge"], 1),
        "passing_1_mp_direct_ms": round(1000 * medians["direct"], 1),
        "passing_1_mp_added_ms": round(1000 * (medians["edge"] - medians["direct"]), 1),
        "passing_16_edge_mp_per_s": round(rates["edge"], 1),
        "passing_16_direct_mp_per_s": round(rates["direct"], 1),
        "passing_decode_and_encode_mp_per_s": round(rates["in process"], 1),
        "passing_16_edge_over_direct": round(rates["edge"] / rates["direct"], 3),
        "passing_16_direct_over_decode_and_encode": round(rates["direct"] / rates["in process"], 3),
        "passing_16_edge_over_decode_and_encode": round(rates["edge"] / rates["in process"], 3),
    }


def measure_crowd() -> dict[str, Any]:
    """Send 64 requests at once where 8 are admitted: count the answers, and whether the client finishes them all."""
    pictures = [made_picture(200, 300 + number) for number in range(AT_ONCE)]
    with running_service({"max_requests": str(SIZED_FOR)}) as service, ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(partial(post, service), pictures))
        statuses = Counter(answer.status_code for answer in answers)
        unexplained = sum(
            answer.status_code == 429 and "retry-after" not in answer.headers for answer in answers
        )
        with Client(service.url, connections=AT_ONCE) as client:
            start = time.perf_counter()
            finished = list(pool.map(lambda picture: client.restore(picture).content, pictures))
            seconds = time.perf_counter() - start
    return {
        "crowd_requests": AT_ONCE,
        "crowd_admitted_at_once": SIZED_FOR,
        "crowd_statuses": {str(status): count for status, count in sorted(statuses.items())},
        "crowd_429_without_retry_after": unexplained,
        "crowd_finished_by_the_client": sum(map(bool, finished)),
        "crowd_client_s": round(seconds, 1),
    }


def measure_slow() -> dict[str, Any]:
    """Measure others' latency without, and with, 100 connections that send 10 bytes a second."""
    picture = made_picture(500, 500)
    with running_service({"upload_grace_s": "120"}) as service:
        for _ in range(30):
            restore(service, picture)
        alone = [timed(partial(restore, service, picture)) for _ in range(200)]
        with trickling(service):
            beside = [timed(partial(restore, service, picture)) for _ in range(200)]
    p99 = {
        name: float(np.percentile(values, 99)) for name, values in {"alone": alone, "beside": beside}.items()
    }
    return {
        "slow_uploads": SLOW_UPLOADS,
        "slow_p99_alone_ms": round(1000 * p99["alone"], 1),
        "slow_p99_beside_ms": round(1000 * p99["beside"], 1),
        "slow_p99_ratio": round(p99["beside"] / p99["alone"], 2),
        "slow_median_ratio": round(statistics.median(beside) / statistics.median(alone), 2),
    }


def measure_stopped() -> dict[str, Any]:
    """Count errors that a retrying client sees when TorchServe is killed, and answers lost when the service ends."""
    picture = made_picture(300, 400)
    with running_service({"register_after_s": "5"}) as service:
        retry = Retry(tries=100)
        with (
            Client(service.url, retry=retry, timeouts=Timeouts(total_s=300)) as client,
            ThreadPoolExecutor(4) as pool,
        ):
            until = time.monotonic() + LOAD_S
            loads = [pool.submit(repeat, lambda: client.restore(picture), until) for _ in range(4)]
            time.sleep(LOAD_S / 4)
            (java,) = (child for child in service.supervisor.children() if "java" in child.name())
            java.kill()
            start = time.monotonic()
            waited = wait_until(lambda: not is_ready(service), 60) + wait_until(
                lambda: is_ready(service), 120
            )
            ready_after_s = time.monotonic() - start
            survived = [load.result() for load in loads]
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            in_flight = [
                pool.submit(post, service, made_picture(700, 900 + n)) for n in range(IN_FLIGHT // 2)
            ]
            wait_until(lambda: in_flight_requests(service) == IN_FLIGHT // 2, 30)
            os.kill(service.supervisor.pid, signal.SIGTERM)
            answers = [future.result() for future in in_flight]
    return {
        "killed_was_unready_and_came_back": waited == 2,
        "killed_ready_again_after_s": round(ready_after_s, 1),
        "killed_restored_by_the_client": sum(count for count, _ in survived),
        "killed_errors_of_the_client": sum(errors for _, errors in survived),
        "sigterm_in_flight": len(answers),
        "sigterm_answered_200": sum(answer.ok for answer in answers),
    }


SUITES: dict[str, Callable[[], dict[str, Any]]] = {
    "overhead": measure_overhead,
    "crowd": measure_crowd,
    "slow": measure_slow,
    "folder": measure_folder,
    "stopped": measure_stopped,
}


if __name__ == "__main__":
    main()
