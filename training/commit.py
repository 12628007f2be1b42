"""Which code weights were made with."""

from __future__ import annotations

import subprocess


def commit_hash() -> str:
    """The commit that the working tree stands on, with `+` when files differ from it."""
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    dirty = subprocess.run(
        ["git", "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False
    )
    return (head.stdout.strip() or "none") + ("+" if dirty.stdout.strip() else "")
