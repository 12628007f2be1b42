"""A folder of photographs by the command line of the client, interrupted twice: a suite of `bench.edge`."""

from __future__ import annotations

import contextlib
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from bench.load import metrics
from bench.service import Service, made_picture, running_service

PICTURES = 1000
INTERRUPTED_AT = (0.3, 0.6)
"""Shares of the pictures after which the command is interrupted."""


def measure_folder() -> dict[str, Any]:
    """Return how many restorations a folder took whose client was interrupted and begun again."""
    with running_service() as service, tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "photos", Path(folder) / "restored"
        source.mkdir()
        for number in range(PICTURES):
            (source / f"{number:04}.jpg").write_bytes(made_picture(48 + number % 50, 64 + number // 50))
        start = time.perf_counter()
        code = _run_interrupted(service, source, target)
        seconds = time.perf_counter() - start
        (answered,) = re.findall(
            r'^photorestore_gateway_runs_total\{outcome="ok"\} (\S+)', metrics(service), re.MULTILINE
        )
        with contextlib.closing(sqlite3.connect(target / ".photorestore.sqlite")) as ledger:
            (recorded,) = ledger.execute("SELECT COUNT(*) FROM results").fetchone()
        restored = list(target.glob("*.jpg"))
        for file in restored:
            with Image.open(file) as picture, Image.open(source / file.name) as original:
                assert picture.size == original.size, file
    return {
        "folder_pictures": PICTURES,
        "folder_restored": len(restored),
        "folder_recorded": recorded,
        "folder_runs_of_the_service": int(float(answered)),
        "folder_exit_code": code,
        "folder_s": round(seconds, 1),
    }


def _run_interrupted(service: Service, source: Path, target: Path) -> int:
    """Restore a folder, interrupted at `INTERRUPTED_AT`; return the exit code of the last run."""
    command = [sys.executable, "-m", "photorestore_client", str(source), "-o", str(target)]
    command += ["--url", service.url, "--jobs", "8", "--stages", "", "--quiet"]
    for share in INTERRUPTED_AT:
        run = subprocess.Popen(command)
        while len(list(target.glob("*.jpg"))) < share * PICTURES:
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        run.wait(60)
    return subprocess.run(command, check=False).returncode
