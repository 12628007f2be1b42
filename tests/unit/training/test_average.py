"""Averaged weights are the mean of both, and say so."""

from pathlib import Path

import torch

from photorestore.networks.engines import KEY
from photorestore.networks.weights import REQUIRED, build_network, read_metadata, save_network
from photorestore.stages.preprocess.network import JudgeNet
from training.average import average


def test_weights_are_averaged_in_place(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("preprocess_judge.fast.safetensors", "older.safetensors")]
    widths, networks = (16, 16, 16), []
    told: dict[str, object] = dict.fromkeys(REQUIRED, "")
    del told["architecture"]
    told |= {KEY: {"ranges": {}, "least": {}}}
    for seed, file in enumerate(files):
        torch.manual_seed(seed)
        networks.append(JudgeNet(widths))
        save_network(
            file, networks[-1], architecture={"widths": widths}, metadata=told | {"commit": f"c{seed}"}
        )
    average(*files)
    mean, (new, old) = build_network(JudgeNet, files[0]), networks
    (name, new_values), old_values = (
        next(iter(new.head.named_parameters())),
        dict(old.head.named_parameters()),
    )
    expected = (new_values + old_values[name]) / 2
    assert torch.allclose(mean.state_dict()[f"head.{name}"], expected, atol=1e-3)
    assert read_metadata(files[0])["averaged_with"] == "c1"
    assert KEY not in read_metadata(files[0])
