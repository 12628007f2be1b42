"""The runner keeps the contract of whatever network stands behind it."""

import contextlib
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from photorestore.errors import BrokenArtifact
from photorestore.networks.box import Box
from photorestore.networks.descriptor import CORE, IMAGE, SCALE, Descriptor, Part, Port
from photorestore.networks.runner import Runner, load_runner
from photorestore.networks.tiling import TileJob, Tiles

RESULT = Port("result", "N 3 H W", 0, 1)


class Engine:
    """No torch module: brightens, and remembers what it was given."""

    def __init__(self, gain: float = 1.0, **contract: Any) -> None:
        self.descriptor = Descriptor("Engine", (IMAGE,), RESULT, **{"reach_px": 0, **contract})
        self.gain = gain
        self.parts: dict[str, Part[Tensor]] = {}
        self.seen: list[tuple[Tensor, bool, bool]] = []

    def __call__(self, image: Tensor) -> Tensor:
        self.seen.append((image, torch.is_autocast_enabled("cpu"), torch.is_inference_mode_enabled()))
        return self.gain * image


class Turn(contextlib.AbstractContextManager[None]):
    def __init__(self) -> None:
        self.count, self.is_held = 0, False

    def __enter__(self) -> None:
        self.count, self.is_held = self.count + 1, True

    def __exit__(self, *_: object) -> None:
        self.is_held = False


def test_maps_are_padded_to_the_stride_and_the_result_is_cropped() -> None:
    engine, image = Engine(stride=8), torch.rand(1, 3, 13, 21)
    assert torch.equal(Runner(engine)(image), image)
    seen = engine.seen[0][0]
    assert seen.shape == (1, 3, 16, 24)
    assert torch.equal(seen[..., 13:, :21], image[..., -1:, :].expand(1, 3, 3, 21))
    assert seen.is_contiguous(memory_format=torch.channels_last)


def test_the_result_is_clamped_to_its_range_unless_it_is_wanted_as_it_is() -> None:
    runner, image = Runner(Engine(3.0)), torch.full((1, 3, 4, 4), 0.5)
    assert float(runner(image).max()) == 1
    assert float(runner(image, clamps=False).max()) == 1.5


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
@pytest.mark.parametrize("in_bfloat16", [True, False])
def test_the_precision_is_that_of_the_runner_where_the_network_allows_it(
    precision: str, in_bfloat16: bool
) -> None:
    engine = Engine(in_bfloat16=in_bfloat16)
    runner, target = Runner(engine, precision=precision), np.zeros((3, 4, 4), np.uint8)
    runner(torch.rand(1, 3, 4, 4))
    runner.fill([TileJob({"image": target.copy()}, target, None)])
    is_cast = precision == "bfloat16" and in_bfloat16
    assert [(cast, inference) for _, cast, inference in engine.seen] == [(is_cast, True)] * 2


def test_inputs_that_break_the_contract_do_not_reach_the_network() -> None:
    engine = Engine()
    with pytest.raises(ValueError, match=re.escape("Engine: image is (1, 1, 4, 4); expected N x 3")):
        Runner(engine)(torch.rand(1, 1, 4, 4))
    assert not engine.seen


def test_a_network_that_breaks_its_contract_is_found_out() -> None:
    part = Part(Descriptor("Grey", (IMAGE,), RESULT, reach_px=0), lambda image: image.mean(1, keepdim=True))
    message = re.escape("Grey: result is (1, 1, 4, 4); expected N x 3 x H x W, here 1 x 3 x 4 x 4")
    with pytest.raises(ValueError, match=message):
        Runner(part)(torch.rand(1, 3, 4, 4))
    target = np.zeros((3, 4, 4), np.uint8)
    with pytest.raises(ValueError, match=message):
        Runner(part).fill([TileJob({"image": target}, target, None)])


def test_many_inputs_are_run_in_batches_of_one_shape() -> None:
    engine, images = Engine(), torch.rand(5, 3, 8, 8)
    assert torch.equal(Runner(engine, tile_batch=2).each(images), images)
    assert [seen.shape[0] for seen, _, _ in engine.seen] == [2, 2, 2]


def test_networks_compute_only_while_they_hold_their_turn() -> None:
    turn = Turn()
    held: list[bool] = []

    def look(image: Tensor) -> Tensor:
        held.append(turn.is_held)
        return image

    contract = Descriptor("Looks", (IMAGE,), RESULT, reach_px=0)
    part = Part(contract, look)
    runner, target = Runner(part, turn=turn, tile_px=8), np.zeros((3, 8, 16), np.uint8)
    runner(torch.rand(1, 3, 4, 4))
    runner.fill([TileJob({"image": target.copy()}, target, None)])
    assert (turn.count, held) == (3, [True] * 3)


def test_values_reach_the_network_by_name_and_results_can_be_finished() -> None:
    sigma = Port("sigma", "N", 0, 1)
    part = Part(
        Descriptor("Adds", (IMAGE, sigma), RESULT, reach_px=0), lambda image, sigma: image + sigma[:, None, None, None]
    )  # fmt: skip
    jobs = [
        TileJob({"image": np.zeros((3, 4, 4), np.uint8)}, np.zeros((3, 4, 4), np.uint8), index, {"sigma": sigma})
        for index, sigma in enumerate((0.2, 0.4))
    ]  # fmt: skip
    weights: list[int] = []

    def halved(pred: Tensor, tiles: Tiles[int]) -> Tensor:
        weights.extend(job.context for job in tiles.jobs)
        assert tiles.planes["image"].shape == pred.shape
        return pred / 2

    Runner(part, tile_batch=2).fill(jobs, halved)
    assert [int(job.target.max()) for job in jobs] == [26, 51]
    assert weights == [0, 1]


def test_a_job_that_breaks_the_contract_is_refused() -> None:
    target = np.zeros((3, 4, 4), np.uint8)
    with pytest.raises(ValueError, match="Engine was given mask; expected image"):
        Runner(Engine()).fill([TileJob({"mask": target}, target, None)])
    with pytest.raises(ValueError, match="Engine: image is a plane of 1 channels; expected N x 3"):
        Runner(Engine()).fill([TileJob({"image": target[:1]}, target, None)])


def test_a_scale_that_there_is_not_is_refused() -> None:
    part = Part(Descriptor("Twice", (IMAGE, SCALE), RESULT, reach_px=0, scales=(2,)), lambda image, _: image)
    with pytest.raises(ValueError, match=re.escape("Twice: scale 3 was asked for; there are (2,)")):
        Runner(part)(torch.rand(1, 3, 4, 4), 3)
    with pytest.raises(ValueError, match="scale 1 was asked for"):
        Runner(part).fill([])


def test_larger_results_come_from_smaller_tiles() -> None:
    runner = Runner(Engine(scales=(1, 2, 4)), tile_px=64)
    assert [runner.spec(scale).tile_px for scale in (1, 2, 4)] == [64, 64, 32]


@pytest.mark.parametrize("batch", [1, 3])
def test_a_network_need_not_compute_more_than_the_cores_of_tiles(batch: int) -> None:
    cores: list[Box | None] = []

    def darken_rest(image: Tensor, core: Box | None) -> Tensor:
        cores.append(core)
        result = torch.zeros_like(image)
        part = core or Box.all_of(image)
        part.of(result).copy_(part.of(image))
        return result

    part = Part(Descriptor("Cored", (IMAGE, CORE), RESULT, stride=4, reach_px=8), darken_rest)
    runner = Runner(part, tile_px=48, tile_batch=batch)
    plane = np.random.default_rng(0).integers(1, 256, (3, 150, 61), np.uint8)
    target = np.zeros_like(plane)
    runner.fill([TileJob({"image": plane}, target, None)])
    assert np.array_equal(target, plane)
    assert len(cores) > 1
    assert all(core is not None and not any(edge % 4 for edge in core) for core in cores)
    runner(torch.rand(1, 3, 16, 16))
    assert cores[-1] is None


def test_what_looks_at_whole_pictures_is_not_run_in_tiles() -> None:
    target = np.zeros((3, 4, 4), np.uint8)
    with pytest.raises(ValueError, match="Engine looks at whole pictures"):
        Runner(Engine(reach_px=None)).fill([TileJob({"image": target}, target, None)])


def test_a_part_is_run_as_the_whole_is() -> None:
    engine = Engine()
    engine.parts["half"] = Part(engine.descriptor, lambda image: image / 2)
    runner = Runner(engine, precision="float32", tile_batch=3, turn=Turn())
    part = runner.part("half")
    assert float(part(torch.ones(1, 3, 2, 2)).max()) == 0.5
    assert (part.precision, part.tile_batch, part.turn) == ("float32", 3, runner.turn)
    with pytest.raises(ValueError, match=re.escape("Engine has no part 'quarter'; there are ['half']")):
        runner.part("quarter")


def test_a_committed_network_is_loaded_bound() -> None:
    runner = load_runner("scratch", precision="float32", tile_px=512, tile_batch=2)
    assert runner.descriptor.name == "ScratchUNet"
    assert (runner.device.type, runner.precision, runner.tile_px, runner.tile_batch) == (
        "cpu",
        "float32",
        512,
        2,
    )
    with pytest.raises(BrokenArtifact, match="nosuch"):
        load_runner("nosuch")


def test_a_network_without_a_contract_is_not_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photorestore.networks.runner.load_network", lambda *_, **__: torch.nn.Identity())
    with pytest.raises(BrokenArtifact, match="does not say what it takes"):
        load_runner("denoise")
