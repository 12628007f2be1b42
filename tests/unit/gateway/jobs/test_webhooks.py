"""Webhooks: where they may go, how they are signed, and that they arrive."""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.jobs.destinations import Destinations
from gateway.jobs.records import Record, Webhook
from gateway.jobs.signatures import SIGNATURE, sign
from gateway.jobs.store import Store
from gateway.jobs.webhooks import TRY_S, Patience
from gateway.settings import HOME, GatewaySettings
from photorestore.errors import OutOfSpace
from tests.edge import (
    EdgeClient,
    FakeTorchServe,
    free_port,
    make_picture,
    metric,
    problem,
    running_edge,
    until,
)
from tests.jobs import SECRET, receiving
from tests.unit.gateway.jobs.test_store import WIDE, make_record

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    return {
        "jobs_dir": tmp_path / "jobs",
        "webhook_hosts": "127.0.0.1, hooks.example.org, *.example.net",
        "webhook_secret_file": tmp_path / "secret",
        "webhook_wait_s": 0.01,
    }


async def submit(edge: EdgeClient, url: str) -> str:
    answer = await edge.post("/v1/jobs", params={"stages": "", "webhook": url}, content=make_picture())
    assert answer.status_code == 202, answer.text
    return answer.json()["links"]["self"]


async def told(edge: EdgeClient, path: str, state: str) -> dict[str, Any]:
    """The job, once its webhook is in this state."""
    async with asyncio.timeout(30):
        while (job := (await edge.get(path)).json())["webhook"]["state"] != state:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return job


async def test_the_end_of_a_job_is_told_and_signed(
    server: FakeTorchServe, root: Path, settings: dict[str, Any]
) -> None:
    with receiving() as receiver:
        async with running_edge(server, root, **settings) as edge:
            path = await submit(edge, receiver.url)
            job = await told(edge, path, "delivered")
            assert (job["webhook"]["url"], job["webhook"]["tries"]) == (receiver.url, 1)
            assert (job["webhook"]["next"], job["webhook"]["error"]) == (None, None)
            await until(lambda: metric(edge, "webhooks_total", outcome="delivered") == 1)
    ((target, headers, body),) = receiver.got
    assert target == "/told?album=7"
    assert json.loads(body) == {name: value for name, value in job.items() if name != "webhook"}
    assert headers["Content-Type"] == "application/json"
    assert headers["Host"] == receiver.url.split("/")[2]
    fields = dict(part.split("=") for part in headers["X-Photorestore-Signature"].split(","))
    expected = hmac.new(SECRET, fields["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert fields["v1"] == expected
    assert headers["webhook-id"] == job["id"]
    signed = f"{job['id']}.{headers['webhook-timestamp']}.".encode() + body
    standard = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{standard}"


def test_signature_is_genuine_to_the_receiver_that_the_documents_show() -> None:
    text = (HOME / "docs/api.md").read_text()
    code = text[text.index("    import hashlib, hmac, time") :].partition("\n\nThe secret")[0]
    receiver: dict[str, Any] = {}
    exec(textwrap.dedent(code), receiver)
    is_genuine, now = receiver["is_genuine"], int(time.time())

    def signed(*secrets: bytes, age_s: int = 0) -> str:
        return sign(secrets, "a", b"{}", now - age_s)[SIGNATURE]

    assert is_genuine(signed(SECRET), b"{}", SECRET.decode())
    assert is_genuine(signed(SECRET), b"{}", SECRET.decode() + "\r\n")
    assert is_genuine(signed(b"another secret..", SECRET), b"{}", SECRET.decode())
    assert not is_genuine(signed(SECRET), b"{ }", SECRET.decode())
    assert not is_genuine(signed(SECRET, age_s=1000), b"{}", SECRET.decode())
    assert not is_genuine(signed(b"another secret.."), b"{}", SECRET.decode())


async def test_what_is_not_allowed_any_more_is_not_sent(
    server: FakeTorchServe, root: Path, settings: dict[str, Any]
) -> None:
    with receiving() as receiver:
        async with running_edge(server, root, **settings, drain_s=0.01) as edge:
            server.is_open.clear()
            path = await submit(edge, receiver.url)
        server.is_open.set()
        narrowed = settings | {"webhook_hosts": "hooks.example.org"}
        async with running_edge(server, root, **narrowed, webhook_tries=1) as edge:
            job = await told(edge, path, "failed")
            assert "does not allow" in job["webhook"]["error"]
        assert receiver.got == []


async def test_what_is_not_taken_is_sent_again_and_redirects_are_not_followed(
    server: FakeTorchServe, root: Path, settings: dict[str, Any]
) -> None:
    with receiving(500, 302) as receiver:
        async with running_edge(server, root, **settings) as edge:
            job = await told(edge, await submit(edge, receiver.url), "delivered")
            assert job["webhook"]["tries"] == 3
            assert metric(edge, "webhooks_total", outcome="retried") == 2
    assert [target for target, _, _ in receiver.got] == ["/told?album=7"] * 3
    assert len({body for _, _, body in receiver.got}) == 1


async def test_webhook_is_given_up_after_some_tries(
    server: FakeTorchServe, root: Path, settings: dict[str, Any]
) -> None:
    with receiving(503, 503, 503) as receiver:
        async with running_edge(server, root, **settings, webhook_tries=2) as edge:
            job = await told(edge, await submit(edge, receiver.url), "failed")
            assert job["webhook"]["tries"] == 2
            assert job["webhook"]["error"] == "it answered 503"
            assert job["state"] == "succeeded"
            await until(
                lambda: metric(edge, "webhooks_total", outcome="failed") == 1
            )  # counted after the record
    assert len(receiver.got) == 2


async def test_failed_and_cancelled_jobs_are_told_of_too(
    server: FakeTorchServe, root: Path, settings: dict[str, Any]
) -> None:
    with receiving() as receiver:
        async with running_edge(server, root, **settings, max_jobs=1) as edge:
            server.is_open.clear()
            running, waiting = await submit(edge, receiver.url), await submit(edge, f"{receiver.url}&b")
            await edge.delete(waiting)
            await told(edge, waiting, "delivered")
            await edge.delete(running)
            await told(edge, running, "delivered")
            server.is_open.set()
    assert [json.loads(body)["state"] for _, _, body in receiver.got] == ["cancelled", "cancelled"]


async def test_webhook_survives_a_restart(
    server: FakeTorchServe, root: Path, settings: dict[str, Any]
) -> None:
    port = free_port()
    async with running_edge(server, root, **settings | {"webhook_wait_s": 60.0}) as edge:
        path = await submit(edge, f"http://127.0.0.1:{port}/")
        await until(lambda: metric(edge, "webhooks_total", outcome="retried"))
        job = (await edge.get(path)).json()
        assert (job["webhook"]["state"], job["webhook"]["error"]) == ("pending", "it cannot be reached")
        assert job["webhook"]["next"] > job["ended"]
        webhook = edge.app.state.edge.jobs.store.find(job["id"], "").webhook
        edge.app.state.edge.jobs.store.note_webhook(job["id"], replace(webhook, due=0.0))
    with receiving(port=port) as receiver:
        async with running_edge(server, root, **settings) as edge:
            assert (await told(edge, path, "delivered"))["webhook"]["tries"] == 2
        assert len(receiver.got) == 1


def enter(edge: EdgeClient, name: str, owner: str, url: str) -> None:
    """A job that was cancelled, and its webhook, which nobody has checked."""
    store = edge.app.state.edge.jobs.store
    store.add(make_record(name, owner=owner, created=time.time(), webhook=Webhook(url)), WIDE, 1.0)
    store.cancel(name, time.time(), time.time() + 600.0)


async def webhook_of(edge: EdgeClient, name: str, condition: Callable[[Webhook], object]) -> Webhook:
    """A webhook, once it is so."""

    def find() -> Webhook:
        return edge.app.state.edge.jobs.store.find(name, "").webhook

    await until(lambda: condition(find()))
    return find()


@pytest.mark.parametrize("error", [OverflowError("port must be 0-65535"), RecursionError("a fault of ours")])
async def test_webhook_that_cannot_be_sent_fails_alone_and_counts_as_a_try(
    server: FakeTorchServe,
    root: Path,
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    address_of = Destinations.address_of

    async def fail(destinations: Destinations, url: httpx.URL) -> str:
        if url.host == "hooks.example.org":
            raise error
        return await address_of(destinations, url)

    monkeypatch.setattr(Destinations, "address_of", fail)
    with receiving() as receiver:
        async with running_edge(server, root, **settings, webhook_tries=2) as edge:
            enter(edge, "a", "", "https://hooks.example.org/")
            enter(edge, "b", "", receiver.url)
            assert (await webhook_of(edge, "b", lambda found: found.state == "delivered")).tries == 1
            failed = await webhook_of(edge, "a", lambda found: found.state == "failed")
            assert (failed.tries, failed.error) == (2, "it cannot be sent")


async def test_port_that_was_let_in_earlier_is_given_up(
    server: FakeTorchServe, root: Path, settings: dict[str, Any]
) -> None:
    async with running_edge(server, root, **settings, webhook_tries=1) as edge:
        enter(edge, "a", "", "http://127.0.0.1:99999/")
        assert "port" in (await webhook_of(edge, "a", lambda found: found.tries)).error


async def test_hanging_receivers_of_one_key_do_not_delay_anothers(
    server: FakeTorchServe, root: Path, settings: dict[str, Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging, receiving() as receiver:  # the one never answers
        async with running_edge(server, root, **settings) as edge:
            for number in range(24):
                enter(edge, f"a{number}", "a", f"http://127.0.0.1:{hanging.getsockname()[1]}/")
            edge.app.state.edge.jobs.webhooks.wake()
            await asyncio.sleep(0.2)
            start = time.monotonic()
            for number in range(24):
                enter(edge, f"b{number}", "b", receiver.url)
            await until(lambda: len(receiver.got) == 24)
            assert time.monotonic() - start < 0.9 * TRY_S


async def test_webhook_is_sent_once_while_it_cannot_be_entered(
    server: FakeTorchServe, root: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    note = Store.note_webhook
    failures = iter(range(5))

    def fail(store: Store, *arguments: Any) -> bool:
        if next(failures, None) is not None:
            raise OutOfSpace("full")
        return note(store, *arguments)

    monkeypatch.setattr(Store, "note_webhook", fail)
    monkeypatch.setattr("gateway.jobs.disk_trouble.FIRST_WAIT_S", 0.01)
    with receiving() as receiver:
        async with running_edge(server, root, **settings) as edge:
            await told(edge, await submit(edge, receiver.url), "delivered")
        assert len(receiver.got) == 1


async def test_webhook_that_arrives_while_the_queue_is_looked_at_is_not_sent_again(
    server: FakeTorchServe, root: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    look, note = Store.webhooks_due, Store.note_webhook

    def look_slowly(store: Store, *arguments: Any) -> list[Record]:
        found = look(store, *arguments)
        time.sleep(0.3)
        return found

    def note_slowly(store: Store, *arguments: Any) -> bool:
        time.sleep(0.1)
        return note(store, *arguments)

    monkeypatch.setattr(Store, "webhooks_due", look_slowly)
    monkeypatch.setattr(Store, "note_webhook", note_slowly)
    with receiving() as receiver:
        async with running_edge(server, root, **settings) as edge:
            path = await submit(edge, receiver.url)
            await until(lambda: receiver.got)
            edge.app.state.edge.jobs.webhooks.wake()
            await told(edge, path, "delivered")
            await asyncio.sleep(0.5)
        assert len(receiver.got) == 1


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example.org/",
        "hooks.example.org/x",
        "https://user:password@hooks.example.org/",
        "https://example.org/",
        "https://hooks.example.org.evil.test/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://localhost/",
        "http://127.0.0.2/",
        "https://hooks.example.org/" + "x" * 2048,
        "https://[",
        "https://hooks.example.org:99999/",
        "https://hooks.example.org:65536/",
        "https://hooks.example.org:0/",
        "https://hooks.example.org:-1/",
        "https://xn--zzzzzzzz99.example.com/",
        "https://" + "a" * 64 + ".example.net/",
        "https://" + "a." * 130 + "example.net/",
    ],
)
async def test_other_places_are_refused_at_once(
    server: FakeTorchServe, root: Path, settings: dict[str, Any], url: str
) -> None:
    async with running_edge(server, root, **settings, is_ready=False) as edge:
        answer = await edge.post("/v1/jobs", params={"webhook": url}, content=make_picture())
        assert problem(answer) == (400, "unsupported-option")


async def test_webhooks_need_hosts_and_a_secret(
    server: FakeTorchServe, root: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="both"):
        GatewaySettings(webhook_hosts="example.org")
    with pytest.raises(ValueError, match="both"):
        GatewaySettings(webhook_secret_file=tmp_path / "secret")
    (tmp_path / "secret").write_text("short")
    with pytest.raises(ValueError, match="no secret"):
        async with running_edge(server, root, **settings):
            pass


def test_waits_grow_up_to_an_hour() -> None:
    patience = Patience(9, 5.0)
    assert [patience.wait_after_s(tries) for tries in (1, 2, 3, 4, 9)] == [5, 20, 80, 320, 3600]
