import pytest

from bench.pairs import Compared, Run, Side, compare, open_side, too_slow
from bench.statistics import Ratio, ratio_of


class Paced(Side):
    """A side whose runs take what is told, in order."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = iter(seconds)
        self.times: list[int] = []
        self.order: list[str] = []

    def run(self, case: str, times: int = 1) -> Run:
        self.times.append(times)
        taken = next(self.seconds)
        return Run(taken, taken)


def test_the_median_ratio_is_of_pairs_and_lies_in_its_interval() -> None:
    ratio = ratio_of([1.0, 2.0, 10.0, 4.0, 1.0], [0.5, 1.1, 5.0, 2.0, 0.9])
    assert ratio.median == 0.5
    assert ratio.low <= ratio.median <= ratio.high
    assert ratio.pairs == 5


def test_a_load_that_slows_both_of_a_pair_does_not_count() -> None:
    load = [1.0, 3.0, 1.5, 9.0]
    ratio = ratio_of(load, [0.8 * value for value in load])
    assert ratio.low == pytest.approx(ratio.high) == pytest.approx(0.8)


def test_one_pair_that_was_disturbed_hardly_moves_the_median() -> None:
    assert ratio_of([1.0] * 9, [0.5] * 8 + [5.0]).median == 0.5


@pytest.mark.parametrize(("old", "new"), [([], []), ([1.0], [1.0, 2.0])])
def test_what_makes_no_pairs_is_refused(old: list[float], new: list[float]) -> None:
    with pytest.raises(ValueError, match="make no pairs"):
        ratio_of(old, new)


def test_the_first_run_warms_up_and_sets_the_repetitions() -> None:
    old, new = Paced(0.1, 1.0, 1.0, 1.0), Paced(0.05, 0.5, 0.5, 0.5)
    compared = compare(old, new, "some case", 3)
    assert (compared.cpu.median, compared.wall.pairs) == (0.5, 3)
    assert (compared.old_ms, compared.new_ms) == (1000, 500)
    assert old.times == new.times == [1, 3, 3, 3]


def test_the_order_changes_from_pair_to_pair() -> None:
    order: list[str] = []

    class Noted(Paced):
        def run(self, case: str, times: int = 1) -> Run:
            order.append(case if self is old else "new")
            return super().run(case, times)

    old, new = Noted(*[1.0] * 4), Noted(*[1.0] * 4)
    compare(old, new, "old", 3)
    assert order[2:] == ["old", "new", "new", "old", "old", "new"]


def test_a_gate_is_a_ratio() -> None:
    same, slower = Ratio(1.0, 0.9, 1.1, 9), Ratio(1.3, 1.2, 1.4, 9)
    found = [
        Compared("a", slower, same, 1, 1),
        Compared("b", same, slower, 1, 1),
        Compared("c", slower, slower, 1, 1),
    ]
    assert too_slow(found, {"a": 1.1, "b": 1.1}) == ["b: 1.300 of before; allowed are 1.1"]


def test_a_side_runs_its_cases_in_a_process_of_its_own() -> None:
    with open_side(".:precision=float32", 1) as side:
        assert {"passing .25 MP", "judged 1 MP", "three stages 1.5 MP", "denoise", "upscale_real"} <= set(
            side.cases
        )
        run = side.run("Pillow .25 MP", 2)
        with pytest.raises(RuntimeError, match="has ended"):
            side.run("no such case")
    assert 0 < run.cpu < 1
