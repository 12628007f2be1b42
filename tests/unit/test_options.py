import json
import re
from typing import Any

import pytest

from photorestore.errors import UnsupportedOption
from photorestore.options import SELECTABLE_STAGES, STRENGTH_STAGES, Options, describe


def test_defaults_let_the_picture_decide() -> None:
    assert Options().wants("denoise") is None


def test_named_stages_work_and_others_pass() -> None:
    options = Options(stages=("denoise",))
    assert options.wants("denoise") is True
    assert options.wants("scratch") is False


def test_strength_is_one_number_or_one_for_each_stage() -> None:
    assert {Options(strength=0.5).strength_of(stage) for stage in STRENGTH_STAGES} == {0.5}
    options = Options(strength={"denoise": 0.5, "face": 0})
    expected = dict.fromkeys(STRENGTH_STAGES, 1) | {"denoise": 0.5, "face": 0}
    assert {stage: options.strength_of(stage) for stage in STRENGTH_STAGES} == expected
    assert Options.from_mapping(options.to_mapping()) == options


def test_options_survive_a_round_trip() -> None:
    options = Options(stages=("scratch", "translate"), strength=0.5, format="png", timeout_s=3)
    assert Options.from_mapping(options.to_mapping()) == options


@pytest.mark.parametrize(
    ("options", "works"),
    [
        (Options(), False),
        (Options(mode="thorough"), False),
        (Options(stages=("denoise",)), False),
        (Options(stages=("weather",)), True),
        (Options(weather_method="dark-channel"), True),
        (Options(weather_method="haze-network"), True),
        (Options(stages=(), weather_method="dark-channel"), True),
        (Options(stages=("weather",), strength={"weather": 0}), False),
    ],
)
def test_weather_is_taken_out_only_where_it_is_asked_for(options: Options, works: bool) -> None:
    assert options.may_work("weather") is works


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"strength": 1.5}, "strength is 1.5; expected a number from 0 to 1"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"quality": 0}, "quality is 0"),
        ({"quality": True}, "quality is True"),
        (
            {"stages": ["denoise", "magic"]},
            "expected a list from denoise, scratch, deblur, weather, translate",
        ),
        ({"stages": "denoise magic"}, "stages is ('denoise magic',); expected a list from denoise"),
        ({"stages": ["", "denoise"]}, "stages"),
        ({"stages": 1}, "stages is 1"),
        ({"format": "bmp"}, "format is 'bmp'"),
        ({"tier": "best"}, "tier is 'best'; expected one of auto, fast, quality"),
        ({"scale": 3}, "scale is 3; expected 1, 2 or 4"),
        ({"scale": 2.5}, "scale is 2.5"),
        ({"scale": "2,0"}, "scale is '2,0'"),
        ({"scale": None}, "scale is None"),
        ({"normalise": "yes"}, "normalise is 'yes'; expected true or false"),
        ({"normalise": 1}, "normalise is 1"),
        ({"quality": "70.5"}, "quality is 70.5; expected a whole number from 1 to 100"),
        ({"quality": "9" * 5000}, "quality is inf"),
        ({"quality": ""}, "quality is ''"),
        ({"sigma_255": "NaN"}, "sigma_255 is 'NaN'; expected a number from 0 to 100"),
        ({"sigma_255": "1_0"}, "sigma_255 is '1_0'"),
        ({"sigma_255": "\u0661"}, "sigma_255"),
        ({"scale": True}, "scale is True"),
        ({"stages": ["upscale"]}, "scale enlarges"),
        (
            {"strength": {"face": 1.5}},
            "strength is {'face': 1.5}; expected a number from 0 to 1, or one for each",
        ),
        ({"strength": {"scratch": 0.5}}, "some of denoise, deblur, weather, translate, face"),
        ({"strength": {"face": True}}, "strength"),
        ({"strength": [0.5]}, "strength"),
        ({"strength": "face:1,face:0.5"}, "strength is 'face:1,face:0.5'"),
        ({"strength": {"face": 1, "Face": 0}}, "strength is {'face': 1, 'Face': 0}"),
        ({"strength": "face:0.5,denoise"}, "strength is {'face': 0.5, 'denoise': ''}"),
        ({"psf": "motion:15"}, "psf is 'motion:15'; expected motion:length in px (2 to 64),angle in degrees"),
        ({"psf": 4}, "psf is 4"),
        (
            {"weather_method": "fog"},
            "weather_method is 'fog'; expected one of network, haze-network, dark-channel",
        ),
        (
            {"deblur_method": "blind"},
            "deblur_method is 'blind'; expected one of auto, hqs, hqs-csf, wiener, richardson-lucy, network",
        ),
        ({"psf": "data:image/png;base64,A"}, "psf is 'data:image/png;base64,A'; expected motion"),
        ({"psf": "data:image/png;base64," + "A" * 70000}, "AAA...; expected motion"),
        (
            {"psf": "estimate", "deblur_method": "network"},
            "psf is given, but deblur_method network works without",
        ),
        (
            {"denoise_method": "median"},
            "expected one of network, l0tv, poisson-tv, csf, ksvd, kriging, bm3d, dip",
        ),
        ({"denoise_method": "csf", "stages": "face"}, "'csf', but stages leaves denoise out"),
        ({"translate_method": "dip", "stages": "face"}, "'dip', but stages leaves translate out"),
        ({"denoise_method": "l0tv", "sigma_255": 5}, "'l0tv' knows no level of noise"),
        (
            {"denoise_method": "poisson-tv", "psf": "gaussian:1", "deblur_method": "wiener"},
            "deblur_method is 'wiener', but denoise_method 'poisson-tv' undoes the blur itself",
        ),
        ({"colour": "lab"}, "colour"),
        ({"nosuch": 1}, "unknown option nosuch"),
    ],
)
def test_bad_options_are_named_with_what_was_expected(values: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedOption, match=re.escape(named)):
        Options.from_mapping(values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"mode": " Thorough "}, Options(mode="thorough")),
        ({"stages": "Denoise, FACE,"}, Options(stages=("denoise", "face"))),
        ({"stages": ["Denoise"]}, Options(stages=("denoise",))),
        ({"stages": ""}, Options(stages=())),
        ({"strength": ".5"}, Options(strength=0.5)),
        ({"strength": "Denoise: .5, face:0"}, Options(strength={"denoise": 0.5, "face": 0})),
        ({"strength": {"FACE": "1."}}, Options(strength={"face": 1.0})),
        ({"sigma_255": " 1E1 "}, Options(sigma_255=10.0)),
        ({"normalise": "TRUE"}, Options(normalise=True)),
        ({"normalise": "False"}, Options(normalise=False)),
        ({"normalise": "1"}, Options(normalise=True)),
        ({"scale": "2.0"}, Options(scale=2)),
        ({"scale": 2.0}, Options(scale=2)),
        ({"quality": "+70"}, Options(quality=70)),
        ({"psf": " Motion: 15.0, 30 "}, Options(psf="motion:15,30")),
        ({"psf": " Estimate "}, Options(psf="estimate")),
        ({"psf": "data:image/png;base64,iVBORw=="}, Options(psf="data:image/png;base64,iVBORw==")),
        ({"deblur_method": "Wiener"}, Options(deblur_method="wiener")),
        ({"format": "jpg"}, Options(format="jpeg")),
        ({"format": "JPEG"}, Options(format="jpeg")),
        ({"format": "TIF"}, Options(format="tiff")),
        ({"format": None, "stages": None, "sigma_255": None}, Options()),
    ],
)
def test_what_people_write_is_understood(values: dict[str, object], expected: Options) -> None:
    options = Options.from_mapping(values)
    assert options == expected
    assert json.dumps(options.to_mapping()) == json.dumps(expected.to_mapping()), "2.0 and 2 are two results"


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(UnsupportedOption, match=r"strength is 2; .*; quality is 101; expected"):
        Options(strength=2, quality=101)
    with pytest.raises(UnsupportedOption, match=r"unknown option a, b; .*; scale is 3; .*; format is 'bmp'"):
        Options.from_mapping({"b": 1, "scale": 3, "a": 1, "format": "bmp"})


def test_options_are_named_as_the_caller_calls_them() -> None:
    names = {"timeout_s": "timeout"}
    assert Options.from_mapping({"timeout": "30"}, names) == Options(timeout_s=30)
    with pytest.raises(UnsupportedOption, match=r"^mode is 'timeout_s'; .*; timeout is 0; expected a number"):
        Options.from_mapping({"mode": "timeout_s", "timeout": 0}, names)
    with pytest.raises(UnsupportedOption, match="unknown option timeout_s"):
        Options.from_mapping({"timeout_s": 30}, names)


@pytest.mark.parametrize("text", ["", "[1]", "null", "{", "1"])
def test_options_that_are_no_json_object_are_refused(text: str) -> None:
    with pytest.raises(UnsupportedOption):
        Options.from_json(text)


def test_schemas_agree_with_the_rules() -> None:
    for name, schema in describe().items():
        values = schema.get("enum") or [schema[bound] for bound in ("minimum", "maximum") if bound in schema]
        for value in values:
            Options.from_mapping({name: value})
        for value in [
            schema[bound] + step for bound, step in (("minimum", -1), ("maximum", 1)) if bound in schema
        ]:
            with pytest.raises(UnsupportedOption):
                Options.from_mapping({name: value})
    for schema in describe()["strength"]["anyOf"]:
        bounds = schema.get("properties", {"": schema})
        for stage, share in bounds.items():
            for value in (share["minimum"], share["maximum"]):
                Options(strength={stage: value} if stage else value)
            with pytest.raises(UnsupportedOption):
                Options(strength={stage: share["maximum"] + 1} if stage else share["maximum"] + 1)
    assert tuple(describe()["strength"]["anyOf"][1]["properties"]) == STRENGTH_STAGES
    assert Options(stages=tuple(describe()["stages"]["items"]["enum"])).stages == SELECTABLE_STAGES
