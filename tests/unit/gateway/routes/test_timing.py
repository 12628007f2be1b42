from dataclasses import replace

import pytest

from gateway.restore.results import Result
from gateway.restore.runner import Finished
from gateway.routes.timing import longest_way_ms, server_timing
from photorestore.envelope import Trace
from photorestore.options import STAGES
from tests.handed_on import REPORT

SECONDS = {"preprocess": 5.0, "denoise": 20.0, "scratch": 30.0, "translate": 10.0, "deliver": 3.0}
TRACE = {stage: Trace("ran", "", SECONDS.get(stage, 0.0)) for stage in STAGES}


def parsed(finished: Finished, received_s: float, restored_s: float) -> dict[str, float]:
    entries = (entry.split(";") for entry in server_timing(finished, received_s, restored_s).split(", "))
    return {name: float(rest[0].removeprefix("dur=")) for name, *rest in entries if name != "result"}


def result() -> Result:
    return Result(b"", "image/png", replace(REPORT, trace=TRACE))


def test_of_stages_that_run_side_by_side_the_slower_counts() -> None:
    assert longest_way_ms(TRACE) == 5 + 30 + 10 + 3
    assert longest_way_ms({}) == 0


def test_the_parts_add_up_to_the_whole() -> None:
    found = parsed(Finished(result(), "run"), 0.004, 0.06)
    assert found["total"] == pytest.approx(64)
    assert found["receive"] + longest_way_ms(TRACE) + found["hops"] == pytest.approx(found["total"])


def test_what_others_have_run_was_only_waited_for() -> None:
    found = parsed(Finished(result(), "kept"), 0.004, 0.001)
    assert (found["hops"], found["total"]) == (1, 5)
