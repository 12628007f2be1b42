"""The phases of the translator's training: when each comes, what it trains, and what its losses ask for."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from photorestore.stages.translate.network import VIEW_PX, Translator
from training.adversary import Opponent
from training.config import read_config
from training.held_damage import Held, baselines, telea
from training.old_photos import Sample
from training.place import Place
from training.train_translate import (
    Config,
    choose_trained,
    evaluate,
    joint_progress,
    load_detector,
    loss_of,
    phase_of,
)
from training.translate_losses import LatentAdversary

TIERS = ["translate.fast", "translate.quality"]
PHASES = ("vae", "mapping", "joint", "fusion")


def config_of(name: str) -> Config:
    return read_config(Config, Path(f"training/configs/{name}.toml"))


@pytest.mark.parametrize("name", TIERS)
def test_phases_follow_one_another_with_their_shares(name: str) -> None:
    config = config_of(name)
    found = [phase_of(step / 1000, config) for step in range(1000)]
    assert found == sorted(found, key=PHASES.index)
    shares = {phase: found.count(phase) / 1000 for phase in PHASES}
    assert shares["vae"] == pytest.approx(config.vae_share, abs=0.002)
    assert shares["mapping"] == pytest.approx(config.mapping_share, abs=0.002)
    assert shares["fusion"] == pytest.approx(config.fusion_share, abs=0.002)


def test_weights_for_prints_are_trained_by_the_fusion_alone() -> None:
    config = config_of("translate_print.fast")
    assert {phase_of(step / 100, config) for step in range(100)} == {"fusion"}
    assert joint_progress(0.0, config) == 0
    assert joint_progress(0.5, config) == 0.5


@pytest.mark.parametrize("name", TIERS)
def test_the_learning_rate_begins_to_fall_with_the_joint_phases(name: str) -> None:
    config = config_of(name)
    start = config.vae_share + config.mapping_share
    assert joint_progress(0.9 * start, config) == 0
    assert joint_progress(start, config) == 0
    assert joint_progress((1 + start) / 2, config) == pytest.approx(0.5)
    assert joint_progress(1.0, config) == pytest.approx(1)


@pytest.fixture(scope="module")
def network() -> Translator:
    torch.manual_seed(0)
    architecture = config_of("translate.fast").architecture
    return Translator(**architecture)


@pytest.mark.parametrize(
    ("phase", "trained"),
    [
        ("vae", {"old_vae", "clean_vae"}),
        ("mapping", set()),
        ("joint", {"old_vae", "clean_vae"}),
        ("fusion", set()),
    ],
)
def test_a_phase_trains_its_parts_and_freezes_the_others(
    network: Translator, phase: str, trained: set[str]
) -> None:
    choose_trained(network, phase)
    for name in ("old_vae", "clean_vae"):
        part = getattr(network, name)
        assert {value.requires_grad for value in part.parameters()} == {name in trained}
    assert all(value.requires_grad for value in network.fusion.parameters())
    others = [
        value.requires_grad
        for name, value in network.named_parameters()
        if not name.startswith(("old_vae", "clean_vae", "fusion"))
    ]
    assert set(others) == {phase != "fusion"}


def sample_of(side: int = 32) -> Sample:
    rng = torch.Generator().manual_seed(0)
    gt = torch.rand((2, 3, side, side), generator=rng)
    mask = torch.zeros(2, 1, side, side)
    mask[:, :, 8:16, 8:16] = 1
    lq = torch.where(mask > 0, torch.ones(()), gt)
    view, view_mask = torch.rand((2, 3, VIEW_PX, VIEW_PX), generator=rng), torch.zeros(2, 1, VIEW_PX, VIEW_PX)
    return Sample(lq, gt, mask, mask, mask, view, view_mask, torch.rand(gt.shape, generator=rng))


@pytest.mark.parametrize("phase", PHASES)
def test_the_loss_of_a_phase_reaches_what_it_trains(network: Translator, phase: str) -> None:
    config = config_of("translate.fast")
    progress = {
        "vae": 0.0,
        "mapping": config.vae_share + config.mapping_share / 2,
        "joint": config.vae_share + config.mapping_share + 0.01,
        "fusion": 0.99,
    }[phase]
    choose_trained(network, phase)
    network.zero_grad(set_to_none=True)
    adversary = LatentAdversary(config.architecture["latent"])
    loss, pred = loss_of(network, adversary, sample_of(), config, progress)
    assert (pred is not None) == (phase in ("joint", "fusion"))
    assert loss.isfinite()
    loss.backward()
    moved = {
        name: any(
            value.grad is not None and bool(value.grad.any()) for value in getattr(network, name).parameters()
        )
        for name in ("old_vae", "clean_vae", "fusion")
    }
    assert moved == {
        "old_vae": phase in ("vae", "joint"),
        "clean_vae": phase in ("vae", "joint"),
        "fusion": phase in ("joint", "fusion"),
    }


def test_the_squared_error_counts_at_the_end_of_the_joint_phases(network: Translator) -> None:
    config, sample = (
        replace(config_of("translate.fast"), gradient_weight=0.0, translation_weight=0.0),
        sample_of(),
    )
    adversary = LatentAdversary(config.architecture["latent"])
    start = config.vae_share + config.mapping_share
    with torch.no_grad():
        early, late = (
            float(loss_of(network, adversary, sample, config, start + share * (1 - start))[0])
            for share in (0.1, 0.9)
        )
    assert early != late
    assert early < 2 * late < 6 * early  # the same errors, measured in another way


def test_the_adversary_learns_from_its_own_loss_alone() -> None:
    torch.manual_seed(0)
    opponent = Opponent(LatentAdversary(4), 1e-2)
    real, made = torch.randn(2, 4, 8, 8) + 1, torch.randn(2, 4, 8, 8) - 1
    opponent.network(made).sum().backward()  # what the other network's loss leaves

    def verdict() -> Tensor:
        return opponent.network(made).square().mean() + (opponent.network(real) - 1).square().mean()

    losses = []
    for _ in range(15):
        loss = verdict()
        losses.append(float(loss.detach()))
        opponent.learn(loss)
    assert losses[-1] < 0.8 * losses[0]


@pytest.fixture
def held() -> Held:
    """A smooth picture with a white bar in it, of which half is marked."""
    ramp = torch.linspace(0.2, 0.6, 64).expand(3, 64, 64).clone()
    bar = torch.zeros(1, 64, 64)
    bar[:, 20:28, 10:50] = 1
    mask = bar.clone()
    mask[:, :, 30:] = 0
    return Held(torch.where(bar > 0, torch.ones(()), ramp), ramp, mask, mask, mask * bar)


def test_telea_fills_what_is_marked_and_leaves_the_rest(held: Held) -> None:
    filled = telea(held)
    outside = (held.scratch_mask == 0).expand_as(filled)
    torch.testing.assert_close(filled[outside], held.lq[outside], atol=0.5 / 255 + 1e-6, rtol=0)
    found = baselines([held, held])
    assert found["psnr_telea_db"] > found["psnr_damaged_db"] + 10
    assert found["psnr_damaged_db"] == pytest.approx(
        float(-10 * (1 - held.gt[:, 20:28, 10:30]).double().square().mean().log10()), abs=1e-4
    )


def test_film_and_prints_are_told_apart_in_the_figures(network: Translator, held: Held) -> None:
    runner = Place().runner(network.eval())
    found = evaluate(runner, [held])
    assert set(found) == {"psnr_inside_db", "psnr_translation_db", "psnr_mask_db"}
    both = evaluate(runner, [held], [held])
    assert {name: both[name] for name in found} == pytest.approx(found)
    assert {f"print_{name}": value for name, value in found.items()} == pytest.approx(
        {name: value for name, value in both.items() if name.startswith("print_")}
    )


def test_a_detector_is_that_of_the_tier_or_else_the_fast_one(tmp_path: Path) -> None:
    assert load_detector("fast", tmp_path) is None
    fast = load_detector("fast", Path("weights"))
    assert fast is not None
    assert load_detector("of no such tier", Path("weights")) is not None
