import re
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photorestore.blur_words import PATTERN, SHAPES, Blur, expected
from photorestore.text_kinds import BlurText


@pytest.mark.parametrize(
    ("text", "blur"),
    [
        ("motion:15,30", Blur("motion", (15, 30))),
        (" Motion : 15.5 , -30 ", Blur("motion", (15.5, -30))),
        ("motion:2,+.5", Blur("motion", (2, 0.5))),
        ("gaussian:1.6", Blur("gaussian", (1.6,))),
        ("DEFOCUS:4.", Blur("defocus", (4,))),
        ("motion:15,0.00001", Blur("motion", (15, 0))),
    ],
)
def test_blurs_are_read_from_what_people_write(text: str, blur: Blur) -> None:
    assert Blur.parse(text) == blur
    assert Blur.parse(str(blur)) == blur


@pytest.mark.parametrize(
    "text",
    [
        *("", "motion", "motion:15", "motion:15,30,2", "motion:1.9,0", "motion:65,0", "motion:15,361"),
        *("gaussian:0.29", "gaussian:10.1", "gaussian:1,2", "gaussian:nan", "gaussian:1e0", "gaussian:"),
        *("defocus:0.4", "defocus:24.1", "defocus:-4", "box:3", "defocus:4 px", "gaussian:" + "9" * 400),
    ],
)
def test_what_tells_no_blur_is_refused(text: str) -> None:
    assert Blur.parse(text) is None
    kind = BlurText()
    assert not kind.accepts(kind.read(text))


@pytest.mark.parametrize("value", [None, 15, True, ["motion:15,30"], {"motion": 15}])
def test_only_texts_are_blurs(value: Any) -> None:
    kind = BlurText()
    assert kind.read(value) is value
    assert not kind.accepts(value)


@pytest.mark.parametrize("shape", SHAPES)
def test_bounds_are_included(shape: str) -> None:
    for end in (1, 2):
        assert Blur.parse(f"{shape}:{','.join(str(number[end]) for number in SHAPES[shape])}") is not None


@settings(max_examples=200)
@given(text=st.from_regex(PATTERN, fullmatch=True))
def test_what_the_schema_allows_is_understood_and_written_in_one_way(text: str) -> None:
    kind = BlurText()
    read = kind.read(text)
    assert kind.accepts(read)
    assert kind.read(read) == read
    assert jsonschema_rs.is_valid(kind.schema(), read)


def test_what_is_expected_names_every_shape_with_its_bounds() -> None:
    assert re.search(
        r"^motion:length in px \(2 to 64\),angle in degrees \(-360 to 360\) or gaussian:", expected()
    )
    assert all(f"{shape}:" in expected() for shape in SHAPES)
