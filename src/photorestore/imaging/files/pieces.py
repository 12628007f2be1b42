"""Limit the pieces of a file: chunks, boxes and the like."""

from __future__ import annotations

from photorestore.errors import CorruptImage

FEWEST_PIECES = 16_384
BYTES_PER_PIECE = 1024
"""A file may have `FEWEST_PIECES` pieces, and one more for each so many bytes."""
TOO_MANY = "more pieces than a picture of this length needs"


class Pieces:
    """Counts the pieces of a file."""

    def __init__(self, upload: bytes) -> None:
        self._left = FEWEST_PIECES + len(upload) // BYTES_PER_PIECE

    def count(self) -> None:
        """Count one more piece.

        Raises:
            CorruptImage: there are too many.
        """
        self._left -= 1
        if self._left < 0:
            raise CorruptImage(TOO_MANY)
