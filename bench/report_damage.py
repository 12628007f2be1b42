"""Sections of RESULTS.md on damage."""

from __future__ import annotations

from typing import Any

from bench.tables import gains, interval, table


def damage(result: dict[str, Any]) -> str:
    """Write the section on scratches."""
    found = result["detection"]
    filled = result["filling_psnr_db"]
    text = (
        f"## Damage set: {result['set']}\n\n**Detection**, no pixel tolerance, at threshold "
        f"{found['threshold']:.2f}: F1 {found['f1']:.3f}, precision {found['precision']:.3f}, recall "
        f"{found['recall']:.3f}; area under the precision-recall curve {found['area_under_pr']:.3f}; "
        f"{100 * found['damaged_share']:.2f} % of the pixels are damaged. The cleaned mask that is filled: F1 "
        f"{found['cleaned_mask']['f1']:.3f}.\n\n![precision-recall curve](docs/models/"
        "scratch_pr.png)\n\n**Filling**: PSNR in dB inside the true damage, the same predicted mask for all, on the "
        "denoised picture; in the part of it that was found and so filled; and outside of both.\n\n"
    )
    rows = [[method, *map(interval, places.values())] for method, places in filled.items()]
    text += table(["method", "inside", "inside and filled", "outside"], rows)
    gains = [
        [f"ours over {method}", interval(gain["inside"]), interval(gain["filled"])]
        for method, gain in result["gain_over_db"].items()
    ]
    return text + "\nPaired by picture:\n\n" + table(["gain", "inside", "inside and filled"], gains)


def holes(result: dict[str, Any]) -> str:
    """Write the section on holes that callers mark."""
    classes = result["psnr_inside_db"]
    methods = next(iter(classes.values()))
    rows = [[method, *(interval(found[method]) for found in classes.values())] for method in methods]
    text = (
        f"## Filling what a caller marks: {result['set']}, PSNR inside the holes in dB\n\nHoles of fixed seeds; "
        "`bench/holes.py` has their sizes. Outside of them every pixel came back as it was.\n\n"
    ) + table(["method", *classes], rows)
    for kind, gained in result.get("gain_over_db", {}).items():
        text += "\n" + gains(gained, f"Ours, {kind}")
    return text


MIXED_TITLES = {
    "psnr_db": "PSNR in dB",
    "ssim": "SSIM",
    "psnr_inside_db": "PSNR inside scratches",
    "psnr_outside_db": "PSNR outside",
    "brisque": "BRISQUE",
}


def mixed(result: dict[str, Any]) -> str:
    """Write the section on everything at once."""
    scores = result["scores"]
    rows = [
        [method, *(interval(figures[method], 3 if name == "ssim" else 2) for name, figures in scores.items())]
        for method in next(iter(scores.values()))
    ]
    rows += [
        [f"{name} (published, DIV2K)", f"{psnr_db:.2f}", f"{ssim:.2f}", *[""] * (len(scores) - 2)]
        for name, (psnr_db, ssim) in result["published"].items()
    ]
    gained = [
        [
            f"full pipeline over {method}",
            *(interval(of[method], 3 if name == "ssim" else 2) for name, of in result["gain_over"].items()),
        ]
        for method in next(iter(result["gain_over"].values()))
    ]
    header = [MIXED_TITLES[name] for name in scores]
    text = (
        f"## Everything at once: {result['set']}\n\nBlur, noise, lost resolution, JPEG and colour jitter in random "
        "order, then scratches; fixed seeds, ranges in `bench/mixed_set.py`. Close to the synthetic test of *Bringing "
        "Old Photos Back to Life*, whose published rows are on other pictures (DIV2K) with other draws, and quoted "
        "second-hand: they show the kind of figure, no more. Nothing here removes blur, and only *decoded*, the "
        "picture that the second VAE decodes, is what that paper delivers. *NLM + Telea* fills what we detected. "
        "The full pipeline: "
        f"{', '.join(result['stages'])}. BRISQUE, where it is measured, compares with nothing; "
        "less is better, so that a positive difference is a loss.\n\n"
    )
    text += table(["method", *header], rows)
    return text + "\nPaired by picture:\n\n" + table(["gain", *header], gained)
