"""How far a request is, told by names of files."""

from pathlib import Path

import pytest

from photorestore.options import STAGES
from photorestore.progress import RUNNING, note_state, note_steps, noted_states, noted_steps


def test_stages_are_told_in_the_order_of_the_pipeline_as_they_begin_and_end(tmp_path: Path) -> None:
    assert noted_states(tmp_path) == {}
    for stage in reversed(STAGES[:3]):
        note_state(tmp_path, stage, RUNNING)
    assert list(noted_states(tmp_path).items()) == [(stage, RUNNING) for stage in STAGES[:3]]
    note_state(tmp_path, STAGES[1], "passed")
    assert noted_states(tmp_path)[STAGES[1]] == "passed"


def test_a_stage_that_runs_again_is_running(tmp_path: Path) -> None:
    note_state(tmp_path, "face", RUNNING)
    note_state(tmp_path, "face", "ran")
    note_state(tmp_path, "face", RUNNING)
    assert noted_states(tmp_path) == {"face": RUNNING}
    note_state(tmp_path, "face", "ran")
    assert noted_states(tmp_path) == {"face": "ran"}


@pytest.mark.parametrize("state", [RUNNING, "ran"])
def test_a_directory_that_is_gone_costs_nothing(tmp_path: Path, state: str) -> None:
    note_state(tmp_path / "gone", "face", state)
    assert noted_states(tmp_path / "gone") == {}


def test_an_end_without_a_beginning_is_not_told(tmp_path: Path) -> None:
    note_state(tmp_path, "face", "ran")
    assert noted_states(tmp_path) == {}


def test_other_files_are_no_notes(tmp_path: Path) -> None:
    for name in ("upload", "image.npy", "face.state.npy", "nosuch.ran.state", ".state"):
        (tmp_path / name).touch()
    assert noted_states(tmp_path) == {}


def test_steps_are_told_while_their_stage_works(tmp_path: Path) -> None:
    note_steps(tmp_path, "denoise", 10, 600)
    assert noted_steps(tmp_path) == {}
    note_state(tmp_path, "denoise", RUNNING)
    note_steps(tmp_path, "denoise", 20, 600)
    assert noted_steps(tmp_path) == {"denoise": (20, 600)}
    assert noted_states(tmp_path) == {"denoise": RUNNING}
    note_state(tmp_path, "denoise", "ran")
    assert noted_steps(tmp_path) == {}


def test_steps_that_cannot_be_noted_cost_nothing(tmp_path: Path) -> None:
    note_steps(tmp_path / "gone", "denoise", 1, 2)
    assert noted_steps(tmp_path / "gone") == {}
