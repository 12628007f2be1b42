import re

import pytest

from photorestore import hint_words
from photorestore.hint_words import Hint, parse, written


def test_hints_are_read_with_and_without_spaces_and_hashes() -> None:
    assert parse(" 3, 4 ,#FF0080 ; 10,0,001122;") == (Hint(3, 4, (255, 0, 128)), Hint(10, 0, (0, 17, 34)))


@pytest.mark.parametrize(
    "text", ["", ";", "3,4", "3,4,#ff00", "-3,4,#ff0080", "3,4,#ff0080,5", "3.5,4,#ff0080"]
)
def test_other_words_are_none(text: str) -> None:
    assert parse(text) is None


def test_too_many_hints_are_none() -> None:
    assert parse(";".join(["1,1,#ffffff"] * hint_words.MOST)) is not None
    assert parse(";".join(["1,1,#ffffff"] * (hint_words.MOST + 1))) is None


def test_what_is_written_is_read_again_and_fits_the_pattern() -> None:
    hints = (Hint(3, 4, (255, 0, 128)), Hint(10, 0, (0, 17, 34)))
    assert parse(written(hints)) == hints
    assert re.match(hint_words.PATTERN, written(hints))
