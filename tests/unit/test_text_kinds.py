"""Blurs and hints as texts: whoever writes them, one way to write them comes out."""

import re

import jsonschema_rs
import pytest

from photorestore.blur_words import LONGEST_PICTURE
from photorestore.kinds import Kind
from photorestore.text_kinds import BlurText, HintWords

PICTURE = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    ("kind", "text", "read"),
    [
        (BlurText(), " ESTIMATE ", "estimate"),
        (BlurText(), "motion:15.0,30", "motion:15,30"),
        (BlurText(), " gaussian:1.60", "gaussian:1.6"),
        (BlurText(), f" {PICTURE}\n", PICTURE),
        (HintWords(), " 120,80,#AA3311 ; 40,200,#336699 ", "120,80,#aa3311;40,200,#336699"),
    ],
)
def test_a_text_is_read_as_it_is_written_for_good(kind: Kind, text: str, read: str) -> None:
    assert kind.read(text) == read
    assert kind.read(read) == read  # once is enough
    assert kind.accepts(read)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (BlurText(), "motion:15"),
        (BlurText(), "motion:1,30"),  # too short to be one
        (BlurText(), "data:image/gif;base64,A"),
        (BlurText(), 4),
        (BlurText(), None),
        (HintWords(), "120,80"),
        (HintWords(), "120,80,red"),
        (HintWords(), ""),
        (HintWords(), ["120,80,#aa3311"]),
    ],
)
def test_what_is_not_understood_comes_back_as_it_is_and_is_refused(kind: Kind, value: object) -> None:
    read = kind.read(value)
    assert read == value
    assert not kind.accepts(read)


@pytest.mark.parametrize(
    ("kind", "value", "is_valid"),
    [
        (BlurText(), "estimate", True),
        (BlurText(), "defocus:4", True),
        (BlurText(), PICTURE, True),
        (BlurText(), "defocus", False),
        (BlurText(), 4, False),
        (BlurText(), PICTURE + "A" * LONGEST_PICTURE, False),
        (HintWords(), "0,0,#000000", True),
        (HintWords(), "0,0,#0000", False),
    ],
)
def test_the_schema_tells_generators_the_same(kind: Kind, value: object, is_valid: bool) -> None:
    assert jsonschema_rs.is_valid(kind.schema(), value) == is_valid


def test_what_is_expected_names_each_way_to_tell_a_blur() -> None:
    for word in ("motion", "gaussian", "defocus", "estimate"):
        assert re.search(rf"\b{word}\b", BlurText().expected)
    assert "#" in HintWords().expected
