"""Servers that benches and tests start for themselves: PostgreSQL, and moto, which speaks S3."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import requests

from deploy.ports import free_ports

PASSWORD = "known-to-nobody"  # noqa: S105 - of servers that end with the run
S3 = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": PASSWORD,
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""The environment of who calls `running_s3`, beside `AWS_ENDPOINT_URL`."""
_QUICK = ("-c", "fsync=off", "-c", "full_page_writes=off")


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    program = str(found[-1]) if found else shutil.which("postgres")
    return None if program is None else Path(program).resolve().parent


@contextlib.contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """Run a PostgreSQL on loopback; give the URL of its database, with a password in it.

    It refuses to run as root, so then it runs as nobody.
    """
    user, group = ("nobody", "nogroup") if os.geteuid() == 0 else (None, None)
    with tempfile.TemporaryDirectory(prefix="postgres-") as place:
        folder = Path(place)
        (folder / "password").write_text(PASSWORD)
        if user is not None:
            for path in (folder, folder / "password"):
                shutil.chown(path, user, group)
        data, port = str(folder / "data"), str(free_ports(1))
        make = ["-D", data, "-U", "edge", "-A", "scram-sha-256", "--pwfile", str(folder / "password")]
        subprocess.run(
            [programs / "initdb", *make, "--no-sync", "-E", "UTF8"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            user=user,
            group=group,
        )
        listen = ["-D", data, "-p", port, "-h", "127.0.0.1", "-k", "", *_QUICK]
        with (
            (folder / "log").open("w") as log,
            subprocess.Popen(
                [programs / "postgres", *listen], stderr=log, cwd=folder, user=user, group=group
            ) as server,
        ):
            try:
                _wait(lambda: _succeeds(programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", port))
                yield f"postgresql://edge:{PASSWORD}@127.0.0.1:{port}/postgres"
            finally:
                server.send_signal(signal.SIGINT)  # ends connections


@contextlib.contextmanager
def running_s3(program: str, *buckets: str) -> Iterator[str]:
    """Run moto's server with some buckets; give its URL."""
    port = str(free_ports(1))
    with subprocess.Popen([program, "-H", "127.0.0.1", "-p", port], stderr=subprocess.DEVNULL) as server:
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(url, timeout=10).ok
            return False

        try:
            _wait(answers)
            for bucket in buckets:
                requests.put(f"{url}/{bucket}", timeout=30).raise_for_status()
            yield url
        finally:
            server.terminate()


def _succeeds(*command: str | Path) -> bool:
    return subprocess.run(command, check=False).returncode == 0


def _wait(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"a server has not come up in {seconds:g} s")
        time.sleep(0.05)
