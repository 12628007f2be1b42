import json
from dataclasses import dataclass

import pytest

from photorestore.records import document_of, read_record


@dataclass(frozen=True, slots=True)
class Part:
    side: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    name: str
    box: tuple[int, int]
    parts: tuple[Part, ...]
    by_name: dict[str, Part]
    known: float | None
    passed_on: object
    is_done: bool
    note: str | None = None


WHOLE = Whole(
    name="a",
    box=(1, 2),
    parts=(Part(0.5), Part(1.0)),
    by_name={"b": Part(2.0)},
    known=None,
    passed_on={"any": [1, None]},
    is_done=False,
)


def as_json(record: Whole) -> dict[str, object]:
    document: dict[str, object] = json.loads(json.dumps(document_of(record)))
    return document


def test_a_record_survives_a_round_trip() -> None:
    assert read_record(Whole, as_json(WHOLE)) == WHOLE


def test_what_is_none_by_default_is_left_out_and_what_is_none_otherwise_is_null() -> None:
    assert list(document_of(WHOLE)) == ["name", "box", "parts", "by_name", "known", "passed_on", "is_done"]
    assert as_json(WHOLE)["known"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": 1},
        {"box": [1]},
        {"box": [1, 2, 3]},
        {"box": [1, "2"]},
        {"box": [1, 2.5]},
        {"box": [True, 2]},
        {"box": "12"},
        {"parts": {}},
        {"parts": [{"side": "long"}]},
        {"parts": [{"side": 1, "more": 2}]},
        {"parts": [1]},
        {"by_name": []},
        {"known": "no"},
        {"is_done": 0},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_document_of_other_members_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"lacks|is "):
        read_record(Whole, as_json(WHOLE) | change)


@pytest.mark.parametrize("document", [None, [], "a", {}, {"name": "a"}])
def test_what_is_not_such_a_document_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="Whole"):
        read_record(Whole, document)
