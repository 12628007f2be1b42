"""Runs built stages with the volumes and variables of compose.yaml, on free ports of this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from deploy.steps import Stage, environment_of

READY_S = 300


@dataclass(frozen=True, slots=True)
class Container:
    """A built stage, ready to run.

    Attributes:
        extra: words appended to the command and the health check, for the ports.
        environment: all environment variables.
        text: returns a word with its paths and ports replaced by those of this machine.
    """

    stage: Stage
    extra: list[str]
    environment: dict[str, str]
    text: Callable[[str], str]

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Start the entry point with the command."""
        words = [*self.stage.entrypoint, *self.stage.command, *self.extra]
        with log.open("wb") as output:
            return self._popen(words, output)

    def is_healthy(self) -> bool:
        """Run the image's health check; return whether it succeeded."""
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


def make_container(
    folder: Path, stage: Stage, service: Mapping[str, Any], ports: Mapping[str, int]
) -> Container:
    """Prepare a stage to run with compose.yaml's volumes and variables.

    Args:
        service: the stage's service in compose.yaml.
        ports: the ports to use, by those of compose.yaml.
    """
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
    """Wait until the health check succeeds.

    Raises:
        SystemExit: the process ends, or takes too long.
    """
    start = time.monotonic()
    while not container.is_healthy():
        if process.poll() is not None or time.monotonic() - start > READY_S:
            raise SystemExit(
                f"{name} does not become healthy:\n{(folder / f'{name}.log').read_text()[-3000:]}"
            )
        time.sleep(1)
    print(f"{name} is healthy after {time.monotonic() - start:.0f} s", flush=True)
