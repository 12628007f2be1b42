"""Answers that TorchServe has lost."""

import asyncio
import os
import time

import pytest

from gateway.lost import QUIET_S, begin_anew, find_lost, is_quiet
from gateway.workflow import Node
from photorestore.options import STAGES, Options
from photorestore.workspace import RUNNING, Workspace
from tests.edge import make_mask, make_picture, metric, running_edge, until

IDLE = [Node(stage, ready=1, wanted=1, pending=0) for stage in STAGES]


def make_run(root, *, quiet_s: float = QUIET_S + 1, **states: str) -> Workspace:
    workspace = Workspace.create(root, Options(), request_id="abc", accept="image/png")
    workspace.envelope.answer = "report"
    workspace.write_file("upload", make_picture())
    for stage, state in states.items():
        for noted in (RUNNING, state):
            workspace.note_state(stage, noted)
    changed = time.time() - quiet_s
    os.utime(workspace.directory, (changed, changed))
    return workspace


def with_node(stage: str, *, ready: int = 1, pending: int = 0) -> list[Node]:
    return [Node(stage, ready, 1, pending) if node.stage == stage else node for node in IDLE]


def test_a_run_that_no_stage_will_take_is_lost(root):
    run = make_run(root, preprocess="ran", denoise="ran", scratch="passed")
    assert find_lost({"a": run}, IDLE) == ["a"]


def test_a_run_whose_last_answer_is_gone_is_lost(root):
    assert find_lost({"a": make_run(root, **dict.fromkeys(STAGES, "passed"))}, IDLE) == ["a"]


@pytest.mark.parametrize(
    "nodes",
    [with_node("translate", pending=1), with_node("translate", ready=0), []],
    ids=["queued", "down", "?"],
)
def test_a_run_that_may_wait_for_a_worker_is_not_lost(root, nodes):
    run = make_run(root, preprocess="ran", denoise="ran", scratch="passed")
    assert find_lost({"a": run}, nodes) == []


def test_a_run_behind_another_one_is_not_lost(root):
    """Both may be in one batch."""
    run = make_run(root, preprocess="ran", denoise="ran", scratch="passed")
    other = make_run(root, preprocess="ran", denoise="ran", scratch="passed", translate="running")
    assert find_lost({"a": run, "b": other}, IDLE) == []


def test_a_run_that_is_worked_on_or_has_just_been_is_not_quiet(root):
    assert not is_quiet(make_run(root, preprocess="running"))
    assert not is_quiet(make_run(root, preprocess="ran", quiet_s=0))


def test_a_run_begins_anew_with_what_the_caller_sent(root):
    run = make_run(root, preprocess="ran")
    run.write_file("mask_upload", make_mask())
    again = begin_anew(run)
    assert not run.directory.exists()
    assert again.read_file("upload") == make_picture()
    assert again.read_file("mask_upload") == make_mask()
    assert again.states() == {}
    for name in ("request_id", "deadline", "options", "accept", "answer"):
        assert getattr(again.envelope, name) == getattr(run.envelope, name), name


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("gateway.lost.QUIET_S", 0.05)
    monkeypatch.setattr("gateway.runs.LOOK_EVERY_S", 0.02)


@pytest.mark.anyio
async def test_the_caller_of_a_lost_run_gets_the_result(server, root, quick):
    server.pending = 0
    async with running_edge(server, root) as edge, asyncio.TaskGroup() as group:
        server.is_open.clear()
        asked = group.create_task(edge.post("/v1/restore?stages=", content=make_picture()))
        await until(lambda: len(server.inferences) == 2)
        server.is_open.set()
        answer = await asked
        assert answer.status_code == 200
        assert metric(edge, "lost_answers_total") >= 1
        assert metric(edge, "in_flight_requests") == 0
        assert server.inferences[0]["request_id"] == server.inferences[1]["request_id"]
        assert list(root.iterdir()) == []


@pytest.mark.anyio
async def test_a_run_that_waits_its_turn_is_left_alone(server, root, quick):
    async with running_edge(server, root) as edge, asyncio.TaskGroup() as group:
        server.is_open.clear()
        asked = group.create_task(edge.post("/v1/restore?stages=", content=make_picture()))
        await until(lambda: len(server.inferences) == 1)
        await asyncio.sleep(0.3)
        server.is_open.set()
        assert (await asked).status_code == 200
        assert len(server.inferences) == 1
