"""Options as they are written in a URL."""

import re
from urllib.parse import parse_qsl

import pytest

from gateway.queries import parse_query
from photorestore.errors import UnsupportedOption
from photorestore.options import Options


def parse(query: str) -> tuple[Options, str]:
    return parse_query(tuple(parse_qsl(query, keep_blank_values=True)))


@pytest.mark.parametrize(
    ("query", "plain"),
    [
        ("normalise=TRUE", "normalise=true"),
        ("normalise=1", "normalise=true"),
        ("strength=.5&timeout=+30", "strength=0.5&timeout=30"),
        ("scale=2.0&quality=70.", "scale=2&quality=70"),
        ("format=JPG", "format=jpeg"),
        ("format=tif", "format=tiff"),
        ("stages=Face, denoise&stages=scratch", "stages=face,denoise,scratch"),
        ("strength=Face:.5, denoise : 0", "strength=face:0.5,denoise:0"),
        ("mode=Gentle&metadata=No-GPS&colour=sRGB&tier=Auto", "mode=gentle&metadata=no-gps"),
        ("return=Bundle", "return=bundle"),
    ],
)
def test_what_people_write_is_understood(query, plain):
    (options, returned), expected = parse(query), parse(plain)
    assert (options, returned) == expected
    assert str(options) == str(expected[0]), "2.0 and 2 are two results"


def test_plain_queries_mean_what_they_say():
    expected = Options(stages=("face",), strength=1, sigma_255=12.5, timeout_s=30, quality=80)
    options, returned = parse("stages=face&strength=1&sigma_255=12.5&timeout=30&quality=80")
    assert (str(options), returned) == (str(expected), "image")
    assert parse("stages=") == (Options(stages=()), "image")


def test_all_that_is_wrong_is_named_at_once_as_the_caller_wrote_it():
    with pytest.raises(UnsupportedOption) as caught:
        parse("scale=3&timeout=nan&mode=timeout_s&scale=4&return=text&timeout_s=5&quality=high&format=jpegg")
    assert [re.split(" (?:is|there)", part)[0] for part in str(caught.value).split("; ")] == [
        "scale",  # is given twice
        "unknown option timeout_s",
        "there are colour, format, metadata, mode, normalise, quality, return, scale, sigma_255, stages, "
        "strength, tier, timeout",
        "return",
        "scale",
        "timeout",
        "mode",
        "line art and text untouched)",
        "quality",
        "format",
    ]
    assert "timeout is 'nan'; expected a number from 1 to 600" in str(caught.value)
    assert "mode is 'timeout_s'" in str(caught.value)


@pytest.mark.parametrize(
    "query", ["normalise=yes", "strength=0,5", "quality=1_0", "scale=", "Scale=2", "format="]
)
def test_what_is_ambiguous_is_refused(query):
    with pytest.raises(UnsupportedOption, match=query.partition("=")[0]):
        parse(query)
