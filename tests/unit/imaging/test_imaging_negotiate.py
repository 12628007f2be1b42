"""Which format is delivered."""

import pytest

from photorestore.errors import NotAcceptable, UnsupportedOption
from photorestore.imaging.negotiate import Needs, choose_format
from photorestore.options import Options

PLAIN = Needs(100, 80)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "jpeg"),
        ("*/*", "jpeg"),
        ("image/*", "jpeg"),
        ("image/png", "png"),
        ("image/png, image/jpeg", "jpeg"),
        ("image/png, image/jpeg;q=0.9", "png"),
        ("IMAGE/WEBP; Q=0.8, */*;q=0.1", "webp"),
        ("image/avif,image/webp,image/apng,*/*;q=0.8", "webp"),
        ("image/jpeg;q=0, */*", "png"),
        ("text/html, image/tiff;q=0.2", "tiff"),
        ("image/jpg", "jpeg"),
        ("image/png;q=nonsense, image/*;q=0.5", "jpeg"),
    ],
)
def test_the_best_of_accept_is_chosen(accept: str, expected: str) -> None:
    assert choose_format(Options(), accept, PLAIN) == expected


@pytest.mark.parametrize("accept", ["text/html", "image/heic", "image/*;q=0", "image/png;q=0"])
def test_nothing_acceptable_is_a_typed_error(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="image/jpeg"):
        choose_format(Options(), accept, PLAIN)


def test_the_option_wins_over_accept() -> None:
    assert choose_format(Options(format="tiff"), "image/png", PLAIN) == "tiff"


def test_between_named_equals_one_that_keeps_the_depth_is_chosen() -> None:
    assert choose_format(Options(), "image/jpeg, image/webp, image/tiff", Needs(9, 9, bits=16)) == "tiff"


def test_a_side_that_a_format_cannot_hold() -> None:
    wide = Needs(17_000, 10)
    assert choose_format(Options(), "image/webp, image/png;q=0.1", wide) == "png"
    with pytest.raises(UnsupportedOption, match="16383"):
        choose_format(Options(format="webp"), "", wide)
