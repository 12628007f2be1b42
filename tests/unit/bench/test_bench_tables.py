"""Figures and the tables that they are written in."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench import statistics
from bench.statistics import paired, pixel_hash, summary, write
from bench.tables import figure_table, gains, interval, scores, table


def test_a_table_has_a_line_for_each_row() -> None:
    assert table(["a", "b"], [["1", "2"], ["3", "4"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n"
    assert figure_table({"peak_mb": 3}) == "| figure | value |\n| --- | --- |\n| peak mb | 3 |\n"


def test_means_are_written_with_their_interval() -> None:
    figures = {"mean": 1.234, "low": 1.0, "high": 1.5}
    assert interval(figures) == "1.23 (1.00 to 1.50)"
    assert interval(figures, 0) == "1 (1 to 2)"
    assert gains({"Telea": figures, "mean": figures}, "we") == (
        "we, paired by picture: 1.23 (1.00 to 1.50) dB over Telea; 1.23 (1.00 to 1.50) dB over mean.\n"
    )


def test_methods_are_rows_and_kinds_columns() -> None:
    column = {
        "psnr_db": {
            "ours": {"mean": 30.0, "low": 29.0, "high": 31.0},
            "theirs": {"mean": 28.0, "low": 27.0, "high": 29.0},
        },
        "ssim": {"ours": {"mean": 0.9}, "theirs": {"mean": 0.8}},
    }
    assert scores([column, column], "psnr_db", "ssim") == [
        ["ours", *["30.00 (29.00 to 31.00) / 0.9000"] * 2],
        ["theirs", *["28.00 (27.00 to 29.00) / 0.8000"] * 2],
    ]


def test_an_interval_holds_the_mean_and_narrows_with_the_number() -> None:
    rng = np.random.default_rng(0)
    few, many = (summary(rng.normal(5, 2, count)) for count in (20, 2000))
    for figures in (few, many):
        assert figures["min"] <= figures["low"] < figures["mean"] < figures["high"] <= figures["max"]
    assert many["high"] - many["low"] == pytest.approx(4 * 1.96 / np.sqrt(2000), rel=0.15)
    assert few["high"] - few["low"] > 5 * (many["high"] - many["low"])
    assert (few["n"], many["n"]) == (20, 2000)
    assert summary([3.0]) == {"mean": 3.0, "low": 3.0, "high": 3.0, "min": 3.0, "max": 3.0, "n": 1}


def test_gains_are_of_each_picture_and_leave_out_what_was_measured_on_others() -> None:
    hard, easy = [20.0, 40.0, 30.0], [19.0, 39.0, 29.0]
    found = paired({"ours": hard, "theirs": easy, "others": [1.0]}, "ours")
    assert found.keys() == {"theirs"}
    assert (found["theirs"]["low"], found["theirs"]["high"]) == (1.0, 1.0), (
        "pictures differ more than methods"
    )


def test_a_hash_is_of_values_in_their_order_and_not_of_how_they_lie_in_memory() -> None:
    one, other = np.arange(12, dtype=np.uint8).reshape(3, 4), np.ones(3, np.uint8)
    assert pixel_hash([one, other]) == pixel_hash([np.asfortranarray(one), other])
    assert pixel_hash([one, other]) != pixel_hash([other, one])


def test_a_result_is_written_so_that_it_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESULTS", tmp_path / "new" / "results")
    write("tone", {"figures": {"gain_db": 1.5}})
    assert json.loads((tmp_path / "new/results/tone.json").read_text()) == {"figures": {"gain_db": 1.5}}
