import time

import numpy as np
import pytest

from photorestore.errors import BrokenArtifact, CorruptImage
from photorestore.options import Options
from photorestore.progress import noted_states
from photorestore.stages.base import ALONE_PX, run_stage
from photorestore.workspace import Workspace


class Recorder:
    """A stage that fails for chosen requests and remembers its batches."""

    name = "denoise"

    def __init__(self, errors=None):
        self.errors = errors or {}
        self.batches = []

    def run(self, batch):
        self.batches.append([space.envelope.request_id for space in batch])
        for space in batch:
            if error := self.errors.get(space.envelope.request_id):
                raise error
            space.ran(self.name, "did it")


@pytest.fixture
def batch(tmp_path):
    spaces = [Workspace.create(tmp_path, Options(), request_id=str(index)) for index in range(4)]
    for space in spaces:
        space.write_plane("image", np.zeros((1, 8, 8), np.uint8))
    return spaces


def test_every_item_is_run_and_timed(batch):
    run_stage(Recorder(), batch)
    assert all(space.envelope.trace["denoise"].outcome == "ran" for space in batch)


def test_whoever_looks_sees_how_far_a_request_is(batch):
    seen = []

    class Seen(Recorder):
        def run(self, spaces):
            seen.extend(noted_states(space.directory) for space in spaces)
            super().run(spaces)

    run_stage(Seen(), batch[:1])
    assert seen == [{"denoise": "running"}]
    assert noted_states(batch[0].directory) == {"denoise": "ran"}
    assert noted_states(batch[1].directory) == {}


def test_one_bad_item_leaves_its_neighbours_alone(batch):
    run_stage(Recorder({"2": CorruptImage("odd mask")}), batch)
    assert [space.envelope.problem is None for space in batch] == [True, True, False, True]
    problem = batch[2].envelope.problem
    assert (problem.type, problem.status, problem.stage) == ("corrupt-image", 422, "denoise")
    assert batch[2].envelope.trace["denoise"].outcome == "failed"


@pytest.mark.parametrize("error", [BrokenArtifact("path /secret"), RuntimeError("secret")])
def test_our_own_errors_are_not_told_in_detail(batch, error):
    run_stage(Recorder({"0": error}), batch)
    assert batch[0].envelope.problem.type == "internal"
    assert "secret" not in batch[0].envelope.problem.detail


def test_a_batch_too_large_for_the_memory_is_halved(batch):
    class Small(Recorder):
        def run(self, spaces):
            if len(spaces) > 1:
                raise MemoryError
            super().run(spaces)

    run_stage(Small(), batch)
    assert all(space.envelope.problem is None for space in batch)


def test_failed_and_late_requests_are_not_run(batch):
    batch[0].envelope.deadline = time.monotonic() - 1
    stage = Recorder()
    run_stage(stage, batch)
    run_stage(stage, batch)
    assert stage.batches[0] == ["1", "2", "3"]
    assert batch[0].envelope.problem.status == 504


def test_cancelled_requests_are_not_run(batch):
    batch[1].cancel()
    stage = Recorder()
    run_stage(stage, batch)
    run_stage(stage, batch)
    assert stage.batches[0] == ["0", "2", "3"]
    assert batch[1].envelope.problem.type == "cancelled"


def test_cancelling_a_request_that_has_ended_does_nothing(batch):
    batch[1].remove()
    batch[1].cancel()
    assert not batch[1].directory.exists()


def test_large_pictures_run_alone(batch):
    side = int(ALONE_PX**0.5) + 1
    batch[1].write_plane("image", np.zeros((1, side, side), np.uint8))
    stage = Recorder()
    run_stage(stage, batch)
    assert sorted(stage.batches) == [["0", "2", "3"], ["1"]]


def test_pictures_of_unknown_size_run_alone(tmp_path):
    stage = Recorder()
    run_stage(stage, [Workspace.create(tmp_path, Options(), request_id=str(index)) for index in range(2)])
    assert stage.batches == [["0"], ["1"]]


def test_who_is_cancelled_while_another_runs_alone_is_not_run(tmp_path):
    first, second = (Workspace.create(tmp_path, Options(), request_id=name) for name in "ab")

    class Cancelling(Recorder):
        def run(self, spaces):
            super().run(spaces)
            second.cancel()

    run_stage(stage := Cancelling(), [first, second])
    assert stage.batches == [["a"]]
    assert second.envelope.problem.type == "cancelled"
