"""Requests beside a job that takes minutes and needs the same stages: how much longer than alone.

    python -m bench.long_work --rounds 3 --in-round 6

Needs built archives. Alone and beside take turns in rounds; the job is cancelled at the end of each.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time

import numpy as np
import requests

from bench.service import Service, made_once, running_service

QUERY = "stages=denoise,translate&format=png"
LONG = "stages=denoise&denoise_method=dip"
JOB_HW, REQUEST_HW = (250, 250), (300, 400)
POLL_S = 0.1

numbers = itertools.count()


def upload(size_hw: tuple[int, int]) -> bytes:
    """Return a picture that nobody has sent before."""
    return made_once(*size_hw) + f"{next(numbers)}".encode()


def restore(service: Service, count: int) -> list[float]:
    """Restore pictures, one after the other; return the seconds of each."""
    seconds = []
    for _ in range(count):
        picture, began = upload(REQUEST_HW), time.perf_counter()
        requests.post(f"{service.url}/v1/restore?{QUERY}", data=picture, timeout=900).raise_for_status()
        seconds.append(time.perf_counter() - began)
    return seconds


def begin_job(service: Service) -> str:
    """Begin a job, wait until it fits, and return its address."""
    answer = requests.post(f"{service.url}/v1/jobs?{LONG}", data=upload(JOB_HW), timeout=900)
    answer.raise_for_status()
    job = service.url + answer.headers["location"]
    while not requests.get(job, timeout=60).json()["steps"]:
        time.sleep(POLL_S)
    return job


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-round", type=int, default=6)
    given = parser.parse_args()
    alone_s, beside_s, steps = list[float](), list[float](), list[int]()
    with running_service() as service:
        restore(service, given.in_round)  # the first ones are slow
        for _ in range(given.rounds):
            alone_s += restore(service, given.in_round)
            job = begin_job(service)
            beside_s += restore(service, given.in_round)
            steps.append(requests.get(job, timeout=60).json()["steps"]["denoise"]["done"])
            requests.delete(job, timeout=60).raise_for_status()
    alone, beside = (np.percentile(side, (50, 95)).round(2).tolist() for side in (alone_s, beside_s))
    found = {"p50_p95_alone_s": alone, "p50_p95_beside_s": beside, "steps": steps, "load": os.getloadavg()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
