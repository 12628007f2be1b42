import json
from dataclasses import replace
from typing import Any

import pytest

from bench.sound import MEASURED, SOUND
from photorestore.envelope import Envelope, Plane, Problem, Promise, Trace, merge
from photorestore.errors import BrokenArtifact, TruncatedImage
from photorestore.options import Options
from photorestore.source import Source
from photorestore.stages.preprocess.findings import Decided
from photorestore.stages.scratch.findings import ScratchFindings
from tests.conftest import problem_of

FOUND = replace(SOUND, before_normalise=MEASURED, kind="print", probabilities={"noisy": 0.25})


def make_envelope(**changes: Any) -> Envelope:
    values = {
        "workspace_id": "1-a",
        "request_id": "r",
        "deadline": 5.0,
        "options": Options(),
        "current": "image",
    }
    return Envelope(**{**values, **changes})


def test_an_envelope_survives_a_round_trip() -> None:
    envelope = make_envelope(
        options=Options(stages=("denoise",)),
        promise=Promise("png", "image/webp"),
        planes={"image": Plane((3, 4, 5), "uint8")},
        source=Source.of_array(5, 4, 8),
        estimates={"preprocess": FOUND, "scratch": ScratchFindings(0.25)},
        trace={"preprocess": Trace("ran", "decoded", 1.5)},
        problem=Problem.of(TruncatedImage("breaks off"), "preprocess"),
    )
    assert Envelope.from_json(envelope.to_json()) == envelope
    assert Envelope.from_json(json.loads(envelope.to_json())) == envelope


def test_what_is_not_known_is_left_out_of_the_findings_and_null_in_a_trace() -> None:
    envelope = make_envelope(estimates={"preprocess": SOUND}, trace={"preprocess": Trace("ran", "", 1)})
    document = json.loads(envelope.to_json())
    assert document["source"] == {}
    assert {"jpeg_quality": None, "mode": "gentle"}.items() <= document["estimates"]["preprocess"].items()
    assert "kind" not in document["estimates"]["preprocess"]
    assert document["trace"]["preprocess"]["tier"] is None


def test_findings_of_a_picture_that_was_not_measured_survive_a_round_trip() -> None:
    decided = Decided(one_colour=False, mode="gentle", kind="print", damaged=True)
    envelope = make_envelope(estimates={"preprocess": decided})
    assert Envelope.from_json(envelope.to_json()) == envelope


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("estimates", {"scratch": {"coverage": "all of it"}}),
        ("estimates", {"scratch": {"coverage": 0.5, "more": 1}}),
        ("estimates", {"scratch": {}}),
        ("estimates", {"denoise": {}}),  # hands nothing on
        ("estimates", {"nobody": {}}),
        ("estimates", []),
        ("source", {"format": "png"}),
        ("source", "png"),
        ("planes", {"image": {"shape": [3, 4], "dtype": "uint8"}}),
        ("trace", {"preprocess": {"outcome": "ran"}}),
        ("problem", {"type": "internal"}),
    ],
)
def test_an_envelope_with_other_members_is_refused(member: str, value: object) -> None:
    document = json.loads(make_envelope().to_json()) | {member: value}
    with pytest.raises(BrokenArtifact, match="not an envelope"):
        Envelope.from_json(document)


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"version": 99}', b'{"version": 2}', b"\xff\xd8"])
def test_anything_else_is_no_envelope(document: bytes) -> None:
    with pytest.raises(BrokenArtifact, match="not an envelope"):
        Envelope.from_json(document)


def test_merging_branches_is_a_union() -> None:
    denoised = make_envelope(
        planes={"image": Plane((3, 1, 1), "uint8"), "denoised": Plane((3, 1, 1), "uint16")},
        current="denoised",
        trace={"preprocess": Trace("ran", "", 1), "denoise": Trace("ran", "", 2)},
    )
    scratched = make_envelope(
        planes={"image": Plane((3, 1, 1), "uint8"), "scratch_prob": Plane((1, 1, 1), "uint16")},
        trace={"preprocess": Trace("ran", "", 1), "scratch": Trace("ran", "", 3)},
    )
    for parents in ([denoised, scratched], [scratched, denoised]):
        merged = merge(parents)
        assert merged.current == "denoised"
        assert set(merged.planes) == {"image", "denoised", "scratch_prob"}
        assert set(merged.trace) == {"preprocess", "denoise", "scratch"}


def test_the_first_problem_in_pipeline_order_wins() -> None:
    late = make_envelope(problem=Problem("b", 500, "", "scratch"))
    early = make_envelope(problem=Problem("a", 500, "", "denoise"))
    assert problem_of(merge([late, early])).type == "a"
    assert problem_of(merge([make_envelope(), late])).type == "b"
