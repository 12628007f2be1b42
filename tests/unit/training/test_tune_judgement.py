"""Tables by which the constants of the judgement are chosen, and the pictures that they are counted on."""

import pytest
import torch

from photorestore.stages.preprocess import judgement
from photorestore.stages.preprocess.judgement import Judgement
from photorestore.stages.preprocess.network import FLAGS, KINDS
from tests.conftest import make_photo
from training.degradations.sources import DamageSources, PrintSources
from training.judged.pictures import Sources
from training.tune_judgement import CONSTANTS, MOST_PX, SURE, print_flags, print_modes, worn


def judged(*, drawing: float = 0.0, print_: float = 0.0, damaged: float = 0.0) -> Judgement:
    kinds = dict.fromkeys(KINDS, 0.0)
    kinds |= {"line_art": drawing, "print": print_, "photograph": 1 - drawing - print_}
    return Judgement(kinds, dict.fromkeys(FLAGS, 0.1) | {"damaged": damaged})


def tables(printed: str) -> dict[str, list[list[int]]]:
    """Counts (thorough, untouched) by constant, one pair for each of `SURE`."""
    found = {}
    for table in printed.strip().split("\n\n"):
        head, _, row = table.splitlines()
        cells = row.split("made", 1)[1].split("of")[0].replace(" ", "")
        numbers = [int(digit) for digit in cells.replace(",", "")]
        found[head.split()[0]] = [numbers[at : at + 2] for at in range(0, len(numbers), 2)]
    return found


@pytest.mark.parametrize(
    ("picture", "constant", "by_sureness"),
    [
        (judged(drawing=0.85), "SURE_NO_PHOTO", [(0, 1)] * 3 + [(0, 0)] * 3),
        (judged(print_=0.45, damaged=0.75), "SURE_DAMAGE", [(1, 0)] * 2 + [(0, 0)] * 4),
        (judged(print_=0.92), "SURE_PRINT", [(1, 0)] * 4 + [(0, 0)] * 2),
    ],
)
def test_counts_change_where_the_constant_passes_the_picture(
    picture: Judgement,
    constant: str,
    by_sureness: list[tuple[int, int]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert len(SURE) == len(by_sureness)
    print_modes({"made": [picture, judged()]})
    found = tables(capsys.readouterr().out)
    assert list(found) == list(CONSTANTS)
    assert found[constant] == [list(pair) for pair in by_sureness]


def test_constants_are_as_before_when_their_tables_are_printed() -> None:
    before = {name: getattr(judgement, name) for name in CONSTANTS}
    print_modes({"made": [judged()]})
    assert {name: getattr(judgement, name) for name in CONSTANTS} == before


def test_flags_are_counted_by_set(capsys: pytest.CaptureFixture[str]) -> None:
    print_flags({"first": [judged(damaged=0.9), judged(print_=0.8, damaged=0.2)], "second": [judged()]})
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert rows[0] == ["print", *FLAGS]
    assert rows[1] == ["first", "1", "1", *["0"] * (len(FLAGS) - 1), "of", "2"]
    assert rows[2] == ["second", "0", *["0"] * len(FLAGS), "of", "1"]


@pytest.mark.parametrize("wide", [200, 1000])
def test_a_worn_print_is_at_most_as_large_as_prints_are_scanned(wide: int) -> None:
    crack = torch.zeros((320, 480), dtype=torch.uint8)
    crack[100:110] = crack[:, 200:206] = 255
    sources = Sources([], [], DamageSources({}, (), ()), PrintSources((crack,)))
    photo = torch.from_numpy(make_photo(wide // 2, wide)).permute(2, 0, 1).float() / 255
    made = [worn(photo, sources, torch.Generator().manual_seed(1)) for _ in range(2)]
    assert made[0].shape == (3, min(wide, MOST_PX) // 2, min(wide, MOST_PX))
    assert torch.equal(*made)
    assert torch.equal(made[0], (made[0] * 255).round() / 255)
