"""Sections of RESULTS.md on the methods that callers choose, and on Deep Image Prior."""

from __future__ import annotations

from typing import Any

from bench.tables import interval, table


def methods(result: dict[str, Any]) -> str:
    """Write the section on methods of denoising."""
    return (
        f"## Methods of denoising: {result['set']}, grey, PSNR in dB\n\n"
        f"The middle {result['crop_px']} px a side; noise of a fixed seed; nothing was chosen on these pictures but "
        "the weight of plain total variation, in its favour.\n\n"
        + _impulses(result["impulses"]["noise"])
        + _photons(result["photons"]["noise"])
        + _gaussian(result["gaussian"])
    )


def deep_prior(result: dict[str, Any]) -> str:
    """Write the section on Deep Image Prior."""
    words = {
        "noise": "noise of sigma_255 25",
        "missing": "half of the pixels missing",
        "enlarged": "shrunk by 2 and enlarged",
    }
    rows = [
        [
            words[name],
            f"{interval(figures['psnr_db'][usual])} ({usual})",
            interval(figures["psnr_db"]["dip"]),
            ", ".join(map(str, figures["steps"])),
            f"{figures['seconds_per_megapixel']:,}",
        ]
        for name, figures in result["tasks"].items()
        for usual in figures["psnr_db"]
        if usual != "dip"
    ]
    published = [
        f"{words[name]}: {method} {value:.2f}"
        for name, values in result["published_psnr_db"].items()
        for method, value in values.items()
    ]
    return (
        f"## Deep Image Prior: {result['set']}, the middle {result['crop_px']} px, grey, PSNR in dB\n\n"
        "Fitted to each picture anew, until held-out pixels are matched no better; the mean of two fits where steps "
        "are left for the second. Published, not the same pictures: "
        f"{'; '.join(published)}.\n\n"
        + table(["task", "beside", "dip", "steps", "s of one busy core a megapixel"], rows)
    )


def _impulses(found: dict[str, Any]) -> str:
    rows = []
    for noise, figures in found.items():
        (usual, plain), *ours = figures["psnr_db"].items()
        cells = [f"{interval(scores)}, F1 {figures['f1'][name]:.3f}" for name, scores in ours]
        rows.append([noise, f"{interval(plain)} ({usual})", *cells, interval(figures["gain_over_db"][usual])])
    return (
        "Impulses, with the F1 of the mask. The adaptive median (Hwang and Haddad 1995) looks at windows of 3 to 19 "
        "px.\n\n"
        + table(["impulses", "median", "l0tv", "kriging", "gain of l0tv over the median"], rows)
        + "\n"
    )


def _photons(found: dict[str, Any]) -> str:
    names = ("noisy input", "plain total variation", "poisson-tv", "network")
    rows = [
        [
            noise,
            *(interval(figures["psnr_db"][name]) if name in figures["psnr_db"] else "" for name in names),
            interval(figures["gain_over_db"]["plain total variation"]),
        ]
        for noise, figures in found.items()
    ]
    return (
        "Photon noise, counted at the peak that makes white, neither clipped nor quantised, on each second "
        "picture. All are told peak and "
        "blur, but the network only the mean level of the noise.\n\n"
        + table(["noise", *names, "gain of poisson-tv over plain total variation"], rows)
        + "\n"
    )


def _gaussian(found: dict[str, Any]) -> str:
    levels = found["psnr_db"]
    rows = [["shrinkage fields (csf)", *map(interval, levels.values())]]
    rows += [
        [f"{name} (published)", *(f"{values[level]:.2f}" if level in values else "" for level in levels)]
        for name, values in found["published_psnr_db"].items()
    ]
    published = "; ".join(
        f"{name} {value:.2f} (published)" for name, value in found["house_published_db"].items()
    )
    return (
        f"Gaussian noise, {found['set']}, neither clipped nor quantised, told sigma; {found['parameters']:,} "
        "parameters, "
        f"{found['seconds_per_megapixel']} s of one busy core a megapixel in grey.\n\n"
        + table(["method", *(f"sigma_255 {level}" for level in levels)], rows)
        + f"\nHouse, sigma_255 25: ksvd {found['house_db']:.2f}; {published}; "
        f"{found['house_seconds_per_megapixel']} s of one busy core a megapixel in grey.\n"
    )
