from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from photorestore.networks.weights import build_network, save_network, weights_file
from photorestore.pixels.lab import lab_of
from photorestore.stages.colorize.bins import cells_in_gamut, colours_of, corners_of
from photorestore.stages.colorize.network import BINS, ColorizeNetwork
from photorestore.stages.preprocess.scene_network import SceneTrunk
from tests.conftest import make_photo
from training.place import Place
from training.train_colorize import PATCH_PX, Bins, Config, aged, colours, draw_sample, train

CONFIG = Config(
    tier="small", batch_size=1, total_steps=1, learning_rate=1e-3, final_learning_rate=1e-4, ema_decay=0.9, seed=1,
    widths=(8, 8, 8, 8), depths=(1, 1, 1), dropped=0.1, photos=("photos",), faces=("photos",), faces_share=0.5,
    validation_every=2, evenness=0.5, rebalancing=0.5,
)  # fmt: skip


def photo(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(make_photo(120, 160, seed)).permute(2, 0, 1)


def test_the_mean_of_a_colours_shares_is_the_colour() -> None:
    ab = lab_of(torch.rand(2, 3, 9, 9))[:, 1:]
    cells, shares = corners_of(ab)
    torch.testing.assert_close((colours_of(cells.flatten()).view(*cells.shape, 2) * shares[..., None]).sum(1),
                               ab.permute(0, 2, 3, 1), atol=1e-3, rtol=0)  # fmt: skip
    assert set(cells[shares > 0].tolist()) <= set(cells_in_gamut().tolist())


def test_the_loss_is_least_where_the_shares_are_right_and_rare_colours_count_more() -> None:
    bins = Bins.of([photo()], CONFIG)
    ab = torch.tensor([20.0, -30]).view(1, 2, 1, 1)
    right = torch.full((1, BINS, 1, 1), -20.0)
    right[0, int((colours_of(cells_in_gamut()) == ab.flatten()).all(1).nonzero())] = 20
    assert bins.loss(right, ab) < 0.01 < bins.loss(torch.zeros_like(right), ab)
    torch.testing.assert_close(colours(right, 1), ab)
    even = replace(CONFIG, rebalancing=0.0)
    torch.testing.assert_close(Bins.of([photo()], even).weight, torch.ones(BINS))
    assert bins.weight.max() > 2 * bins.weight.min()


def test_samples_are_grey_views_with_their_colours_and_repeat_by_the_seed() -> None:
    view, ab = draw_sample([photo()], [photo(1)], 0.5, torch.Generator().manual_seed(3))
    assert view.shape == (1, PATCH_PX, PATCH_PX)
    assert ab.shape == (2, PATCH_PX // 4, PATCH_PX // 4)
    assert torch.equal(view, draw_sample([photo()], [photo(1)], 0.5, torch.Generator().manual_seed(3))[0])
    grey = torch.rand(1, 1, 32, 32)
    for seed in range(8):
        worn = aged(grey, torch.Generator().manual_seed(seed))
        assert 0 <= worn.min() <= worn.max() <= 1


def test_a_training_is_a_function_of_its_configuration_and_a_place(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.fromarray(make_photo(100, 130, number)).save(tmp_path / "photos" / f"{number}.png")
    place = Place(data=tmp_path, runs=tmp_path / "runs", weights=tmp_path / "weights")
    told = {
        "config": {},
        "seed": 0,
        "steps": 0,
        "seconds": 0,
        "device": "cpu",
        "commit": "",
        "data": "",
        "licence": "",
    }
    save_network(
        weights_file("preprocess_scene", "fast", place.weights),
        SceneTrunk(),
        architecture={},
        metadata={**told, "metrics": {}},
    )
    network = train(CONFIG, place)
    assert not network.training
    delivered = build_network(ColorizeNetwork, weights_file("colorize", "small", place.weights))
    for name, value in delivered.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name], atol=1e-3, rtol=1e-3)
