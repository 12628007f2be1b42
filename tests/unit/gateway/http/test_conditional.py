"""Names of results, and requests that depend on them."""

import pytest
from starlette.requests import Request

from gateway.http.conditional import etag_of, if_none_match

KEY = "0123456789abcdef" * 4


def request(*sent: str) -> Request:
    return Request({"type": "http", "headers": [(b"if-none-match", text.encode()) for text in sent]})


def test_names_are_strong_where_the_answer_is_the_same_byte_for_byte() -> None:
    strong, weak = (
        {etag_of(KEY, kind) for kind in ("image", "mask", "confidence")},
        {etag_of(KEY, kind) for kind in ("report", "bundle")},
    )
    assert all(name.startswith('"') for name in strong)
    assert all(name.startswith('W/"') for name in weak)
    assert len(strong | weak) == 5, "each part of a result has its own"
    assert etag_of(KEY, "image") != etag_of("f" * 64, "image")


@pytest.mark.parametrize("kind", ["image", "mask", "report", "bundle"])
def test_a_name_that_was_given_is_recognised(kind: str) -> None:
    name = etag_of(KEY, kind)
    for sent in ([name], [f'"other", {name}'], ['"other"', name], [f"W/{name.removeprefix('W/')}"]):
        assert name.removeprefix("W/") in if_none_match(request(*sent))


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([], {""}),
        (["*"], {"*"}),
        (['"a" ,W/"b"'], {'"a"', '"b"'}),
        (['"a"', '"a"'], {'"a"'}),
    ],
)
def test_names_are_read_without_their_weakness(sent: list[str], expected: set[str]) -> None:
    assert if_none_match(request(*sent)) == expected
