"""Define everything that can go wrong, in one tree.

RestorationError
├── InvalidInput          the caller's: what was sent cannot be restored
│   ├── UnsupportedOption     an option that is unknown, or a value out of range       400
│   │   ├── UnavailableTier       a tier whose weights are not there                       400
│   │   └── UnavailableNetwork    a network that was not imported, or does not do that     400
│   ├── ImageTooLarge         more pixels, or a longer side, than allowed              422
│   │   └── PayloadTooLarge       more bytes than allowed                                413
│   ├── NotAcceptable         none of the types that the caller accepts is to be had   406
│   ├── NotAnImage            the bytes are no picture of an accepted type             415
│   ├── TruncatedImage        the picture breaks off                                   422
│   ├── CorruptImage          the picture contradicts itself or its mask               422
│   ├── DeadlineExceeded      the time that the caller allowed is over                 504
│   └── Cancelled             nobody waits for the result any more                     410
├── OutOfSpace            no shared memory for this picture now; try again             503
└── BrokenArtifact        ours: weights, archive or workspace are not what they claim  500
"""

from __future__ import annotations

from typing import ClassVar


def printable(text: str) -> str:
    """Escape characters that a terminal or a log reader would act on: line ends, control and direction marks."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


class RestorationError(Exception):
    """Base of all errors of this package; the message may be shown to the caller.

    Messages quote what callers sent, and end up in logs and on terminals, so they are made `printable`.

    Attributes:
        type: stable name of the problem, in kebab case.
        status: the HTTP status that says the same.
    """

    type: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, text: str = "") -> None:
        super().__init__(printable(text))


class InvalidInput(RestorationError):
    """The caller can correct this."""

    type = "invalid-input"
    status = 422


class UnsupportedOption(InvalidInput):
    """An option is unknown, or its value is out of range."""

    type = "unsupported-option"
    status = 400


class UnavailableTier(UnsupportedOption):
    """The weights of the tier that was asked for are not there."""

    type = "unavailable-tier"


class UnavailableNetwork(UnsupportedOption):
    """The network from elsewhere that was asked for is not there, or does not do what is to be done."""

    type = "unavailable-network"


class ImageTooLarge(InvalidInput):
    """The picture exceeds a limit in pixels or length of a side."""

    type = "image-too-large"
    status = 422


class PayloadTooLarge(ImageTooLarge):
    """The upload has too many bytes, or takes more memory than there is at all."""

    type = "payload-too-large"
    status = 413


class NotAcceptable(InvalidInput):
    """None of the media types that the caller accepts can be delivered."""

    type = "not-acceptable"
    status = 406


class NotAnImage(InvalidInput):
    """The bytes are no picture of an accepted type."""

    type = "not-an-image"
    status = 415


class TruncatedImage(InvalidInput):
    """The picture breaks off before its end."""

    type = "truncated-image"


class CorruptImage(InvalidInput):
    """The picture contradicts itself, or its mask does not fit."""

    type = "corrupt-image"


class DeadlineExceeded(InvalidInput):
    """The time that the caller allowed is over."""

    type = "deadline-exceeded"
    status = 504


class Cancelled(InvalidInput):
    """Nobody waits for the result any more."""

    type = "cancelled"
    status = 410


class OutOfSpace(RestorationError):
    """There is no room in shared memory for this picture now; a later try may succeed."""

    type = "out-of-space"
    status = 503


class BrokenArtifact(RestorationError):
    """Weights, an archive or a workspace are not what they claim to be."""

    type = "internal"


def by_type(name: str) -> type[RestorationError]:
    """Return the class of a problem's `type`; `BrokenArtifact` for one that is not ours."""
    pending: list[type[RestorationError]] = [RestorationError]
    while pending:
        cls = pending.pop()
        if vars(cls).get("type") == name and cls is not RestorationError:  # not what merely inherits it
            return cls
        pending += cls.__subclasses__()
    return BrokenArtifact
