import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from photorestore.errors import BrokenArtifact
from photorestore.networks import canary, weights
from photorestore.networks.origin import Imported
from photorestore.networks.precision import BFLOAT16, FLOAT32
from photorestore.networks.weights import (
    MANIFEST,
    NETWORKS,
    REQUIRED,
    load_network,
    read_metadata,
    save_network,
    share_networks,
    weights_file,
)
from photorestore.stages.denoise.network import DenoiseUNet
from photorestore.stages.upscale.network import Upscaler
from training.stamp import stamp

ARCHITECTURE = {"widths": (8, 16), "depths": (1, 1)}


def save_small(root: Path, **metadata: Any) -> DenoiseUNet:
    described = dict.fromkeys(REQUIRED, "x") | metadata
    described.pop("architecture")
    network = DenoiseUNet(**ARCHITECTURE)
    save_network(
        weights_file("denoise", "fast", root), network, architecture=ARCHITECTURE, metadata=described
    )
    return network


def test_a_saved_network_is_loaded_with_16_bits_of_precision(tmp_path: Path) -> None:
    network = save_small(tmp_path)
    loaded = load_network("denoise", root=tmp_path)
    assert not loaded.training
    for name, value in network.state_dict().items():
        assert torch.allclose(loaded.state_dict()[name], value, atol=1e-3)


def test_an_unknown_network_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BrokenArtifact, match="denoise"):
        load_network("nosuch", root=tmp_path)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenArtifact, match=r"denoise\.quality\.safetensors"):
        load_network("denoise", "quality", root=tmp_path)


def test_weights_without_their_story_are_refused(tmp_path: Path) -> None:
    file = weights_file("denoise", "fast", tmp_path)
    file.parent.mkdir()
    save_file({"a": torch.zeros(1)}, file, {"photorestore": json.dumps({"format": 1})})
    with pytest.raises(BrokenArtifact, match="metadata lacks"):
        load_network("denoise", root=tmp_path)


def test_imported_weights_need_no_story_of_a_training(tmp_path: Path) -> None:
    metadata: dict[str, Any] = {"data": "theirs", "licence": "MIT", "metrics": {}}
    metadata["origin"] = Imported("package", "1.0", "package-1.0.whl", "0" * 64, "MIT").to_mapping()
    file, network = weights_file("denoise", "fast", tmp_path), DenoiseUNet(**ARCHITECTURE)
    save_network(file, network, architecture=ARCHITECTURE, metadata=metadata)
    load_network("denoise", root=tmp_path)
    del metadata["origin"]["sha256"]
    with pytest.raises(BrokenArtifact, match="imported lack sha256"):
        save_network(file, network, architecture=ARCHITECTURE, metadata=metadata)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
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


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    network = DenoiseUNet(**ARCHITECTURE)
    network.tail.weight.data[0] = torch.nan
    described = dict.fromkeys(REQUIRED, "x")
    described.pop("architecture")
    save_network(
        weights_file("denoise", "fast", tmp_path), network, architecture=ARCHITECTURE, metadata=described
    )
    with pytest.raises(BrokenArtifact, match="finite"):
        load_network("denoise", root=tmp_path)


def test_a_variant_lies_in_the_folder_of_its_stage(tmp_path: Path) -> None:
    network = Upscaler(8, 1).reparameterise()
    file = weights_file("upscale_real", "fast", tmp_path)
    assert file == tmp_path / "upscale" / "upscale_real.fast.safetensors"
    described = dict.fromkeys(REQUIRED, "x")
    described.pop("architecture")
    save_network(file, network, architecture=network.architecture, metadata=described)
    loaded, image = load_network("upscale_real", root=tmp_path), torch.rand(1, 3, 9, 9)
    assert torch.allclose(loaded(image, 2), network(image, 2), atol=1e-2)


def zero(file: Path) -> None:
    """Write a file anew, with the same metadata and values of 0."""
    with safe_open(file, framework="pt") as stored:
        metadata, values = stored.metadata(), {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
    save_file({key: torch.zeros_like(value) for key, value in values.items()}, file, metadata)


def archive(root: Path) -> None:
    """Write the manifest that archives have."""
    files = sorted(root.glob("*/*.safetensors"))
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(root).as_posix()}"
        for file in files
    ]
    (root / MANIFEST).write_text("\n".join(lines) + "\n")


def test_weights_of_zero_in_the_right_shape_are_refused(tmp_path: Path) -> None:
    save_small(tmp_path)
    zero(weights_file("denoise", "fast", tmp_path))
    with pytest.raises(BrokenArtifact, match=r"denoise\.fast\.safetensors does not do what it did"):
        load_network("denoise", root=tmp_path)


@pytest.mark.parametrize("precision", [FLOAT32, BFLOAT16])
def test_trained_weights_are_taken_in_either_precision(tmp_path: Path, precision: str) -> None:
    save_small(tmp_path)
    load_network("denoise", root=tmp_path, precision=precision)


def test_weights_under_the_name_of_others_are_refused(tmp_path: Path) -> None:
    save_small(tmp_path)
    file = weights_file("denoise", "fast", tmp_path)
    file.rename(weights_file("denoise", "quality", tmp_path))
    with pytest.raises(
        BrokenArtifact, match=r"denoise\.quality\.safetensors holds the weights of denoise\.fast"
    ):
        load_network("denoise", "quality", root=tmp_path)


def test_weights_that_are_not_those_that_were_archived_are_refused(tmp_path: Path) -> None:
    save_small(tmp_path)
    archive(tmp_path)
    load_network("denoise", root=tmp_path)
    save_small(tmp_path)  # another training's
    with pytest.raises(BrokenArtifact, match="not the file that was archived"):
        load_network("denoise", root=tmp_path)
    (tmp_path / MANIFEST).write_text("")
    with pytest.raises(BrokenArtifact, match="not the file that was archived"):
        load_network("denoise", root=tmp_path)


def test_shared_networks_are_loaded_again_only_if_their_file_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_shared", None)
    save_small(tmp_path / "a")
    assert load_network("denoise", root=tmp_path / "a") is not load_network("denoise", root=tmp_path / "a")
    share_networks()
    loaded = load_network("denoise", root=tmp_path / "a")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    share_networks()
    assert load_network("denoise", root=tmp_path / "b") is loaded
    assert load_network("denoise", root=tmp_path / "a", precision=BFLOAT16) is not loaded
    save_small(tmp_path / "a")
    assert load_network("denoise", root=tmp_path / "b") is not loaded


def test_a_shared_network_is_none_where_the_archive_lists_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_shared", None)
    share_networks()
    save_small(tmp_path)
    load_network("denoise", root=tmp_path)
    (tmp_path / MANIFEST).write_text(f"{'0' * 64}  denoise/denoise.fast.safetensors\n")
    with pytest.raises(BrokenArtifact, match="not the file that was archived"):
        load_network("denoise", root=tmp_path)


def test_older_weights_are_loaded_and_can_be_stamped(tmp_path: Path) -> None:
    save_small(tmp_path, data="of old")
    file = weights_file("denoise", "fast", tmp_path)
    with safe_open(file, framework="pt") as stored:
        values = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
    stamped = read_metadata(file)
    metadata = {key: value for key, value in stamped.items() if key not in ("name", "canary")}
    save_file(values, file, {"photorestore": json.dumps(metadata)})
    before = load_network("denoise", root=tmp_path).state_dict()
    assert stamp(file)
    assert not stamp(file)
    again = read_metadata(file)
    assert again | {"canary": None} == stamped | {"canary": None}
    assert again["canary"] == pytest.approx(stamped["canary"], abs=1e-4)
    after = load_network("denoise", root=tmp_path).state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("precision", [FLOAT32, BFLOAT16])
def test_canary_finds_out_committed_weights_of_zero_in_either_precision(name: str, precision: str) -> None:
    network = load_network(name)
    expected = read_metadata(weights_file(name, "fast"))["canary"]
    answer = canary.output_of(network, precision)
    assert answer is not None
    assert canary.distance(answer, expected) < canary.TOLERANCE / 4
    for parameter in network.parameters():
        parameter.zero_()
    with pytest.raises(BrokenArtifact, match="known picture"):
        canary.check(network, expected, name, precision)


def test_canary_is_the_same_picture_everywhere() -> None:
    """Stored answers hold for this one only."""
    picture = canary.make_picture()
    assert picture.shape == (1, 3, 32, 32)
    assert (picture.mean().item(), picture.std().item()) == pytest.approx((0.49962, 0.18112), abs=1e-5)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_committed_weights_load_and_describe_themselves(name: str) -> None:
    network = load_network(name)
    metadata = read_metadata(weights_file(name, "fast"))
    is_imported = metadata.get("origin", {}).get("kind") == "imported"  # then what uses it is measured
    assert metadata["metrics"] or is_imported
    assert sum(parameter.numel() for parameter in network.parameters()) > 1_000
