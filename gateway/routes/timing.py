"""Tell in `Server-Timing` where the time of an answer went."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.restore.runner import Finished
from photorestore.envelope import Trace
from photorestore.stage_table import ROWS


def server_timing(finished: Finished, received_s: float, restored_s: float) -> str:
    """Return the header's value: the stages, and by `receive` and `hops` what else of `total` there was.

    Args:
        received_s: seconds until the upload lay there and its header was read.
        restored_s: seconds from then on until the result was there.
    """
    trace = finished.result.report.trace
    stages = [f'{stage};dur={entry.ms:g};desc="{entry.outcome}"' for stage, entry in trace.items()]
    worked_ms = longest_way_ms(trace) if finished.by == "run" else 0.0
    received_ms, restored_ms = 1000 * received_s, 1000 * restored_s
    others = {
        "receive": received_ms,
        "hops": max(0.0, restored_ms - worked_ms),
        "total": received_ms + restored_ms,
    }
    between = [f"{name};dur={value:.2f}" for name, value in others.items()]
    return ", ".join([*stages, *between, f'result;desc="{finished.by}"'])


def longest_way_ms(trace: Mapping[str, Trace]) -> float:
    """Return the milliseconds of the slowest of the ways through the stages, of which some run side by side."""
    ends: dict[str, float] = {}
    for row in ROWS:
        start = max((ends[name] for name in row.after), default=0.0)
        ends[row.name] = start + (trace[row.name].ms if row.name in trace else 0.0)
    return max(ends.values())
