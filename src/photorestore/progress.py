"""Tell how far a request is by small files in its directory. No torch here."""

from __future__ import annotations

import contextlib
from pathlib import Path

from photorestore.atomic import replacing
from photorestore.options import STAGES

SUFFIX, STEPS_SUFFIX = ".state", ".steps"
RUNNING = "running"
"""The state of a stage that is at work on a request."""


def note_state(directory: Path, stage: str, state: str) -> None:
    """Note how far a request is, for others to see: `RUNNING`, then the trace's outcome.

    A stage never fails because a note cannot be written: without it, the stage seems to wait.
    """
    begun = _note(directory, stage, RUNNING)
    with contextlib.suppress(OSError):
        if state == RUNNING:
            begun.touch(exist_ok=False)  # `exist_ok` would look first, which costs a call
        else:
            begun.replace(_note(directory, stage, state))


def noted_states(directory: Path) -> dict[str, str]:
    """Return what was noted so far, by stage; nothing where the directory is gone."""
    try:
        names = [file.stem for file in directory.iterdir() if file.suffix == SUFFIX]
    except FileNotFoundError:
        names = []
    notes: dict[str, str] = {}
    for name in names:
        stage, _, state = name.partition(".")
        if notes.get(stage) != RUNNING:  # it may run again
            notes[stage] = state
    return {stage: notes[stage] for stage in STAGES if stage in notes}


def note_steps(directory: Path, stage: str, done: int, total: int) -> None:
    """Note how many steps of how many a stage that works for minutes has done, for others to see."""
    with contextlib.suppress(OSError), replacing(directory / f"{stage}{STEPS_SUFFIX}") as temporary:
        temporary.write_text(f"{done} {total}")


def noted_steps(directory: Path) -> dict[str, tuple[int, int]]:
    """Return the steps done and those there are at most, by stage that is at work and noted them."""
    notes: dict[str, tuple[int, int]] = {}
    for stage in STAGES:
        with contextlib.suppress(OSError):
            _note(directory, stage, RUNNING).stat()
            done, total = (directory / f"{stage}{STEPS_SUFFIX}").read_text().split()
            notes[stage] = int(done), int(total)
    return notes


def _note(directory: Path, stage: str, state: str) -> Path:
    return directory / f"{stage}.{state}{SUFFIX}"
