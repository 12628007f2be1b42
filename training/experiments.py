"""Measure options of the training: equal steps, one option changed at a time.

    python -m training.experiments                    # all of the denoiser's, about half an hour on one core
    python -m training.experiments --only targets
    python -m training.experiments --only adversary   # the translator's, half an hour more

`targets`: noisy targets against clean ones, for Gaussian noise. `losses`: noisy targets where the noise replaces
pixels, so that the picture is its mode. `poisson`: counted photons at given peaks, the noise level told or not.
`sampler`: the on-demand sampler against an even one. These are small networks. `adversary`: what an adversary of the
translator's results sees, see `adversary_experiment`.

Figures of the denoiser are PSNR on held-out photographs of BSDS400; results go to
`bench/results/experiments.json`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from photorestore.networks.weights import default_root
from training import adversary_experiment, train_translate
from training.config import read_config
from training.data import load_photos
from training.degradations.levelled import Noise, gaussian_noise, impulse_noise, poisson_noise
from training.denoise_validation import Denoise, mean_psnr, psnr_by_difficulty
from training.on_demand import OnDemand
from training.place import Place, command_line, place_of
from training.train_denoise import Config, train

Figures = dict[str, dict[str, float]]
"""PSNR (dB) by run and by level."""
RESULTS = Path("bench/results/experiments.json")
ADVERSARY = Path("training/configs/translate.experiment.toml")
LEVELS = 5
PEAKS = {4: 1 / 3, 2: 2 / 3, 1: 1.0}
"""Strength of the noise by photons at white."""


def smaller(base: Config) -> Config:
    """Make the network smaller, for noisy targets: noise averages out sooner where fewer weights share the samples."""
    return replace(base, widths=(32, 64), depths=(1, 1), total_steps=8000, ema_decay=0.999)


def targets(place: Place, base: Config, photos: Sequence[Tensor]) -> Figures:
    """Train with clean and with noisy targets; return PSNR (dB) by sigma_255."""
    gaussian = replace(base, noise="gaussian", loss="l2")
    levels = {
        f"sigma_255 {s}": gaussian_noise(s / base.max_sigma_255, base.max_sigma_255) for s in (15, 25, 50)
    }
    runs = {
        "clean targets, L2": gaussian,
        "noisy targets, L2": replace(gaussian, targets="noisy"),
        "noisy targets, L1": replace(gaussian, targets="noisy", loss="l1"),
    }
    return {name: measure(fit(place, name, config), photos, levels) for name, config in runs.items()}


def losses(place: Place, base: Config, photos: Sequence[Tensor]) -> Figures:
    """Train with several losses; return PSNR (dB) by the share of replaced pixels."""
    impulse = replace(base, noise="impulse", targets="noisy")
    levels = {f"{share} % replaced": impulse_noise(share / 50, base.max_sigma_255) for share in (10, 25, 50)}
    runs = {
        "clean targets, L1": replace(impulse, targets="clean", loss="l1"),
        "noisy targets, L2": replace(impulse, loss="l2"),
        "noisy targets, L1": replace(impulse, loss="l1"),
        "noisy targets, L0": replace(impulse, loss="l0"),
    }
    return {name: measure(fit(place, name, config), photos, levels) for name, config in runs.items()}


def poisson(place: Place, base: Config, photos: Sequence[Tensor]) -> Figures:
    """Train on counted photons; return PSNR (dB) by peak."""
    counted = replace(base, noise="poisson", loss="l2")
    levels = {f"peak {peak}": poisson_noise(strength, base.max_sigma_255) for peak, strength in PEAKS.items()}
    clean = fit(place, "clean targets, L2", counted)
    noisy = fit(place, "noisy targets, L2", replace(counted, targets="noisy"))
    return {
        "clean targets, blind": measure(clean, photos, levels),
        "clean targets, noise map given": measure(clean, photos, levels, told=True),
        "noisy targets, blind": measure(noisy, photos, levels),
        "noisy targets, noise map given": measure(noisy, photos, levels, told=True),
    }


def sampler(place: Place, base: Config, photos: Sequence[Tensor]) -> Figures:
    """Train with even and with on-demand samples; return PSNR (dB) by level of difficulty."""
    gaussian = replace(base, noise="gaussian")
    difficulty = OnDemand(LEVELS)
    results = {}
    for name, levels in {"even": 1, "on demand": LEVELS}.items():
        denoise = fit(place, f"sampler, {name}", replace(gaussian, difficulty_levels=levels))
        found = psnr_by_difficulty(denoise, photos, gaussian.noise, gaussian.max_sigma_255, difficulty)
        results[name] = {f"level {number}": psnr for number, psnr in enumerate(found, start=1)}
    return results


EXPERIMENTS = {"targets": targets, "losses": losses, "poisson": poisson, "sampler": sampler}


def fit(place: Place, name: str, config: Config) -> Denoise:
    """Train a small network; one of this name that is trained already is not trained again.

    It is called without a runner, which would refuse counted photons: they lead further outside [0, 1] than the
    contract of the network allows, and their level is a map.
    """
    print(f"\n== {name}", flush=True)
    tier = f"{config.noise}-{name.replace(', ', '-').replace(' ', '_')}"
    network = train(replace(config, tier=tier), place)

    def denoise(image: Tensor, sigma: Tensor | None) -> Tensor:
        with torch.inference_mode(), place.autocast():
            pred: Tensor = network(image.to(place.device), None if sigma is None else sigma.to(place.device))
            return pred

    return denoise


def measure(
    denoise: Denoise, photos: Sequence[Tensor], levels: dict[str, Noise], *, told: bool = False
) -> dict[str, float]:
    """Return PSNR (dB) by level, blind or told the noise level."""
    found = {name: round(mean_psnr(denoise, photos, noise, told=told), 3) for name, noise in levels.items()}
    print(found, flush=True)
    return found


def main() -> None:
    parser = command_line("denoise", __doc__, "workers")
    parser.add_argument("--only", nargs="*", choices=[*EXPERIMENTS, "adversary"], default=list(EXPERIMENTS))
    parser.set_defaults(
        workers=0,  # the same samples in every run
        config=Path("training/configs/denoise.experiment.toml"),
        runs=Path("runs/experiments"),
        weights=Path("runs/experiments/weights"),
    )
    arguments = parser.parse_args()
    base, place = read_config(Config, arguments.config), place_of(arguments)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in arguments.only:
        results[name] = adversaries(place) if name == "adversary" else of_denoiser(name, place, base)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def of_denoiser(name: str, place: Place, base: Config) -> dict[str, object]:
    """Run one of `EXPERIMENTS`; return its steps and PSNR (dB)."""
    photos = load_photos([place.data / folder for folder in base.photos], min_side_px=base.patch_px)
    config = smaller(base) if name == "targets" else base
    found = EXPERIMENTS[name](place, config, photos[: base.validation])
    return {"steps": config.total_steps, "psnr_db": found}


def adversaries(place: Place) -> dict[str, object]:
    """Run the experiment with the translator's adversaries; return its steps and figures."""
    config = read_config(train_translate.Config, ADVERSARY)
    today = replace(place, weights=default_root())
    return {"steps": config.total_steps, "figures": adversary_experiment.compare(today, config)}


if __name__ == "__main__":
    main()
