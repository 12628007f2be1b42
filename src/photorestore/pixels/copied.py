"""Begin planes as copies of others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from photorestore.pixels.bands import bands
from photorestore.workspace import Array, Workspace

COPIED_ROWS = 512
"""Planes are copied in bands of this many rows."""


@contextlib.contextmanager
def copied(workspace: Workspace, name: str, source: Array) -> Iterator[Array]:
    """Yield the new plane `name`, uint16, with the values of `source`; copied in bands to save memory."""
    factor = 257 if source.dtype == np.uint8 else 1  # exact: 65535 = 257 * 255
    with workspace.new_plane(name, source.shape, "uint16") as target:
        for band in bands(source.shape[1], COPIED_ROWS):
            target[:, band] = source[:, band].astype(np.uint16) * factor
        yield target
