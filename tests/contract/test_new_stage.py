"""A stage is added to a copy of this repository: its row, and files of its own."""

import filecmp
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from photorestore.stages.written import FILES
from tests.conftest import make_photo

pytestmark = pytest.mark.contract

HOME = Path(__file__).resolve().parents[2]
COPIED = ("bench", "client", "deploy", "docs", "gateway", "handlers", "src", "tests", "training", "weights")
TABLE = "src/photorestore/stage_table.py"

ROW = """\
    StageRow(
        name="negative",
        label="Negative",
        does="turns a picture into its negative",
        works_when="asked for",
        is_selectable=True,
        has_strength=True,
        networks=(NetworkRow("negative", "photorestore.stages.negative.network:Negative"),),
        planes=(PlaneRow("negated", 3, holds=PICTURE),),
        findings="photorestore.stages.negative.findings:NegativeFindings",
    ),
"""
OWN = {
    "src/photorestore/stages/negative/__init__.py": '"""Negative."""\n',
    "src/photorestore/stages/negative/findings.py": '''
"""What `negative` tells of its work."""

from dataclasses import dataclass

from photorestore.findings import Findings


@dataclass(frozen=True, slots=True)
class NegativeFindings(Findings):
    """How much of it was done."""

    strength: float
''',
    "src/photorestore/stages/negative/network.py": '''
"""The network of `negative`."""

import torch
from torch import Tensor, nn

from photorestore.networks.descriptor import IMAGE, Descriptor, Port


class Negative(nn.Module):
    """One weight."""

    descriptor = Descriptor("Negative", (IMAGE,), Port("negative", "N 3 H W", 0, 1), reach_px=0)

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to the same."""
        return 1 - self.gain * image

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        return self.forward(image)
''',
    "src/photorestore/stages/negative/stage.py": '''
"""Negative: turns a picture into its negative."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from photorestore.networks.tiling import TileJob, Tiles
from photorestore.stages.base import is_left_alone
from photorestore.stages.networked import NetworkStage
from photorestore.stages.negative.findings import NegativeFindings
from photorestore.workspace import Workspace


class NegativeStage(NetworkStage):
    """Writes the plane `negated` where it is asked for."""

    name: ClassVar[str] = "negative"

    def run(self, batch: Sequence[Workspace]) -> None:
        for workspace in batch:
            strength = workspace.options.strength_of(self.name)
            if is_left_alone(self.name, workspace):
                continue
            if not workspace.options.wants(self.name) or strength == 0:
                workspace.passed(self.name, "not asked for")
                continue
            image = workspace.before("negated")
            with workspace.new_plane("negated", image.shape, "uint16") as target:
                self.networks["negative"].fill([TileJob({"image": image}, target, strength)], _blend)
            workspace.envelope.current = "negated"
            workspace.envelope.estimates[self.name] = NegativeFindings(strength)
            workspace.ran(self.name, "turned into its negative")


def _blend(pred: Tensor, tiles: Tiles[float]) -> Tensor:
    strengths = torch.tensor([job.context for job in tiles.jobs]).view(-1, 1, 1, 1)
    return torch.lerp(tiles.planes["image"], pred, strengths)
''',
    "handlers/negative_handler.py": '''
"""TorchServe's way into the stage `negative`."""

from photorestore.serving.handler import StageHandler


class NegativeHandler(StageHandler):
    """Runs `negative`."""

    stage_name = "negative"
''',
    "training/train_negative.py": """
from pathlib import Path

from photorestore.stages.negative.network import Negative
from photorestore.networks.weights import REQUIRED, save_network

save_network(
    Path("weights/negative/negative.fast.safetensors"),
    Negative(),
    architecture={},
    metadata=dict.fromkeys(set(REQUIRED) - {"architecture"}, "known"),
)
""",
    "docs/models/negative.md": "# negative\n",
}
RESTORE = """
import json, sys
from pathlib import Path
from photorestore import pipeline
from photorestore.options import Options
from photorestore.records import document_of

options = Options(stages=("negative",), format="png")
restored = pipeline.load(root=Path(sys.argv[1])).restore(sys.stdin.buffer.read(), options)
sys.stdout.buffer.write(restored.encoded)
print(json.dumps(document_of(restored.report)), file=sys.stderr)
"""
CHECKED = (
    "contract/test_rooms.py",
    "deploy/test_images.py::test_shared_memory_holds_what_is_admitted",
    "unit/gateway/routes/test_descriptions.py::test_stages_options_and_cards_are_described",
    "unit/test_options.py",
    "unit/test_pipeline.py::test_what_is_judged_to_be_no_photograph_is_left_as_it_is",
    "unit/test_tiers.py::test_stages_that_may_work_are_known_beforehand",
    "unit/networks/test_weights.py::test_canary_finds_out_committed_weights_of_zero_in_either_precision",
)
"""Tests that know all stages, or a choice of them where all would take minutes."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this repository with one stage more."""
    copy = tmp_path_factory.mktemp("repository")
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in COPIED:
        shutil.copytree(HOME / name, copy / name, ignore=ignored)
    for file in HOME.iterdir():
        if file.is_file() and file.name != ".git":
            shutil.copy(file, copy)
    table = copy / TABLE
    before, after = table.read_text().split('    StageRow(\n        name="upscale"')
    table.write_text(f'{before}{ROW}    StageRow(\n        name="upscale"{after}')
    for name, text in OWN.items():
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text(text.lstrip())
    run(copy, "-m", "training.train_negative")
    run(copy, "-m", "photorestore.stages.written")
    return copy


def run(home: Path, *arguments: str, **named: Any) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"PYTHONPATH": "src:client:.", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=home, env=environment, capture_output=True, check=False, **named
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done


def test_no_other_file_is_edited(home: Path) -> None:
    changed = {
        file.relative_to(home).as_posix()
        for file in home.rglob("*")
        if file.is_file()
        and file.parent.name != "model_store"
        and not _is_same(file, HOME / file.relative_to(home))
    }
    assert changed == {TABLE, *OWN, *FILES, "weights/negative/negative.fast.safetensors"}


def test_the_stage_works_in_its_place(home: Path, tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.fromarray(make_photo(40, 50)).save(picture, "PNG")
    done = run(home, "-c", RESTORE, str(tmp_path), input=picture.getvalue())
    assert np.array_equal(np.array(Image.open(io.BytesIO(done.stdout))), 255 - make_photo(40, 50))
    report = json.loads(done.stderr.splitlines()[-1])
    assert list(report["trace"])[-4:] == ["colorize", "negative", "upscale", "deliver"]
    assert report["trace"]["negative"]["outcome"] == "ran"
    assert report["estimates"]["negative"] == {"strength": 1.0}


def test_the_stage_is_archived_and_a_node_of_the_workflow(home: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run([home / "archive.sh", "cpu"], env=environment, check=True, capture_output=True)
    with zipfile.ZipFile(home / "model_store/negative.mar") as packed:
        assert {"negative_handler.py", "weights/negative/negative.fast.safetensors"} <= set(packed.namelist())
    with zipfile.ZipFile(home / "model_store/restore.war") as packed:
        spec = yaml.safe_load(packed.read("workflow.yaml"))
    assert spec["models"]["negative"]["url"] == "negative.mar"
    assert (spec["dag"]["colorize"], spec["dag"]["negative"]) == (["negative"], ["upscale"])


def test_tests_that_know_all_stages_pass_with_it(home: Path) -> None:
    run(home, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/{name}" for name in CHECKED))


def _is_same(file: Path, original: Path) -> bool:
    return original.exists() and filecmp.cmp(file, original, shallow=False)
