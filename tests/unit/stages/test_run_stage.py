import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from photorestore.errors import BrokenArtifact, CorruptImage
from photorestore.options import Options
from photorestore.progress import noted_states
from photorestore.stages.base import ALONE_PX, run_stage
from photorestore.workspace import Workspace
from tests.conftest import problem_of


class Recorder:
    """A stage that fails for chosen requests and remembers its batches."""

    name = "denoise"

    def __init__(self, errors: dict[str, Exception] | None = None) -> None:
        self.errors = errors or {}
        self.batches: list[list[str]] = []

    def run(self, batch: Sequence[Workspace]) -> None:
        self.batches.append([space.envelope.request_id for space in batch])
        for space in batch:
            if error := self.errors.get(space.envelope.request_id):
                raise error
            space.ran(self.name, "did it")


@pytest.fixture
def batch(tmp_path: Path) -> list[Workspace]:
    spaces = [Workspace.create(tmp_path, Options(), request_id=str(index)) for index in range(4)]
    for space in spaces:
        space.write_plane("image", np.zeros((1, 8, 8), np.uint8))
    return spaces


def test_every_item_is_run_and_timed(batch: list[Workspace]) -> None:
    run_stage(Recorder(), batch)
    assert all(space.envelope.trace["denoise"].outcome == "ran" for space in batch)


def test_whoever_looks_sees_how_far_a_request_is(batch: list[Workspace]) -> None:
    seen: list[dict[str, str]] = []

    class Seen(Recorder):
        def run(self, batch: Sequence[Workspace]) -> None:
            seen.extend(noted_states(space.directory) for space in batch)
            super().run(batch)

    run_stage(Seen(), batch[:1])
    assert seen == [{"denoise": "running"}]
    assert noted_states(batch[0].directory) == {"denoise": "ran"}
    assert noted_states(batch[1].directory) == {}


def test_one_bad_item_leaves_its_neighbours_alone(batch: list[Workspace]) -> None:
    run_stage(Recorder({"2": CorruptImage("odd mask")}), batch)
    assert [space.envelope.problem is None for space in batch] == [True, True, False, True]
    problem = problem_of(batch[2].envelope)
    assert (problem.type, problem.status, problem.stage) == ("corrupt-image", 422, "denoise")
    assert batch[2].envelope.trace["denoise"].outcome == "failed"


@pytest.mark.parametrize("error", [BrokenArtifact("path /secret"), RuntimeError("secret")])
def test_our_own_errors_are_not_told_in_detail(batch: list[Workspace], error: Exception) -> None:
    run_stage(Recorder({"0": error}), batch)
    assert problem_of(batch[0].envelope).type == "internal"
    assert "secret" not in problem_of(batch[0].envelope).detail


def test_a_batch_too_large_for_the_memory_is_halved(batch: list[Workspace]) -> None:
    class Small(Recorder):
        def run(self, batch: Sequence[Workspace]) -> None:
            if len(batch) > 1:
                raise MemoryError
            super().run(batch)

    run_stage(Small(), batch)
    assert all(space.envelope.problem is None for space in batch)


def test_failed_and_late_requests_are_not_run(batch: list[Workspace]) -> None:
    batch[0].envelope.deadline = time.monotonic() - 1
    stage = Recorder()
    run_stage(stage, batch)
    run_stage(stage, batch)
    assert stage.batches[0] == ["1", "2", "3"]
    assert problem_of(batch[0].envelope).status == 504


def test_cancelled_requests_are_not_run(batch: list[Workspace]) -> None:
    batch[1].cancel()
    stage = Recorder()
    run_stage(stage, batch)
    run_stage(stage, batch)
    assert stage.batches[0] == ["0", "2", "3"]
    assert problem_of(batch[1].envelope).type == "cancelled"


def test_cancelling_a_request_that_has_ended_does_nothing(batch: list[Workspace]) -> None:
    batch[1].remove()
    batch[1].cancel()
    assert not batch[1].directory.exists()


def test_large_pictures_run_alone(batch: list[Workspace]) -> None:
    side = int(ALONE_PX**0.5) + 1
    batch[1].write_plane("image", np.zeros((1, side, side), np.uint8))
    stage = Recorder()
    run_stage(stage, batch)
    assert sorted(stage.batches) == [["0", "2", "3"], ["1"]]


def test_pictures_of_unknown_size_run_alone(tmp_path: Path) -> None:
    stage = Recorder()
    run_stage(stage, [Workspace.create(tmp_path, Options(), request_id=str(index)) for index in range(2)])
    assert stage.batches == [["0"], ["1"]]


def test_who_is_cancelled_while_another_runs_alone_is_not_run(tmp_path: Path) -> None:
    first, second = (Workspace.create(tmp_path, Options(), request_id=name) for name in "ab")

    class Cancelling(Recorder):
        def run(self, batch: Sequence[Workspace]) -> None:
            super().run(batch)
            second.cancel()

    run_stage(stage := Cancelling(), [first, second])
    assert stage.batches == [["a"]]
    assert problem_of(second.envelope).type == "cancelled"
