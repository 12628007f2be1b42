"""Compare adversaries of the translator's results: none; one that sees pictures as they are, or damaged anew.

All runs begin with the weights of today, and differ in what the adversary sees alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.fidelity import psnr, ssim
from photorestore.networks.runner import Runner, load_runner
from photorestore.networks.weights import FAST, weights_file
from photorestore.stages.preprocess.scene import TRUNK
from photorestore.stages.preprocess.scene_network import STRIDE, unfolded
from training.adversary import DEGRADED, NONE, PLAIN
from training.data import hold_out, load_photos
from training.detectors import Detector
from training.held_damage import Held, make_validation
from training.place import Place
from training.train_translate import Config, load_detector, train

RUNS = {"none": NONE, "as they are (plain)": PLAIN, "damaged anew (degraded)": DEGRADED}
"""What the adversary is, by the name of the run."""
TODAY = "weights that all begin with"
Scores = dict[str, list[float]]
"""Figures of each held-out picture."""


def compare(place: Place, config: Config) -> dict[str, dict[str, float]]:
    """Train once for each of `RUNS`; return means over held-out photographs under the known damage, by run.

    `<figure>_gain` is the mean difference from the run without an adversary, `<figure>_margin` half the width of its
    95 % confidence interval.
    """
    begin = place.begin or weights_file("translate", FAST, place.weights)
    detector = load_detector(FAST, place.weights)
    if detector is None:
        raise FileNotFoundError(f"{place.weights} holds no detector of damage")
    folders = [load_photos([place.data / name], min_side_px=config.patch_px) for name in config.photos]
    held = make_validation(hold_out(folders, config.validation_every)[0], place.data, detector)
    del folders
    trunk = load_runner(TRUNK, FAST, root=place.weights)
    scores = {TODAY: score(load_runner("translate", FAST, root=place.weights), held, trunk, detector)}
    for name, adversary in RUNS.items():
        print(f"\n== adversary: {name}", flush=True)
        run = replace(config, adversary=adversary, tier=f"{config.tier}-{adversary}")
        mine = replace(place, begin=begin, weights=place.runs / "weights")
        scores[name] = score(place.runner(train(run, mine).eval()), held, trunk, detector)
    return {name: summed(found, scores["none"]) for name, found in scores.items()}


def score(network: Runner[Tensor], held: Sequence[Held], trunk: Runner[Tensor], detector: Detector) -> Scores:
    """Return by figure what a translator gives of each picture.

    `psnr_inside_db`, PSNR in the damage; `ssim` of the whole; `feature_distance`, see there; and without the truth
    `damage_left`, how likely, by the detector, the damage is still there on average.
    """
    found: Scores = {"psnr_inside_db": [], "ssim": [], "feature_distance": [], "damage_left": []}
    for item in held:
        pred = (
            network(item.lq[None], item.scratch_mask[None], None, item.certainty[None])[0].cpu().clamp(0, 1)
        )
        left = detector(pred[None]).sigmoid()[0].cpu()
        for name, value in {
            "psnr_inside_db": psnr(pred, item.gt, mask=item.inside),
            "ssim": ssim(pred, item.gt),
            "feature_distance": feature_distance(pred, item.gt, trunk),
            "damage_left": float((left * item.inside).sum() / item.inside.sum()),
        }.items():
            found[name].append(value)
    return found


def feature_distance(pred: Tensor, gt: Tensor, look: Callable[[Tensor], Tensor]) -> float:
    """Return how differently a network that knows photographs sees two pictures (3, H, W), times 1,000.

    That is LPIPS (Zhang et al., CVPR 2018) without learned weights: squared distances of features of length 1 at each
    place, their means over places and scales.
    """
    h, w = (side // STRIDE * STRIDE for side in gt.shape[-2:])
    ours, theirs = (unfolded(look(image[None, :, :h, :w])) for image in (pred, gt))
    distances = [
        (F.normalize(ours[stride], dim=1) - F.normalize(theirs[stride], dim=1)).square().sum(1).mean()
        for stride in ours
    ]
    return 1000 * float(torch.stack(distances).mean())


def summed(scores: Scores, usual: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return means, and mean differences from other scores of the same pictures with their margins."""
    figures = {}
    for name, values in scores.items():
        gains = torch.tensor(values, dtype=torch.float64) - torch.tensor(usual[name], dtype=torch.float64)
        figures[name] = round(sum(values) / len(values), 4)
        figures[f"{name}_gain"] = round(float(gains.mean()), 4)
        figures[f"{name}_margin"] = round(1.96 * float(gains.std()) / math.sqrt(len(values)), 4)
    return figures
