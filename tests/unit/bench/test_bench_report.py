"""What RESULTS.md, the cards and the tables of pairs say of figures that are known."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import cost, report, report_damage, report_endurance, report_prints, report_training
from bench.pairs import Compared, as_table
from bench.statistics import Ratio
from photorestore.networks.weights import NETWORKS

STORY: dict[str, Any] = {
    "metrics": {"psnr_25_db": 31.23456, "area": 0.75},
    "steps": 1200,
    "seconds": 3600,
    "device": "cpu",
    "commit": "abc1234",
    "seed": 7,
    "config": {},
    "data": "photographs",
}


def told(monkeypatch: pytest.MonkeyPatch, **more: object) -> str:
    """A card's figures, in one line."""
    monkeypatch.setattr(report, "read_metadata", lambda _: STORY | more)
    return " ".join(report._card_figures("denoise").split())


def test_a_card_tells_how_long_was_trained_and_what_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    card = told(monkeypatch)
    assert "1200 steps in 60 minutes on cpu at commit abc1234, seed 7." in card
    assert "* psnr_25_db: 31.23 * area: 0.75" in card
    assert "began" not in card
    assert "Averaged" not in card


def test_a_card_tells_all_trainings_that_led_to_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    first = {"steps": 10, "seconds": 60, "device": "cuda", "commit": "first"}
    second = {"steps": 20, "seconds": 120, "device": "cpu", "commit": "second", "begun_with": first}
    card = told(monkeypatch, begun_with=second, averaged_with="second")
    assert card.index("weights of 20 steps in 2 minutes on cpu at commit second") < card.index(
        "weights of 10 steps in 1 minutes on cuda at commit first"
    )
    assert "Averaged, by halves, with the weights of commit second" in card


@pytest.mark.parametrize("metrics", [{}, {"found_percent": 97.5}])
def test_a_card_names_the_source_of_imported_weights(
    metrics: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = {
        "kind": "imported", "source": "some-package", "version": "2.6", "file": "some.whl",
        "sha256": 64 * "0", "licence": "MIT",
    }  # fmt: skip
    card = told(monkeypatch, origin=origin, metrics=metrics)
    assert f"some-package 2.6 (MIT), `some.whl`, SHA-256 {64 * '0'}" in card
    assert ("On training pictures:" in card) == bool(metrics)
    assert "steps" not in card


def test_a_cards_figures_are_replaced_and_its_words_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_card_figures", lambda name: f"figures of {name}\n")
    card = tmp_path / "docs/models/denoise.md"
    card.parent.mkdir(parents=True)
    card.write_text("# Denoise\n\n<!-- metrics -->\nold\n<!-- /metrics -->\n\n## Limits\n")
    monkeypatch.setattr(report, "weights_file", lambda *_: card)
    monkeypatch.chdir(tmp_path)
    report._fill_card("denoise")
    report._fill_card("no_card")
    expected = "# Denoise\n\n<!-- metrics -->\nfigures of denoise\n<!-- /metrics -->\n\n## Limits\n"
    assert card.read_text() == expected
    report._fill_card("denoise")
    assert card.read_text() == expected


def test_results_hold_a_section_for_each_suite_that_was_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled: list[str] = []
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(report, "_fill_card", filled.append)
    monkeypatch.setattr(
        report, "SECTIONS", {name: lambda result: f"## {result['title']}\n" for name in "abc"}
    )
    monkeypatch.chdir(tmp_path)
    for name in "ca":
        (tmp_path / f"{name}.json").write_text(json.dumps({"title": f"Suite {name}"}))
    report.write_all()
    written = (tmp_path / "RESULTS.md").read_text()
    assert written.startswith(report.HEADER)
    assert written.endswith("## Suite a\n\n## Suite c\n")
    assert filled == list(NETWORKS)


def test_pairs_are_told_by_case_with_their_intervals() -> None:
    ratio = Ratio(0.98765, 0.9512, 1.0248, 9)
    text = as_table(
        [Compared("passing 1 MP", ratio, Ratio(1, 1, 1, 9), 12.34, 11.16)]
    )  # wall, then processor
    assert text.splitlines()[-1] == (
        "| passing 1 MP | 1.000 (1.000 to 1.000) | 0.988 (0.951 to 1.025) | 12.3 | 11.2 |"
    )


def test_what_networks_cost_is_told_by_megapixel_or_by_input() -> None:
    layer = torch.nn.Conv2d(3, 8, 3, padding=1)
    image = torch.rand(1, 3, 100, 100)
    macs, parameters = 100 * 100 * 3 * 8 * 9, 3 * 8 * 9 + 8
    assert cost.gmacs(layer, image) == pytest.approx(macs / 1e9)
    rows = cost._count("some", layer, {"": (image,), "x2": (image,)})
    assert list(rows) == ["some", "some, x2"]
    assert rows["some"] == {"parameters": parameters, "gmacs": round(macs / 1e7, 2), "per": "megapixel"}
    whole = cost._count("some", layer, {"picture": (image,)})
    assert whole["some"] == {"parameters": parameters, "gmacs": round(macs / 1e9, 2), "per": "picture"}


def figures(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 1, "high": mean + 1, "min": mean, "max": mean, "n": 3}


def test_gains_over_the_classical_methods_stand_under_the_fillings() -> None:
    places = {"inside": figures(20), "filled": figures(22), "outside": figures(40)}
    text = report_damage.damage(
        {
            "set": "3 pictures",
            "detection": {
                "threshold": 0.5, "f1": 0.7, "precision": 0.8, "recall": 0.6, "area_under_pr": 0.75,
                "damaged_share": 0.021, "cleaned_mask": {"f1": 0.65},
            },
            "filling_psnr_db": {"ours": places, "Telea": places},
            "gain_over_db": {"Telea": {"inside": figures(1.5), "filled": figures(2.5)}},
        }
    )  # fmt: skip
    assert "F1 0.700, precision 0.800, recall 0.600" in text
    assert "2.10 % of the pixels are damaged" in text
    assert "| ours over Telea | 1.50 (0.50 to 2.50) | 2.50 (1.50 to 3.50) |" in text


def test_faults_say_whether_the_service_became_whole() -> None:
    fault = {"restored": 12, "client_errors": 0, "jobs": {"done": 5, "lost": 1}, "whole": False}
    text = report_endurance.faults({"figures": {"all_workers": fault}})
    assert "| all workers | 12 | 0 | 5 done, 1 lost | no |" in text


@pytest.mark.parametrize(
    ("numbers", "words"), [({}, "none"), ({"a": 1, "b": 3}, "b 3, a 1"), ({"a": 2, "b": 2}, "a 2, b 2")]
)
def test_counts_begin_with_the_most_frequent(numbers: dict[str, int], words: str) -> None:
    assert report_prints.counts(numbers) == words


def test_changed_drawings_are_named_and_an_unchanged_set_says_so() -> None:
    def section(changed: float) -> str:
        row = {"picture": "map", "changed_share": changed}
        group = {name: figures(0.0) for name in ("ink_lost", "coverage", "changed_share")}
        return report_prints.untouched(
            {
                "set": "1 picture",
                "groups": {"drawings": group | {"modes": {"untouched": 1}}},
                "pictures": [row],
            }
        )

    assert "Changed by .1 % or more: map 2.0 %." in section(0.02)
    assert "Changed by .1 % or more: none." in section(0.0009)


def test_experiments_that_were_not_run_have_no_table() -> None:
    result = {"losses": {"steps": 50, "psnr_db": {"L1": {"10 %": 30.0}, "L0": {"10 %": 31.5}}}}
    text = report_training.experiments(result)
    assert report_training.TITLES["losses"] in text
    assert report_training.TITLES["sampler"] not in text
    assert "| L0 | 31.50 |" in text
