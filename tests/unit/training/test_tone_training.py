import torch

from photorestore.stages.translate.tone_network import VIEW_PX, ToneNetwork, apply, quantiles_of
from training.train_tone import KEPT_PX, draw_views, evaluate, squashed, tone_loss


def photos(count: int = 3) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return [
        torch.randint(0, 256, (3, 100 + 20 * i, 150), generator=rng, dtype=torch.uint8) for i in range(count)
    ]


def test_views_are_cut_out_of_photographs_of_any_shape() -> None:
    kept = squashed(photos())
    assert kept.shape == (3, 3, KEPT_PX, KEPT_PX)
    views = draw_views(kept, 5, torch.Generator().manual_seed(1))
    assert views.shape == (5, 3, VIEW_PX, VIEW_PX)
    assert 0 <= views.min() <= views.max() <= 1
    assert torch.equal(views, draw_views(kept, 5, torch.Generator().manual_seed(1)))


def test_pixels_that_damage_hides_cost_nothing() -> None:
    gt, known = torch.rand((2, 3, 8, 8)), torch.ones((2, 1, 8, 8))
    pred = gt.clone()
    pred[..., :3] += 1
    assert tone_loss(pred, gt, known) > 0.1
    known[..., :3] = 0
    assert tone_loss(pred, gt, known) < 0.01


def test_an_untrained_network_stretches_and_learns_from_its_loss() -> None:
    gt = draw_views(squashed(photos()), 4, torch.Generator().manual_seed(1))
    lq, network = 0.4 * gt + 0.3, ToneNetwork((8, 8, 8), 16)
    known = torch.ones_like(gt[:, :1])
    loss = tone_loss(apply(lq, network(lq, quantiles_of(lq))), gt, known)
    assert loss < tone_loss(lq, gt, known)
    loss.backward()
    assert network.curves.weight.grad is not None
    assert network.curves.weight.grad.abs().max() > 0
    figures = evaluate(network, [(lq, gt, known)])
    assert figures["psnr_db"] > figures["psnr_faded_db"]
