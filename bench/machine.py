"""The machine that a timing is taken on: its name, its memory, and waiting for its device."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import torch

SHARED = Path("/dev/shm")  # noqa: S108 - where workspaces live
ROOM_BYTES = 6 << 30
"""Room for sixteen workspaces of 12 megapixels, and some more."""


def name(device: str | torch.device) -> str:
    """Return what a GPU or the processors call themselves."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return processor()


def processor() -> str:
    """Number and name of the processors."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else "unknown"


def wait(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak(device: torch.device) -> None:
    """Begin to watch the memory."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, see proc(5)


def peak_mb(device: torch.device) -> float:
    """Return the most memory (10^6 bytes) since `reset_peak`: of the GPU's allocator, or resident in this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    status = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def roomy_folder() -> Path:
    """Return shared memory where it has room for the largest batch, else the folder for temporary files."""
    if SHARED.is_dir() and shutil.disk_usage(SHARED).free > ROOM_BYTES:
        return SHARED
    return Path(tempfile.gettempdir())
