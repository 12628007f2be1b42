"""Fit how the detector's findings are weighed in the judgement; to be run when either network was trained.

    python -m training.fit_evidence

JudgeNet sees that a picture looks damaged, the detector of damage in prints how much it finds in the same view, of
which some may be grass or lace. A logistic regression over both, on pictures made of what neither was trained on, says
how likely damage is (`JudgeNet.weigh`). The judgement's weights are written anew, all else in them stays.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.precision import FLOAT32
from photorestore.networks.runner import load_runner
from photorestore.networks.weights import read_metadata, save_network, weights_file
from photorestore.stages.preprocess.network import FLAGS, KINDS, JudgeNet
from training.config import read_config
from training.data import make_batch
from training.detectors import Detector, load_detector
from training.judged import make_sample, make_structured
from training.judged.load import load_sources
from training.judged.pictures import UNKNOWN
from training.judgement_validation import logits_of
from training.randomness import chance
from training.train_preprocess_judge import Config

PLACE = len(KINDS) + FLAGS.index("damaged")
PENALTY = 0.002
"""Penalty on the squared weights: shares above neighbouring limits say nearly the same."""
STRUCTURED = 0.25
"""Share of pictures that are sound photographs with lines in them, which the detector most easily takes for cracks."""
PART = 16
"""Pictures that are looked at together."""


def detect(detector: Detector, views: Tensor) -> Tensor:
    """Return the scratch_prob (N, 1, V, V) of views (N, 3, V, V), uint8."""
    return torch.cat([detector(part.float() / 255).sigmoid() for part in views.split(PART)])


def fit(network: JudgeNet, logits: Tensor, scratch_prob: Tensor, damaged: Tensor) -> None:
    """Fit `network.evidence` to pictures of which it is known whether they are damaged.

    Args:
        logits: (N, KINDS + FLAGS), from the network.
        scratch_prob: (N, 1, V, V), of the same views.
        damaged: (N,) of 0 and 1.
    """
    evidence = network.evidence.requires_grad_(True)
    optimiser = torch.optim.LBFGS(evidence.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        told = network.weigh(logits, scratch_prob)[:, PLACE]
        error = F.binary_cross_entropy_with_logits(told, damaged)
        value = error + PENALTY * evidence.weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    evidence.requires_grad_(False)


def scores(told: Tensor, damaged: Tensor) -> dict[str, float]:
    """Return the cross-entropy of logits (N,), and recall and precision from a probability of .5 on."""
    hits = float(((told > 0) & (damaged == 1)).sum())
    return {
        "loss": float(F.binary_cross_entropy_with_logits(told, damaged)),
        "recall": hits / max(1.0, float(damaged.sum())),
        "precision": hits / max(1.0, float((told > 0).sum())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--samples", type=int, default=600)
    arguments = parser.parse_args()
    judge = load_runner("preprocess_judge", root=arguments.weights, precision=FLOAT32)
    detector = load_detector("scratch_print", arguments.weights)
    network = judge.network
    assert isinstance(network, JudgeNet)
    config = read_config(Config, Path("training/configs/preprocess_judge.fast.toml"))
    _, unseen = load_sources(arguments.data, config.photos, config.validation_every)

    made = make_batch(
        lambda rng: make_structured(unseen, rng) if chance(STRUCTURED, rng) else make_sample(unseen, rng),
        arguments.samples,
        torch.Generator().manual_seed(2),
    )
    view, crops, kind, flags = made
    drawn = kind >= KINDS.index("line_art")
    known = (flags[:, FLAGS.index("damaged")] != UNKNOWN) & ~drawn
    view, crops, damaged = view[known], crops[known], flags[known][:, FLAGS.index("damaged")]
    logits, scratch_prob = logits_of(judge, (view, crops)), detect(detector, view)
    before = scores(logits[:, PLACE], damaged)
    fit(network, logits, scratch_prob, damaged)
    after = scores(judge.part("weigh")(logits, scratch_prob)[:, PLACE], damaged)
    print(f"{len(damaged)} pictures: {before} without the detector, {after} with it")

    file = weights_file("preprocess_judge", "fast", arguments.weights)
    metadata = read_metadata(file)
    metadata["metrics"] |= {f"damaged_{name}_weighed": value for name, value in after.items()}
    architecture = metadata.pop("architecture")
    del metadata["format"]
    save_network(file, network, architecture=architecture, metadata=metadata)


if __name__ == "__main__":
    main()
