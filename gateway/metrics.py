"""The edge's own metrics, in a registry of their own."""

from __future__ import annotations

import functools
import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.admission import REASONS, Admission
from gateway.jobs import clock
from gateway.jobs.records import ENDED
from gateway.jobs.store import Counts
from gateway.problems import BackendUnavailable
from gateway.readiness import Readiness
from photorestore.errors import BrokenArtifact, Cancelled, DeadlineExceeded, OutOfSpace
from photorestore.options import STAGES
from photorestore.report import Report

PREFIX = "photorestore_gateway_"
LATENCY_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600)
JOB_S = (1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800, 3600, 10800, 43200)
STAGE_S = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)

OUTCOMES = ("ran", "passed", "failed")
OUR_PROBLEMS = (BrokenArtifact.type, OutOfSpace.type, DeadlineExceeded.type, BackendUnavailable.type)
"""Of runs that failed through no fault of the caller's."""


class Metrics:
    """What `/metrics` shows. Series whose labels are known beforehand begin with 0: none misses its first event.

    Args:
        root: the workspace root, whose file system is looked at.
        restarts: the file in which a supervisor counts what it starts again; None = there is none.
    """

    def __init__(self, admission: Admission, root: Path, restarts: Path | None = None) -> None:
        self.registry = CollectorRegistry()
        self._admission = admission
        self._root = root
        self.requests = self._counter("http_requests", "answers", "route", "method", "status")
        self.latency = self._histogram(
            "http_request_seconds", "from the first byte to the last of the answer", LATENCY_S, "route"
        )
        self.rejected = self._counter("rejected", "requests answered with 429", "reason")
        for reason in REASONS:
            self.rejected.labels(reason)
        self.coalesced = self._counter("coalesced", "requests that shared the run of an identical one")
        self.cache_hits = self._counter("cache_hits", "requests answered from the result cache")
        self.cache_misses = self._counter("cache_misses", "requests not found in the result cache")
        self.not_modified = self._counter("precondition_failed", "requests whose result the caller had")
        self.runs = self._counter(
            "runs", "envelopes sent through the workflow, by problem type or ok", "outcome"
        )
        for kind in ("ok", *OUR_PROBLEMS):
            self.runs.labels(kind)
        self.megapixels = self._counter("restored_megapixels", "megapixels that came back")
        self.stage_seconds = self._histogram(
            "stage_seconds",
            "wall-clock time of a stage, by what it did: ran or passed",
            STAGE_S,
            "stage",
            "outcome",
        )
        self.stage_outcomes = self._counter(
            "stage_outcomes", "requests by what a stage did: ran, passed or failed", "stage", "outcome"
        )
        for stage, outcome in itertools.product(STAGES, OUTCOMES):
            self.stage_outcomes.labels(stage, outcome)
        self._of_stage = functools.cache(self._find_stage)  # slower than entering a value
        self.ready = self._gauge("ready", "1 when requests should be sent here")
        self.workers = self._gauge("ready_workers", "TorchServe's ready workers", "stage")
        self.wanted = self._gauge("wanted_workers", "workers that TorchServe should have", "stage")
        self.pending = self._gauge("pending_requests", "requests that wait for a worker", "stage")
        self._in_flight()
        self._memory()
        self._of_jobs()
        if restarts is not None:
            self._of_supervisor(restarts)

    def observe_report(self, report: Report) -> None:
        """Enter a finished restoration."""
        self.runs.labels("ok").inc()
        self.megapixels.inc(report.width * report.height / 1e6)
        for stage, trace in report.trace.items():
            seconds, outcomes = self._of_stage(stage, trace.outcome)
            seconds.observe(trace.ms / 1000)
            outcomes.inc()

    def observe_problem(self, kind: str, stage: str) -> None:
        """Enter a failed restoration; that it was cancelled is no failure of the stage that saw it."""
        self.runs.labels(kind).inc()
        if stage in STAGES and kind != Cancelled.type:
            self.stage_outcomes.labels(stage, "failed").inc()

    def observe_readiness(self, readiness: Readiness) -> None:
        """Take over what the last look at TorchServe found."""
        self.ready.set(0 if readiness.problem else 1)
        for node in readiness.state.nodes:
            self.workers.labels(node.stage).set(node.ready)
            self.wanted.labels(node.stage).set(node.wanted)
            self.pending.labels(node.stage).set(node.pending)

    def observe_jobs(self, counts: Counts) -> None:
        """Take over how many jobs there are."""
        for state, count in counts.states.items():
            self.jobs.labels(state).set(count)
        oldest = counts.oldest_queued
        self.oldest_job.set(0 if oldest is None else clock.now() - oldest)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)

    def _find_stage(self, stage: str, outcome: str) -> tuple[Histogram, Counter]:
        return self.stage_seconds.labels(stage, outcome), self.stage_outcomes.labels(stage, outcome)

    def _of_jobs(self) -> None:
        self.jobs = self._gauge("jobs", "jobs of which there are records", "state")
        self.oldest_job = self._gauge("oldest_queued_job_seconds", "age of the job that has waited longest")
        self.jobs_ended = self._counter("jobs_ended", "jobs that ended", "state")
        for state in ENDED:
            self.jobs_ended.labels(state)
        self.job_seconds = self._histogram(
            "job_seconds", "from a job's submission to its end", JOB_S, "state"
        )
        self.webhooks = self._counter(
            "webhooks", "tries of webhooks: delivered, retried or failed", "outcome"
        )
        for outcome in ("delivered", "retried", "failed"):
            self.webhooks.labels(outcome)

    def _in_flight(self) -> None:
        admission = self._admission
        self._gauge("in_flight_requests", "restorations in flight").set_function(
            lambda: admission.requests.total
        )
        self._gauge("in_flight_pixels", "pixels in flight").set_function(lambda: admission.pixels.total)
        self._gauge("in_flight_uploads", "uploads in flight").set_function(lambda: admission.uploads.total)
        self._gauge("in_flight_answer_bytes", "bytes of results that callers are reading").set_function(
            lambda: admission.answer_bytes.total
        )
        self._gauge("waiting_requests", "restorations that wait for a place").set_function(
            lambda: len(admission.waiting)
        )
        self._gauge("max_in_flight_requests", "restorations admitted").set(admission.limits.requests)
        self._gauge("max_in_flight_pixels", "pixels admitted").set(admission.limits.pixels)

    def _memory(self) -> None:
        total = self._gauge("shared_memory_bytes", "size of the file system of the workspaces")
        used = self._gauge("shared_memory_used_bytes", "of which used, by whomever")
        total.set_function(lambda: _total_and_used(self._root)[0])
        used.set_function(lambda: _total_and_used(self._root)[1])

    def _of_supervisor(self, file: Path) -> None:
        restarts = self._gauge("process_restarts", "starts by the supervisor of what had ended", "process")
        for process in ("edge", "torchserve"):
            restarts.labels(process).set_function(functools.partial(_restarts, file, process))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}{name}", text, labels, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}{name}", text, labels, registry=self.registry)


def _total_and_used(root: Path) -> tuple[int, int]:
    try:
        state = os.statvfs(root)
    except OSError:
        return 0, 0
    return state.f_blocks * state.f_frsize, (state.f_blocks - state.f_bfree) * state.f_frsize


def _restarts(file: Path, process: str) -> int:
    try:
        return int(json.loads(file.read_text())[process])
    except (OSError, ValueError, KeyError):  # it is being written
        return 0
