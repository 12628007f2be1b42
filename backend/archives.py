"""What the archives of a model store hold, read from the files that TorchServe will unpack."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

PACKAGE = "photorestore"
"""Folder of every archive with the code that all stages share."""
WEIGHTS = "weights"
MANIFEST = "MAR-INF/MANIFEST.json"


@dataclass(frozen=True, slots=True)
class Archive:
    """One stage's archive.

    Attributes:
        stage: its name as a model.
        config: its `model-config.yaml`.
    """

    file: Path
    stage: str
    config: Mapping[str, object]

    @property
    def is_for_cpus(self) -> bool:
        """Return whether its workers compute on CPUs alone."""
        return self.config.get("deviceType") == "cpu"

    def unpack(self, part: str, folder: Path) -> None:
        """Unpack one of its folders below `folder`."""
        with zipfile.ZipFile(self.file) as opened:
            opened.extractall(folder, [name for name in opened.namelist() if name.startswith(f"{part}/")])

    def code_hash(self) -> str:
        """Return the `hash_of` its package."""
        with zipfile.ZipFile(self.file) as opened:
            names = [name for name in opened.namelist() if name.startswith(f"{PACKAGE}/")]
            return hash_of((name, opened.read(name)) for name in names if not name.endswith("/"))


def read_archives(store: Path) -> list[Archive]:
    """Return the archives of a model store.

    Raises:
        OSError: one cannot be read.
        ValueError: one is not an archive of a model.
    """
    return [_read(file) for file in sorted(store.glob("*.mar"))]


def are_for_cpus(store: Path) -> bool:
    """Return whether a model store has archives, and all of them are for CPUs."""
    try:
        archives = read_archives(store)
    except (OSError, ValueError):  # TorchServe will say so
        return False
    return bool(archives) and all(archive.is_for_cpus for archive in archives)


def unpacked_code_hash(folder: Path) -> str:
    """Return the `hash_of` the package in the folder of an unpacked archive."""
    files = (path for path in (folder / PACKAGE).rglob("*") if path.is_file() and path.suffix != ".pyc")
    return hash_of((path.relative_to(folder).as_posix(), path.read_bytes()) for path in files)


def hash_of(files: Iterable[tuple[str, bytes]]) -> str:
    """Return one hash of files by name, whatever their order."""
    hashes = sorted(f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in files)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _read(file: Path) -> Archive:
    try:
        with zipfile.ZipFile(file) as opened:
            model = json.loads(opened.read(MANIFEST))["model"]
            config = yaml.safe_load(opened.read(model["configFile"]))
    except (zipfile.BadZipFile, KeyError, yaml.YAMLError) as error:
        raise ValueError(f"{file} is not an archive of a model: {error}") from error
    return Archive(file, model["modelName"], config)
