"""Metrics of jobs."""

from __future__ import annotations

from gateway.jobs import clock
from gateway.jobs.lookups import Counts
from gateway.jobs.records import ENDED, Record
from gateway.restore.metrics import OUR_PROBLEMS
from gateway.telemetry.metrics import Metrics
from photorestore.envelope import Problem

JOB_S = (1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800, 3600, 10800, 43200)


class JobMetrics:
    """Counts and durations of jobs, and the tries of webhooks.

    Attributes:
        webhooks: tries of webhooks by outcome.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._jobs = metrics.gauge("jobs", "jobs of which there are records", "state")
        self._oldest = metrics.gauge("oldest_queued_job_seconds", "age of the job that has waited longest")
        self._ended = metrics.counter("jobs_ended", "jobs that ended", "state")
        for state in ENDED:
            self._ended.labels(state)
        self._problems = metrics.counter("job_problems", "jobs that failed, by problem type", "type")
        for kind in OUR_PROBLEMS:
            self._problems.labels(kind)
        self._seconds = metrics.histogram("job_seconds", "from a job's submission to its end", JOB_S, "state")
        self.webhooks = metrics.counter(
            "webhooks", "tries of webhooks: delivered, retried or failed", "outcome"
        )
        for outcome in ("delivered", "retried", "failed"):
            self.webhooks.labels(outcome)

    def observe(self, counts: Counts) -> None:
        """Record how many jobs there are."""
        for state, count in counts.states.items():
            self._jobs.labels(state).set(count)
        self._oldest.set(0 if counts.oldest_queued is None else clock.now() - counts.oldest_queued)

    def observe_problem(self, problem: Problem) -> None:
        """Count what a job has failed by."""
        self._problems.labels(problem.type).inc()

    def observe_end(self, record: Record, state: str, now: float) -> None:
        """Count a job that has ended."""
        self._ended.labels(state).inc()
        self._seconds.labels(state).observe(now - record.created)
