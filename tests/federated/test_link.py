"""What leaves a site over HTTP, and what a server takes: the real connection, on this machine."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

from deploy.ports import free_ports
from tests.federated.conftest import MakeSite
from training.federated.local import Site, Weights
from training.federated.plan import Plan
from training.federated.rounds import size_of

pytest.importorskip("flwr", reason="Flower is not in this environment: `make federated` runs these tests")

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Message, MetricRecord, RecordDict
from flwr.proto.message_pb2 import PushObjectRequest

from training.federated.connection import Connection, attend
from training.federated.coordinator import coordinate
from training.federated.guard import FRAME_BYTES, Guard
from training.federated.link import Link
from training.federated.messages import METRICS, MOMENTUM, WEIGHTS, answering, to_record, to_weights
from training.federated.updates import PICTURES
from training.train_denoise import load

NAMES = ("anna", "robert")
AROUND_BYTES = 24_576
"""Most bytes of names, shapes and signatures in a round; a picture here has 36,864."""


def make_key(file: Path) -> bytes:
    """Writes a site's private key; returns the public one."""
    key = ec.generate_private_key(ec.SECP384R1())
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    public: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public


@dataclass
class Federation:
    """A server, and connections of sites that keep all that goes out."""

    link: Link
    port: int
    connections: dict[str, Connection]
    sent: dict[str, list[httpx.Request]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, connection in self.connections.items():
            self.sent[name] = []
            connection.client._client.event_hooks["request"].append(self.sent[name].append)


@pytest.fixture
def federation(tmp_path: Path, weights: Weights) -> Iterator[Federation]:
    keys = {name: make_key(tmp_path / f"{name}.key") for name in NAMES}
    link = Link(keys, Guard(2 * size_of(weights)))
    port = free_ports(1)
    server = link.serve("127.0.0.1", port, None, None)
    connections = {name: Connection(f"127.0.0.1:{port}", tmp_path / f"{name}.key", None) for name in NAMES}
    yield Federation(link, port, connections)
    for connection in connections.values():
        connection.client.close()
    server.should_exit = True


def crops_of(site: Site) -> list[torch.Tensor]:
    pictures, held_out = load(site.config, site.place)
    return [*pictures.photos, *held_out]


def kinds_of(weights: Weights) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (value.shape, value.dtype) for name, value in weights.items()}


def test_only_weights_counts_and_figures_leave_a_site(
    federation: Federation, tmp_path: Path, make_site: MakeSite, plan: Plan, weights: Weights
) -> None:
    sites = {name: make_site(name) for name in NAMES}
    is_on = threading.Event()
    is_on.set()
    answers: list[Message] = []

    def keeping(name: str) -> None:
        answer = answering(sites[name])

        def kept(message: Message) -> Message:
            answers.append(answer(message))
            return answers[-1]

        attend(federation.connections[name], kept, is_on.is_set)

    threads = [threading.Thread(target=keeping, args=(name,), daemon=True) for name in NAMES]
    for thread in threads:
        thread.start()
    end = coordinate(federation.link, plan, weights, tmp_path / "server", federation.link.names.__getitem__)
    is_on.clear()
    for thread in threads:
        thread.join(20)
    assert end.sites == NAMES

    # 1. By the messages: the records, the tensors and the numbers are those that are known, and no other.
    assert len(answers) == plan.rounds * len(NAMES)
    for reply in answers:
        assert set(reply.content) == {WEIGHTS, MOMENTUM, METRICS}
        assert kinds_of(to_weights(reply.content[WEIGHTS])) == kinds_of(weights)
        assert kinds_of(to_weights(reply.content[MOMENTUM])) == kinds_of(weights)
        figures = dict(reply.content[METRICS])
        assert figures.pop(PICTURES) == 3
        assert set(figures) == {"psnr_15_db", "psnr_25_db", "psnr_50_db"}
        assert all(type(value) is float for value in figures.values())

    # 2. By the bytes: nothing else goes over the wire, and that is no longer than weights, momentum and their frame.
    allowed = {"activate-node", "send-node-heartbeat", "pull-messages", "pull-object"}
    allowed |= {"confirm-message-received", "push-messages", "push-object"}
    for name, requests in federation.sent.items():
        assert {request.url.path.rpartition("/")[2] for request in requests} <= allowed
        pushed = [request.read() for request in requests if "/push-" in request.url.path]
        assert len(pushed) > plan.rounds
        assert sum(map(len, pushed)) < plan.rounds * (2 * size_of(weights) + AROUND_BYTES)
        assert sum(len(request.read()) for request in requests if "/push-" not in request.url.path) < 20_000
        everything = b"".join(request.read() for request in requests)
        for photo in crops_of(sites[name]):
            for row in photo[:, ::8, :32].flatten(0, 1):  # the begins of many rows, as bytes and as floats
                assert row.numpy().tobytes() not in everything
                assert (row.float() / 255).numpy().tobytes() not in everything
        for file in (sites[name].place.data / "mine").iterdir():
            assert file.name.encode() not in everything
            assert file.read_bytes()[-64:] not in everything


def test_a_round_without_an_answer_moves_nothing(
    federation: Federation, tmp_path: Path, plan: Plan, weights: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    for connection in federation.connections.values():
        connection.open()
    brief = replace(plan, rounds=1, wait_s=2.0)
    end = coordinate(federation.link, brief, weights, tmp_path / "server", federation.link.names.__getitem__)
    assert (end.round, end.steps) == (1, 0)
    assert all(torch.equal(end.weights[name], weights[name]) for name in weights)
    assert capsys.readouterr().out.count("left out") == 2


def test_a_key_that_is_not_known_is_turned_away(federation: Federation, tmp_path: Path) -> None:
    make_key(tmp_path / "eve.key")
    eve = Connection(f"127.0.0.1:{federation.port}", tmp_path / "eve.key", None)
    with pytest.raises(httpx.HTTPStatusError) as caught:
        eve.open()
    eve.client.close()
    assert caught.value.response.status_code == 412


def asked(federation: Federation, weights: Weights) -> Message:
    """A message that anna is asked, as she fetches it."""
    node = {name: number for number, name in federation.link.names.items()}["anna"]
    connection = federation.connections["anna"]
    connection.open()
    content = RecordDict({WEIGHTS: to_record(weights)})
    assert list(federation.link.push_messages([Message(content, node, "train")]))
    end = time.monotonic() + 10
    while (message := connection.fetch()) is None:
        assert time.monotonic() < end
    return message


def test_who_has_died_is_named_where_flower_answers_for_it(federation: Federation, weights: Weights) -> None:
    for connection in federation.connections.values():
        connection.open()  # and give no sign of life for twice `ALIVE_S`
    link = federation.link
    content = RecordDict({WEIGHTS: to_record(weights)})
    messages = [Message(content, node, "train") for node in link.names]
    replies = list(link.send_and_receive(messages, timeout=60))
    assert all(reply.has_error() for reply in replies)
    assert {reply.metadata.src_node_id for reply in replies} == set(link.names)


def test_a_site_answers_in_its_own_name(federation: Federation, weights: Weights) -> None:
    message = asked(federation, weights)
    robert = federation.connections["robert"]
    robert.open()
    reply = Message(RecordDict({METRICS: MetricRecord({PICTURES: 1})}), reply_to=message)  # anna's
    with pytest.raises(httpx.HTTPStatusError) as caught:
        robert.send(reply)
    assert caught.value.response.status_code == 403


def test_a_site_sends_so_much_in_a_round(federation: Federation, weights: Weights) -> None:
    connection = federation.connections["anna"]
    connection.open()
    piece = PushObjectRequest(node=connection.node, object_id="x", object_content=bytes(FRAME_BYTES // 2))
    codes = []
    for _ in range(4):
        with pytest.raises(httpx.HTTPStatusError) as caught:  # nobody has announced the piece
            connection.client.PushObject(piece)
        codes.append(caught.value.response.status_code)
    assert codes[0] != 413
    assert codes[-1] == 413
    federation.link.guard.begin_round()
    with pytest.raises(httpx.HTTPStatusError) as caught:
        connection.client.PushObject(piece)
    assert caught.value.response.status_code == codes[0]


@pytest.mark.parametrize(
    ("header", "code"), [("content-length: 1000000000", 413), ("transfer-encoding: chunked", 411)]
)
def test_what_is_too_long_is_turned_away_before_it_is_read(
    federation: Federation, header: str, code: int
) -> None:
    with socket.create_connection(("127.0.0.1", federation.port), timeout=20) as connection:
        connection.sendall(
            f"POST /v1/fleet/push-object HTTP/1.1\r\nhost: server\r\n{header}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(f"HTTP/1.1 {code}".encode())
