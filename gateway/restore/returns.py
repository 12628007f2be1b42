"""The parts of a result that can be asked for."""

from __future__ import annotations

from photorestore.errors import NotAcceptable
from photorestore.imaging.negotiate import weigh
from photorestore.kinds import Word

RETURNS = ("image", "mask", "report", "bundle")
"""Values of the option `return`."""
RETURN = Word(RETURNS)
MEDIA_TYPES = {"mask": "image/png", "report": "application/json", "bundle": "multipart/mixed"}
"""Media types of all parts but the picture, whose type is negotiated."""


def check_accept(content_type: str, accept: str) -> None:
    """Check that the header `Accept` allows a media type.

    Raises:
        NotAcceptable: it does not.
    """
    if weigh(content_type, accept)[0] <= 0:
        raise NotAcceptable(f"Accept is {accept!r}; this comes as {content_type}")
