"""Tiers: which there are, which one works, and what becomes of requests for one that is not there."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.sound import SOUND
from photorestore import pipeline
from photorestore.errors import BrokenArtifact, UnavailableTier, UnsupportedOption, by_type
from photorestore.networks.weights import REQUIRED, save_network, weights_file
from photorestore.options import SELECTABLE_STAGES, STAGES, Options
from photorestore.stage_table import ROWS
from photorestore.stages.base import StageConfig, run_stage
from photorestore.stages.denoise.network import DenoiseUNet
from photorestore.stages.denoise.stage import DenoiseStage
from photorestore.stages.preprocess.network import JudgeNet
from photorestore.stages.preprocess.scene import TRUNK
from photorestore.stages.preprocess.stage import DEMOSAIC
from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.tiered import TieredStage
from photorestore.tiers import available_tiers, choose_tier, require_tier
from photorestore.workspace import Workspace
from tests.conftest import make_photo, problem_of

CONFIG = StageConfig(precision="float32", tile_px=128)
WIDTHS = {"fast": (8, 16), "quality": (12, 24)}


def save_denoiser(root: Path, *tiers: str) -> Path:
    """Small random weights of some tiers in a folder of weights."""
    for tier in tiers:
        network = DenoiseUNet(WIDTHS[tier], (1, 1))
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
        described = dict.fromkeys(REQUIRED, "x")
        del described["architecture"]
        architecture = {"widths": WIDTHS[tier], "depths": (1, 1)}
        save_network(
            weights_file("denoise", tier, root), network, architecture=architecture, metadata=described
        )
    shutil.copy(weights_file("denoise_csf", "fast"), root / "denoise")
    return root


def save_judge(root: Path) -> Path:
    """A small judgement beside them, the detector that it asks, and what tells detectors the scene."""
    described = dict.fromkeys(REQUIRED, "x")
    del described["architecture"]
    for name, network, widths in (
        ("preprocess_judge", JudgeNet((8, 8, 8)), (8, 8, 8)),
        ("scratch_print", ScratchUNet((16, 16)), (16, 16)),
    ):
        file = weights_file(name, "fast", root)
        save_network(file, network, architecture={"widths": widths}, metadata=described)
    for name in (TRUNK, DEMOSAIC):
        shutil.copy(weights_file(name, "fast"), root / "preprocess")
    return root


def make_stage(root: Path, *tiers: str, tier: str = "auto") -> TieredStage:
    config = StageConfig(tier, CONFIG.precision, CONFIG.tile_px)
    return TieredStage(DenoiseStage, config, save_denoiser(root, *tiers), torch.device("cpu"))


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tiers that are loaded, in order."""
    loaded: list[str] = []
    load = DenoiseStage.load

    def noting(config: StageConfig, weights: Path | None, device: torch.device) -> DenoiseStage:
        loaded.append(config.tier)
        return load(config, weights, device)

    monkeypatch.setattr(DenoiseStage, "load", noting)
    return loaded


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Workspace]:
    def prepare(*, noisy: bool = True, **options: Any) -> Workspace:
        workspace = Workspace.create(tmp_path / "spaces", Options(**options))
        workspace.write_plane("image", make_photo(40, 60).transpose(2, 0, 1))
        workspace.envelope.current = "image"
        workspace.envelope.estimates["preprocess"] = replace(SOUND, sigma_255=20.0, noisy=noisy)
        return workspace

    return prepare


def test_a_tier_is_there_when_all_networks_of_the_stage_have_it(tmp_path: Path) -> None:
    assert available_tiers(tmp_path) == ()
    for name in ("upscale.fast", "upscale.quality", "upscale_real.fast"):
        (tmp_path / f"{name}.safetensors").touch()
    assert available_tiers(tmp_path) == ("fast",)
    (tmp_path / "upscale_real.quality.safetensors").touch()
    assert available_tiers(tmp_path) == ("fast", "quality")


def test_the_one_detector_serves_all_tiers_of_the_face_stage(tmp_path: Path) -> None:
    for name in ("face.fast", "face.quality", "face_detector.fast"):
        (tmp_path / f"{name}.safetensors").touch()
    assert available_tiers(tmp_path) == ("fast", "quality")


@pytest.mark.parametrize(
    ("configured", "available", "device_type", "chosen"),
    [
        ("auto", ("fast", "quality"), "cuda", "quality"),
        ("auto", ("fast", "quality"), "cpu", "fast"),
        ("auto", ("fast",), "cuda", "fast"),
        ("fast", ("fast", "quality"), "cuda", "fast"),
        ("quality", ("fast", "quality"), "cpu", "quality"),
    ],
)
def test_the_device_decides_where_nobody_else_does(
    configured: str, available: tuple[str, ...], device_type: str, chosen: str
) -> None:
    assert choose_tier(configured, available, device_type) == chosen


def test_stages_that_may_work_are_known_beforehand() -> None:
    uncalled = {row.name for row in ROWS if row.options}
    assert "upscale" in uncalled
    assert idle(Options()) == uncalled
    assert idle(Options(strength={"face": 0})) == uncalled | {"face"}
    chosen = Options(stages=("denoise",), scale=2)
    assert idle(chosen) == uncalled - {"upscale"} | {*SELECTABLE_STAGES} - {"denoise"}


def idle(options: Options) -> set[str]:
    return {stage for stage in STAGES if not options.may_work(stage)}


def test_only_stages_that_may_work_need_the_tier() -> None:
    available = {"denoise": ("fast", "quality"), "scratch": ("fast",)}
    require_tier(Options(tier="quality", stages=("denoise",)), available)
    require_tier(Options(tier="fast"), available)
    require_tier(Options(), {"denoise": ()})
    with pytest.raises(UnavailableTier, match=r"tier is 'quality'.*: scratch has fast$"):
        require_tier(Options(tier="quality"), available)


def test_the_problem_has_a_type_of_its_own() -> None:
    assert (UnavailableTier.type, UnavailableTier.status) == ("unavailable-tier", 400)
    assert by_type("unavailable-tier") is UnavailableTier
    assert by_type("unsupported-option") is UnsupportedOption


def test_another_tier_is_loaded_when_it_is_first_asked_for_and_kept(
    tmp_path: Path, loads: list[str], prepared: Callable[..., Workspace]
) -> None:
    stage = make_stage(tmp_path, "fast", "quality")
    assert (stage.tiers, stage.tier, loads) == (("fast", "quality"), "fast", ["fast"])
    run_stage(stage, [prepared()])
    assert loads == ["fast"]
    for _ in range(2):
        run_stage(stage, [prepared(tier="quality")])
    assert loads == ["fast", "quality"]


def test_a_configured_tier_is_the_one_loaded_at_the_start(tmp_path: Path, loads: list[str]) -> None:
    assert make_stage(tmp_path, "fast", "quality", tier="quality").tier == "quality"
    assert loads == ["quality"]
    with pytest.raises(BrokenArtifact, match=r"denoise\.quality"):
        make_stage(tmp_path / "other", "fast", tier="quality")


def test_a_mixed_batch_gives_each_picture_what_it_gets_alone(
    tmp_path: Path, prepared: Callable[..., Workspace]
) -> None:
    stage = make_stage(tmp_path, "fast", "quality")
    batch = [prepared(tier=tier) for tier in ("auto", "quality", "fast", "quality")]
    run_stage(stage, batch)
    assert [workspace.envelope.trace["denoise"].tier for workspace in batch] == [
        "fast",
        "quality",
        "fast",
        "quality",
    ]
    alone = {}
    for tier in ("fast", "quality"):
        workspace = prepared()
        run_stage(stage.in_tier(tier), [workspace])
        alone[tier] = np.array(workspace.plane("denoised"))
    assert (alone["fast"] != alone["quality"]).any()
    for workspace in batch:
        expected = alone[workspace.envelope.trace["denoise"].tier or ""]
        assert (workspace.plane("denoised") == expected).all()


def test_one_that_asks_for_a_missing_tier_leaves_its_neighbours_as_they_are(
    tmp_path: Path, prepared: Callable[..., Workspace]
) -> None:
    stage = make_stage(tmp_path, "fast")
    batch = [prepared(), prepared(tier="quality"), prepared(tier="fast")]
    run_stage(stage, batch)
    assert [workspace.envelope.trace["denoise"].outcome for workspace in batch] == ["ran", "failed", "ran"]
    problem = problem_of(batch[1].envelope)
    assert (problem.type, problem.status, problem.stage) == ("unavailable-tier", 400, "denoise")
    assert "denoise has fast" in problem.detail


def test_a_stage_that_passes_needs_no_tier_and_names_none(
    tmp_path: Path, loads: list[str], prepared: Callable[..., Workspace]
) -> None:
    stage = make_stage(tmp_path, "fast")
    workspace = prepared(tier="quality", stages=("scratch",))
    run_stage(stage, [workspace])
    trace = workspace.envelope.trace["denoise"]
    assert (trace.outcome, trace.tier, loads) == ("passed", None, ["fast"])


def test_all_tiers_of_a_stage_take_turns(tmp_path: Path, prepared: Callable[..., Workspace]) -> None:
    class Turn:
        count = 0

        def __enter__(self) -> None:
            self.count += 1

        def __exit__(self, *_: object) -> None:
            pass

    stage, turn = make_stage(tmp_path, "fast", "quality"), Turn()
    stage.take_turns(turn)
    for count, tier in enumerate(("fast", "quality"), start=1):
        run_stage(stage, [prepared(tier=tier)])
        assert turn.count == count


def test_in_process_the_tier_may_be_asked_for_and_is_reported(tmp_path: Path) -> None:
    loaded = pipeline.load(
        config=CONFIG,
        stages=("preprocess", "denoise", "deliver"),
        weights=save_judge(save_denoiser(tmp_path, "fast", "quality")),
        root=tmp_path / "spaces",
    )
    results = {
        tier: loaded.restore(make_photo(40, 60), Options(tier=tier, stages=("denoise",), format="png"))
        for tier in ("auto", "fast", "quality")
    }
    traces = {tier: restored.report.trace for tier, restored in results.items()}
    assert [trace["denoise"].tier for trace in traces.values()] == ["fast", "fast", "quality"]
    assert all(trace["preprocess"].tier is None for trace in traces.values())
    assert (results["auto"].image == results["fast"].image).all()
    assert (results["quality"].image != results["fast"].image).any()


def test_in_process_a_missing_tier_is_found_before_any_work(tmp_path: Path) -> None:
    loaded = pipeline.load(
        stages=("preprocess", "denoise", "deliver"),
        weights=save_judge(save_denoiser(tmp_path, "fast")),
        root=tmp_path / "spaces",
    )
    with pytest.raises(UnavailableTier, match="denoise has fast"):
        loaded.restore(b"not even looked at", Options(tier="quality"))
    assert loaded.restore(make_photo(40, 60), Options(tier="quality", stages=())).report
