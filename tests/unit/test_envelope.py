import json
from typing import Any

import pytest

from photorestore.envelope import Envelope, Plane, Problem, Trace, merge
from photorestore.errors import BrokenArtifact, TruncatedImage
from photorestore.options import Options
from tests.conftest import problem_of


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
        planes={"image": Plane((3, 4, 5), "uint8")},
        estimates={"preprocess": {"sigma_255": 2.0}},
        trace={"preprocess": Trace("ran", "decoded", 1.5)},
        problem=Problem.of(TruncatedImage("breaks off"), "preprocess"),
    )
    assert Envelope.from_json(envelope.to_json()) == envelope
    assert Envelope.from_json(json.loads(envelope.to_json())) == envelope


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"version": 99}', b'{"version": 1}', b"\xff\xd8"])
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
