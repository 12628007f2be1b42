"""Make what a caller gets back: the picture, the report, an envelope, or a problem document (RFC 9457).

No torch here.
"""

from __future__ import annotations

import http
import json
from collections.abc import Mapping
from dataclasses import dataclass

from photorestore.directories import DONE, done_since, is_name
from photorestore.envelope import Envelope, Problem, Trace
from photorestore.errors import BrokenArtifact, ImageTooLarge
from photorestore.records import document_of
from photorestore.workspace import CONFIDENCE, MASKS, Workspace

PROBLEM_TYPE = "urn:photorestore:problem:"
KEPT_FILES = frozenset({"result", "report.json", DONE})
"""What a delivered workspace keeps, so that a repeated delivery gives the same answer."""
MASK_FILES = tuple(f"{name}.npy" for name in MASKS)
"""The damage that the caller marked, or else that was found; kept beside the result for a caller who fetches both."""
IMPULSES_FILE = "impulses.npy"
"""What denoising replaced, where its method tells; kept likewise."""
CONFIDENCE_FILE = f"{CONFIDENCE}.npy"
"""How sure new colours are; kept likewise."""

LARGEST_BODY_BYTES = 256 << 20
"""Largest picture that is sent through TorchServe; a larger body than its `max_response_size` kills a worker."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Body, media type and status of one answer."""

    body: bytes
    content_type: str
    status: int = 200

    @property
    def phrase(self) -> str:
        """Return the status in words."""
        return http.HTTPStatus(self.status).phrase


def problem_answer(problem: Problem, request_id: str, trace: Mapping[str, Trace] | None = None) -> Answer:
    """Return a problem document, with what the stages did where the edge asks."""
    document: dict[str, object] = {
        "type": PROBLEM_TYPE + problem.type,
        "title": problem.type.replace("-", " ").capitalize(),
        "status": problem.status,
        "detail": problem.detail,
        "stage": problem.stage,
        "request_id": request_id,
    }
    if trace is not None:
        document["trace"] = {stage: document_of(entry) for stage, entry in trace.items()}
    return Answer(json.dumps(document).encode(), "application/problem+json", problem.status)


def envelope_answer(envelope: Envelope) -> Answer:
    """Return an envelope for the next node; its status is for those who call a stage by itself."""
    status = envelope.problem.status if envelope.problem else 200
    return Answer(envelope.to_json(), "application/json", status)


def delivered_answer(workspace: Workspace) -> Answer:
    """Return the picture or the report of a delivered workspace.

    Raises:
        BrokenArtifact: it was not delivered.
        ImageTooLarge: the picture's file is too large for an answer.
    """
    report, result = workspace.read_file("report.json"), workspace.path("result")
    if report is None or not result.exists():
        raise BrokenArtifact(f"workspace {workspace.envelope.workspace_id} has no result")
    if workspace.envelope.answer == "report":
        return Answer(report, "application/json")
    length = result.stat().st_size
    if length > LARGEST_BODY_BYTES:
        raise ImageTooLarge(
            f"the restored picture has {length >> 20} MiB; {LARGEST_BODY_BYTES >> 20} MiB can be sent: "
            "ask for a format that loses a little"
        )
    return Answer(result.read_bytes(), json.loads(report)["content_type"])


def is_delivered(workspace: Workspace) -> bool:
    """Return whether an earlier try has delivered already; its planes are gone then."""
    return done_since(workspace.directory) is not None and workspace.path("result").exists()


def settle(workspace: Workspace, *, keep: bool) -> None:
    """Free the memory of an answered request.

    Args:
        keep: True lets a delivered result stay until it is swept, because TorchServe may run the node again, or the
            caller fetches it from the workspace. What failed stays only if the caller made the workspace.
    """
    if not is_name(workspace.envelope.workspace_id) or not workspace.directory.is_dir():
        return
    is_callers = workspace.envelope.answer == "report"
    if keep and (is_callers or workspace.envelope.problem is None):
        workspace.mark_done()
        kept = KEPT_FILES.union(MASK_FILES, {IMPULSES_FILE, CONFIDENCE_FILE}) if is_callers else KEPT_FILES
        for file in workspace.directory.iterdir():
            if file.name not in kept:
                file.unlink(missing_ok=True)
    else:
        workspace.remove()
