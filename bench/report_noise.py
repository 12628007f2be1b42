"""Sections of RESULTS.md on noise and JPEG artefacts."""

from __future__ import annotations

from typing import Any

from bench.tables import gains, interval, scores, table


def denoise(result: dict[str, Any]) -> str:
    """Write the section on colour denoising."""
    levels = result["psnr_db"]
    methods = next(iter(levels.values()))
    rows = [[method, *(interval(level[method]) for level in levels.values())] for method in methods]
    rows += [
        [f"{name} (published, sigma given)", *(f"{value:.2f}" for value in values)]
        for name, values in result["published_psnr_db"].items()
    ]
    text = (
        f"## Denoising: {result['set']}, RGB PSNR in dB\n\nColour Gaussian noise, neither clipped nor quantised; "
        "no border crop. The rows marked *subset* are measured on the same pictures, every 17th.\n\n"
    ) + table(["method", *(f"sigma_255 {level}" for level in levels)], rows)
    for level, gained in result.get("subset_gain_over_db", {}).items():
        text += "\n" + gains(gained, f"Ours, blind, sigma_255 {level}")
    return text


def grey(result: dict[str, Any]) -> str:
    """Write the section on grey denoising."""
    levels = result["psnr_db"]
    methods = next(iter(levels.values()))
    rows = [[method, *(interval(level[method]) for level in levels.values())] for method in methods]
    rows += [
        [
            f"{name} (published, sigma given)",
            *(f"{values[level]:.2f}" if level in values else "" for level in levels),
        ]
        for name, values in result["published_psnr_db"].items()
    ]
    text = (
        f"## Grey denoising: {result['set']}, PSNR in dB\n\nGaussian noise, neither clipped nor quantised; no border "
        "crop. Our network is made for colour and sees three equal channels; the level is what the service estimates "
        "from the picture in 8 bits. The rows marked *subset* are measured on the same pictures, every 17th.\n\n"
    ) + table(["method", *(f"sigma_255 {level}" for level in levels)], rows)
    for level, gained in result["gain_over_db"].items():
        text += "\n" + gains(gained, f"Ours, level estimated, sigma_255 {level}")
    return text


def real_noise(result: dict[str, Any]) -> str:
    """Write the section on real camera noise."""
    places = result["psnr_db"]
    rows = [
        [method, *(interval(figures[method]) if method in figures else "" for figures in places.values())]
        for method in next(iter(places.values()))
    ]
    text = (
        f"## Real camera noise: {result['set']}, RGB PSNR in dB\n\nOne shot against the mean of 500. BM3D runs on one "
        f"crop of {result['crop_px']} px a picture, at sigma_255 {', '.join(map(str, result['bm3d_sigmas_255']))}; "
        f"best for the whole set is {result['bm3d_best_sigma_255']}, which nobody knows without the clean pictures. "
        "Ours is told the level that the service estimates, or nothing (blind). Other scenes of the set were in its "
        "training; the one that both parts share is left out.\n\n"
    ) + table(["method", *places], rows)
    for place, gained in result["gain_over_db"].items():
        text += "\n" + gains(gained, f"Ours, level estimated, on the {place}")
    return text


def jpeg(result: dict[str, Any]) -> str:
    """Write the section on JPEG artefacts."""
    text = (
        "## JPEG artefacts: PSNR in dB and SSIM of grey values\n\nFull-range luma, stored by libjpeg; no border crop; "
        "ours is told the level that the service estimates from the file, or nothing (blind). The published figures "
        "are of all 29 pictures of LIVE1, so they do not compare with ours directly: `LIVE1_nonkodak10` are the ten "
        "that are not in Kodak's set.\n\n"
    )
    for name, found in result["sets"].items():
        qualities = found["qualities"]
        rows = scores(qualities.values(), "psnr_db", "ssim")
        rows += [["gain", *(interval(of["gain_over_db"]["JPEG"]) for of in qualities.values())]]
        if name.startswith("LIVE1"):
            rows += [
                [f"{method} (published, all 29)", *(f"{value:.2f}" for value in values)]
                for method, values in result["published_psnr_db"].items()
            ]
        header = [f"{name}, {found['pictures']} pictures", *(f"quality {quality}" for quality in qualities)]
        text += table(header, rows) + "\n"
    return text.rstrip("\n") + "\n"


def surfaces(result: dict[str, Any]) -> str:
    """Write the section on grain and surfaces."""
    found = result["surfaces"]
    methods = next(iter(found.values()))["psnr_db"]
    rows = [
        [
            kind,
            *(f"{figures['psnr_db'][method]['mean']:.2f}" for method in methods),
            interval(figures["gain_db"]),
            f"{figures['level_255']['true']:.1f} / {figures['level_255']['estimated']:.1f}",
        ]
        for kind, figures in found.items()
    ]
    text = (
        f"## Grain and surfaces: {result['set']}, RGB PSNR in dB\n\nDrawn in other ways than in training, stored in 8 "
        "bits. Ours is told the level that the service estimates in a picture that is judged noisy, or nothing "
        "(blind); the gain is of the first.\n\n"
    ) + table(["surface", *methods, "gain over the input", "level, true / estimated"], rows)
    strong = result["strong"]
    rows = [
        [
            f"sigma_255 {level}",
            *(interval(figures["psnr_db"][colours]) for colours in figures["psnr_db"]),
            interval(figures["gain_db"]),
        ]
        for level, figures in strong["levels"].items()
    ]
    header = ["noise", *next(iter(strong["levels"].values()))["psnr_db"], "difference"]
    return (
        text
        + (
            f"\nStrong colours, {strong['set']}: channels permuted and saturation doubled, then noise, neither clipped "
            "nor quantised; blind.\n\n"
        )
        + table(header, rows)
    )
