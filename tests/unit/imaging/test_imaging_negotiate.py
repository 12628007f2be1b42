"""Which format is delivered."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photorestore.errors import NotAcceptable, UnsupportedOption
from photorestore.imaging.negotiate import (
    CONTENT_TYPES,
    LONGEST_SIDE_PX,
    Needs,
    choose_format,
    is_preferred,
    weigh,
)
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


RANGES = st.sampled_from(
    [
        *CONTENT_TYPES.values(),
        "image/*",
        "*/*",
        "text/html",
        "image/jpg",
        "IMAGE/PNG",
        "image/heic",
        "application/*",
    ]
)
QUALITIES = st.sampled_from(["", ";q=0", ";q=0.5", "; Q=1", ";q=0.001", ";level=1;q=.7", ";q=2", ";q=x"])
ACCEPTS = st.lists(
    st.tuples(RANGES, QUALITIES), min_size=1, max_size=5, unique_by=lambda pair: pair[0].lower()
)


@given(
    ranges=ACCEPTS, has_alpha=st.booleans(), bits=st.sampled_from([8, 16]), side=st.sampled_from([9, 17_000])
)
def test_what_is_chosen_is_allowed_and_nothing_allowed_weighs_more(
    ranges: list[tuple[str, str]], has_alpha: bool, bits: int, side: int
) -> None:
    accept = ", ".join(media_range + quality for media_range, quality in ranges)
    weights = {
        name: weigh(kind, accept) for name, kind in CONTENT_TYPES.items() if side <= LONGEST_SIDE_PX[name]
    }
    needs = Needs(side, 9, has_alpha=has_alpha, bits=bits)
    try:
        chosen = choose_format(Options(), accept, needs)
    except NotAcceptable:
        assert all(quality == 0 for quality, _ in weights.values())
        return
    assert weights[chosen][0] > 0
    assert weights[chosen] == max(weights.values())


@given(ranges=ACCEPTS, order=st.randoms())
def test_the_order_of_ranges_does_not_matter(ranges: list[tuple[str, str]], order: Random) -> None:
    shuffled = ranges.copy()
    order.shuffle(shuffled)
    one, other = (
        ",".join(media_range + quality for media_range, quality in each) for each in (ranges, shuffled)
    )
    for kind in CONTENT_TYPES.values():
        assert weigh(kind, one) == weigh(kind, other)


@pytest.mark.parametrize(
    ("accept", "weight"),
    [
        ("", (1.0, 0)),
        ("  ", (1.0, 0)),
        ("*/*;q=0.3", (0.3, 0)),
        ("image/*;q=0.3, */*", (0.3, 1)),
        ("image/png;q=0, image/*", (0.0, 2)),
        ("image/png;q=1.5", (0.0, 2)),
        ("image/png;q=-1", (0.0, 2)),
        ("image/png;q=nan", (0.0, 2)),
        ("image/png;q=", (0.0, 2)),
        ("image/png;charset=q;q=.25", (0.25, 2)),
        ("text/*", (0.0, 0)),
        (";q=1", (0.0, 0)),
        (",,image/png,,", (1.0, 2)),
    ],
)
def test_the_closest_range_says_how_much_a_type_is_wanted(accept: str, weight: tuple[float, int]) -> None:
    assert weigh("image/png", accept) == weight


@pytest.mark.parametrize(
    ("accept", "is_so"),
    [
        ("", True),
        ("image/webp", True),
        ("image/*", True),
        ("image/webp, image/png", True),
        ("image/webp;q=0.5, image/png", False),
        ("image/png", False),
        ("image/webp;q=0, */*", False),
        ("image/webp, image/heic", True),
    ],
)
def test_a_type_is_preferred_where_none_that_can_be_delivered_is_wanted_more(
    accept: str, is_so: bool
) -> None:
    assert is_preferred("image/webp", accept) == is_so
