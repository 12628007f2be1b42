"""What the networks say of themselves is true: stride, reach and scale, so that tiles equal the whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from photorestore.networks.descriptor import Descriptor, Network
from photorestore.networks.runner import Runner
from photorestore.networks.tiling import TileJob, to_float
from photorestore.networks.weights import NETWORKS, load_network
from photorestore.stages.colorize.network import ColorizeNetwork
from photorestore.stages.deblur.network import DeblurUNet
from photorestore.stages.denoise.network import DenoiseUNet
from photorestore.stages.denoise.shrinkage import ShrinkageCascade
from photorestore.stages.face.detector import FaceDetector
from photorestore.stages.face.network import FaceUNet
from photorestore.stages.preprocess.demosaic_network import Demosaicker
from photorestore.stages.preprocess.network import JudgeNet
from photorestore.stages.preprocess.scene_network import SceneTrunk
from photorestore.stages.scratch.glance_network import Cored, Glance
from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.scratch.scene_head import CHANNELS
from photorestore.stages.translate.network import Translator
from photorestore.stages.translate.tone_network import ToneNetwork
from photorestore.stages.upscale.network import Bilinear, Upscaler
from photorestore.stages.weather.haze_network import HazeNetwork
from photorestore.stages.weather.network import WeatherUNet
from tests.conftest import make_photo

TRANSLATOR = {
    "latent": 8, "vae_width": 8, "mapping_width": 8, "mapping_depth": 2, "fusion_width": 8, "fusion_depth": 1
}  # fmt: skip


Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Case:
    """A small network with weights that are all at work, and what it is given beside pictures."""

    make: Callable[[], Network[Tensor]]
    tile_px: int
    scale: int = 1


def active(network: Module) -> Module:
    """With random weights everywhere, also where training starts at zero."""
    torch.manual_seed(0)
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_uniform_(parameter, a=1.5)
        elif "norm" not in name:
            nn.init.uniform_(parameter, -0.1, 0.1)
    return network.eval().requires_grad_(False)


def trained(name: str) -> Network[Tensor]:
    """With the weights that are delivered."""
    network: object = load_network(name)
    assert isinstance(network, Network)
    return network


WHOLE = (
    JudgeNet.descriptor,
    SceneTrunk.descriptor,
    ToneNetwork.descriptor,
    HazeNetwork.descriptor,
    FaceDetector.descriptor,
    ColorizeNetwork.descriptor,
)
"""Those that look at whole pictures."""
CASES = {
    "denoise": Case(lambda: active(DenoiseUNet((8, 16), (1, 1))), 96),
    "deblur": Case(lambda: active(DeblurUNet((8, 12, 16), (1, 1, 1))), 320),
    "weather": Case(lambda: active(WeatherUNet((8, 12, 16), (1, 1, 1))), 320),
    "scratch": Case(lambda: active(ScratchUNet((8, 12, 16))), 256),
    "scratch told the scene": Case(lambda: active(ScratchUNet((8, 12, 16), sees_scene=True)), 256),
    "scratch without halos": Case(lambda: Cored(active(ScratchUNet((8, 12, 16), sees_scene=True))), 256),
    "translate": Case(lambda: active(Translator(**TRANSLATOR)), 320),
    "demosaic": Case(lambda: active(Demosaicker(8, 1, 2)), 96),
    "face": Case(lambda: active(FaceUNet((8, 12), (1, 2), 4)), 160),
    "upscale x2": Case(lambda: active(Upscaler(8, 2)), 48, 2),
    "upscale x4": Case(lambda: active(Upscaler(8, 2).reparameterise()), 64, 4),
    "bilinear x2": Case(Bilinear, 32, 2),
    "bilinear x4": Case(Bilinear, 32, 4),
}
MEASURED: set[type] = {type(case.make()) for case in CASES.values()}
CASES |= {
    name: Case(partial(trained, name), 1024)
    for name, cls in NETWORKS.items()
    if cls not in {*MEASURED, ShrinkageCascade, Glance} and getattr(cls, "descriptor", None) not in WHOLE
}
"""Networks of which there is no small one here are measured with their own weights. A spectrum's reach has no end: how
tiles of shrinkage fields differ from the whole is measured with its stage. A glance is given no pictures."""


def runner_of(case: Case, batch: int = 1) -> Runner[Tensor]:
    return Runner(case.make(), precision="float32", tile_px=case.tile_px, tile_batch=batch)


def planes_of(descriptor: Descriptor, h: int, w: int) -> dict[str, np.ndarray]:
    """A photograph, damaged at random, and anything else at random, for each map that is asked for."""
    rng, photo = np.random.default_rng(0), make_photo(h, w).transpose(2, 0, 1)
    holes = (rng.random((1, h, w)) < 0.1).astype(np.uint8) * 255
    planes = {}
    for port in descriptor.inputs:
        if port.name == "image":
            planes["image"] = np.ascontiguousarray(photo[: port.channels])
        elif port.is_map and port.square_px > 1:
            size = (port.channels, -(-h // port.square_px), -(-w // port.square_px))
            planes[port.name] = rng.integers(0, 65536, size, np.uint16)
        elif port.is_map:
            planes[port.name] = holes.repeat(port.channels, 0)
    return planes


def values_of(runner: Runner[Tensor], maps: Mapping[str, Tensor]) -> dict[str, object]:
    """What is global for a picture: a noise level, a share, keys."""
    names = {port.name for port in runner.descriptor.inputs}
    values: dict[str, object] = {name: 0.3 for name in ("sigma", "strength") if name in names}
    if "context" in names:
        values["context"] = runner.part("key_view")(maps["image"], maps["scratch_mask"])
    return values


def whole(runner: Runner[Tensor], maps: Mapping[str, Tensor], scale: int, **values: object) -> Tensor:
    """What a network makes of whole maps."""
    given = {**maps, **values, "scale": scale}
    given |= {name: torch.tensor([value]) for name, value in values.items() if isinstance(value, float)}
    return runner(*(given.get(port.name) for port in runner.descriptor.inputs))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("hw", [(7, 5), (131, 377), (355, 331)])
@pytest.mark.parametrize("name", CASES)
def test_tiled_equals_whole(name: str, hw: tuple[int, int], batch: int) -> None:
    scale, runner = CASES[name].scale, runner_of(CASES[name], batch)
    planes = planes_of(runner.descriptor, *hw)
    maps = {name: to_float(plane)[None] for name, plane in planes.items()}
    values = values_of(runner, maps)
    channels = runner.descriptor.output.channels
    target = np.zeros((channels, scale * hw[0], scale * hw[1]), np.uint16)
    runner.fill([TileJob(planes, target, None, values)], scale=scale)
    expected = whole(runner, maps, scale, **values)[0].clamp(0, 1)
    assert float((to_float(target) - expected).abs().max()) < 3e-4


@pytest.mark.parametrize("name", CASES)
def test_nothing_beyond_the_reach_matters_and_what_is_near_does(name: str) -> None:
    case = CASES[name]
    network = case.make()
    descriptor, scale = network.descriptor, case.scale
    assert descriptor.reach_px is not None
    side = 2 * (descriptor.reach_px + 2 * descriptor.stride)
    side, centre = -(-side // descriptor.stride) * descriptor.stride, side // 2
    looked_at = descriptor.inputs[0]
    image = torch.rand(1, looked_at.channels, side, side)
    given: dict[str, object] = {
        looked_at.name: image.requires_grad_(True),
        "scratch_mask": torch.ones(1, 1, side, side),
        "pattern": (torch.rand(1, 3, side, side) < 0.4).float(),
        "sigma": torch.tensor([0.1]),
        "scene": torch.rand(1, CHANNELS, side // descriptor.stride, side // descriptor.stride),
        "scale": scale,
    }
    if name == "translate":
        assert isinstance(network, Translator)
        given["context"] = network.key_view(torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32))
    result = network(*(given.get(port.name) for port in descriptor.inputs))
    result[0, :, scale * centre, scale * centre].sum().backward()
    assert image.grad is not None
    rows, columns = image.grad.abs().sum((0, 1)).nonzero().unbind(1)
    reached = max(int((rows - centre).abs().max()), int((columns - centre).abs().max()))
    assert reached <= descriptor.reach_px


@pytest.mark.parametrize("name", CASES)
def test_any_size_comes_back_scaled_and_in_range(name: str) -> None:
    runner, scale = runner_of(CASES[name]), CASES[name].scale
    maps = {name: to_float(plane)[None] for name, plane in planes_of(runner.descriptor, 33, 50).items()}
    result = whole(runner, maps, scale, **values_of(runner, maps))
    output = runner.descriptor.output
    assert result.shape == (1, output.channels, scale * 33, scale * 50)
    if output.low is not None and output.high is not None:
        assert output.low <= float(result.min()) <= float(result.max()) <= output.high


@pytest.mark.parametrize("descriptor", WHOLE, ids=lambda descriptor: descriptor.name)
def test_networks_that_look_at_whole_pictures_say_so(descriptor: Descriptor) -> None:
    assert descriptor.reach_px is None
