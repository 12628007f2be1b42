"""One word for a stage in every room, and doors between rooms that open one way."""

import ast
import pkgutil
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import yaml
from photorestore_client import plan as client_plan
from photorestore_client.arguments import make_parser
from photorestore_client.options import Options as ClientOptions

from gateway.routes.presets import NAMES
from photorestore.findings import Findings
from photorestore.network_words import is_name
from photorestore.networks.weights import NETWORKS, stage_of, weights_file
from photorestore.options import FORMATS, STAGES, TIERS, Options, describe
from photorestore.pipeline import STAGE_CLASSES
from photorestore.serving.management import WHOLE
from photorestore.stage_row import StageRow
from photorestore.stage_table import ROWS
from photorestore.stages.written import FILES
from photorestore_bulk import plan as bulk_plan

pytestmark = pytest.mark.contract

HOME = Path(__file__).resolve().parents[2]
OURS = {
    "photorestore",
    "photorestore_bulk",
    "photorestore_import",
    "training",
    "gateway",
    "backend",
    "handlers",
    "bench",
    "client",
    "deploy",
    "photorestore_client",
    "tests",
}
DOORS = {
    "src/photorestore": {"photorestore"},
    "src/photorestore_bulk": {"photorestore", "photorestore_bulk"},
    "src/photorestore_import": {"photorestore", "photorestore_import"},
    "deploy": {"deploy"},
    "handlers": {"photorestore"},
    "gateway": {"gateway", "photorestore"},
    "backend": {"backend", "photorestore"},
    "training": {"training", "photorestore"},
    "bench": {"bench", "training", "photorestore", "gateway", "photorestore_client", "deploy"},
    "client": {"photorestore_client"},
}
"""Which of our rooms each room may enter."""

PHOTORESTORE = (
    *("errors", "hint_words", "blur_words", "methods", "network_words", "logs", "allocator"),
    *("kinds", "text_kinds", "records", "source", "folders", "directories", "atomic"),
    *("stage_row", "stage_table", "stage_planes"),
    *("options", "long_work", "findings", "envelope", "report", "progress", "tiers"),
    *("workspace", "housekeeping", "pixels", "fidelity", "imaging", "networks"),
    *("stages", "pipeline", "serving"),
)
"""Rooms and modules of `photorestore`, from the ground up: each may enter those that stand before it."""

IMAGING = {
    "files": set[str](),
    "planes": {"files"},
    "tiff": {"files", "planes"},
    "iso": {"files"},
    "colour": {"files", "tiff"},
    "metadata": {"files", "tiff", "iso"},
    "decoders": {"files", "planes", "tiff", "iso", "colour", "metadata"},
}
"""Rooms of `photorestore.imaging`, and `planes`, a module, from the ground up: which of those below each may enter."""

GATEWAY = {
    "errors": set[str](),
    "setting_types": set[str](),
    "settings": {"setting_types"},
    "command_line": {"settings"},
    "telemetry": set[str](),
    "http": {"errors", "settings", "telemetry"},
    "torchserve": {"errors", "settings", "telemetry"},
    "restore": {"errors", "telemetry", "http", "torchserve"},
    "jobs": {"errors", "settings", "telemetry", "http", "torchserve", "restore"},
    "routes": {"errors", "settings", "telemetry", "http", "torchserve", "restore", "jobs"},
    "app": {"errors", "settings", "telemetry", "http", "torchserve", "restore", "jobs", "routes"},
    "__main__": {"command_line", "settings", "telemetry", "http", "app"},
}
"""Rooms and modules of `gateway`, from the ground up: which of those below each may enter."""

WITHOUT_TORCH = (
    "errors",
    "options",
    "tiers",
    "envelope",
    "workspace",
    "serving.requests",
    "serving.answers",
    "report",
    "serving.management",
    "stage_table",
    "networks.origin",
    *(row.findings.partition(":")[0].removeprefix("photorestore.") for row in ROWS if row.findings),
)
"""Modules that the REST edge imports."""


def sources(folder: str) -> list[Path]:
    return sorted((HOME / folder).rglob("*.py"))


def imported(file: Path) -> set[str]:
    """Full names of what a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module or ''}.{alias.name}" for alias in node.names}
    return names


def test_stages_are_the_same_in_every_room() -> None:
    spec = yaml.safe_load((HOME / "workflow.yaml").read_text())
    settings = {"min-workers", "max-workers", "batch-size", "max-batch-delay", "retry-attempts", "timeout-ms"}
    nodes = set(spec["dag"]) | {node for targets in spec["dag"].values() for node in targets}
    assert tuple(STAGE_CLASSES) == STAGES
    assert [getattr(cls, "name", "") for cls in STAGE_CLASSES.values()] == list(STAGES)
    handled = {file.stem.removesuffix("_handler") for file in (HOME / "handlers").glob("*.py")}
    assert handled == {*STAGES, WHOLE}
    assert {file.parent.name for file in (HOME / "src/photorestore/stages").glob("*/stage.py")} == set(STAGES)
    assert set(spec["models"]) - settings == set(STAGES) == nodes


def test_rows_name_only_what_there_is_and_what_comes_before_them() -> None:
    known = {option.name for option in fields(Options)}
    for place, row in enumerate(ROWS):
        before = {other.name for other in ROWS[:place]}
        assert set(row.after) <= before
        assert bool(row.after) == bool(before)
        assert set(row.options) <= known
        assert {stage_of(network.name) for network in row.networks} <= {row.name}
        assert set(row.borrows) <= NETWORKS.keys() - {network.name for network in row.networks}
    assert not {row.name for row in ROWS[:-1]} - {name for row in ROWS for name in row.after}, "a dead end"


@pytest.mark.parametrize("row", [row for row in ROWS if row.findings], ids=lambda row: row.name)
def test_findings_are_named_by_their_stage_and_lie_in_its_folder(row: StageRow) -> None:
    kind = pkgutil.resolve_name(row.findings)
    assert issubclass(kind, Findings)
    place = f"photorestore.stages.{row.name}.findings", f"{row.name.title()}Findings"
    assert (kind.__module__, kind.__name__) == place


@pytest.mark.parametrize("name", FILES)
def test_files_written_from_the_rows_are_up_to_date(name: str) -> None:
    text = (HOME / name).read_text()
    assert FILES[name](text) == text, "make stages"
    assert all(re.search(rf"\b{stage}\b", text) for stage in STAGES)


def test_options_are_the_same_in_every_room() -> None:
    schemas = {NAMES.get(name, name): schema for name, schema in describe().items()} | {"preset": {}}
    assert set(get_type_hints(ClientOptions)) == set(schemas)
    arguments = {action.dest: action for action in make_parser()._actions}
    for name, hint in get_type_hints(ClientOptions).items():
        allowed = set(schemas[name].get("enum", ()))
        assert set(get_args(hint) if get_origin(hint) is Literal else allowed) == allowed
        assert set(arguments[name].choices or allowed) == allowed


def test_suffixes_are_the_same_in_the_client_and_in_bulk_work() -> None:
    """Each is installed without the other."""
    assert bulk_plan.SUFFIXES == client_plan.SUFFIXES
    assert bulk_plan.RESULT_SUFFIXES == client_plan.RESULT_SUFFIXES
    assert tuple(bulk_plan.RESULT_SUFFIXES) == FORMATS
    assert {suffix for of in bulk_plan.RESULT_SUFFIXES.values() for suffix in of} <= set(bulk_plan.SUFFIXES)


@pytest.mark.parametrize(
    ("file", "row"),
    [
        ("README.md", r"^\| `{}` \|"),
        ("docs/api.md", r"^\| `{}` \|"),
        ("client/README.md", "`{}`"),
        ("gateway/page/options.js", "^  {}: {{"),
    ],
)
def test_every_option_is_told_of(file: str, row: str) -> None:
    text = (HOME / file).read_text()
    for name in describe():
        assert re.search(row.format(NAMES.get(name, name)), text, re.MULTILINE), name


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_has_a_card_and_what_makes_its_weights(name: str) -> None:
    family = name.partition("_")[0]
    makers = {f"train_{name}", f"train_{family}", f"convert_{name}"}
    assert any((HOME / f"training/{maker}.py").exists() for maker in makers)
    assert any((HOME / f"docs/models/{card}.md").exists() for card in (name, family))


def test_weights_lie_where_their_network_is_looked_for() -> None:
    found = (HOME / "weights").rglob("*.safetensors")
    files = {file for file in found if not is_name(file.name.split(".")[1])}  # without imported ones
    assert files <= {weights_file(name, tier, HOME / "weights") for name in NETWORKS for tier in TIERS}
    assert {weights_file(name, "fast", HOME / "weights") for name in NETWORKS} <= files


@pytest.mark.parametrize("stage", [*STAGES, WHOLE])
def test_handler_is_a_name_plate(stage: str) -> None:
    text = (HOME / f"handlers/{stage}_handler.py").read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 20
    assert sum(isinstance(node, ast.ClassDef) for node in tree.body) == 1
    assert sum(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree)) == 1
    assert f'stage_name = "{stage}"' in text


@pytest.mark.parametrize("room", DOORS)
def test_rooms_enter_only_where_a_door_is(room: str) -> None:
    for file in sources(room):
        entered = {name.split(".")[0] for name in imported(file)}
        assert entered & OURS <= DOORS[room], file
        assert not entered & {"ts"}, file


def test_contributing_tells_the_doors() -> None:
    rows = re.findall(
        r"^\| `([\w/]+)/` \|.*\| (.*) \|$", (HOME / "CONTRIBUTING.md").read_text(), re.MULTILINE
    )
    told = {room: set(re.findall(r"\w+", cell)) & OURS for room, cell in rows}
    for room, doors in DOORS.items():
        entered = {door.removeprefix("photorestore_") for door in doors}
        assert told[room] == entered - {Path(room).name.removeprefix("photorestore_")}, room


def test_rooms_of_photorestore_are_entered_one_way() -> None:
    home = HOME / "src/photorestore"
    folders = {path.parent.name for path in home.glob("*/__init__.py")}
    assert folders | {path.stem for path in home.glob("*.py")} - {"__init__"} == set(PHOTORESTORE)
    before = {room: set(PHOTORESTORE[:number]) for number, room in enumerate(PHOTORESTORE)}
    check_doors(home, "photorestore", before)


@pytest.mark.parametrize("room", ["gateway", "backend", "client"])
def test_only_workers_know_the_stages_themselves(room: str) -> None:
    for file in sources(room):
        assert not {name for name in imported(file) if name.startswith("photorestore.stages")}, file


def test_rooms_of_imaging_are_entered_one_way() -> None:
    home = HOME / "src/photorestore/imaging"
    assert {path.parent.name for path in home.glob("*/*.py")} | {"planes"} == set(IMAGING)
    check_doors(home, "photorestore.imaging", IMAGING)


def test_rooms_of_the_edge_are_entered_one_way() -> None:
    home = HOME / "gateway"
    modules = {path.stem for path in home.glob("*.py")} - {"__init__"}
    assert {path.parent.name for path in home.glob("*/*.py")} | modules == set(GATEWAY)
    check_doors(home, "gateway", GATEWAY)


def check_doors(home: Path, package: str, rooms: dict[str, set[str]]) -> None:
    """Every room, a folder or a module, imports only from those of its doors, all of which stand before it."""
    for number, (room, doors) in enumerate(rooms.items()):
        assert doors <= set(list(rooms)[:number])
        for file in [*home.glob(f"{room}/**/*.py"), *home.glob(f"{room}.py")]:
            parts = [
                name.removeprefix(f"{package}.").split(".")
                for name in imported(file)
                if name.startswith(f"{package}.")
            ]
            assert {name[0] for name in parts} - {room} <= doors, file


@pytest.mark.parametrize("home", ["src/photorestore/imaging", "gateway"])
def test_rooms_say_what_is_in_them_and_no_more(home: str) -> None:
    for file in (HOME / home).glob("*/__init__.py"):
        tree = ast.parse(file.read_text())
        assert ast.get_docstring(tree), file
        assert (len(tree.body), len(file.read_text().splitlines())) == (1, 1), file


def test_client_needs_only_what_its_package_declares() -> None:
    project = tomllib.loads((HOME / "client/pyproject.toml").read_text())["project"]
    declared = {re.split("[<>=]", name)[0] for name in project["dependencies"]}
    assert declared == {"anyio", "httpx", "imagesize", "tqdm"}
    for file in sources("client"):
        foreign = {name.split(".")[0] for name in imported(file)} - sys.stdlib_module_names
        assert foreign <= declared | {"photorestore_client"}, file


def test_service_client_and_images_have_one_version() -> None:
    versions = [
        tomllib.loads((HOME / folder / "pyproject.toml").read_text())["project"]["version"]
        for folder in (".", "client")
    ]
    for overlay in ("base", "gpu"):
        images = yaml.safe_load((HOME / f"deploy/kubernetes/{overlay}/kustomization.yaml").read_text())[
            "images"
        ]
        versions += [image["newTag"].removesuffix("-gpu") for image in images]
    assert len(set(versions)) == 1


def test_edge_modules_load_without_torch() -> None:
    modules = ", ".join(f"photorestore.{name}" for name in WITHOUT_TORCH)
    code = f"import sys; sys.path.insert(0, 'src'); import {modules}, gateway.app; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=HOME, check=True)
