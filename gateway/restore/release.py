"""The release that restores: archives, weights and processor, on all of which results depend."""

from __future__ import annotations

import hashlib
import json
import secrets
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

from photorestore.networks.origin import Trained
from photorestore.options import NETWORK_STAGES, STAGES, Options
from photorestore.tiers import (
    available_tiers,
    has_one_tier,
    imported_networks,
    require_networks,
    require_tier,
)

Metadata: TypeAlias = dict[str, Any]  # each training writes figures, names and tables of its own choosing

_CPU_LINES = ("model name", "flags", "Features", "CPU part")
LONGEST_HEADER_BYTES = 1 << 20
SHOWN = (
    "architecture",
    "commit",
    "data",
    "eight_bits",
    "licence",
    "metrics",
    "origin",
    "seconds",
    "seed",
    "steps",
)
"""What `/v1/stages` shows of a network's metadata."""


@dataclass(frozen=True, slots=True)
class Release:
    """What restores at present.

    Attributes:
        fingerprint: hash of everything that results depend on beside the request.
        cards: by stage, what each weights file says about itself: one card for each network and tier.
        tiers: by stage, the tiers to choose from; stages with a single one are missing.
        networks: by stage that may have some, the names of networks from elsewhere.
    """

    fingerprint: str
    cards: dict[str, list[Metadata]]
    tiers: dict[str, tuple[str, ...]]
    networks: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, home: Path) -> Self:
        """Read the release in a folder with `model_store` and `weights`."""
        networks = {stage: imported_networks(home / "weights" / stage) for stage in NETWORK_STAGES}
        return cls(fingerprint(home), cards(home), tiers(home), networks)

    def require(self, options: Options) -> None:
        """Check that the weights that are asked for are there.

        Raises:
            UnavailableTier, UnavailableNetwork: they are not.
        """
        require_tier(options, self.tiers)
        require_networks(options, self.networks)


def fingerprint(home: Path) -> str:
    """Return a hash of the archives and of the processor, on which precision and rounding depend.

    Without archives at hand it is random, so that no ETag outlives this process.
    """
    archives = sorted((home / "model_store").glob("*.[mw]ar"))
    if not archives:
        return secrets.token_hex(32)
    found = hashlib.sha256("\n".join(_processor()).encode())
    for archive in archives:
        found.update(archive.name.encode())
        with archive.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def cards(home: Path) -> dict[str, list[Metadata]]:
    """Return, by stage, what each weights file says about itself: one card for each network and tier."""
    found: dict[str, list[Metadata]] = {}
    for file in sorted((home / "weights").glob("*/*.safetensors")):
        stage, tier = file.parent.name, file.suffixes[0].removeprefix(".")
        metadata = _metadata(file)
        network = file.name.partition(".")[0]
        card = {name: metadata[name] for name in SHOWN if name in metadata}
        found.setdefault(stage, []).append({"network": network, "tier": tier, **card})
    return found


def tiers(home: Path) -> dict[str, tuple[str, ...]]:
    """Return the tiers of each stage that has several."""
    folders = {stage: home / "weights" / stage for stage in STAGES}
    return {
        stage: available_tiers(folder)
        for stage, folder in folders.items()
        if folder.is_dir() and not has_one_tier(folder)
    }


def _metadata(file: Path) -> Metadata:
    """Read the metadata in the header of a safetensors file: 8 bytes of length, then JSON."""
    with file.open("rb") as stored:
        (length,) = struct.unpack("<Q", stored.read(8))
        if length > LONGEST_HEADER_BYTES:
            return {}
        header = json.loads(stored.read(length))
    described: Metadata = json.loads(header.get("__metadata__", {}).get("photorestore", "{}"))
    return {"origin": {"kind": Trained.kind}, **described}


def _processor() -> list[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    return sorted({line for line in lines if line.startswith(_CPU_LINES)})
