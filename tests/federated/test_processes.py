"""Server and sites as processes of their own, over TLS: a federation outlives what dies; its weights are delivered."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from deploy.ports import free_ports
from photorestore.networks.weights import REQUIRED, read_metadata, save_network
from photorestore.stages.denoise.network import DenoiseUNet
from tests.conftest import make_photo

pytest.importorskip("flwr", reason="Flower is not in this environment: `make federated` runs these tests")

HOME = Path(__file__).resolve().parents[2]
PLAN = """tier = "test"
rounds = 4
steps = 2
learning_rate = 1e-3
final_learning_rate = 1e-4
measure_every = 2
by_pictures = false
alignment = 0.0
least_sites = 2
wait_s = 90.0
clip = 0.5
most_change = 1.0
most_pictures = 1000
"""
CONFIG = """tier = "test"
widths = [8, 16]
depths = [1, 1]
photos = ["mine"]
pairs = ""
papers = ""
validation = 1
patch_px = 32
batch_size = 2
total_steps = 1
learning_rate = 1e-3
final_learning_rate = 1e-4
ema_decay = 0.9
evaluate_every = 100
noise = "gaussian"
max_sigma_255 = 55
targets = "clean"
loss = "l1"
difficulty_levels = 1
seed = 1
"""
ODD_SITE = """
import sys
from pathlib import Path
from training.config import read_config
from training.federated import messages
from training.federated.connection import Connection, attend
from training.federated.local import Site
from training.place import Place
from training import train_denoise
key, authority, config, data, runs, address = sys.argv[1:]
site = Site(read_config(train_denoise.Config, Path(config)), Place(data=Path(data), runs=Path(runs), threads=1))
answer = messages.answering(site)
def odd(message):
    reply = answer(message)
    if not reply.has_error():  # what is sent is right in all but one number
        weights = messages.to_weights(reply.content["arrays"])
        next(iter(weights.values())).view(-1)[0] = float("nan")
        reply.content["arrays"] = messages.to_record(weights)
    return reply
attend(Connection(address, Path(key), Path(authority)), odd)
"""

OPTION = """
from pathlib import Path
def pytest_addoption(parser):
    parser.addoption("--weights", type=Path)
"""
GATE = """
def test_there_are_weights(request):
    from photorestore.networks.weights import load_network
    assert load_network("denoise", root=request.config.getoption("--weights")) is not None
"""


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
        *("-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", tmp_path / "server.key", "-out", tmp_path / "server.crt"),
    )
    (tmp_path / "sites").mkdir()
    for number, name in enumerate(("anna", "bert", "carl", "odd")):
        openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", tmp_path / f"{name}.key")
        openssl("ec", "-in", tmp_path / f"{name}.key", "-pubout", "-out", tmp_path / "sites" / f"{name}.pem")
        (tmp_path / name / "mine").mkdir(parents=True)
        for picture in range(3):
            pixels = make_photo(96, 128, seed=10 * number + picture)
            Image.fromarray(pixels).save(tmp_path / name / "mine" / f"{picture}.png")
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "odd.py").write_text(ODD_SITE)
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate/conftest.py").write_text(OPTION)
    (tmp_path / "gate/test_gate.py").write_text(GATE)
    torch.manual_seed(1)
    save_network(
        tmp_path / "begin.safetensors", DenoiseUNet((8, 16), (1, 1)),
        architecture={"widths": [8, 16], "depths": [1, 1]},
        metadata=dict.fromkeys(set(REQUIRED) - {"architecture"}, "none"),
    )  # fmt: skip
    return tmp_path


def start(stack: ExitStack, log: Path, *arguments: str | Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": f"{HOME}:{HOME / 'src'}", "OMP_NUM_THREADS": "1"}
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=HOME, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def wait_for(text: str, log: Path, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while text not in log.read_text():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_federation_goes_on_without_a_bad_site_a_dead_one_and_its_first_server(
    folder: Path, stack: ExitStack
) -> None:
    port = free_ports(1)
    address, log = f"127.0.0.1:{port}", folder / "server.log"
    federated = ("-m", "training.federated")
    server = (
        *(*federated, "server", "--plan", folder / "plan.toml", "--begin", folder / "begin.safetensors"),
        *("--sites", folder / "sites", "--port", str(port), "--runs", folder / "runs"),
        *("--weights", folder / "weights", "--gates", folder / "gate"),
        *("--certificate", folder / "server.crt", "--key", folder / "server.key"),
    )
    first = start(stack, log, *server)
    start(
        stack, folder / "odd.log", folder / "odd.py", folder / "odd.key", folder / "server.crt",
        folder / "config.toml", folder / "odd", folder / "odd.runs", address,
    )  # fmt: skip
    wait_for("connected", folder / "odd.log")  # so it is there in each round
    sites = {
        name: start(
            stack, folder / f"{name}.log", *federated, "site", "--server", address,
            "--key", folder / f"{name}.key", "--authority", folder / "server.crt",
            "--config", folder / "config.toml", "--data", folder / name, "--runs", folder / f"{name}.runs",
        )
        for name in ("anna", "bert", "carl")
    }  # fmt: skip
    wait_for("round 2 of 4", log)
    sites["bert"].kill()
    first.kill()
    first.wait()
    start(stack, log, *server).wait(400)
    told = log.read_text()
    assert re.search("[12] of 4 rounds are done", told)
    assert "odd is left out: " in told
    assert re.search("done after 4 rounds with anna, (bert, )?carl\n", told)
    delivered = folder / "weights/denoise/denoise.test.safetensors"
    assert f"the weights are {delivered}" in told
    begin, end = load_file(folder / "begin.safetensors"), load_file(delivered)
    assert begin.keys() == end.keys()
    assert read_metadata(delivered)["steps"] >= 4  # sites that are not back at once miss a round
    assert any(not torch.equal(begin[name], end[name]) for name in begin)
    assert all(torch.isfinite(value).all() for value in end.values())


def test_neither_end_starts_without_certificates(folder: Path) -> None:
    for arguments in (
        ("server", "--plan", "plan.toml", "--begin", "begin.safetensors", "--sites", "sites"),
        ("site", "--key", "anna.key"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "training.federated", *arguments], cwd=folder, capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": f"{HOME}:{HOME / 'src'}"}, check=False,
        )  # fmt: skip
        assert done.returncode != 0
        assert "--insecure" in done.stderr
