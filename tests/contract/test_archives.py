"""Built archives, as TorchServe finds them."""

import io
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from PIL import Image

from photorestore.networks.weights import MANIFEST, stage_of
from photorestore.options import STAGES
from photorestore.serving.management import WHOLE
from photorestore.stage_table import STAGE_ROWS
from tests.conftest import make_photo

pytestmark = pytest.mark.contract

HOME = Path(__file__).resolve().parents[2]
STORE = HOME / "model_store"

# Loads the handler the way TorchServe's worker does, in a process that knows nothing else of this repository.
WORKER = """
import importlib, inspect, json, sys, types
import yaml

archive, stage, picture = sys.argv[1:]
sys.path.insert(0, archive)
module = importlib.import_module(f"{stage}_handler")
classes = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
answer = {}
context = types.SimpleNamespace(
    model_yaml_config=yaml.safe_load(open(f"{archive}/{stage}-config.yaml")),
    system_properties={"model_dir": archive, "gpu_id": None},
    metrics=types.SimpleNamespace(cache={}),
    get_all_request_header=lambda idx: {"X-Restore-Door": "stage", "X-Restore-Options": '{"format": "png"}'},
    set_response_status=lambda code, phrase, idx: answer.update(status=code),
    set_response_content_type=lambda idx, value: answer.update(content_type=value),
)
handler = classes[0]()
handler.initialize(context)
(body,) = handler.handle([{"body": bytearray(open(picture, "rb").read())}], context)
import photorestore
answer |= {
    "classes": len(classes),
    "package": photorestore.__file__,
    "foreign": sorted({name.split(".")[0] for name in sys.modules} & {"ts", "torchvision", "training"}),
    "starts": body[:8].hex(),
}
print(json.dumps(answer))
"""


@pytest.fixture(scope="module", params=(*STAGES, WHOLE))
def stage(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def archive(stage: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(stage)
    with zipfile.ZipFile(STORE / f"{stage}.mar") as packed:
        packed.extractall(folder)
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    encoded = io.BytesIO()
    Image.fromarray(make_photo(90, 120)).save(encoded, "JPEG")
    (tmp_path / "picture.jpg").write_bytes(encoded.getvalue())
    return tmp_path / "picture.jpg"


def test_archive_loads_and_answers_a_picture_by_itself(
    stage: str, archive: Path, picture: Path, tmp_path: Path
) -> None:
    environment = {"PATH": os.environ["PATH"], "PHOTORESTORE_WORKSPACE": str(tmp_path / "spaces")}
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(
        [sys.executable, "-I", "-c", WORKER, str(archive), stage, str(picture)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (answer["status"], answer["content_type"]) == (200, "image/png"), done.stderr
    assert bytes.fromhex(answer["starts"]) == b"\x89PNG\r\n\x1a\n"
    assert answer["classes"] == 1
    assert Path(answer["package"]).is_relative_to(archive)
    assert answer["foreign"] == []


def test_archive_holds_its_own_weights_and_those_of_the_judgement_only(stage: str, archive: Path) -> None:
    weights = {file.relative_to(archive / "weights") for file in archive.rglob("*.safetensors")}
    stages = STAGES if stage == WHOLE else ("preprocess", stage)  # which all run for a picture by itself
    names = set().union(*map(networks_of, stages))
    assert {file.name.partition(".")[0] for file in weights} == names
    assert weights == {
        file.relative_to(HOME / "weights")
        for name in names
        for file in (HOME / "weights" / stage_of(name)).glob(f"{name}.*")
    }


def test_archive_knows_the_hashes_of_its_weights(archive: Path) -> None:
    """Those in it, whatever they are: nobody keeps a list."""
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", MANIFEST],
        cwd=archive / "weights",
        check=True,
        capture_output=True,
    )
    names = {line.partition(":")[0] for line in checked.stdout.decode().splitlines()}
    assert names == {
        file.relative_to(archive / "weights").as_posix() for file in archive.rglob("*.safetensors")
    }


def test_manifest_names_handler_and_version(stage: str, archive: Path) -> None:
    manifest = json.loads((archive / "MAR-INF" / "MANIFEST.json").read_text())
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    assert manifest["model"]["handler"] == f"{stage}_handler.py"
    assert manifest["model"]["modelVersion"] == project["version"]


def test_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    """As those that `make archive` has built."""
    subprocess.run(["./archive.sh", "cpu", tmp_path], cwd=HOME, check=True, capture_output=True)
    for file in sorted(tmp_path.iterdir()):
        assert file.read_bytes() == (STORE / file.name).read_bytes(), file.name


def test_archives_for_a_gpu_say_so_and_hold_every_tier_whose_weights_are_there(tmp_path: Path) -> None:
    for name in ("archive.sh", "workflow.yaml", "pyproject.toml"):
        shutil.copy(HOME / name, tmp_path)
    for name in ("handlers", "src", "weights"):
        shutil.copytree(HOME / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    fast = tmp_path / "weights/denoise/denoise.fast.safetensors"
    shutil.copy(fast, fast.with_name("denoise.quality.safetensors"))
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run([tmp_path / "archive.sh", "gpu"], env=environment, check=True, capture_output=True)
    for stage, tiers in {"denoise": ["fast", "quality"], "upscale": ["fast"]}.items():
        with zipfile.ZipFile(tmp_path / f"model_store/{stage}.mar") as packed:
            weights = sorted(name for name in packed.namelist() if name.startswith(f"weights/{stage}/"))
            config = yaml.safe_load(packed.read(f"{stage}-config.yaml"))
        with_tiers = {network.name: network.has_tiers for network in STAGE_ROWS[stage].networks}
        assert weights == sorted(
            f"weights/{stage}/{name}.{tier}.safetensors"
            for name, has_tiers in with_tiers.items()
            for tier in (tiers if has_tiers else ["fast"])
        )
        assert config["photorestore"]["tier"] == "auto"
        assert config["deviceType"] == "gpu"
        assert config["photorestore"]["tile_batch"] > 1
    with zipfile.ZipFile(tmp_path / "model_store/restore.war") as packed:
        spec = yaml.safe_load(packed.read("workflow.yaml"))
    assert spec["models"]["denoise"]["batch-size"] == 8


def networks_of(stage: str) -> set[str]:
    row = STAGE_ROWS[stage]
    return {*row.borrows, *(network.name for network in row.networks)}
