"""Runs the steps of a Dockerfile in folders: each stage gets one, and absolute paths are moved into it."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
OURS = ("/opt", "/build", "/app", "/spaces", "/run/photorestore", "/var/lib/photorestore", "/usr/local")
"""Folders of the images to which instructions write; they are moved into the folder of their stage."""
PATHS = re.compile(rf"(?<![\w./-])({'|'.join(OURS)})(?=[/\s:\"']|$)")


@dataclass(slots=True)
class Stage:
    """A stage as far as it is built: a folder in place of its file system, and the settings to run it."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def moved(self, text: str) -> str:
        """Return a text with its absolute paths moved into this stage's folder."""
        return PATHS.sub(lambda found: f"{self.root}{found[1]}", text)

    def path(self, name: str) -> Path:
        """Return the real path of an image's path, which is absolute or relative to the working directory."""
        return Path(self.moved(os.path.normpath(f"{self.workdir}/{name}" if name[0] != "/" else name)))


def read_instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile as name and rest, with comments removed and broken lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (name, rest.strip())
        for name, _, rest in (line.partition(" ") for line in joined.splitlines())
        if name
    ]


def build(folder: Path, arguments: Mapping[str, str]) -> dict[str, Stage]:
    """Run all instructions of the Dockerfile; return the stages by name."""
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
    """Copy what a build from a clean clone would get as its context; return the folder."""
    rules = [line for line in (HOME / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    tracked = subprocess.run(["git", "ls-files"], cwd=HOME, check=True, capture_output=True, text=True)
    for name in tracked.stdout.splitlines():
        if not is_ignored(name, rules):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HOME / name, folder / name)
    return folder


def is_ignored(name: str, rules: list[str]) -> bool:
    """Return whether the last rule of `.dockerignore` that matches a path, or a folder above it, excludes it."""
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        parts = [name, *map(str, Path(name).parents)]
        if any(fnmatch.fnmatch(part, pattern) or Path(part).name == pattern for part in parts):
            ignored = rule[0] != "!"
    return ignored


def begin(root: Path, base: Stage | None) -> Stage:
    """Return a new stage, on top of another one or on a bare Python."""
    if base is not None:
        shutil.copytree(base.root, root, symlinks=True)
        return Stage(root, dict(base.environment), base.workdir, base.user, list(base.entrypoint))
    subprocess.run([sys.executable, "-m", "venv", root / "usr/local"], check=True)
    return Stage(root, {"PATH": f"/usr/local/bin:{os.environ['PATH']}"})


def copy(rest: str, stage: Stage, stages: Mapping[str, Stage], context: Path) -> None:
    """Run COPY: copy files or folders from the context or another stage."""
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
    """Run RUN: a shell command in the stage."""
    if os.geteuid() != 0:
        rest = re.sub(r"-[og] \d+ ", "", rest)
    environment = environment_of(stage) | {key: text for key, text in values.items() if key not in os.environ}
    subprocess.run(["/bin/sh", "-c", stage.moved(rest)], cwd=stage.path("."), env=environment, check=True)


def note(name: str, rest: str, stage: Stage) -> None:
    """Record an instruction that only says how to run the image."""
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
    """Return the stage's environment on top of this process's, which says where packages come from."""
    ours = {
        name: text for name, text in os.environ.items() if not name.startswith(("PHOTORESTORE_", "PYTHON"))
    }
    ours.pop("VIRTUAL_ENV", None)
    return ours | {name: stage.moved(text) for name, text in stage.environment.items()}
