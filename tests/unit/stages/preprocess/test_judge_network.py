"""The network that judges: any batch, small, and the same for a picture alone and among others."""

import torch

from photorestore.networks.blocks import count_parameters
from photorestore.stages.preprocess.network import (
    FLAGS,
    FOLD,
    FOUND_FROM,
    KINDS,
    LEAST_SHARE,
    JudgeNet,
    describe,
    found_shares,
)


def make_inputs(n: int = 3, k: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(n, 3, 192, 192), torch.rand(n, k, 3, 128, 128)


def test_every_picture_gets_logits_of_kinds_and_flags() -> None:
    logits = JudgeNet().eval()(*make_inputs())
    assert logits.shape == (3, len(KINDS) + len(FLAGS))
    assert logits.isfinite().all()


def test_a_picture_is_judged_by_itself() -> None:
    network, (view, crops) = JudgeNet().eval(), make_inputs()
    torch.testing.assert_close(
        network(view, crops)[1:2], network(view[1:2], crops[1:2]), atol=1e-5, rtol=1e-4
    )


def test_the_order_of_the_crops_does_not_matter() -> None:
    network, (view, crops) = JudgeNet().eval(), make_inputs()
    torch.testing.assert_close(network(view, crops), network(view, crops.flip(1)), atol=1e-5, rtol=1e-4)


def test_it_is_small() -> None:
    assert count_parameters(JudgeNet()) < 1_000_000


def test_a_plain_surface_has_no_fine_detail() -> None:
    described = describe(torch.full((1, 3, 16, 16), 0.75))
    assert described.shape == (1, 4 * FOLD**2, 4, 4)
    torch.testing.assert_close(described[:, : 3 * FOLD**2], torch.full((1, 48, 4, 4), 0.5))
    torch.testing.assert_close(described[:, 3 * FOLD**2 :], torch.zeros(1, 16, 4, 4), atol=1e-5, rtol=0)


def test_before_it_is_fitted_the_detector_changes_nothing() -> None:
    network, (view, crops) = JudgeNet().eval(), make_inputs()
    logits = network(view, crops)
    torch.testing.assert_close(network.weigh(logits, torch.rand(3, 1, 192, 192)), logits)


def test_only_damage_is_weighed() -> None:
    network, logits = JudgeNet().eval(), torch.randn(2, len(KINDS) + len(FLAGS))
    torch.nn.init.ones_(network.evidence.weight)
    changed = (network.weigh(logits, torch.ones(2, 1, 32, 32)) != logits).any(0)
    assert [place for place, is_other in enumerate(changed.tolist()) if is_other] == [
        len(KINDS) + FLAGS.index("damaged")
    ]


def test_shares_are_of_what_reaches_each_limit() -> None:
    prob = torch.zeros(1, 1, 10, 10)
    prob[..., 0, :] = 0.85
    expected = [0.1 if limit <= 0.85 else 0.0 for limit in FOUND_FROM]
    torch.testing.assert_close(found_shares(prob), (torch.tensor([expected]) + LEAST_SHARE).log10())
