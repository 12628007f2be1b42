"""Files that are written from the rows of the stages."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gateway.settings import HOME
from photorestore.options import STAGES
from photorestore.stage_table import ROWS, STAGE_ROWS
from photorestore.stages import written
from tests.edge import ENVIRONMENT


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_the_workflow_has_a_model_and_a_place_for_each_stage(device: str) -> None:
    spec = yaml.safe_load(written.workflow(device))
    for row in ROWS:
        model = spec["models"][row.name]
        assert model["url"] == f"{row.name}.mar"
        batch_size = row.gpu_batch_size if device == "gpu" else row.batch_size
        defaults = spec["models"]
        assert model.get("batch-size", defaults["batch-size"]) == batch_size
        assert model.get("max-workers", defaults["max-workers"]) == row.max_workers
        assert model.get("max-batch-delay", defaults["max-batch-delay"]) == row.max_batch_delay_ms
        followers = [other.name for other in ROWS if row.name in other.after]
        assert spec["dag"].get(row.name, []) == followers
    assert set(spec["dag"]) == set(STAGES[:-1]), "the last one has no followers"


def test_an_archive_holds_its_own_networks_those_it_borrows_and_those_of_the_first_stage_each_once() -> None:
    first = ("preprocess_judge", "preprocess_scene", "preprocess_demosaic", "scratch_print")
    assert written.packed_networks(STAGE_ROWS["preprocess"]) == first
    assert written.packed_networks(STAGE_ROWS["scratch"]) == (*first, "scratch", "scratch_glance")
    assert written.packed_networks(STAGE_ROWS["deliver"]) == first


def test_the_table_of_the_documents_names_each_stage_and_what_it_writes() -> None:
    lines = written.table().split("\n")
    rows = {line.split("`")[1]: line for line in lines if line.startswith("| `")}
    assert tuple(rows) == STAGES
    for name, line in rows.items():
        assert STAGE_ROWS[name].does in line
        assert all(f"`{plane.name}`" in line for plane in STAGE_ROWS[name].planes)
        assert line.count("|") == 7
    assert "    denoise & scratch --> deblur" in lines


def test_only_what_is_marked_is_written_anew_and_twice_is_as_once(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "workflow.yaml").write_text("old")
    document = tmp_path / "docs/architecture.md"
    document.write_text("# Before\n<!-- stages -->\nold\n<!-- /stages -->\nAfter.\n")
    written.write(tmp_path)
    once = document.read_text()
    assert once.startswith("# Before\n<!-- stages -->\n```mermaid")
    assert once.endswith("|\n<!-- /stages -->\nAfter.\n")
    written.write(tmp_path)
    assert document.read_text() == once
    assert (tmp_path / "workflow.yaml").read_text() == written.workflow()


def test_a_workflow_is_printed_for_a_device() -> None:
    command = [sys.executable, "-m", "photorestore.stages.written", "workflow", "gpu"]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=HOME, capture_output=True, text=True, check=True)
    assert done.stdout == written.workflow("gpu")
