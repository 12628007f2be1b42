"""How the detector's findings are weighed: fitted to what is known."""

import torch

from photorestore.stages.preprocess.network import FLAGS, KINDS, JudgeNet
from training.fit_evidence import PLACE, fit, scores


def test_what_the_detector_knows_better_is_learned() -> None:
    rng = torch.Generator().manual_seed(0)
    damaged = (torch.arange(200) % 2).float()
    logits = torch.randn(200, len(KINDS) + len(FLAGS), generator=rng)  # says nothing of damage
    scratch_prob = 0.3 * torch.rand(200, 1, 16, 16, generator=rng)
    scratch_prob[damaged == 1, :, :4, :4] = 0.99
    network = JudgeNet().eval().requires_grad_(False)
    before = scores(logits[:, PLACE], damaged)
    fit(network, logits, scratch_prob, damaged)
    after = scores(network.weigh(logits, scratch_prob)[:, PLACE], damaged)
    assert after["recall"] == after["precision"] == 1.0
    assert after["loss"] < 0.2 < before["loss"]
    assert not network.evidence.weight.requires_grad
