"""Networks from elsewhere under the contracts of our stages."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.sound import SOUND
from photorestore.errors import BrokenArtifact, ImageTooLarge, UnavailableNetwork
from photorestore.networks.cuts import whole_spec
from photorestore.networks.descriptor import IMAGE, Descriptor, Part
from photorestore.networks.imported import ImportedNetwork, described
from photorestore.networks.runner import Runner
from photorestore.networks.tiling import TileJob
from photorestore.networks.weights import load_network, weights_file
from photorestore.options import Options
from photorestore.stages.base import StageConfig, run_stage
from photorestore.stages.denoise.stage import DenoiseStage
from photorestore.stages.tiered import TieredStage
from photorestore.stages.upscale.stage import UpscaleStage
from photorestore.workspace import Workspace
from photorestore_import.taking import Wanted, take
from tests.conftest import make_photo, problem_of
from tests.spandrel_networks import compact, needs_spandrel, registry

CPU = torch.device("cpu")
CONFIG = StageConfig(precision="float32", tile_px=256)
WHOLE = Descriptor("Whole", (IMAGE,), IMAGE, stride=8, takes_whole=True)

WITHOUT_TORCHVISION = """
import sys
sys.modules["torchvision"] = None
import torch
from photorestore.networks.imported import described
try:
    described({"generator.model.1.bn_l.running_mean": torch.zeros(1)})
except ValueError as error:
    print(error)
"""


def taken(root: Path, stage: str, scale: int, name: str = "mine") -> Path:
    """A folder of weights with ours and one from elsewhere for a stage."""
    shutil.copytree(weights_file(stage, "fast").parent, root / stage)
    torch.save(compact(scale), root / "a.pth")
    take(Wanted(root / "a.pth", stage, name, "CC0-1.0", root))
    return root


def prepared(spaces: Path, **options: object) -> Workspace:
    workspace = Workspace.create(spaces, Options.from_mapping(options))
    workspace.write_plane("image", make_photo(90, 130).transpose(2, 0, 1))
    workspace.envelope.current = "image"
    workspace.envelope.estimates["preprocess"] = replace(SOUND, sigma_255=20.0, noisy=True)
    return workspace


def test_a_whole_picture_is_one_tile_of_sides_that_the_network_takes() -> None:
    spec = whole_spec(WHOLE, (300, 121), 1024)
    assert (spec.tile_px, spec.halo_px, spec.multiple, spec.scale) == (304, 0, 8, 1)
    assert whole_spec(WHOLE, (10, 2000), 1024).tile_px == 2000


@pytest.mark.parametrize(("scale", "most"), [(1, "1"), (2, "1"), (4, "0.26")])
def test_a_whole_picture_with_more_pixels_than_a_tile_is_refused(scale: int, most: str) -> None:
    with pytest.raises(ImageTooLarge, match=rf"^Whole .* at most {most} megapixels here; this one has 1\.1$"):
        whole_spec(WHOLE, (1000, 1100), 1024, scale)


def test_a_runner_gives_pictures_whole_to_who_takes_them_so() -> None:
    seen: list[tuple[int, ...]] = []

    def note(image: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(image.shape))
        return 1 - image

    planes = [np.full((3, height, 130), 55, np.uint8) for height in (90, 16)]
    jobs = [TileJob({"image": plane}, np.zeros_like(plane), None) for plane in planes]
    Runner(Part(WHOLE, note), tile_px=112).fill(jobs)
    assert seen == [(1, 3, 96, 136), (1, 3, 16, 136)]
    assert all((job.target == 200).all() for job in jobs)


@needs_spandrel
def test_it_is_run_in_tiles_as_it_is_run_whole(tmp_path: Path) -> None:
    root = taken(tmp_path, "upscale", 2)
    network = load_network("upscale", "mine", root=root)
    plane = make_photo(90, 130).transpose(2, 0, 1).copy()
    results = []
    for tile_px in (48, 1024):
        target = np.zeros((3, 180, 260), np.uint16)
        assert isinstance(network, ImportedNetwork)
        Runner(network, precision="float32", tile_px=tile_px).fill(
            [TileJob({"image": plane}, target, None)], scale=2
        )
        results.append(target.astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1
    assert results[0].std() > 100


@needs_spandrel
def test_it_works_in_its_stage_for_who_asks_and_for_nobody_else(tmp_path: Path) -> None:
    stage = TieredStage(DenoiseStage, CONFIG, taken(tmp_path, "denoise", 1), CPU)
    assert (stage.tiers, stage.imported) == (("fast",), ("mine",))
    asked, other, unknown = batch = [
        prepared(tmp_path / "spaces", **options)
        for options in ({"networks": "denoise:mine"}, {}, {"networks": "denoise:yours"})
    ]
    run_stage(stage, batch)
    image = torch.from_numpy(asked.plane("image") / 255).float()[None]
    expected = registry().load(compact(1)).model.eval()(image).clamp(0, 1)[0].detach().numpy()
    result = asked.plane("denoised")
    assert np.abs(result / np.iinfo(result.dtype).max - expected).max() < 0.01
    assert not np.array_equal(result, other.plane("denoised"))
    assert problem_of(unknown.envelope).type == UnavailableNetwork.type
    assert problem_of(unknown.envelope).detail == "networks names yours for denoise, which has mine"


@needs_spandrel
def test_it_enlarges_by_its_own_scale_and_no_other(tmp_path: Path) -> None:
    stage = TieredStage(UpscaleStage, CONFIG, taken(tmp_path, "upscale", 2), CPU)
    fits, other = (
        prepared(tmp_path / "spaces", networks="upscale:mine", scale=scale, mode="gentle") for scale in (2, 4)
    )
    run_stage(stage, [fits, other])
    assert fits.plane("upscaled").shape == (3, 180, 260)
    assert fits.envelope.trace["upscale"].note == "x2 to 260x180 by mine"
    assert problem_of(other.envelope).detail == "scale is 4, but the network 'mine' enlarges by 2"


@needs_spandrel
def test_weights_of_another_architecture_than_they_say_do_not_load() -> None:
    with pytest.raises(BrokenArtifact, match="weights of SPAN are taken for Compact"):
        ImportedNetwork(compact(1), kind="SPAN", stage="denoise")
    with pytest.raises(BrokenArtifact, match="cannot be built: the weights are of no architecture"):
        ImportedNetwork({"weight": torch.zeros(1)}, kind="SPAN", stage="denoise")


@needs_spandrel
def test_faces_come_back_in_the_size_in_which_they_came() -> None:
    network = ImportedNetwork(compact(1), kind="Compact", stage="face", side_px=80)
    seen: list[tuple[int, ...]] = []
    network.inner.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    faces = torch.rand(2, 3, 64, 64)
    before = faces.clone()
    assert network(faces, torch.ones(2)).shape == faces.shape
    assert seen == [(1, 3, 80, 80)] * 2
    assert torch.equal(faces, before)


@needs_spandrel
def test_without_torchvision_all_but_two_architectures_are_known() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCHVISION], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("LaMa needs torchvision, which cannot be imported: ")


@needs_spandrel
def test_what_is_described_computes_in_float32_without_gradients() -> None:
    found = described({name: value.half() for name, value in compact(1).items()})
    assert {parameter.dtype for parameter in found.model.parameters()} == {torch.float32}
    assert not found.model.training
    assert not any(parameter.requires_grad for parameter in found.model.parameters())
