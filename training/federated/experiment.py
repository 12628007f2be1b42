"""What a federation of three sites gains, against training on all their pictures at once.

    python -m training.federated simulate --data ../shared/data/train --out runs/federated_experiment

Each site has pictures of its own, damaged in its own way: noise on strong colours, grain of 2 px, JPEG with noise in
its colours. A small denoiser that has learned plain noise from other pictures goes on at the three sites, with or
without alignment, or on all pictures in one place for as many steps as each site does: with batches of the same size,
or of three times that, which are as many samples as the sites have together. The table is PSNR (dB) on the sites'
held-out pictures, and the gain over the begin as a share of that in one place, where that gains anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from photorestore.fidelity import psnr
from photorestore.stages.denoise.network import DenoiseUNet
from training import train_denoise
from training.config import read_config
from training.data import load_photos, random_patch
from training.degradations.colours import strong_colours
from training.degradations.levelled import Noisy, gaussian_noise
from training.degradations.noise import gaussian, jpeg, quantise
from training.degradations.surfaces import grain
from training.federated.coordinator import coordinate
from training.federated.local import Site, Weights, save_exactly
from training.federated.messages import answering
from training.federated.plan import Plan
from training.federated.simulation import LocalGrid
from training.place import Place
from training.randomness import pick, uniform

HELD_OUT = 12
"""Pictures of each site that nobody learns from."""
MIDDLE_PX = 192
"""Side of the middle of them that is measured."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What pictures of a site look like: its folder below the data root, and how they are damaged."""

    folder: str
    damage: str


SITES = {
    "strong colours": Kind("photos_a/bsds400", "colours"),
    "grain of 2 px": Kind("photos_b/osie", "grain"),
    "JPEG, chroma noise": Kind("photos_a/hr", "chroma"),
}
CONFIG = Path("training/configs/denoise.experiment.toml")
PLAN = Path("training/configs/federated.experiment.toml")
BEGIN_STEPS = 400
WARM_UP = 30
"""Steps from the begin, whose weights are no new ones."""
ONE_PLACE = "one place"
OTHERS = "photos_b/sunhays80"
"""Pictures that the network at the begin has learned from, with plain noise."""


def damaged(gt: Tensor, damage: str, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return (lq, target) of a picture (3, H, W) as a site has it."""
    strength = uniform(8, 45, rng) / 255
    if damage == "colours":
        gt = strong_colours(gt, rng)
        return gaussian(gt, strength, rng), gt
    if damage == "grain":
        return quantise(grain(gt, strength, 2.0, rng)), gt
    chroma = strength * torch.randn(gt.shape, generator=rng)
    return jpeg(gt + chroma - chroma.mean(0, keepdim=True), round(uniform(30, 80, rng))), gt


def sample(photos: Sequence[Tensor], damage: str, patch_px: int, rng: torch.Generator) -> tuple[Tensor, ...]:
    """Draw (lq, target, sigma) as `train_denoise.make_sample` does, blind."""
    lq, gt = damaged(random_patch(photos, patch_px, rng), damage, rng)
    return lq, gt, torch.tensor(-1.0)


def sample_plain(photos: Sequence[Tensor], patch_px: int, rng: torch.Generator) -> tuple[Tensor, ...]:
    """Draw the same with plain noise."""
    gt = random_patch(photos, patch_px, rng)
    noisy: Noisy = gaussian_noise(uniform(0, 1, rng), 55)(gt, rng)
    return noisy[0], gt, torch.tensor(-1.0)


def sample_of_any(samplers: Sequence[train_denoise.Sampler], rng: torch.Generator) -> tuple[Tensor, ...]:
    """Draw a sample of one site, each as often as the others."""
    return pick(samplers, rng)(rng)


@torch.inference_mode()
def measure(network: DenoiseUNet, photos: Sequence[Tensor], damage: str) -> float:
    """Return the mean PSNR (dB) over the middles of held-out pictures, damaged by a fixed seed."""
    rng, total = torch.Generator().manual_seed(1), 0.0
    for photo in photos:
        top, left = ((side - MIDDLE_PX) // 2 for side in photo.shape[-2:])
        middle = photo[:, top : top + MIDDLE_PX, left : left + MIDDLE_PX].float() / 255
        lq, gt = damaged(middle, damage, rng)
        total += psnr(network(lq[None])[0].clamp(0, 1), gt)
    return total / len(photos)


class Experiment:
    """Pictures, configuration and plan of the experiment.

    Args:
        place: pictures, runs, threads; `place.runs` keeps all that is made.
    """

    def __init__(self, place: Place, config: train_denoise.Config, plan: Plan) -> None:
        self.place, self.plan = place, plan
        self.config = replace(config, loss="psnr", validation=1)  # its own pictures are held out here
        photos = {
            name: load_photos([place.data / kind.folder], min_side_px=MIDDLE_PX)
            for name, kind in SITES.items()
        }
        self.held_out = {name: found[:HELD_OUT] for name, found in photos.items()}
        self.samplers = {
            name: partial(sample, found[HELD_OUT:], SITES[name].damage, config.patch_px)
            for name, found in photos.items()
        }

    def begin(self, steps: int) -> Weights:
        """Return a network that knows plain noise, and no picture of the sites."""
        others = load_photos([self.place.data / OTHERS], min_side_px=self.config.patch_px)
        config = replace(self.config, total_steps=steps, photos=(OTHERS,))
        sampler = partial(sample_plain, others, config.patch_px)
        return train_denoise.train(config, self._place("begin"), sampler=sampler).state_dict()

    def in_one_place(self, begin: Weights, sites: Sequence[str], times: int = 1) -> Weights:
        """Return what is learned from the pictures of some sites together, in as many steps as each site does.

        Args:
            times: how many times the batch of a site each batch is.
        """
        plan = self.plan
        place = self._place("_".join([*(site.partition(" ")[0] for site in sites), str(times)]))
        file = place.runs / "begin.safetensors"
        file.parent.mkdir(parents=True, exist_ok=True)
        save_exactly(file, begin)
        config = replace(
            self.config, total_steps=plan.rounds * plan.steps, photos=(SITES[sites[0]].folder,),
            batch_size=times * self.config.batch_size,
            learning_rate=plan.learning_rate, final_learning_rate=plan.final_learning_rate, warm_up=WARM_UP,
        )  # fmt: skip
        sampler = partial(sample_of_any, [self.samplers[site] for site in sites])
        return train_denoise.train(config, replace(place, begin=file), sampler=sampler).state_dict()

    def together(self, begin: Weights, alignment: float) -> Weights:
        """Return what the sites learn together, each on its own pictures."""
        place = self._place(f"federated_{alignment:g}")
        sites = {}
        for name, kind in SITES.items():
            config = replace(self.config, photos=(kind.folder,), warm_up=WARM_UP)
            own = replace(place, runs=place.runs / name.partition(" ")[0])
            sites[name] = answering(Site(config, own, statistics=True, sampler=self.samplers[name]))
        grid = LocalGrid(sites)
        plan = replace(self.plan, alignment=alignment)
        return coordinate(grid, plan, begin, place.runs, grid.names.__getitem__).weights

    def scores(self, weights: Weights) -> dict[str, float]:
        """Return PSNR (dB) on each site's held-out pictures."""
        network = DenoiseUNet(self.config.widths, self.config.depths)
        network.load_state_dict(weights)
        network.eval()
        return {name: measure(network, photos, SITES[name].damage) for name, photos in self.held_out.items()}

    def _place(self, name: str) -> Place:
        return replace(self.place, runs=self.place.runs / name, weights=self.place.runs / name)


def table(scores: dict[str, dict[str, float]]) -> str:
    """Return the figures as a table: dB, and the gain over the begin as a share of that of one place."""
    lines = [f"| | {' | '.join(SITES)} |", f"|---|{'---|' * len(SITES)}"]
    for name, found in scores.items():
        cells = []
        for site, db in found.items():
            gained, most = db - scores["begin"][site], scores[ONE_PLACE][site] - scores["begin"][site]
            share = f" ({gained / most:.2f})" if name != "begin" and most > 0 else ""
            cells.append(f"{db:.2f}{share}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def run(place: Place) -> str:
    """Do the experiment, write its figures to `experiment.json`, and return its table."""
    plan = read_config(Plan, PLAN)
    experiment = Experiment(place, read_config(train_denoise.Config, CONFIG), plan)
    begin = experiment.begin(BEGIN_STEPS)
    scores = {"begin": experiment.scores(begin)}

    def add(name: str, weights: Weights) -> None:
        scores[name] = experiment.scores(weights)
        (place.runs / "experiment.json").write_text(json.dumps(scores, indent=1) + "\n")
        print(name, scores[name], flush=True)

    add(ONE_PLACE, experiment.in_one_place(begin, list(SITES)))
    add(f"{ONE_PLACE}, as many samples", experiment.in_one_place(begin, list(SITES), times=len(SITES)))
    add("federated", experiment.together(begin, 0.0))
    for site in SITES:
        add(f"only {site}", experiment.in_one_place(begin, [site]))
    add("federated, aligned", experiment.together(begin, plan.alignment))
    return table(scores)
