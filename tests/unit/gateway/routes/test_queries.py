"""Options as they are written in a URL."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from gateway.routes import queries
from gateway.routes.presets import NO_PRESETS, Presets
from photorestore.errors import UnsupportedOption
from photorestore.options import Options, describe

NAMES_IN_QUERIES = {"timeout" if name == "timeout_s" else name for name in describe()} | {"preset", "return"}


def parse(query: str, presets: Presets = NO_PRESETS) -> tuple[Options, str]:
    asked = queries.parse(parse_qsl(query, keep_blank_values=True), presets)
    return asked.options, asked.returned


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
def test_what_people_write_is_understood(query: str, plain: str) -> None:
    (options, returned), expected = parse(query), parse(plain)
    assert (options, returned) == expected
    assert str(options) == str(expected[0]), "2.0 and 2 are two results"


def test_plain_queries_mean_what_they_say() -> None:
    expected = Options(stages=("face",), strength=1, sigma_255=12.5, timeout_s=30, quality=80)
    options, returned = parse("stages=face&strength=1&sigma_255=12.5&timeout=30&quality=80")
    assert (str(options), returned) == (str(expected), "image")
    assert parse("stages=") == (Options(stages=()), "image")


def test_all_that_is_wrong_is_named_at_once_as_the_caller_wrote_it() -> None:
    with pytest.raises(UnsupportedOption) as caught:
        parse(
            "scale=3&timeout=nan&tier=timeout_s&scale=4&return=text&timeout_s=5&quality=high&Format=png&preset=a"
        )
    assert str(caught.value).split("; ") == [
        "scale is given twice",
        "unknown option Format, timeout_s",
        f"there are {', '.join(sorted(NAMES_IN_QUERIES))}",
        "return is 'text'",
        "expected one of image, mask, confidence, report, bundle",
        "preset is 'a'",
        "this service has none",
        "scale is 3",
        "expected 1, 2 or 4",
        "timeout is 'nan'",
        "expected a number from 1 to 600",
        "tier is 'timeout_s'",
        "expected one of auto, fast, quality",
        "quality is 'high'",
        "expected a whole number from 1 to 100",
    ]


@pytest.mark.parametrize(
    "query", ["normalise=yes", "strength=0,5", "quality=1_0", "scale=", "Scale=2", "format="]
)
def test_what_is_ambiguous_is_refused(query: str) -> None:
    with pytest.raises(UnsupportedOption, match=query.partition("=")[0]):
        parse(query)


@pytest.fixture
def presets(tmp_path: Path) -> Presets:
    file = tmp_path / "presets.toml"
    file.write_text('[archive]\nmode = "Thorough"\nformat = "tif"\ntimeout = 30\n[plain]\nstages = []\n')
    return Presets.read(file)


def test_a_preset_holds_for_what_is_not_given(presets: Presets) -> None:
    archive = Options(mode="thorough", format="tiff", timeout_s=30)
    assert parse("preset=archive", presets)[0] == archive
    assert parse("format=png&preset= archive ", presets)[0] == replace(archive, format="png")
    assert parse("preset=plain&stages=face", presets)[0] == Options(stages=("face",))


@pytest.mark.parametrize("query", ["preset=other", "preset=", "preset=archive&preset=plain"])
def test_presets_that_are_not_there_are_refused(presets: Presets, query: str) -> None:
    with pytest.raises(UnsupportedOption, match=r"this service has archive, plain|given twice"):
        parse(query, presets)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[archive", "presets.toml: "),
        ("archive = 3", "archive is 3; expected a table of options"),
        (
            "[archive]\nscale = 3\nfast = true",
            "preset archive: unknown option fast.*scale is 3; expected 1, 2 or 4",
        ),
    ],
)
def test_presets_that_no_request_could_ask_for_are_told_at_the_start(
    tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "presets.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=told):
        Presets.read(file)
