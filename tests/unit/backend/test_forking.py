"""Launchers, and the template that forks for them; a script of a few lines is TorchServe's worker."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend import launcher
from backend.archives import unpacked_code_hash
from backend.fork_server import can_fork
from backend.settings import HOME
from tests.edge import ENVIRONMENT
from tests.processes import is_alive, until

SERVER = """
import importlib, sys
from pathlib import Path
from backend.archives import unpacked_code_hash
from backend.fork_server import ForkServer, listen
from backend.template import Template

folder, code, is_able = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "able"
path = [*sys.path]
sys.is_template = True
sys.path.insert(0, str(code))
importlib.import_module("photorestore")
template = Template(unpacked_code_hash(code), path, lambda: None)
ForkServer(listen(folder), template.run, is_able=is_able).serve()
"""
WORKER = """
import json, os, sys, time
import photorestore

told = {"pid": os.getpid(), "words": sys.argv[1:], "folder": os.getcwd(), "variables": dict(os.environ)}
told |= {"is_forked": hasattr(sys, "is_template"), "code": photorestore.__file__, "path": sys.path[0]}
told |= {"input": sys.stdin.readline(), "comm": open("/proc/self/comm").read().strip()}
print(json.dumps(told), flush=True)
print("to the error output", file=sys.stderr, flush=True)
if sys.argv[1] == "fail":
    raise ValueError("as asked")
if sys.argv[1] == "stay":
    time.sleep(60)
sys.exit(int(sys.argv[1]))
"""


class Place:
    """A folder for a template, and the unpacked archive of a worker."""

    def __init__(self, folder: Path) -> None:
        self.run_dir = folder / "run directory"
        self.archive = folder / "archive"
        self.code = folder / "code"
        self.script = folder / launcher.SCRIPT
        self.script.write_text(WORKER)
        self.run_dir.mkdir()
        for place in (self.archive, self.code):
            (place / "photorestore").mkdir(parents=True)
            (place / "photorestore" / "__init__.py").write_text("of = 'one release'\n")
        self.started: list[subprocess.Popen[str]] = []

    def template(self, able: str = "able") -> subprocess.Popen[str]:
        words = [sys.executable, "-c", SERVER, str(self.run_dir), str(self.code), able]
        self.started.append(subprocess.Popen(words, cwd=HOME, env=ENVIRONMENT, text=True))
        until((self.run_dir / launcher.SOCKET).exists)
        return self.started[-1]

    def launch(self, *words: str, script: Path | None = None) -> subprocess.Popen[str]:
        command = [sys.executable, "-IS", launcher.__file__, sys.executable, str(self.run_dir)]
        environment = os.environ | {"PYTHONPATH": f"{self.archive}:", "WORKERS_OWN": "ä 1"}
        self.started.append(
            subprocess.Popen(
                [*command, str(script or self.script), *words],
                cwd=self.archive,
                env=environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return self.started[-1]

    def run(self, *words: str) -> tuple[int, dict[str, object], str]:
        """Exit status, what the worker told, and its error output."""
        started = self.launch(*words)
        out, error = started.communicate("some input\n", timeout=60)
        return started.returncode, json.loads(out), error


def first_words(started: subprocess.Popen[str]) -> int:
    """The worker's process id, once it runs."""
    assert started.stdin is not None
    assert started.stdout is not None
    started.stdin.write("\n")
    started.stdin.flush()
    pid: int = json.loads(started.stdout.readline())["pid"]
    return pid


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    for process in place.started:
        process.kill()
        process.communicate()


def test_a_forked_worker_has_what_its_launcher_was_given(place: Place) -> None:
    place.template()
    status, told, error = place.run("0", "--sock-type", "unix")
    assert (status, told["is_forked"], told["comm"]) == (0, True, "worker")
    assert told["words"] == ["0", "--sock-type", "unix"]
    assert told["folder"] == told["path"] == str(place.archive)
    assert told["input"] == "some input\n"
    assert error == "to the error output\n"
    variables = told["variables"]
    assert isinstance(variables, dict)
    assert variables["WORKERS_OWN"] == "ä 1"
    assert variables["PYTHONPATH"] == f"{place.archive}:"


def test_the_exit_status_is_the_workers(place: Place) -> None:
    place.template()
    assert place.run("7")[0] == 7
    status, _, error = place.run("fail")
    assert (status, "ValueError: as asked" in error) == (1, True)


def test_code_is_the_templates_where_the_archive_has_the_same_and_else_its_own(place: Place) -> None:
    place.template()
    assert place.run("0")[1]["code"] == str(place.code / "photorestore" / "__init__.py")
    (place.archive / "photorestore" / "__init__.py").write_text("of = 'the next release'\n")
    _, told, _ = place.run("0")
    assert (told["is_forked"], told["code"]) == (True, str(place.archive / "photorestore" / "__init__.py"))


def test_caches_of_the_interpreter_make_no_other_code(place: Place) -> None:
    before = unpacked_code_hash(place.archive)
    cache = place.archive / "photorestore" / "__pycache__"
    cache.mkdir()
    (cache / "__init__.cpython-311.pyc").write_bytes(b"x")
    assert unpacked_code_hash(place.archive) == before == unpacked_code_hash(place.code)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_launcher_that_ends_takes_its_worker_with_it_and_no_other(place: Place, number: int) -> None:
    place.template()
    first, second = place.launch("stay"), place.launch("stay")
    workers = first_words(first), first_words(second)
    first.send_signal(number)
    until(lambda: not is_alive(workers[0]))
    assert is_alive(workers[1])
    assert second.poll() is None


def test_a_killed_worker_ends_its_launcher(place: Place) -> None:
    place.template()
    started = place.launch("stay")
    os.kill(first_words(started), signal.SIGKILL)
    assert started.wait(60) == 128 + signal.SIGKILL


def test_workers_outlive_a_killed_template_and_the_next_one_forks(place: Place) -> None:
    template = place.template()
    started = place.launch("stay")
    worker = first_words(started)
    template.kill()
    template.wait()
    place.template()
    assert place.run("3")[:1] == (3,)
    assert is_alive(worker)
    os.kill(worker, signal.SIGKILL)
    assert started.wait(60) == 1  # nobody knows its status


def test_a_template_that_comes_late_is_waited_for(place: Place) -> None:
    started = place.launch("5")
    place.template()
    out, _ = started.communicate("\n", timeout=60)
    assert (started.returncode, json.loads(out)["is_forked"]) == (5, True)


def test_a_template_that_must_not_fork_leaves_it_to_python(place: Place) -> None:
    place.template("unable")
    status, told, _ = place.run("4")
    assert (status, told["is_forked"]) == (4, False)


def test_without_a_template_python_is_started(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "CONNECT_S", 0.2)
    assert launcher.hand_over(str(place.run_dir), ["worker"]) is None
    assert launcher.hand_over(str(place.run_dir / "nosuch"), ["worker"]) is None


def test_other_scripts_are_run_by_python(place: Place) -> None:
    other = place.script.with_name("other.py")
    other.write_text("import sys; sys.exit(6)")
    assert place.launch(script=other).wait(60) == 6


def test_what_sends_nothing_of_use_is_no_launcher(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.template()
    monkeypatch.chdir(place.run_dir)
    for sent in (b"", b"\0\0\0\3abc", b"\0\0"):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(launcher.SOCKET)
            stranger.sendall(sent)
    assert place.run("2")[0] == 2


def test_a_process_with_threads_says_that_it_cannot_fork(capfd: pytest.CaptureFixture[str]) -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        assert not can_fork()
    finally:
        over.set()
        thread.join()
    assert "no worker is forked" in capfd.readouterr().err
