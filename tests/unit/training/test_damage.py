"""Damage, fading and structure are reproducible, stay in range, and say truly what they changed."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.conftest import make_photo
from training.degradations import fading, lookalikes, strokes
from training.degradations.damage import MODERATE_SHARE, damage, damage_moderately
from training.degradations.damage.recipes import DamageRecipe
from training.degradations.sources import (
    HELD_OUT_SCANS,
    STAMP_KINDS,
    VALIDATION_SCANS,
    DamageSources,
    load_damage_sources,
)
from training.degradations.structure import KINDS, draw_structure


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_stamp(seed: int) -> Tensor:
    return (torch.rand((256, 256), generator=seeded(seed)) > 0.95).byte() * 255


@pytest.fixture(scope="module")
def sources() -> DamageSources:
    scan = (torch.rand((900, 1200), generator=seeded(9)) > 0.98).byte() * 255
    stamps = {kind: torch.stack([make_stamp(i), make_stamp(i + 1)]) for i, kind in enumerate(STAMP_KINDS)}
    return DamageSources(stamps, (scan,), (torch.randint(100, 255, (3, 64, 64), generator=seeded()).byte(),))


@pytest.fixture(scope="module")
def gt() -> Tensor:
    return torch.from_numpy(make_photo(120, 150)).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("synthesis", [damage, fading.old_photo])
def test_the_same_seed_gives_the_same_pixels(
    synthesis: Callable[..., Any], sources: DamageSources, gt: Tensor
) -> None:
    for seed in range(12):
        first, second = synthesis(gt, sources, seeded(seed)), synthesis(gt, sources, seeded(seed))
        assert torch.equal(first[0], second[0])
        assert torch.equal(first[1], second[1])
    assert not torch.equal(synthesis(gt, sources, seeded(1))[0], synthesis(gt, sources, seeded(2))[0])


@pytest.mark.parametrize("seed", range(40))
def test_pixels_without_alpha_are_unchanged_and_others_changed(
    seed: int, sources: DamageSources, gt: Tensor
) -> None:
    before = gt.clone()
    lq, alpha = damage(gt, sources, seeded(seed))
    assert torch.equal(gt, before)
    assert (lq.shape, alpha.shape) == (gt.shape, (1, 120, 150))
    assert 0 <= float(lq.min()) <= float(lq.max()) <= 1
    assert 0 <= float(alpha.min()) <= float(alpha.max()) <= 1
    change = (lq - gt).abs().amax(0, keepdim=True)
    assert (change[alpha == 0] == 0).all()
    assert (change[alpha > 0] >= DamageRecipe().visible - 1e-6).all()


def test_clean_pictures_are_among_them(sources: DamageSources, gt: Tensor) -> None:
    lq, alpha = damage(gt, sources, seeded(), DamageRecipe(clean=1.0))
    assert torch.equal(lq, gt)
    assert not alpha.any()


def test_moderate_damage_covers_a_stated_share_and_is_stored_in_eight_bits(
    sources: DamageSources, gt: Tensor
) -> None:
    for seed in range(5):
        lq, alpha, mask = damage_moderately(gt, sources, seeded(seed))
        assert MODERATE_SHARE[0] <= float(mask.float().mean()) <= MODERATE_SHARE[1]
        assert torch.equal(mask, alpha > 0.1)
        assert torch.allclose(lq * 255, (lq * 255).round(), atol=1e-4)


def test_all_sizes_take_damage(sources: DamageSources) -> None:
    rng = seeded(5)
    for hw in [(16, 16), (64, 300), (500, 70)] * 8:
        assert damage(torch.full((3, *hw), 0.5), sources, rng)[0].shape == (3, *hw)


@pytest.mark.parametrize("draw", [strokes.dust, strokes.hairs, strokes.scratches])
def test_strokes_cover_a_part_of_the_picture(draw: Callable[..., Any]) -> None:
    coverage = torch.stack([draw(80, 100, 6, seeded(seed)) for seed in range(10)])
    assert coverage.shape == (10, 1, 80, 100)
    assert 0 == coverage.min() < coverage.max() <= 1
    assert coverage.mean() < 0.3


def test_fold_crosses_the_picture_and_shades_its_sides() -> None:
    crease, shading = strokes.fold(80, 100, seeded(3))
    assert crease.shape == shading.shape == (1, 80, 100)
    assert shading.min() < 0 < shading.max()


def test_old_photo_is_stored_in_eight_bits(sources: DamageSources, gt: Tensor) -> None:
    for seed in range(10):
        lq, alpha = fading.old_photo(gt, sources, seeded(seed))
        assert torch.allclose(lq * 255, (lq * 255).round(), atol=1e-4)
        assert (lq.shape, alpha.shape) == (gt.shape, (1, 120, 150))
        assert -1e-6 <= float(alpha.min()) <= float(alpha.max()) <= 1 + 1e-6


def test_blur_keeps_constants_and_the_mean_of_the_middle(gt: Tensor) -> None:
    assert torch.allclose(fading.blur(torch.full((3, 20, 30), 0.3), 2.0), torch.tensor(0.3), atol=1e-6)
    assert fading.blur(gt, 2.0).var() < gt.var()


def test_tone_changes_do_what_they_say(gt: Tensor) -> None:
    assert torch.allclose(fading.fade(gt, 1.0, 0.7), torch.tensor(0.7))
    assert torch.equal(fading.grey(gt)[0], fading.grey(gt)[2])
    assert torch.equal(fading.sepia(gt, 0.0), gt)
    brown = fading.sepia(gt, 1.0)
    assert (brown[0] >= brown[2]).all()
    assert fading.resample(gt, 0.5).shape == gt.shape


@pytest.mark.parametrize("kind", KINDS)
def test_structure_is_drawn(kind: Callable[..., Any], gt: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.degradations.structure.KINDS", (kind,))
    drawn = torch.stack([draw_structure(gt, seeded(seed)) for seed in range(5)])
    assert drawn.shape == (5, *gt.shape)
    assert not torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[2], draw_structure(gt, seeded(2)))


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of made stamps, eleven label maps and a paper."""
    root = tmp_path_factory.mktemp("data")
    for kind in STAMP_KINDS:
        for i in range(25):
            write_picture(root / "domain/damage_stamps" / kind / f"{i}.png", make_stamp(i).numpy())
    for name in (*HELD_OUT_SCANS, *VALIDATION_SCANS, "scan_01.png"):
        write_picture(root / "domain/film_scan_labels" / name, np.eye(20, 30, dtype=np.uint8) * 5)
    write_picture(root / "domain/paper_textures/paper.jpg", np.full((8, 8, 3), 200, np.uint8))
    return root


def write_picture(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def test_parts_share_no_damage_and_leave_none_out(domain: Path) -> None:
    parts = [
        load_damage_sources(domain, held_out=False),
        load_damage_sources(domain, held_out=True),
        load_damage_sources(domain, held_out=False, validation=True),
    ]
    for kind in STAMP_KINDS:
        seen = [
            {hashlib.sha256(stamp.numpy().tobytes()).digest() for stamp in part.stamps[kind]}
            for part in parts
        ]
        assert all(seen)
        assert len(set.union(*seen)) == sum(map(len, seen)) == 25
    assert [len(part.scans) for part in parts] == [1, len(HELD_OUT_SCANS), len(VALIDATION_SCANS)]
    assert parts[0].scans[0].shape == (10, 15)


def test_held_out_stamps_are_those_of_hash_zero_modulo_five(domain: Path) -> None:
    files = list((domain / "domain/damage_stamps/hair").glob("*.png"))
    expected = sum(int(hashlib.sha256(file.read_bytes()).hexdigest(), 16) % 5 == 0 for file in files)
    assert len(load_damage_sources(domain, held_out=True).stamps["hair"]) == expected


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="damage_stamps"):
        load_damage_sources(tmp_path, held_out=False)


@pytest.mark.parametrize("kind", [*lookalikes.MANY, *lookalikes.SINGLE])
def test_lookalikes_are_drawn(kind: Callable[..., Any], gt: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    for group in ("MANY", "SINGLE"):
        monkeypatch.setattr(lookalikes, group, (kind,))
    drawn = torch.stack([lookalikes.draw_lookalike(gt, seeded(seed)) for seed in range(5)])
    assert drawn.shape == (5, *gt.shape)
    assert 0 <= float(drawn.min()) <= float(drawn.max()) <= 1
    assert not torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[2], lookalikes.draw_lookalike(gt, seeded(2)))
