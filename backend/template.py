"""The template of the workers: a process that has imported and loaded what workers need, and becomes one by forking.

    python -m backend.template RUN_DIR MODEL_STORE

Ten workers that each import torch take ten times the seconds and the memory. Forked ones are there at once, and share
what they do not write to: torch, the code, the weights. The template takes code and weights from the archives. A worker
whose own archive holds other code drops that of the template and imports its own; networks are taken from the template
where their file has the same hash (`photorestore.networks.weights`).

A process with threads must not fork. What runs here has none: torch computes on one thread, and OpenBLAS, which starts
its own when numpy is imported, ends them at a fork and starts them again where they are needed.
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from backend.archives import PACKAGE, WEIGHTS, Archive, read_archives, unpacked_code_hash
from backend.fork_server import ForkServer, Order, can_fork, listen

MODULES = ("torch", "numpy", "PIL.Image", "yaml", "ts.model_service_worker")
"""Imported for all workers, whatever their archives hold."""
LOADING = f"{PACKAGE}.serving.loading"
"""Module of an archive's package; its `share` loads what a worker needs."""
FOLDER = "template"
"""In the run directory; for each version of the code a folder with the package."""


def main() -> None:
    """Listen, prepare, and fork until the process is ended."""
    run_dir, store = map(Path, sys.argv[1:])
    listener = listen(run_dir)  # first: launchers that come early wait for an answer
    template = prepare(run_dir, store)
    ForkServer(listener, template.run, is_able=can_fork()).serve()


class Template:
    """What forked workers find imported.

    Args:
        code_hash: of the package that was imported, None if none was.
        path: `sys.path` of a worker, without its archive.
        set_threads: sets the number of threads that a worker computes on.
    """

    def __init__(self, code_hash: str | None, path: Sequence[str], set_threads: Callable[[], None]) -> None:
        self._code_hash = code_hash
        self._path = path
        self._set_threads = set_threads

    def run(self, order: Order) -> int:
        """Run a worker in this process, which has just been forked; return its exit status."""
        for descriptor, stream in enumerate(order.streams):
            os.dup2(stream, descriptor)
            os.close(stream)
        os.environ.clear()
        os.environ.update(order.environment)
        os.chdir(order.folder)
        tempfile.tempdir = None
        inherited = order.environment.get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:] = [*filter(None, inherited), *self._path]
        sys.argv[:] = order.words
        if unpacked_code_hash(Path(order.folder)) != self._code_hash:
            _forget_code()
        self._set_threads()
        try:
            runpy.run_path(order.words[0], run_name="__main__")
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:  # noqa: BLE001 - as an interpreter would end
            traceback.print_exc()
            return 1
        return 0


def prepare(run_dir: Path, store: Path) -> Template:
    """Import what workers import, and load what they load."""
    path = [entry for entry in sys.path if Path(entry) != Path(__file__).resolve().parents[1]]
    torch = importlib.import_module("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for name in MODULES:
        importlib.import_module(name)
    code_hash = None
    try:
        code_hash = _load_archives(read_archives(store), run_dir / FOLDER)
    except Exception:  # noqa: BLE001 - each worker loads for itself, and says what is wrong
        traceback.print_exc()
        _forget_code()
    gc.collect()
    gc.freeze()  # else collections in the workers would write to what they share
    return Template(code_hash, path, lambda: torch.set_num_threads(threads))


def _load_archives(archives: Sequence[Archive], folder: Path) -> str | None:
    """Import the archives' package, and load their networks; return the package's hash, None without archives.

    Archives with other code than the first are passed over.
    """
    if not archives:
        return None
    code_hash = archives[0].code_hash()
    place = folder / code_hash[:16]  # workers of an earlier template may still import from another
    if unpacked_code_hash(place) != code_hash:
        shutil.rmtree(place, ignore_errors=True)
        archives[0].unpack(PACKAGE, place)
    sys.path.insert(0, str(place))
    loading = importlib.import_module(LOADING)
    for archive in archives:
        if archive.code_hash() == code_hash:
            with tempfile.TemporaryDirectory(dir=folder) as unpacked:
                archive.unpack(WEIGHTS, Path(unpacked))
                loading.share(archive.stage, archive.config, Path(unpacked) / WEIGHTS)
    return code_hash


def _forget_code() -> None:
    """Let the package be imported anew."""
    for name in [name for name in sys.modules if name == PACKAGE or name.startswith(f"{PACKAGE}.")]:
        del sys.modules[name]


if __name__ == "__main__":
    main()
