import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.sound import SOUND
from photorestore.envelope import Envelope, Problem
from photorestore.errors import BrokenArtifact, NotAnImage, OutOfSpace, TruncatedImage
from photorestore.findings import Findings
from photorestore.options import STAGES, Options
from photorestore.serving import answers
from photorestore.serving.handler import StageHandler
from photorestore.serving.management import WHOLE
from photorestore.stages.scratch.findings import ScratchFindings
from photorestore.workspace import Workspace
from tests.conftest import problem_of
from tests.fakes import FakeContext

PICTURE = b"\x89PNG picture"


class FakeStage:
    """Does what its name says to requests whose upload asks for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.batches: list[int] = []

    def run(self, batch: Sequence[Workspace]) -> None:
        self.batches.append(len(batch))
        for workspace in batch:
            self._run(workspace)

    def _run(self, workspace: Workspace) -> None:
        upload = workspace.read_file("upload")
        assert upload is not None
        if self.name == "preprocess" and not upload.startswith(b"\x89PNG"):
            raise NotAnImage("this is no picture")
        if upload.endswith(self.name.encode()):
            raise ZeroDivisionError
        if upload.endswith(b"full"):
            raise OutOfSpace("no room")
        if upload.endswith(b"short"):
            raise TruncatedImage("it breaks off")
        workspace.ran(self.name, "did it")
        if self.name == "deliver":
            workspace.write_file("result", b"restored " + upload)
            workspace.write_file("report.json", json.dumps({"content_type": "image/png"}).encode())
            workspace.mark_done()


def make_handler(stage: str, root: Path) -> StageHandler:
    handler = type("Handler", (StageHandler,), {"stage_name": stage})()
    assert isinstance(handler, StageHandler)
    handler.root = root
    names = STAGES if stage == WHOLE else dict.fromkeys(("preprocess", stage, "deliver"))
    handler.stages = {name: FakeStage(name) for name in names}
    return handler


def make_workspace(root: Path, upload: bytes = PICTURE, **changes: Any) -> Workspace:
    workspace = Workspace.create(root, Options())
    workspace.write_file("upload", upload)
    for name, value in changes.items():
        setattr(workspace.envelope, name, value)
    return workspace


def body(workspace: Workspace) -> dict[str, bytearray]:
    return {"body": bytearray(workspace.envelope.to_json())}


def test_picture_becomes_an_envelope_in_the_first_node(tmp_path: Path) -> None:
    context = FakeContext({"X-Request-Id": "a.b-c_1", "ACCEPT": "image/png"})
    (answer,) = make_handler("preprocess", tmp_path).handle([{"body": bytearray(PICTURE)}], context)
    envelope = Envelope.from_json(answer)
    assert (envelope.request_id, envelope.accept) == ("a.b-c_1", "image/png")
    assert Workspace.open(tmp_path, envelope).read_file("upload") == PICTURE
    assert (context.statuses, context.content_types) == ({0: 200}, {0: "application/json"})
    assert context.metrics.outcomes == [("preprocess", "ran")]


@pytest.mark.parametrize("label", ["", "a b", "../x", "x" * 129, "a\nb", "é"])
def test_harmful_request_ids_are_replaced(tmp_path: Path, label: str) -> None:
    (answer,) = make_handler("preprocess", tmp_path).handle(
        [{"body": PICTURE}], FakeContext({"X-Request-Id": label})
    )
    assert Envelope.from_json(answer).request_id.isalnum()


def test_multipart_brings_mask_and_options(tmp_path: Path) -> None:
    parts: dict[str, bytes | bytearray] = {
        "image": PICTURE,
        "mask": b"mask",
        "options": bytearray(b'{"format": "png"}'),
    }
    headers = {name: {"content-type": "image/png"} for name in parts}  # TorchServe describes parts so
    (answer,) = make_handler("preprocess", tmp_path).handle([parts], FakeContext(headers))
    workspace = Workspace.open(tmp_path, Envelope.from_json(answer))
    assert workspace.read_file("mask_upload") == b"mask"
    assert workspace.options.format == "png"


def test_options_come_in_a_header(tmp_path: Path) -> None:
    headers = {"x-restore-options": '{"stages": ["denoise"], "strength": 0.5}'}
    (answer,) = make_handler("preprocess", tmp_path).handle([{"body": PICTURE}], FakeContext(headers))
    assert Envelope.from_json(answer).options == Options(stages=("denoise",), strength=0.5)


def test_envelope_door_takes_a_prepared_workspace(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, answer="report")
    context = FakeContext({"X-Restore-Door": "envelope"})
    (answer,) = make_handler("preprocess", tmp_path).handle([body(workspace)], context)
    assert Envelope.from_json(answer).workspace_id == workspace.envelope.workspace_id


def test_json_without_the_door_is_taken_for_a_picture(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    (answer,) = make_handler("preprocess", tmp_path).handle([body(workspace)], FakeContext())
    assert problem_of(Envelope.from_json(answer)).type == "not-an-image"


def test_several_parents_are_merged(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, current="image")
    parents = {}
    branches: tuple[tuple[str, str, dict[str, Findings]], ...] = (
        ("scratch", "image", {"scratch": ScratchFindings(0.1)}),
        ("denoise", "denoised", {"preprocess": SOUND}),
    )
    for stage, current, found in branches:
        parent = Envelope.from_json(workspace.envelope.to_json())
        parent.current = current
        parent.estimates = found
        parents[f"restore__{stage}"] = bytearray(parent.to_json())
    (answer,) = make_handler("translate", tmp_path).handle([parents], FakeContext())
    merged = Envelope.from_json(answer)
    assert merged.current == "denoised"
    assert set(merged.estimates) == {"preprocess", "scratch"}
    assert merged.trace["translate"].outcome == "ran"


def test_failed_envelope_passes_untouched(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, problem=Problem("corrupt-image", 422, "broken", "preprocess"))
    handler = make_handler("denoise", tmp_path)
    (answer,) = handler.handle([body(workspace)], FakeContext())
    assert answer == workspace.envelope.to_json()
    denoise = handler.stages["denoise"]
    assert isinstance(denoise, FakeStage)
    assert sum(denoise.batches) == 0


def test_late_request_is_not_worked_on(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, deadline=time.monotonic() - 1)
    (answer,) = make_handler("denoise", tmp_path).handle([body(workspace)], FakeContext())
    assert problem_of(Envelope.from_json(answer)).type == "deadline-exceeded"


def test_bad_items_leave_their_neighbours_alone(tmp_path: Path) -> None:
    uploads = [PICTURE, PICTURE + b" denoise", PICTURE + b" short", PICTURE]
    batch = [body(make_workspace(tmp_path, upload)) for upload in uploads]
    given = make_handler("denoise", tmp_path).handle(batch, FakeContext())
    problems = [Envelope.from_json(answer).problem for answer in given]
    assert [problem and problem.type for problem in problems] == [None, "internal", "truncated-image", None]


def test_one_answer_for_every_item_whatever_it_is(tmp_path: Path) -> None:
    strange = make_workspace(tmp_path)
    strange.envelope.workspace_id = "../../etc"
    batch: list[dict[str, Any]] = [
        {},
        {"body": None},
        {"body": 3},
        {"body": b"{"},
        {"body": {"version": 1}},
        {"restore__denoise": b"x", "restore__scratch": b"y"},
        {"restore__denoise": make_workspace(tmp_path).envelope.to_json(), "restore__scratch": b"{}"},
        body(strange),
    ]
    for stage in ("preprocess", "denoise", "translate", "deliver"):
        given = make_handler(stage, tmp_path).handle(batch, FakeContext())
        assert len(given) == len(batch)
        assert all(json.loads(answer) for answer in given)


def test_nothing_is_raised_when_headers_cannot_be_read(tmp_path: Path) -> None:
    class Broken(FakeContext):
        def get_all_request_header(self, idx: int) -> dict[str, Any]:
            raise RuntimeError

    (answer,) = make_handler("preprocess", tmp_path).handle([{"body": PICTURE}], Broken())
    assert problem_of(Envelope.from_json(answer)).type == "internal"


def test_metrics_that_fail_cost_nothing(tmp_path: Path) -> None:
    context = FakeContext()
    context.metrics = None
    (answer,) = make_handler("denoise", tmp_path).handle([body(make_workspace(tmp_path))], context)
    assert Envelope.from_json(answer).trace["denoise"].outcome == "ran"


def test_deliver_answers_with_the_picture_and_gives_memory_back(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    context = FakeContext()
    (answer,) = make_handler("deliver", tmp_path).handle([body(workspace)], context)
    assert answer == b"restored " + PICTURE
    assert context.content_types == {0: "image/png"}
    assert {file.name for file in workspace.directory.iterdir()} == {"result", "report.json", "done"}


def test_repeated_delivery_gives_the_same_answer(tmp_path: Path) -> None:
    item = body(make_workspace(tmp_path))
    handler = make_handler("deliver", tmp_path)
    assert handler.handle([item], FakeContext()) == handler.handle([item], FakeContext())


def test_picture_too_large_for_an_answer_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "LARGEST_BODY_BYTES", 5)
    context = FakeContext()
    (answer,) = make_handler("deliver", tmp_path).handle([body(make_workspace(tmp_path))], context)
    assert json.loads(answer)["type"].endswith("image-too-large")
    assert context.statuses == {0: 422}


def test_deliver_answers_with_the_report_where_the_caller_made_the_workspace(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, answer="report")
    (answer,) = make_handler("deliver", tmp_path).handle([body(workspace)], FakeContext())
    assert json.loads(answer) == {"content_type": "image/png"}
    assert workspace.read_file("result") == b"restored " + PICTURE


def test_a_result_that_is_not_sent_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_workspace(tmp_path, answer="report")
    read, read_file = list[str](), Workspace.read_file

    def note(self: Workspace, name: str) -> bytes | None:
        read.append(name)
        return read_file(self, name)

    monkeypatch.setattr(Workspace, "read_file", note)
    workspace.write_file("result", PICTURE)
    workspace.write_file("report.json", b"{}")
    assert answers.delivered_answer(workspace).body == b"{}"
    assert read == ["report.json"]


def test_masks_stay_where_the_caller_made_the_workspace(tmp_path: Path) -> None:
    for kind, kept in (("report", True), ("image", False)):
        workspace = make_workspace(tmp_path, answer=kind)
        workspace.write_file("scratch_mask.npy", b"mask")
        make_handler("deliver", tmp_path).handle([body(workspace)], FakeContext())
        assert workspace.path("scratch_mask.npy").exists() is kept


def test_problem_is_delivered_as_a_problem_document(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, problem=Problem("corrupt-image", 422, "broken", "preprocess"))
    context = FakeContext()
    (answer,) = make_handler("deliver", tmp_path).handle([body(workspace)], context)
    document = json.loads(answer)
    assert document["type"] == "urn:photorestore:problem:corrupt-image"
    assert (document["status"], document["detail"], document["stage"]) == (422, "broken", "preprocess")
    assert (context.statuses[0], context.content_types[0]) == (422, "application/problem+json")
    assert not workspace.directory.exists()


@pytest.mark.parametrize(
    ("headers", "upload", "status"),
    [
        ({}, PICTURE, 200),
        ({"X-Restore-Options": '{"strength": 2}'}, PICTURE, 400),
        ({"X-Restore-Options": "["}, PICTURE, 400),
        ({}, b"", 415),
        ({}, b"text", 415),
        ({}, PICTURE + b" short", 422),
        ({}, PICTURE + b" full", 503),
        ({}, PICTURE + b" denoise", 500),
    ],
)
def test_stage_alone_answers_with_true_status(
    tmp_path: Path, headers: dict[str, str], upload: bytes, status: int
) -> None:
    context = FakeContext(headers)
    (answer,) = make_handler("denoise", tmp_path).handle([{"body": upload}], context)
    is_picture = status == 200
    assert context.statuses == {0: status}
    assert context.content_types == {0: "image/png" if is_picture else "application/problem+json"}
    assert answer == b"restored " + PICTURE if is_picture else json.loads(answer)["status"] == status
    assert list(tmp_path.iterdir()) == []


def test_preprocess_alone_is_told_by_a_header(tmp_path: Path) -> None:
    context = FakeContext({"X-Restore-Door": "stage"})
    (answer,) = make_handler("preprocess", tmp_path).handle([{"body": PICTURE}], context)
    assert answer == b"restored " + PICTURE


def test_unknown_settings_stop_the_worker() -> None:
    context = FakeContext(config={"photorestore": {"tiel_px": 3}})
    with pytest.raises(BrokenArtifact, match="tiel_px"):
        make_handler("deliver", Path()).initialize(context)


def test_full_memory_is_a_retryable_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise OutOfSpace("shared memory is full; try again later")

    monkeypatch.setattr(Workspace, "write_file", full)
    context = FakeContext()
    make_handler("denoise", tmp_path).handle([{"body": PICTURE}], context)
    assert context.statuses == {0: 503}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("tile_px", 0, "tile_px is 0; expected a whole number of at least 1"),
        ("tile_batch", -1, "tile_batch is -1; expected a whole number of at least 1"),
        ("tier", "best", "tier is 'best'; expected auto, fast, quality"),
        ("precision", "half", "precision is 'half'; expected auto, bfloat16, float32"),
    ],
)
def test_settings_of_an_archive_that_make_no_sense_are_named(name: str, value: object, expected: str) -> None:
    handler = type("Handler", (StageHandler,), {"stage_name": "deliver"})()
    with pytest.raises(BrokenArtifact, match=f"model-config.yaml: photorestore: {expected}"):
        handler.initialize(FakeContext(config={"photorestore": {name: value}}))


def test_an_envelope_goes_through_all_stages_in_one_process_and_comes_back_delivered(tmp_path: Path) -> None:
    handler = make_handler(WHOLE, tmp_path)
    done, failed, picture = (
        make_workspace(tmp_path, answer="report"),
        make_workspace(tmp_path, PICTURE + b"short", answer="report"),
        make_workspace(tmp_path),
    )
    bodies = handler.handle([body(done), body(failed), body(picture)], FakeContext())
    assert json.loads(bodies[0]) == {"content_type": "image/png"}
    problem = json.loads(bodies[1])
    assert (problem["status"], problem["stage"], list(problem["trace"])) == (
        422,
        "preprocess",
        ["preprocess"],
    )
    assert bodies[2] == b"restored " + PICTURE
    assert done.read_file("result") == b"restored " + PICTURE
    assert handler.handle([body(done)], FakeContext()) == [bodies[0]]  # TorchServe may ask again
