"""What TorchServe hands over: uploads, envelopes, and which of them it is."""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photorestore.envelope import Envelope, Trace
from photorestore.errors import BrokenArtifact, NotAnImage, UnsupportedOption
from photorestore.options import STAGES, Options
from photorestore.serving.requests import (
    REQUEST_ID_PATTERN,
    Item,
    is_alone,
    is_upload,
    normalise_headers,
    read_envelope,
    read_upload,
    request_id,
)

PICTURE = b"\x89PNG..."


def envelope(**changed: Any) -> Envelope:
    return Envelope("0000000001-" + "a" * 32, "label", 1.0, Options(), **changed)


def decoded(of: Envelope) -> dict[str, object]:
    """As TorchServe hands JSON over."""
    document: dict[str, object] = json.loads(of.to_json())
    return document


@given(label=st.text(max_size=140))
def test_a_label_is_taken_only_if_no_log_can_be_forged_by_it(label: str) -> None:
    taken = request_id({"x-request-id": label})
    is_harmless = 0 < len(label) <= 128 and set(label) <= {*string.ascii_letters, *string.digits, *"._-"}
    assert (taken == label) == is_harmless
    assert REQUEST_ID_PATTERN.fullmatch(taken)


def test_a_label_with_a_line_break_at_its_end_is_replaced() -> None:
    assert request_id({"x-request-id": "album-7\n"}) != "album-7\n"
    assert request_id({}) != request_id({})


def test_headers_are_known_by_their_small_letters_and_parts_descriptions_are_left_out() -> None:
    headers = {"X-Request-Id": "a", "ACCEPT": "image/png", "image": {"content-type": "image/png"}}
    assert normalise_headers(headers) == {"x-request-id": "a", "accept": "image/png"}


@pytest.mark.parametrize(
    ("stage", "item", "headers", "upload", "alone"),
    [
        ("preprocess", {"body": PICTURE}, {}, True, False),
        ("preprocess", {"body": PICTURE}, {"x-restore-door": "stage"}, True, True),
        ("preprocess", {"body": decoded(envelope())}, {"x-restore-door": "envelope"}, False, False),
        ("preprocess", {"body": b"{}"}, {}, True, False),
        ("face", {"body": PICTURE}, {}, True, True),
        ("face", {"body": b'{"version": 2}'}, {}, False, False),
        ("face", {"body": '{"version": 2}'}, {}, False, False),
        ("face", {"body": bytearray(b"{}")}, {}, False, False),
        ("face", {"body": decoded(envelope())}, {}, False, False),
        ("translate", {"restore__denoise": b"{}", "restore__scratch": b"{}"}, {}, False, False),
        ("face", {"image": PICTURE, "mask": PICTURE}, {}, True, True),
        ("face", {"body": b""}, {}, True, True),
    ],
)
def test_what_a_request_brings_is_told_by_its_stage_its_door_and_its_first_byte(
    stage: str, item: Item, headers: dict[str, str], upload: bool, alone: bool
) -> None:
    assert is_upload(item, headers, stage) == upload
    assert is_alone(item, headers, stage) == alone


def test_an_upload_has_its_options_in_a_part_or_else_in_a_header() -> None:
    header = {"x-restore-options": '{"scale": 2}'}
    assert read_upload({"body": PICTURE}, header).options == Options(scale=2)
    assert read_upload({"image": PICTURE, "options": b'{"scale": 4}'}, header).options == Options(scale=4)
    assert read_upload({"image": PICTURE, "options": '{"scale": "4"}'}, header).options == Options(scale=4)
    assert read_upload({"image": PICTURE, "options": b" "}, header).options == Options()
    assert read_upload({"body": PICTURE}, {}).options == Options()


def test_an_upload_has_a_mask_only_if_there_is_one() -> None:
    assert read_upload({"body": PICTURE}, {}).mask is None
    upload = read_upload({"image": bytearray(PICTURE), "mask": memoryview(b"mask")}, {})  # type: ignore[dict-item]
    assert (upload.image, upload.mask) == (PICTURE, b"mask")
    assert read_upload({"image": "text of a part", "mask": b""}, {}).image == b"text of a part"


@pytest.mark.parametrize(
    ("item", "error", "told"),
    [
        ({"body": b""}, NotAnImage, "no picture was sent"),
        ({"mask": PICTURE}, NotAnImage, "no picture was sent"),
        ({}, NotAnImage, "no picture was sent"),
        (
            {"image": PICTURE, "photo": PICTURE, "a": b""},
            UnsupportedOption,
            "unknown part a, photo; there are image",
        ),
        ({"image": PICTURE, "options": {"scale": 2}}, UnsupportedOption, "must be sent as text"),
        ({"image": PICTURE, "options": b"\xff"}, UnsupportedOption, "options are not JSON"),
        ({"image": PICTURE, "options": b"[]"}, UnsupportedOption, "must be a JSON object"),
    ],
)
def test_an_upload_that_cannot_be_understood_is_refused(
    item: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        read_upload(item, {})


def test_envelopes_of_several_parents_are_united_in_the_order_of_the_pipeline() -> None:
    denoised = envelope(trace={"denoise": Trace("ran", "a", 1.0)}, current="denoised")
    searched = envelope(trace={"scratch": Trace("ran", "b", 1.0)}, current="image")
    parents: Item = {"restore__denoise": decoded(denoised), "restore__scratch": searched.to_json()}
    for order in (parents, dict(reversed(list(parents.items())))):
        united = read_envelope(order)
        assert list(united.trace) == ["denoise", "scratch"]
        assert united.current == "denoised"


def test_one_parents_envelope_is_read_as_it_is() -> None:
    for body in (decoded(envelope()), envelope().to_json(), envelope().to_json().decode()):
        assert read_envelope({"body": body}) == envelope()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", {"version": 1}, {}])
def test_what_is_no_envelope_is_broken(stage: str, body: bytes | dict[str, object]) -> None:
    for name in ("body", f"restore__{stage}"):
        with pytest.raises(BrokenArtifact, match="not an envelope of version"):
            read_envelope({name: body})
