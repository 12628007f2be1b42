"""Where a run stands, in a file: what it goes on from after an end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def save_checkpoint(file: Path, **parts: Any) -> None:
    """Write atomically: a run that is stopped in the middle leaves the previous checkpoint."""
    temporary = file.with_suffix(".tmp")
    torch.save(parts, temporary)
    temporary.replace(file)


def load_checkpoint(file: Path, device: str = "cpu") -> dict[str, Any] | None:
    """The last checkpoint, on this device whatever it was written on, or None."""
    if not file.exists():
        return None
    checkpoint: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
    return checkpoint
