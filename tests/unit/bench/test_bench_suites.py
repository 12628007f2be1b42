import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench import baselines, cost, grey, jpeg, mixed_set, real_noise, report, report_noise, tone_set
from bench.blind import read_upload
from bench.statistics import paired
from photorestore.fidelity import psnr
from photorestore.options import Options
from photorestore.stages.base import run_stage
from photorestore.stages.denoise.levels import level_of
from photorestore.stages.preprocess.findings import findings_of
from photorestore.stages.preprocess.stage import PreprocessStage
from photorestore.workspace import Workspace
from tests.conftest import add_noise, make_photo


def test_gains_are_paired_by_picture() -> None:
    gains = paired({"ours": [30.0, 20.0], "other": [29.0, 19.0], "subset": [1.0]}, "ours")
    assert set(gains) == {"other"}
    assert gains["other"]["mean"] == gains["other"]["low"] == gains["other"]["high"] == 1.0


def test_jpeg_keeps_size_and_loses_more_at_a_lower_quality() -> None:
    gt = jpeg.to_grey(make_photo(50, 61))
    lqs = [read_upload(jpeg.compress(gt, quality)) for quality in (10, 40)]
    lost = [float(np.square(lq.pixels.astype(float) - gt[..., None]).mean()) for lq in lqs]
    assert lost[0] > lost[1] > 0
    assert lqs[0].pixels.shape == (50, 61, 3)


def test_the_level_of_a_jpeg_is_that_of_the_service(tmp_path: Path) -> None:
    encoded = jpeg.compress(jpeg.to_grey(add_noise(make_photo(64, 80), 10)), 10)
    workspace = Workspace.create(tmp_path, Options())
    workspace.write_file("upload", encoded)
    run_stage(PreprocessStage(), [workspace])
    assert read_upload(encoded).sigma == level_of(findings_of(workspace)).sigma_255 / 255


def test_a_grey_picture_keeps_its_values() -> None:
    photo = np.repeat(make_photo(20, 20)[..., :1], 3, 2)
    assert np.array_equal(jpeg.to_grey(photo), photo[..., 0])
    assert np.array_equal(grey.to_grey(photo), photo[..., 0])


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Two noisy pictures with their clean ones, and one of a scene that training has seen."""
    (tmp_path / real_noise.SET).mkdir()
    for name in ("Canon_a", "Canon_b", f"{real_noise.SEEN[0]}_1"):
        gt = make_photo(real_noise.CROP_PX + 8, real_noise.CROP_PX + 4)
        for kind, pixels in (("mean", gt), ("real", add_noise(gt, 10))):
            Image.fromarray(pixels).save(tmp_path / real_noise.SET / f"{name}_{kind}.png")
    return tmp_path


def test_scenes_that_training_has_seen_are_left_out(pairs: Path) -> None:
    found = real_noise.read_pairs(pairs)
    assert len(found) == 2
    for lq, gt in found:
        assert np.abs(lq.pixels.astype(float) - gt).mean() > 3
        assert lq.sigma * 255 == pytest.approx(10, rel=0.3)


def test_crops_of_a_pair_show_the_same_place(pairs: Path) -> None:
    _, gt = real_noise.read_pairs(pairs)[0]
    first, second = real_noise.crop(gt, gt, 3)
    assert np.array_equal(first, second)
    assert first.shape == (real_noise.CROP_PX, real_noise.CROP_PX, 3)


def test_the_best_noise_level_of_bm3d_is_found_and_reported(
    pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "block_matching_3d", lambda noisy, sigma: noisy + abs(sigma - 8 / 255))
    result = real_noise.measure(pairs)
    crops = result["psnr_db"]["crops"]
    assert result["bm3d_best_sigma_255"] == 8
    assert crops[real_noise.BEST_OF_SET] == crops[real_noise.BEST_OF_EACH]
    assert crops[real_noise.BLIND]["mean"] > crops["noisy"]["mean"] + 3
    assert crops[real_noise.OURS]["mean"] > crops["noisy"]["mean"] + 3
    text = report_noise.real_noise(json.loads(json.dumps(result)))
    assert "| BM3D, best sigma of the set |" in text


def test_worn_crops_depend_on_the_seed_alone() -> None:
    gt = torch.from_numpy(make_photo(64, 64)).permute(2, 0, 1) / 255
    first, again, other = (mixed_set.wear(gt, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.min() >= 0
    assert first.max() <= 1
    assert psnr(first, gt) < 40


def test_multiply_accumulates_are_counted() -> None:
    network = torch.nn.Conv2d(3, 8, 3, padding=1)
    assert cost.gmacs(network, torch.rand(1, 3, 100, 100)) == pytest.approx(3 * 8 * 9 * 1e4 / 1e9)


@pytest.mark.parametrize(
    "suite", ["denoise", "grey", "jpeg", "surfaces", "damage", "holes", "mixed", "harmless", "cost"]
)
def test_committed_results_are_rendered(suite: str) -> None:
    result = report._read(suite)
    assert result is not None
    text = report.SECTIONS[suite](result)
    assert text.startswith("## ")
    assert "nan" not in text


@pytest.mark.parametrize("kind", ["colour", "grey", "brown"])
def test_a_print_fades_the_same_each_time_and_its_truth_is_of_its_kind(kind: str) -> None:
    photo = make_photo(90, 120)
    first, second = (tone_set.fade("photo", photo, kind, seed=7) for _ in range(2))
    assert np.array_equal(first.lq, second.lq)
    assert first.inside(first.lq).shape == first.gt.shape == photo.shape
    assert first.inside(first.lq).std() < first.gt.std()
    if kind == "grey":
        assert (first.gt == first.gt[..., :1]).all()
        assert (first.lq == first.lq[..., :1]).all()


def test_some_prints_have_a_border() -> None:
    borders = [tone_set.fade("photo", make_photo(60, 80), "colour", seed).border for seed in range(20)]
    assert 2 <= sum(any(border) for border in borders) <= 14
