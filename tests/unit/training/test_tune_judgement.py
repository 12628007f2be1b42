"""Tables by which the constants of the judgement are chosen, and the pictures that they are counted on."""

import pytest
import torch

from photorestore.stages.preprocess import judgement
from photorestore.stages.preprocess.judgement import Judgement
from photorestore.stages.preprocess.network import FLAGS, KINDS
from training.judged import MAKERS, wear
from training.judged.pictures import UNKNOWN, Judged
from training.tune_judgement import CONSTANTS, SURE, print_flags, print_modes


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


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 0.0), (0.0003, 0.0), (0.001, UNKNOWN), (0.01, 1.0), (1.0, 1.0)]
)
def test_hardly_any_damage_is_none_and_a_little_is_nobodys_guess(share: float, expected: float) -> None:
    alpha = torch.zeros(1, 100, 100)
    alpha.view(-1)[: round(share * 10_000)] = 0.5
    assert wear.is_damaged(alpha) == expected
    assert wear.is_damaged(alpha / 4) == 0  # too faint to see


def test_fading_is_known_where_it_is_strong_and_no_fading_where_it_is_weak() -> None:
    image = torch.linspace(0, 1, 64).expand(3, 64, 64)
    seen: dict[float, list[float]] = {0.0: [], 1.0: [], UNKNOWN: []}
    for seed in range(60):
        faded, told = wear.add_fading(image, torch.Generator().manual_seed(seed))
        seen[told].append(float(faded.amax() - faded.amin()))
    assert min(seen[0.0]) > max(seen[1.0])
    assert len(seen[1.0]) > len(seen[0.0]) > 0
    assert seen[UNKNOWN]


@pytest.mark.parametrize(("contrast", "expected"), [(0.4, 1.0), (0.7, UNKNOWN), (0.95, 0.0)])
def test_a_real_print_is_faded_by_its_contrast(contrast: float, expected: float) -> None:
    image = 0.5 + contrast * (torch.linspace(0, 1, 256).view(1, 16, 16).expand(3, 16, 16) - 0.5)
    image = image.repeat(1, 8, 8)
    assert wear.is_faded(Judged(image, 1)) == expected
    assert wear.is_faded(Judged(image, 1, faded=1.0)) == 1  # on purpose


@pytest.mark.parametrize("kind", range(len(MAKERS)))
def test_a_stored_picture_has_8_bits_and_keeps_its_kind(kind: int) -> None:
    picture = Judged(torch.rand((3, 60, 80), generator=torch.Generator().manual_seed(0)) * 1.2 - 0.1, kind)
    sizes = set()
    for seed in range(30):
        stored = wear.stored(picture, torch.Generator().manual_seed(seed))
        levels = stored.image * 255
        assert 0 <= float(levels.min()) <= float(levels.max()) <= 255
        torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
        assert stored.kind == kind
        assert stored.noisy in (0.0, 1.0, UNKNOWN)
        sizes.add(tuple(stored.image.shape))
    assert (3, 60, 80) in sizes
    assert len(sizes) > 1  # some have a border
