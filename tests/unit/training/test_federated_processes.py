"""Server and sites as processes of their own, over TLS; skipped where Flower is not installed (docs/federated.md)."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from deploy.ports import free_ports
from photorestore.stages.denoise.network import DenoiseUNet
from tests.conftest import make_photo
from training.federated.local import save_exactly

HOME = Path(__file__).resolve().parents[3]
PYTHON = Path(os.environ.get("FLOWER_PYTHON", HOME / ".tools/flower/bin/python"))
PLAN = """network = "denoise"
tier = "test"
rounds = 3
steps = 2
learning_rate = 1e-3
final_learning_rate = 1e-4
alignment = 0.01
least_sites = 2
wait_s = 25.0
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
import sys, json
from pathlib import Path
from flwr.app import RecordDict, Message, MetricRecord
from training.config import read_config
from training.federated import messages
from training.federated.connection import Connection, attend
from training.federated.local import Site
from training.place import Place
from training import train_denoise
key, authority, config, data, runs, address, seen = sys.argv[1:]
site = Site(read_config(train_denoise.Config, Path(config)), Place(data=Path(data), runs=Path(runs), threads=1))
answer = messages.answering(site)
def odd(message):
    reply = answer(message)
    if "arrays" in reply.content:  # what is sent is right in all but one number
        weights = messages.to_weights(reply.content["arrays"])
        next(iter(weights.values())).view(-1)[0] = float("nan")
        reply.content["arrays"] = messages.to_record(weights)
    return reply
attend(Connection(address, Path(key), Path(authority)), odd)
"""

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="Flower's environment is not there: .ci/tools makes it"
)


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
    for number, name in enumerate(("anna", "bert", "odd")):
        openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", tmp_path / f"{name}.key")
        openssl("ec", "-in", tmp_path / f"{name}.key", "-pubout", "-out", tmp_path / "sites" / f"{name}.pem")
        (tmp_path / name / "mine").mkdir(parents=True)
        for picture in range(3):
            pixels = make_photo(96, 128, seed=10 * number + picture)
            Image.fromarray(pixels).save(tmp_path / name / "mine" / f"{picture}.png")
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "odd.py").write_text(ODD_SITE)
    torch.manual_seed(1)
    save_exactly(tmp_path / "begin.safetensors", DenoiseUNet((8, 16), (1, 1)).state_dict())
    return tmp_path


def start(stack: ExitStack, log: Path, *arguments: str | Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": f"{HOME}:{HOME / 'src'}", "OMP_NUM_THREADS": "1"}
    with log.open("ab") as file:
        process = subprocess.Popen(
            [PYTHON, *arguments], cwd=HOME, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def wait_for(text: str, log: Path, seconds: float = 60) -> None:
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
        *("--certificate", folder / "server.crt", "--key", folder / "server.key"),
    )
    first = start(stack, log, *server)
    sites = {
        name: start(
            stack, folder / f"{name}.log", *federated, "site", "--server", address,
            "--key", folder / f"{name}.key", "--authority", folder / "server.crt",
            "--config", folder / "config.toml", "--data", folder / name, "--runs", folder / f"{name}.runs",
        )
        for name in ("anna", "bert")
    }  # fmt: skip
    start(
        stack, folder / "odd.log", folder / "odd.py", folder / "odd.key", folder / "server.crt",
        folder / "config.toml", folder / "odd", folder / "odd.runs", address, folder / "seen",
    )  # fmt: skip
    wait_for("round 2 of 3", log)
    sites["bert"].kill()
    first.kill()
    first.wait()
    start(stack, log, *server).wait(60)
    told = log.read_text()
    assert "1 of 3 rounds are done" in told or "2 of 3 rounds are done" in told
    assert "done after 3 rounds with" in told
    assert "odd" not in told.partition("done after 3 rounds with")[2]
    begin, end = (
        load_file(folder / name)
        for name in ("begin.safetensors", "runs/federated.denoise.test/weights.safetensors")
    )
    assert begin.keys() == end.keys()
    assert any(not torch.equal(begin[name], end[name]) for name in begin)
    assert all(torch.isfinite(value).all() for value in end.values())


def test_neither_end_starts_without_certificates(folder: Path) -> None:
    for arguments in (
        ("server", "--plan", "plan.toml", "--begin", "begin.safetensors", "--sites", "sites"),
        ("site", "--key", "anna.key"),
    ):
        done = subprocess.run(
            [PYTHON, "-m", "training.federated", *arguments], cwd=folder, capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": f"{HOME}:{HOME / 'src'}"}, check=False,
        )  # fmt: skip
        assert done.returncode != 0
        assert "--insecure" in done.stderr
