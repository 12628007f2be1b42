"""What the tests of the client's command line share."""

import hashlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from photorestore_client.ledger import NAME, Ledger
from PIL import Image

from tests.edge_double import Edge


def make_picture(number: int) -> bytes:
    """A tiny PNG, another one for each number."""
    file = io.BytesIO()
    Image.new("RGB", (8, 6), (number % 256, number // 256, 77)).save(file, "png")
    return file.getvalue()


def answer(body: bytes) -> bytes:
    """A JPEG of 20x10 px that names what it was made of."""
    file = io.BytesIO()
    Image.new("RGB", (20, 10)).save(file, "jpeg", comment=hashlib.sha256(body).hexdigest())
    return file.getvalue()


def run(edge: Edge, *arguments: object, **settings: Any) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "photorestore_client", *map(str, arguments), "--url", edge.url]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, **settings)


def start(edge: Edge, *arguments: object, **settings: Any) -> subprocess.Popen[Any]:
    line = [sys.executable, "-m", "photorestore_client", *map(str, arguments), "--url", edge.url]
    return subprocess.Popen(line, **settings)


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(NAME)
    }


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def entries(folder: Path) -> dict[str, str]:
    """SHA-256 of the sources by path, from the ledger."""
    with Ledger(folder, read_only=True) as ledger:
        return {os.fsdecode(row[0]): row[1] for row in ledger._rows("1")}


def has_completed(edge: Edge, goal: int) -> bool:
    return edge.completed.total() >= goal


def wait_until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)
