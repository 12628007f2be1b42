"""Sections of RESULTS.md on old prints, and on pictures that must stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.tables import interval, table

SET_TITLES = {"light": "the nine of `old_masks`", "heavy": "six of `old_damaged`"}


def prints(result: dict[str, Any]) -> str:
    """Write the section on damaged prints."""
    scores = result["scores"]
    found = [
        [title, *(interval(scores[f"{name}{suffix}"], 3) for name in ("f1", "precision", "recall"))]
        for title, suffix in (
            ("pixel by pixel", ""),
            ("rim left out", "_rimless"),
            ("tolerance 2 px", "_2px"),
        )
    ]
    filled = [
        [title, *(interval(scores[f"{name}{place}"]) for place in PLACES)]
        for title, name in (("given", "lq_"), ("restored", "ours_"))
    ]
    filled.append(["gain", *(interval(scores[f"{place}_gain"]) for place in PLACES)])
    text = (
        f"## Damaged prints, default options: {result['set']}\n\nBench photographs made into prints and damaged with "
        "fixed seeds; cracks of shapes that training never sees, `bench/prints_set.py` has the ranges. Judged "
        f"worth the whole chain: {percent(result['thorough_share'])} of them.\n\n**Found**: the mask by default; "
        "the rim is the pixels beside damage, which the mask takes in on purpose.\n\n"
    ) + table(["mask", "F1", "precision", "recall"], found)
    text += (
        "\n**Filled**: PSNR in dB against the print before grain and damage; *matched*: after one gain and one shift a "
        "channel, fitted outside the damage, since a corrected tone is no error.\n\n"
    ) + table(["picture", *PLACES.values()], filled)
    return text + (
        "\nWith the true mask given, inside the damage: "
        f"{interval(scores['marked_ours'])} dB, Telea {interval(scores['marked_telea'])}; paired by picture "
        f"{interval(scores['marked_gain'])} dB over Telea.\n"
    )


PLACES = {
    "inside": "inside",
    "outside": "outside",
    "matched_inside": "inside, matched",
    "matched_outside": "outside, matched",
}


def real(result: dict[str, Any]) -> str:
    """Write the section on real damage."""
    text = (
        "## Real damage of real prints\n\nMasks drawn by eye, never trained on; tolerance 2 px, unsure places left "
        "out; F1 by picture, then the mean. *Large*: recall of marked pieces above 8 px, since specks are hardly ever "
        "marked in full (1 where there are none). *Detector alone*: F1 of its probability at the "
        "one threshold that is best for these very pictures.\n"
    )
    for name, found in result["sets"].items():
        rows = [
            [title, *(interval(found[options][score], 3) for score in REAL_SCORES)]
            for title, options in (("default", "default"), ("all stages named", "named"))
        ]
        alone = found["detector_alone"]
        text += f"\n**{SET_TITLES[name]}**; detector alone {alone['f1']:.3f} at {alone['threshold']:.2f}\n\n"
        text += table(["options", "F1", "precision", "recall", "recall, large"], rows) + "\n"
        text += table(["picture", "kind", "mode", "F1", "precision", "recall"], _real_rows(found["pictures"]))
    return text


REAL_SCORES = ("f1", "precision", "recall", "recall_large")


def _real_rows(pictures: list[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            row["picture"],
            row["kind"],
            row["mode"],
            *(f"{row['default'][name]:.3f}" for name in ("f1", "precision", "recall")),
        ]
        for row in pictures
    ]


def old(result: dict[str, Any]) -> str:
    """Write the section on real old photographs."""
    rows = [
        [
            row["picture"],
            row["kind"],
            row["mode"],
            ", ".join(row["judged"]),
            ", ".join(row["ran"]),
            percent(row["coverage"], 2),
            percent(row["changed_share"]),
        ]
        for row in result["pictures"]
    ]
    header = ["picture", "kind", "mode", "judged", "stages that worked", "mask", "changed"]
    return (
        f"## Real old photographs, default options: {result['set']}\n\nThere is no truth; `make bench` writes sheets "
        "and blind pairs into `bench/pictures/`. *Changed*: share of the pixels of which a channel moved by more than "
        f"8/255. At least 1 % changed on {result['plainly_changed']} of them, on average "
        f"{percent(result['changed_share']['mean'])}. Mode: {counts(result['modes'])}; kind: "
        f"{counts(result['kinds'])}; judged: {counts(result['judged'])}; worked: {counts(result['ran'])}.\n\n"
    ) + table(header, rows)


def untouched(result: dict[str, Any]) -> str:
    """Write the section on what must stay as it is."""
    groups = result["groups"]
    rows = [
        [
            f"{group} ({figures['ink_lost']['n']})",
            *(
                f"{percent(figures[name]['mean'], 2)} / {percent(figures[name]['max'], 2)}"
                for name in ("ink_lost", "coverage", "changed_share")
            ),
            counts(figures["modes"]),
        ]
        for group, figures in groups.items()
    ]
    touched = [
        f"{row['picture']} {percent(row['changed_share'])}"
        for row in result["pictures"]
        if row["changed_share"] >= 0.001
    ]
    return (
        f"## What must stay as it is, default options: {result['set']}\n\nDrawings, writing, halftones, and "
        "photographs of cloth, ropes, spokes, rails, twigs, made in code or from packages. Mean / worst: share of the "
        "ink that is gone, of the picture that was taken for damage, and of the pixels of which a channel moved by "
        "more than 8/255; `bench/untouched.py` says what ink is.\n\n"
        + table(["group", "ink lost", "taken for damage", "changed", "mode"], rows)
        + f"\nChanged by .1 % or more: {', '.join(touched) or 'none'}.\n"
    )


def as_files(result: dict[str, Any]) -> str:
    """Write a sentence on photographs that went in as files."""
    return (
        f"As they are stored, nothing asked for: of {result['n']} files {result['untouched']} were changed by no "
        f"stage, {result['same_bytes']} came back byte for byte; on average a file has "
        f"{result['bytes_over_upload']['mean']:.2f} times the bytes of its upload."
    )


def percent(share: float, digits: int = 1) -> str:
    """Write a share as a percentage."""
    return f"{100 * share:.{digits}f} %"


def counts(numbers: Mapping[str, int]) -> str:
    """Write counts as `translate 30, denoise 12`, the most frequent first."""
    chosen = sorted(numbers.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count}" for name, count in chosen) or "none"
