import json
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import machine, report_cost, throughput
from bench.replay import recorded
from photorestore import pipeline
from photorestore.networks.descriptor import IMAGE, Descriptor, Part
from photorestore.networks.runner import Runner


def test_sizes_are_mixed_and_their_sum_is_kept() -> None:
    sizes = throughput.sizes_hw(1.0, 8)
    assert len(set(sizes)) > 4
    assert sum(h * w for h, w in sizes) == pytest.approx(8e6, rel=0.01)


def test_calls_are_recorded_by_shape_and_replayed() -> None:
    calls = []

    def look(image: torch.Tensor) -> torch.Tensor:
        calls.append(tuple(image.shape))
        return image

    runner = Runner(Part(Descriptor("Looks", (IMAGE,), IMAGE), look))
    with recorded(runner) as recorder:
        for side in (4, 8, 4):
            runner(torch.rand(1, 3, side, side))
    runner(torch.rand(1, 3, 2, 2))
    assert list(recorder.counts.values()) == [2, 1]
    calls.clear()
    assert recorder.replay(runner) > 0
    assert calls.count((1, 3, 4, 4)) == 3  # one to warm up


def test_a_cell_is_measured_and_reported(tmp_path: Path) -> None:
    loaded = pipeline.load(stages=throughput.STAGES, root=tmp_path)
    rows = throughput.measure(loaded, megapixels=[0.03], batches=[2])
    assert rows[0]["megapixels_per_s"] > 0
    assert set(rows[0]["networks_s"]) == set(throughput.STAGES)
    assert not list(tmp_path.glob("*-*"))
    found = {"eager": rows, "tile_px": 1024, "tile_batch": 1}
    result = {"stages": list(throughput.STAGES), "devices": {"some GPU": found}}
    assert "**some GPU**, eager" in report_cost.throughput(json.loads(json.dumps(result)))


def test_a_stage_that_does_not_work_is_an_error(tmp_path: Path) -> None:
    loaded = pipeline.load(stages=["denoise"], root=tmp_path)
    with pytest.raises(RuntimeError, match="did not work"):
        throughput.measure(loaded, megapixels=[0.03], batches=[1])


def test_the_peak_of_this_process_begins_anew() -> None:
    cpu = torch.device("cpu")
    machine.reset_peak(cpu)
    before = machine.peak_mb(cpu)
    block = torch.ones(80 << 20)  # more than what is kept of freed memory
    assert machine.peak_mb(cpu) > before + 300
    del block
    machine.reset_peak(cpu)
    assert machine.peak_mb(cpu) < before + 40


def row(megapixels: float, batch: int, seconds: float) -> dict[str, Any]:
    return {"megapixels": megapixels, "batch": batch, "seconds": seconds}


def test_a_size_that_is_measured_alone_leaves_the_others() -> None:
    before = {"threads": 2, "eager": [row(0.25, 1, 3.0), row(1.0, 1, 4.0)], "compiled": [row(1.0, 1, 2.0)]}
    now = {"threads": 2, "eager": [row(1.0, 1, 5.0), row(12.0, 1, 6.0)]}
    assert throughput.with_cells_before(before, now) == {
        "threads": 2,
        "eager": [row(0.25, 1, 3.0), row(1.0, 1, 5.0), row(12.0, 1, 6.0)],
        "compiled": [row(1.0, 1, 2.0)],
    }


def test_other_settings_begin_anew() -> None:
    now = {"threads": 1, "eager": [row(1.0, 1, 5.0)]}
    assert throughput.with_cells_before({"threads": 2, "eager": [row(0.25, 1, 3.0)]}, now) == now
    assert throughput.with_cells_before({}, now) == now
