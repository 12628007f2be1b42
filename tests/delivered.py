"""What comes back where nothing but the encoding is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from photorestore.options import Options
from photorestore.stages.base import run_stage
from photorestore.stages.deliver.stage import DeliverStage
from photorestore.stages.preprocess.stage import PreprocessStage
from photorestore.workspace import Workspace


def restored(
    root: Path, upload: bytes, *, accept: str = "", **options: Any
) -> tuple[Workspace, bytes, dict[str, Any]]:
    """Workspace, result and report, of an upload that is acquired and delivered."""
    workspace = Workspace.create(root, Options(**options), accept=accept)
    workspace.write_file("upload", upload)
    for stage in (PreprocessStage(), DeliverStage()):
        run_stage(stage, [workspace])
    assert workspace.envelope.problem is None, workspace.envelope.problem
    result, report = workspace.read_file("result"), workspace.read_file("report.json")
    assert result is not None
    assert report is not None
    return workspace, result, json.loads(report)
