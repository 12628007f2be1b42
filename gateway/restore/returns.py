"""What of a result can be asked for."""

from __future__ import annotations

from photorestore.errors import NotAcceptable
from photorestore.imaging.negotiate import weigh
from photorestore.kinds import Word

RETURNS = ("image", "mask", "report", "bundle")
"""What `return` may ask for."""
RETURN = Word(RETURNS)
MEDIA_TYPES = {"mask": "image/png", "report": "application/json", "bundle": "multipart/mixed"}
"""Of all but the picture, whose type is negotiated."""


def check_accept(content_type: str, accept: str) -> None:
    """Check that a media type is among those that are accepted.

    Raises:
        NotAcceptable: it is not.
    """
    if weigh(content_type, accept)[0] <= 0:
        raise NotAcceptable(f"Accept is {accept!r}; this comes as {content_type}")
