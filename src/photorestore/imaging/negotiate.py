"""Choose the format to deliver. No torch and no image library here: the REST edge uses it, too."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.errors import NotAcceptable, UnsupportedOption
from photorestore.options import FORMATS, Options

CONTENT_TYPES = {name: f"image/{name}" for name in FORMATS}

LONGEST_SIDE_PX = {"jpeg": 65_500, "png": 1 << 31, "webp": 16_383, "tiff": 1 << 31, "avif": 65_536}
"""The longest side that each format can hold."""

_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/tif": "image/tiff"}
_KEEPS_ALPHA = ("png", "webp", "tiff", "avif")
_KEEPS_HIDDEN = ("png", "tiff")
_KEEPS_16_BITS = ("png", "tiff")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a format must hold."""

    width: int
    height: int
    has_alpha: bool = False
    bits: int = 8


def keeps_alpha(name: str) -> bool:
    """Return whether a format holds alpha."""
    return name in _KEEPS_ALPHA


def keeps_hidden(name: str) -> bool:
    """Return whether a format holds colours under full transparency that do not bleed into visible ones."""
    return name in _KEEPS_HIDDEN


def keeps_16_bits(name: str) -> bool:
    """Return whether a format holds 16 bits per channel."""
    return name in _KEEPS_16_BITS


def choose_format(options: Options, accept: str, needs: Needs) -> str:
    """Choose the format to deliver, one of `FORMATS`.

    `options.format` wins; otherwise the format to which `Accept` gives most weight. Among formats that a wildcard
    allows with equal weight it is JPEG; among those named with equal weight, first one that keeps alpha and depth, then
    in the order of `FORMATS`.

    Raises:
        UnsupportedOption: the format asked for cannot hold a side this long.
        NotAcceptable: `Accept` allows nothing that can be delivered.
    """
    side = max(needs.width, needs.height)
    if options.format is not None:
        if side > LONGEST_SIDE_PX[options.format]:
            longest = LONGEST_SIDE_PX[options.format]
            raise UnsupportedOption(f"{options.format} holds sides of at most {longest} px; this has {side}")
        return options.format
    weights = {name: weigh(content_type, accept) for name, content_type in CONTENT_TYPES.items()}
    allowed = [name for name in FORMATS if weights[name][0] > 0 and side <= LONGEST_SIDE_PX[name]]
    if not allowed:
        raise NotAcceptable(
            f"Accept is {accept!r}; a picture of {side} px can be had as {', '.join(CONTENT_TYPES.values())}"
        )
    heaviest = max(weights[name] for name in allowed)
    best = [name for name in allowed if weights[name] == heaviest]
    is_named = heaviest[1] == _NAMED
    return min(best, key=lambda name: (is_named and _loses(name, needs), FORMATS.index(name)))


def is_preferred(content_type: str, accept: str) -> bool:
    """Return whether `Accept` allows a media type and prefers none of `CONTENT_TYPES` to it."""
    quality, _ = weigh(content_type, accept)
    return quality > 0 and all(weigh(other, accept)[0] <= quality for other in CONTENT_TYPES.values())


def _loses(name: str, needs: Needs) -> bool:
    return (needs.has_alpha and not keeps_alpha(name)) or (needs.bits > 8 and not keeps_16_bits(name))


_NAMED = 2


def weigh(content_type: str, accept: str) -> tuple[float, int]:
    """Return what `Accept` says of a media type: quality 0 to 1, and how closely it is named.

    Closeness is 0 for `*/*`, 1 for a range such as `image/*`, 2 by name.
    """
    if not accept.strip():
        return (1.0, 0)
    main_type = content_type.partition("/")[0]
    closeness = {"*/*": 0, f"{main_type}/*": 1, content_type: _NAMED}
    matches = [
        (closeness[media_range], quality)
        for media_range, quality in map(_parse, accept.split(","))
        if media_range in closeness
    ]
    if not matches:
        return (0.0, 0)
    closest, quality = max(matches)
    return (quality, closest)


def _parse(element: str) -> tuple[str, float]:
    """Return the media range in lower case, and its `q`; a `q` that is not a number from 0 to 1 counts as 0."""
    media_range, *parameters = (part.strip().lower() for part in element.split(";"))
    quality = 1.0
    for name, _, value in (parameter.partition("=") for parameter in parameters):
        if name.strip() == "q":
            quality = _number(value)
    return _ALIASES.get(media_range, media_range), quality


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= 1 else 0.0
