"""Sections of RESULTS.md on endurance: many requests, hostile callers, and faults around the service."""

from __future__ import annotations

from typing import Any

from bench.tables import figure_table, table

KEPT = {
    "after_first_1000": "the first 1,000 requests",
    "after_requests": "all requests",
    "after_jobs": "all jobs",
}


def soak(result: dict[str, Any]) -> str:
    """Write the section on thousands of requests."""
    found = result["figures"]
    rows = [
        [name, kind, f"{held['mb']:.0f}", f"{held['threads']}", f"{held['descriptors']}"]
        for key, name in KEPT.items()
        for kind, held in found[key].items()
        if kind != "logs_mb"
    ]
    logs = ", ".join(f"{found[key]['logs_mb']:.1f}" for key in KEPT)
    return (
        f"## {found['requests']:,} requests, then {found['jobs']:,} jobs, {found['at_once']} at once\n\n"
        f"{found['error_count']} errors; {found['requests_per_s']} requests and {found['jobs_per_s']} jobs a second on "
        f"{result['cores']} cores; {found['workspaces_left']} workspaces left; logs of {logs} MB. Processes "
        "hold:\n\n"
    ) + table(["after", "processes", "MB", "threads", "descriptors"], rows)


def hostile(result: dict[str, Any]) -> str:
    """Write the section on hostile callers."""
    figures = {name: value for name, value in result["figures"].items() if not isinstance(value, dict)}
    return (
        "## One honest caller beside hostile ones\n\n`bench/hostile.py` says what they do. Asked: a 99th percentile at "
        "most twice as long, and memory of the edge within 64 MB of what it is idle.\n\n"
    ) + figure_table(figures)


def faults(result: dict[str, Any]) -> str:
    """Write the section on faults."""
    rows = []
    for name, found in result["figures"].items():
        jobs = ", ".join(f"{count} {state}" for state, count in found["jobs"].items())
        whole = "yes" if found["whole"] else "no"
        rows.append(
            [name.replace("_", " "), f"{found['restored']}", f"{found['client_errors']}", jobs, whole]
        )
    return (
        "## What fails around the service, while it is in use\n\n`bench/faults.py` says what is done. *Whole*: the "
        "service restores again, by itself.\n\n"
    ) + table(["fault", "restored meanwhile", "errors that the client saw", "jobs", "whole"], rows)
