import json

import pytest
import torch
from safetensors.torch import save_file

from photorestore.errors import BrokenArtifact
from photorestore.networks.denoise import DenoiseUNet
from photorestore.networks.upscale import Upscaler
from photorestore.weights import NETWORKS, REQUIRED, load_network, read_metadata, save_network, weights_file

ARCHITECTURE = {"widths": (8, 16), "depths": (1, 1)}


def save_small(root, **metadata):
    described = dict.fromkeys(REQUIRED, "x") | metadata
    described.pop("architecture")
    network = DenoiseUNet(**ARCHITECTURE)
    save_network(
        weights_file("denoise", "fast", root), network, architecture=ARCHITECTURE, metadata=described
    )
    return network


def test_a_saved_network_is_loaded_with_16_bits_of_precision(tmp_path):
    network = save_small(tmp_path)
    loaded = load_network("denoise", root=tmp_path)
    assert not loaded.training
    for name, value in network.state_dict().items():
        assert torch.allclose(loaded.state_dict()[name], value, atol=1e-3)


def test_an_unknown_network_is_named_with_those_there_are(tmp_path):
    with pytest.raises(BrokenArtifact, match="denoise"):
        load_network("nosuch", root=tmp_path)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(BrokenArtifact, match=r"denoise\.quality\.safetensors"):
        load_network("denoise", "quality", root=tmp_path)


def test_weights_without_their_story_are_refused(tmp_path):
    file = weights_file("denoise", "fast", tmp_path)
    file.parent.mkdir()
    save_file({"a": torch.zeros(1)}, file, {"photorestore": json.dumps({"format": 1})})
    with pytest.raises(BrokenArtifact, match="metadata lacks"):
        load_network("denoise", root=tmp_path)


def test_weights_of_another_architecture_are_refused(tmp_path):
    described = dict.fromkeys(REQUIRED, "x")
    described.pop("architecture")
    save_network(
        weights_file("denoise", "fast", tmp_path),
        DenoiseUNet((8, 8), (1, 1)),
        architecture=ARCHITECTURE,
        metadata=described,
    )
    with pytest.raises(BrokenArtifact, match="does not fit"):
        load_network("denoise", root=tmp_path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    network = DenoiseUNet(**ARCHITECTURE)
    network.tail.weight.data[0] = torch.nan
    described = dict.fromkeys(REQUIRED, "x")
    described.pop("architecture")
    save_network(
        weights_file("denoise", "fast", tmp_path), network, architecture=ARCHITECTURE, metadata=described
    )
    with pytest.raises(BrokenArtifact, match="finite"):
        load_network("denoise", root=tmp_path)


def test_a_variant_lies_in_the_folder_of_its_stage(tmp_path):
    network = Upscaler(8, 1).reparameterise()
    file = weights_file("upscale_real", "fast", tmp_path)
    assert file == tmp_path / "upscale" / "upscale_real.fast.safetensors"
    described = dict.fromkeys(REQUIRED, "x")
    described.pop("architecture")
    save_network(file, network, architecture=network.architecture, metadata=described)
    loaded, image = load_network("upscale_real", root=tmp_path), torch.rand(1, 3, 9, 9)
    assert torch.allclose(loaded(image, 2), network(image, 2), atol=1e-2)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_committed_weights_load_and_describe_themselves(name):
    network = load_network(name)
    metadata = read_metadata(weights_file(name, "fast"))
    assert metadata["metrics"]
    assert sum(parameter.numel() for parameter in network.parameters()) > 10_000
