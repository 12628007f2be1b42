"""What the values of options may be, whoever writes them and however."""

import math
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photorestore.kinds import Flag, Kind, Number, NumberByName, OneWhole, Whole, Word, Words

WORDS = ("keep", "strip", "no-gps")
KINDS: dict[str, Kind] = {
    "word": Word(WORDS, synonyms={"none": "strip"}),
    "words": Words(WORDS),
    "flag": Flag(),
    "number": Number(-1, 100),
    "whole": Whole(1, 100),
    "one whole": OneWhole((1, 2, 4)),
    "number by name": NumberByName(WORDS, Number(0, 1)),
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 103)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=50)
@given(value=JSON)
def test_any_json_is_read_without_an_error_and_only_what_was_read_is_accepted(name: str, value: Any) -> None:
    kind = KINDS[name]
    read = kind.read(value)
    assert kind.accepts(read) in (True, False)
    if kind.accepts(read):
        assert kind.accepts(kind.read(read)), "what was read once can be read again"
        assert kind.read(read) == read


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=50)
@given(value=JSON)
def test_schemas_allow_what_is_accepted_as_it_is(name: str, value: Any) -> None:
    kind = KINDS[name]
    is_allowed = jsonschema_rs.is_valid(kind.schema(), value)
    if is_allowed:
        assert kind.accepts(kind.read(value)), "generators of requests go by the schema"
    elif kind.accepts(value):
        assert (isinstance(value, float) and value.is_integer()) or isinstance(value, tuple)


@given(
    value=st.floats(-1, 100), padding=st.sampled_from(["", " ", "\t", "  "]), sign=st.sampled_from(["", "+"])
)
def test_numbers_are_read_from_every_way_to_write_them(value: float, padding: str, sign: str) -> None:
    kind = KINDS["number"]
    for text in (repr(value), f"{value:.17e}", f"{value:.17E}", f"{value:.20f}"):
        read = kind.read(f"{padding}{text if text.startswith('-') else sign + text}{padding}")
        assert isinstance(read, int | float)
        assert math.isclose(read, value, abs_tol=1e-6)


@given(value=st.integers(1, 100))
def test_whole_numbers_are_whole_however_they_are_written(value: int) -> None:
    for written in (value, float(value), str(value), f"{value}.0", f"{value}.", f"{value}e0", f"+{value}"):
        read = KINDS["whole"].read(written)
        assert (type(read), read) == (int, value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nan",
        "inf",
        "-inf",
        "1_0",
        "0x10",
        "1e",
        "e1",
        ".",
        "+",
        "1.2.3",
        "1,5",
        "\u0661",
        "1 2",
        "--1",
    ],
)
def test_what_is_no_number_stays_the_text_that_it_was(text: str) -> None:
    assert KINDS["number"].read(text) == text
    assert not KINDS["number"].accepts(text)
    assert not KINDS["whole"].accepts(KINDS["whole"].read(text))


@pytest.mark.parametrize(
    ("name", "low", "high", "beyond"),
    [
        ("number", -1, 100, (-1.000001, 100.000001, math.inf, -math.inf, math.nan)),
        ("whole", 1, 100, (0, 101, 1.5, True)),
        ("one whole", 1, 4, (0, 3, 5, True)),
        ("number by name", 0, 1, (-0.001, 1.001, {"keep": 1.001}, {"other": 1})),
    ],
)
def test_bounds_are_included_and_nothing_beyond_them(
    name: str, low: int, high: int, beyond: tuple[object, ...]
) -> None:
    kind = KINDS[name]
    assert kind.accepts(low)
    assert kind.accepts(high)
    assert [value for value in beyond if kind.accepts(kind.read(value))] == []


@given(parts=st.lists(st.sampled_from(WORDS), max_size=5), padding=st.sampled_from(["", " ", ",", " , "]))
def test_words_are_a_list_or_a_text_with_commas(parts: list[str], padding: str) -> None:
    kind = KINDS["words"]
    assert kind.read(",".join(parts).upper() + padding) == tuple(parts) == kind.read(parts)
    assert kind.accepts(tuple(parts))
    assert not kind.accepts(parts)


@given(shares=st.dictionaries(st.sampled_from(WORDS), st.floats(0, 1), min_size=1))
def test_numbers_by_name_are_an_object_or_a_text(shares: dict[str, float]) -> None:
    kind = KINDS["number by name"]
    text = ", ".join(f"{name.upper()}: {share!r}" for name, share in shares.items())
    assert kind.read(text) == kind.read(shares) == shares
    assert kind.accepts(shares)


@pytest.mark.parametrize(
    "text", ["keep:1,keep:1", "keep:1,KEEP:0", "keep:", ":1", "keep:1,", "keep:1:2", "keep:2"]
)
def test_a_broken_text_of_numbers_by_name_is_refused(text: str) -> None:
    kind = KINDS["number by name"]
    assert not kind.accepts(kind.read(text))


def test_synonyms_stand_for_their_word_and_are_no_words_themselves() -> None:
    kind = KINDS["word"]
    assert kind.read(" NONE ") == "strip"
    assert not kind.accepts("none")
    assert kind.schema()["enum"] == list(WORDS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("word", "one of keep, strip, no-gps"),
        ("words", "a list from keep, strip, no-gps"),
        ("flag", "true or false"),
        ("number", "a number from -1 to 100"),
        ("whole", "a whole number from 1 to 100"),
        ("one whole", "1, 2 or 4"),
        ("number by name", "a number from 0 to 1, or one for each of some of keep, strip, no-gps"),
    ],
)
def test_what_is_expected_is_said_in_words(name: str, expected: str) -> None:
    assert KINDS[name].expected == expected


def test_words_with_an_explanation_or_a_note_say_it() -> None:
    assert Word(WORDS, explained="keep (all)").expected == "keep (all)"
    assert Words(WORDS, note="in any order").expected == "a list from keep, strip, no-gps; in any order"
