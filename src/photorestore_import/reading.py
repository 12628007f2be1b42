"""Read files of weights as what they should be, tensors by name, and as nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from photorestore.networks.imported import canonical

SAFETENSORS = ".safetensors"
PICKLED = (".pth", ".pt", ".ckpt", ".bin")


class Refused(Exception):
    """A network is not taken in; the message says why."""


def read(file: Path, expected: str | None = None) -> tuple[dict[str, Tensor], str]:
    """Read weights, without running anything that a file may hold beside them.

    Args:
        expected: the file's SHA-256 in hexadecimal; None: any.

    Returns:
        The weights by name, in the form that spandrel tells architectures by, and the SHA-256 of the file.

    Raises:
        Refused: the file is another than expected, holds anything else, is broken or of another kind; or spandrel is
            not installed.
    """
    if file.suffix.lower() not in (SAFETENSORS, *PICKLED):
        raise Refused(f"{file.name}: expected {', '.join((SAFETENSORS, *PICKLED))}")
    try:
        with file.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        if expected is not None and expected.lower() != sha256:
            raise Refused(f"{file.name} has the SHA-256 {sha256}")
        stored = _stored(file)
        values = canonical(stored) if isinstance(stored, Mapping) else {}
    except OSError as error:
        raise Refused(f"{file.name} cannot be read: {error}") from error
    except ImportError as error:
        raise Refused(f"spandrel is not installed: pip install 'photorestore[import]' ({error})") from error
    if not values or not all(isinstance(value, Tensor) for value in values.values()):
        raise Refused(f"{file.name} does not hold tensors by name and nothing else")
    if not all(bool(value.isfinite().all()) for value in values.values()):
        raise Refused(f"{file.name} holds weights that are not finite")
    return {str(name): value.contiguous().clone() for name, value in values.items()}, sha256


def _stored(file: Path) -> object:
    if file.suffix.lower() == SAFETENSORS:
        try:
            return load_file(file)
        except Exception as error:
            raise Refused(f"{file.name} is no safetensors file: {error!r:.200}") from error
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # broken pickles raise anything
        why = str(error).partition("WeightsUnpickler error:")[2].strip().partition("\n")[0] or repr(error)
        raise Refused(
            f"{file.name} holds more than weights, or is broken, and was not run: {why:.200}"
        ) from error
