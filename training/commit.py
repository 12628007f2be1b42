"""Name the commit of the code that weights were made with."""

from __future__ import annotations

import os
import subprocess

VARIABLE = "TRAINING_COMMIT"
"""Names the commit where the code is no git checkout."""
PACK_RECORD = "pack.json"
"""In a pack of pictures, says at which commit and from what it was made."""


def commit_hash() -> str:
    """Return the commit of the working tree, with `+` when files differ from it; `none` where it is unknown."""
    head = _git("rev-parse", "--short", "HEAD")
    if not head:
        return os.environ.get(VARIABLE, "none")
    return head + ("+" if _git("status", "--porcelain", "-uno") else "")


def _git(*arguments: str) -> str:
    """What git prints; nothing where it fails or is not installed."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
