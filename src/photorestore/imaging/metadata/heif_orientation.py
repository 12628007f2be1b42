"""Find the orientation in a HEIF's container: its metadata refer to the picture before it (ISO/IEC 23008-12)."""

from __future__ import annotations

import struct
from dataclasses import replace

from photorestore.errors import InvalidInput
from photorestore.imaging.files.sniff import HEIF
from photorestore.imaging.iso.heif_items import orientation_by, read_items
from photorestore.imaging.metadata.change import Change


def change_of_stored(upload: bytes, kind: str, change: Change) -> Change:
    """Return the change from the pixels that a HEIF stores, which its decoder turns upright; other formats' as it is.

    Args:
        change: from pixels as the decoder gives them.
    """
    orientation = _orientation(upload) if kind in HEIF else 1
    if orientation == 1:
        return change
    sides = (change.source_width, change.source_height)
    width, height = sides[::-1] if orientation >= 5 else sides
    return replace(change, orientation=orientation, source_width=width, source_height=height)


def _orientation(upload: bytes) -> int:
    """EXIF's number, 1 to 8, for what the boxes of a HEIF tell of its picture; 1 where they cannot be read."""
    try:
        items = read_items(upload)
        return orientation_by(upload, items.properties_of(items.primary or 0))
    except (InvalidInput, ValueError, LookupError, struct.error):
        return 1
