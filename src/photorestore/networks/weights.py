"""Read and write weights, safetensors files in 16 bits that describe themselves, and build networks from them."""

from __future__ import annotations

import copy
import hashlib
import json
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from photorestore.errors import BrokenArtifact
from photorestore.networks import canary
from photorestore.networks.engines import in_eight_bits
from photorestore.networks.imported import ImportedNetwork
from photorestore.networks.origin import Imported, origin_of
from photorestore.networks.precision import AUTO, FLOAT32
from photorestore.stage_table import NETWORK_ROWS

NETWORKS: dict[str, type[nn.Module]] = {
    network.name: pkgutil.resolve_name(network.path) for network in NETWORK_ROWS
}
"""The stages' network classes. The part of a name before `_` is that of its stage and of its folder."""

Metadata = dict[str, Any]  # trainings add figures, names and tables of their own choosing

MANIFEST = "SHA256SUMS"
"""In the folder `weights/` of an archive: `archive.sh` writes it by `sha256sum`."""
SUFFIX = ".safetensors"
FAST = "fast"
"""The tier that is always there, and the only one of networks without tiers."""
FORMAT_VERSION = 1
_shared: dict[tuple[str, ...], nn.Module] | None = None
"""Networks by what `load_network` was told and by the hash of their file; None: each call loads its own."""
REQUIRED = (
    *("architecture", "commit", "config", "data", "device"),
    *("licence", "metrics", "seconds", "seed", "steps"),
)
"""Keys of the metadata of weights that were trained here."""
REQUIRED_OF_IMPORTED = ("architecture", "data", "licence", "metrics", "origin")
"""Keys of the metadata of others; see `origin`."""


def default_root() -> Path:
    """Find the folder `weights/`: beside the package in an archive, beside `src/` in a checkout.

    Raises:
        BrokenArtifact: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for parent in (package.parent, package.parent.parent):
        if (parent / "weights").is_dir():
            return parent / "weights"
    raise BrokenArtifact(f"no folder `weights` beside {package} or beside {package.parent}")


def stage_of(name: str) -> str:
    """Return the stage that runs a network."""
    return name.partition("_")[0]


def weights_file(name: str, tier: str, root: Path | None = None) -> Path:
    """Return where the weights of a network lie: `<root>/<stage>/<name>.<tier>.safetensors`."""
    return (root or default_root()) / stage_of(name) / f"{name}.{tier}{SUFFIX}"


def load_network(
    name: str,
    tier: str = FAST,
    device: str | torch.device = "cpu",
    *,
    root: Path | None = None,
    precision: str = FLOAT32,
) -> nn.Module:
    """Load a trained network, its weights in float32, in evaluation mode, channels-last.

    Args:
        name: a key of `NETWORKS`.
        tier: "fast" (CPU serving) or "quality" (GPU serving).
        root: the folder `weights/`; by default the one beside the package.
        precision: in which it will compute, and is shown the canary; see `networks.precision`.

    Raises:
        BrokenArtifact: no such weights, they do not fit what their metadata says, or they are not those that were
            archived.
    """
    if name not in NETWORKS:
        raise BrokenArtifact(f"no network {name!r}; there are {', '.join(sorted(NETWORKS))}")
    root = root or default_root()
    file = weights_file(name, tier, root)
    key = (name, tier, str(device), precision, _hash_of(file) if _shared is not None else "")
    if _shared is None or (network := _shared.get(key)) is None:
        metadata = read_metadata(file)
        cls = ImportedNetwork if "kind" in metadata["architecture"] else NETWORKS[name]
        network = build_network(cls, file, device, precision)
        own_name = metadata.get("name", f"{name}.{tier}")
        if own_name != f"{name}.{tier}":
            raise BrokenArtifact(f"{file.name} holds the weights of {own_name}")
        if precision == AUTO:
            network = in_eight_bits(network, metadata, own_name, device)
    _require_archived(file, root)
    if _shared is not None:
        _shared[key] = network
    return network


def share_networks() -> None:
    """Keep the networks that are loaded from now on: whoever loads one again gets the same object.

    So do processes that are forked from this one, as long as the file has not changed. The networks must stay as they
    are, which those of stages do.
    """
    global _shared  # noqa: PLW0603 - a cache of this process and of those forked from it
    if _shared is None:
        _shared = {}


def build_network(
    cls: type[nn.Module], file: Path, device: str | torch.device = "cpu", precision: str = FLOAT32
) -> nn.Module:
    """Build a network of a class with the weights of a file, as `load_network` gives it.

    It is shown the canary where the file says what comes out.

    Raises:
        BrokenArtifact: no such weights, or they do not fit what their metadata says.
    """
    metadata = read_metadata(file)
    arguments: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in metadata["architecture"].items()
    }
    with safe_open(file, framework="pt") as stored:
        values = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
    try:
        if issubclass(cls, ImportedNetwork):
            network: nn.Module = cls(values, **arguments)  # what it is made of shows in its weights
        else:
            network = cls(**arguments)
            network.load_state_dict(values)
    except RuntimeError as error:
        raise BrokenArtifact(f"{file.name} does not fit its own architecture: {error}") from error
    if not all(bool(torch.isfinite(value).all()) for value in values.values()):
        raise BrokenArtifact(f"{file.name} holds weights that are not finite")
    network.requires_grad_(False)
    network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if expected := metadata.get("canary"):
        canary.check(network, expected, file.name, precision)
    return network


def read_metadata(file: Path) -> Metadata:
    """Read what a weights file says of itself: architecture, config, data, commit, metrics, licence, origin, ...

    Raises:
        BrokenArtifact: no such file, not safetensors, keys missing, or an unknown origin.
    """
    try:
        with safe_open(file, framework="pt") as stored:
            text = (stored.metadata() or {}).get("photorestore", "{}")
    except (OSError, SafetensorError) as error:
        raise BrokenArtifact(f"cannot read the weights {file}: {error}") from error
    metadata: Metadata = json.loads(text)
    is_imported = metadata.get("origin", {}).get("kind") == Imported.kind
    missing = [key for key in (REQUIRED_OF_IMPORTED if is_imported else REQUIRED) if key not in metadata]
    if missing or metadata.get("format") != FORMAT_VERSION:
        raise BrokenArtifact(f"{file.name}: metadata lacks {missing}, or format is not {FORMAT_VERSION}")
    try:
        origin_of(metadata)
    except ValueError as error:
        raise BrokenArtifact(f"{file.name}: {error}") from error
    return metadata


def save_network(
    file: Path, network: nn.Module, *, architecture: Mapping[str, object], metadata: Mapping[str, object]
) -> None:
    """Write a network in 16 bits with its description, its name and its output for the canary.

    Args:
        architecture: the arguments that build the network again.
        metadata: the rest of `REQUIRED`, or of `REQUIRED_OF_IMPORTED`.
    """
    values = {
        key: (value.half() if value.is_floating_point() else value)
        .cpu()
        .contiguous()  # counters stay as they are
        for key, value in network.state_dict().items()
    }
    saved = copy.deepcopy(network).cpu().float().eval()
    saved.load_state_dict(values)
    save_values(file, values, saved, {"architecture": architecture, **metadata})


def save_values(
    file: Path, values: Mapping[str, torch.Tensor], network: nn.Module, metadata: Mapping[str, object]
) -> None:
    """Write weights as they are, with their description, their name and the output for the canary.

    Args:
        network: made of these weights, on the CPU, in evaluation mode.
        metadata: `REQUIRED`, or `REQUIRED_OF_IMPORTED`.
    """
    described = {"format": FORMAT_VERSION, **metadata}
    described |= {"name": file.name.removesuffix(SUFFIX), "canary": canary.output_of(network)}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(dict(values), file, {"photorestore": json.dumps(described, sort_keys=True)})
    read_metadata(file)


def _require_archived(file: Path, root: Path) -> None:
    """Compare a file with the manifest of its archive. A checkout has no manifest: git takes its place.

    Raises:
        BrokenArtifact: it is another file than was archived.
    """
    manifest = root / MANIFEST
    if not manifest.exists():
        return
    hashes = {path: value for value, path in map(str.split, manifest.read_text().splitlines())}
    if hashes.get(file.relative_to(root).as_posix()) != _hash_of(file):
        raise BrokenArtifact(
            f"{file.name} is not the file that was archived: its hash is not that in {MANIFEST}"
        )


def _hash_of(file: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        BrokenArtifact: it cannot be read.
    """
    try:
        with file.open("rb") as stored:
            return hashlib.file_digest(stored, "sha256").hexdigest()
    except OSError as error:
        raise BrokenArtifact(f"cannot read the weights {file}: {error}") from error
