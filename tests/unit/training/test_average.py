"""Averaged weights are the mean of both, and say so."""

import torch

from photorestore.networks.weights import REQUIRED, build_network, read_metadata, save_network
from photorestore.stages.preprocess.network import JudgeNet
from training.average import average


def test_weights_are_averaged_in_place(tmp_path) -> None:
    files = [tmp_path / name for name in ("preprocess_judge.fast.safetensors", "older.safetensors")]
    widths, networks, told = (16, 16, 16), [], dict.fromkeys(REQUIRED, "")
    del told["architecture"]
    for seed, file in enumerate(files):
        torch.manual_seed(seed)
        networks.append(JudgeNet(widths))
        save_network(
            file, networks[-1], architecture={"widths": widths}, metadata=told | {"commit": f"c{seed}"}
        )
    average(*files)
    mean, (new, old) = build_network(JudgeNet, files[0]), networks
    expected = (new.head[0].weight + old.head[0].weight) / 2
    assert torch.allclose(mean.head[0].weight, expected, atol=1e-3)
    assert read_metadata(files[0])["averaged_with"] == "c1"
