"""Checkpoints: a file from which a run goes on, and the same in small pieces, to carry it elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

PIECE_BYTES = 31 * 2**19
"""Most bytes of a piece: 15.5 MiB."""
SMALL = 4096
"""Tensors with fewer values stay in 32 bits: biases, statistics of normalisation."""


def save_checkpoint(file: Path, **parts: Any) -> None:
    """Write atomically: a run that is stopped in the middle leaves the previous checkpoint."""
    temporary = file.with_suffix(".tmp")
    torch.save(parts, temporary)
    temporary.replace(file)


def load_checkpoint(file: Path, device: str = "cpu") -> dict[str, Any] | None:
    """Read the last checkpoint onto a device, whatever it was written on; None where there is none."""
    if not file.exists():
        return None
    checkpoint: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
    return checkpoint


def save_pieces(folder: Path, run: str, checkpoint: dict[str, Any], log: str) -> list[Path]:
    """Write `<run>.checkpoint.0.pt`, the average and the log, and `.1.pt` and so on, the states of the run's parts.

    Values are stored in 16 bits. The first piece alone is enough to go on with, at the price of the optimiser's state.

    Args:
        run: `<name>.<tier>`.
        checkpoint: as `Run` writes it.
        log: the CSV that belongs to it.
    """
    told = {key: checkpoint[key] for key in ("step", "spent_s")}
    first = _packed({"run": run, "log": log, "average": _convert(checkpoint["average"], _to_half), **told})
    states = {
        part: _convert(state, _to_half if part == "network" else _to_bfloat16)
        for part, state in checkpoint["states"].items()
    }
    rest = _packed({"states": states, **told})
    pieces = [first, *(rest[at : at + PIECE_BYTES] for at in range(0, len(rest), PIECE_BYTES))]
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{run}.checkpoint.*.pt"):
        old.unlink()
    files = [folder / f"{run}.checkpoint.{number}.pt" for number in range(len(pieces))]
    for file, piece in zip(files, pieces, strict=True):
        file.write_bytes(piece)
    return files


def load_pieces(files: Sequence[Path]) -> dict[str, Any]:
    """Put a checkpoint together from its pieces, in 32 bits, with `run` and `log`.

    Args:
        files: all pieces of one checkpoint, or the first alone.

    Raises:
        ValueError: a piece is missing, or one belongs to another checkpoint.
    """
    ordered = sorted(files, key=lambda file: int(file.suffixes[-2][1:]))
    if [file.suffixes[-2] for file in ordered] != [f".{number}" for number in range(len(ordered))]:
        raise ValueError(f"pieces are missing: there are {', '.join(file.name for file in ordered)}")
    checkpoint = _unpacked(ordered[0].read_bytes())
    if len(ordered) == 1:
        return checkpoint | {"states": {"network": checkpoint["average"]}}
    try:
        rest = _unpacked(b"".join(file.read_bytes() for file in ordered[1:]))
    except RuntimeError as error:
        raise ValueError(f"the last piece is not {ordered[-1].name}, or a piece is broken") from error
    if rest["step"] != checkpoint["step"]:
        raise ValueError(f"{ordered[0].name} is of step {checkpoint['step']}, the others of {rest['step']}")
    return checkpoint | rest


def _packed(parts: dict[str, Any]) -> bytes:
    target = io.BytesIO()
    torch.save(parts, target)
    return target.getvalue()


def _unpacked(content: bytes) -> dict[str, Any]:
    loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    converted: dict[str, Any] = _convert(loaded, Tensor.float)
    return converted


def _convert(value: Any, convert: Callable[[Tensor], Tensor]) -> Any:
    """Convert every floating tensor in nested dictionaries and lists."""
    if isinstance(value, Tensor):
        return convert(value) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: _convert(part, convert) for key, part in value.items()}
    if isinstance(value, list):
        return [_convert(part, convert) for part in value]
    return value


def _to_half(values: Tensor) -> Tensor:
    """Convert weights to half precision, which keeps three decimal digits; small tensors stay as they are."""
    return values.half() if values.numel() >= SMALL else values


def _to_bfloat16(values: Tensor) -> Tensor:
    """Convert an optimiser's moments to bfloat16: half precision would round them to nothing."""
    return values.bfloat16() if values.numel() >= SMALL else values
