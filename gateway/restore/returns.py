"""The parts of a result that can be asked for."""

from __future__ import annotations

from photorestore.errors import NotAcceptable
from photorestore.imaging.negotiate import weigh
from photorestore.kinds import Word

RETURNS = ("image", "mask", "confidence", "report", "bundle")
"""Values of the option `return`."""
RETURN = Word(RETURNS)
MASKS = ("mask", "confidence")
"""Those that are made from what the stages leave in the workspace, on request, as grey pictures."""
FILES = ("image", *MASKS)
"""Those that are the same byte for byte whenever they are sent, so that a part of them may be."""
MEDIA_TYPES = {
    **dict.fromkeys(MASKS, "image/png"),
    "report": "application/json",
    "bundle": "multipart/mixed",
}
"""Media types of all parts but the picture, whose type is negotiated."""
FORM = "multipart/form-data"
"""A bundle's other media type, which browsers and Node can take apart (`Response.formData`)."""
OCTETS = "application/octet-stream"
"""Name by which callers may accept whatever comes; generated clients know few other types of binary answers."""


def choose_type(kind: str, accept: str, picture_type: str = "") -> str:
    """Return the media type by which to send the part `kind` of a result: the one that `Accept` gives most weight.

    Args:
        picture_type: of the picture, whose format is decided elsewhere.

    Raises:
        NotAcceptable: `Accept` allows none of those that it comes as.
    """
    usual = MEDIA_TYPES.get(kind, picture_type)
    types = (usual, FORM, OCTETS) if kind == "bundle" else (usual, OCTETS)
    for choices in (types[:-1], types):
        best = max(choices, key=lambda name: weigh(name, accept))
        if weigh(best, accept)[0] > 0:
            return best
    raise NotAcceptable(f"Accept is {accept!r}; this comes as {', '.join(types)}")


def check_accept(content_type: str, accept: str) -> None:
    """Check that the header `Accept` allows a media type.

    Raises:
        NotAcceptable: it does not.
    """
    if weigh(content_type, accept)[0] <= 0:
        raise NotAcceptable(f"Accept is {accept!r}; this comes as {content_type}")


def names_no_picture(accept: str) -> bool:
    """Return whether `Accept` allows `OCTETS` by name, and says nothing of pictures."""
    names = accept.lower()
    return OCTETS in names and weigh(OCTETS, accept)[0] > 0 and "image/" not in names and "*/*" not in names
