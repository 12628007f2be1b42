"""A stage is given the networks of its row, each in the tier that it has."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
import torch

from photorestore.networks.descriptor import IMAGE, Descriptor, Part
from photorestore.networks.runner import Runner
from photorestore.pipeline import STAGE_CLASSES
from photorestore.stages import networked
from photorestore.stages.base import StageConfig
from photorestore.stages.networked import NetworkStage

CPU = torch.device("cpu")
CONFIG = StageConfig("quality", "float32", tile_px=512, tile_batch=2)
NOTHING = Part(Descriptor("Nothing", (IMAGE,), IMAGE), lambda image: image)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The tiers of the networks that are loaded."""
    tiers: dict[str, str] = {}

    def note(
        name: str, tier: str, device: torch.device, *, root: Path | None, **bound: Any
    ) -> Runner[torch.Tensor]:
        tiers[name] = tier
        return Runner(NOTHING, device, **bound)

    monkeypatch.setattr(networked, "load_runner", note)
    return tiers


@pytest.mark.parametrize(
    ("stage", "tiers"),
    [
        (
            "preprocess",
            dict.fromkeys(
                ("preprocess_judge", "preprocess_scene", "preprocess_demosaic", "scratch_print"), "fast"
            ),
        ),
        ("denoise", {"denoise": "quality", "denoise_csf": "fast"}),
        ("deblur", {"deblur": "fast", "denoise": "fast", "denoise_csf": "fast"}),
        (
            "scratch",
            {
                "scratch": "quality",
                "scratch_print": "quality",
                "scratch_glance": "fast",
                "preprocess_scene": "fast",
            },
        ),
        ("translate", {"translate": "quality", "translate_print": "fast", "translate_tone": "fast"}),
        ("face", {"face": "quality", "face_detector": "fast"}),
    ],
)
def test_each_network_comes_in_its_tier_bound_as_configured(
    loads: dict[str, str], stage: str, tiers: dict[str, str]
) -> None:
    cls = STAGE_CLASSES[stage]
    assert issubclass(cls, NetworkStage)
    loaded = cls.load(CONFIG, None, CPU)
    assert loads == tiers
    assert list(loaded.networks) == list(tiers)
    for runner in loaded.networks.values():
        assert (runner.precision, runner.tile_px, runner.tile_batch) == ("float32", 512, 2)


@pytest.mark.usefixtures("loads")
def test_all_networks_of_a_stage_take_the_same_turn() -> None:
    stage, turn = STAGE_CLASSES["translate"].load(CONFIG, None, CPU), contextlib.nullcontext()
    assert isinstance(stage, NetworkStage)
    stage.take_turns(turn)
    assert all(runner.turn is turn for runner in stage.networks.values())


def test_stages_of_one_process_hold_a_network_once() -> None:
    config = StageConfig("fast", "float32")
    first, second = (STAGE_CLASSES[name].load(config, None, CPU) for name in ("preprocess", "scratch"))
    assert isinstance(first, NetworkStage)
    assert isinstance(second, NetworkStage)
    for name in ("preprocess_scene", "scratch_print"):
        assert first.networks[name].network is second.networks[name].network
        assert first.networks[name] is not second.networks[name]
