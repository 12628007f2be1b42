from pathlib import Path

import torch
from PIL import Image

from photorestore.networks.weights import build_network, weights_file
from photorestore.stages.translate.tone_network import VIEW_PX, ToneNetwork, apply, quantiles_of
from training.place import Place
from training.train_tone import KEPT_PX, Config, draw_views, evaluate, squashed, tone_loss, train


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
    figures = evaluate(Place().runner(network.eval()), [(lq, gt, known)])
    assert figures["psnr_db"] > figures["psnr_faded_db"]


def test_a_training_is_a_function_of_its_configuration_and_a_place(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number, photo in enumerate(photos()):
        Image.fromarray(photo.permute(1, 2, 0).numpy()).save(tmp_path / "photos" / f"{number}.png")
    config = Config(
        tier="small", batch_size=2, total_steps=2, learning_rate=1e-3, final_learning_rate=1e-4, ema_decay=0.9,
        seed=1, widths=(4, 4, 4), hidden=8, photos=("photos",), validation_every=2,
    )  # fmt: skip
    place = Place(data=tmp_path, runs=tmp_path / "runs", weights=tmp_path / "weights")
    network = train(config, place)
    assert not network.training
    delivered = build_network(ToneNetwork, weights_file("translate_tone", "small", place.weights))
    for name, value in delivered.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name], atol=1e-3, rtol=1e-3)
    started_again = train(config, place)  # it is at its end
    assert all(
        torch.equal(value, network.state_dict()[name]) for name, value in started_again.state_dict().items()
    )
