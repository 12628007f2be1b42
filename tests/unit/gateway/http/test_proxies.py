"""The service below a path, behind proxies of which some are believed."""

import ipaddress
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from photorestore_client import AsyncClient, BadOption
from starlette.types import Scope

from gateway.http.proxies import Proxies
from tests.edge import (
    EdgeClient,
    FakeTorchServe,
    listening,
    make_mask,
    make_picture,
    problem,
    running_edge,
)
from tests.jobs import submit, wait

pytestmark = pytest.mark.anyio


@pytest.fixture
async def edge(server: FakeTorchServe, root: Path, tmp_path: Path) -> AsyncIterator[EdgeClient]:
    async with running_edge(server, root, public_path="/photos/", jobs_dir=tmp_path / "jobs") as client:
        yield client


@pytest.mark.parametrize("prefix", ["", "/photos"], ids=["taken off", "left"])
async def test_everything_is_there_whether_the_proxy_takes_the_path_off_or_not(
    edge: EdgeClient, prefix: str
) -> None:
    for path in ("/", "/docs", "/page/page.js", "/docs/files/swagger-ui.css", "/v1/stages", "/livez"):
        assert (await edge.get(prefix + path)).status_code == 200, path
    restored = await edge.post(f"{prefix}/v1/restore?stages=", content=make_picture())
    assert restored.status_code == 200
    assert problem(await edge.get(f"{prefix}/nowhere")) == (404, "not-found")


async def test_links_are_those_that_callers_can_follow(edge: EdgeClient) -> None:
    job = await wait(edge, await submit(edge))  # which looks at Location, too
    assert re.fullmatch(r"/photos/v1/jobs/\w+", job["links"]["self"])
    assert (await edge.get(job["links"]["result"])).status_code == 200
    assert (await edge.get("/photos/openapi.json")).json()["servers"] == [{"url": "/photos"}]


async def test_pages_name_their_files_by_where_they_are(edge: EdgeClient) -> None:
    moved = await edge.get("/photos")
    assert (moved.status_code, moved.headers["location"]) == (308, "/photos/")
    for page in ("/photos/", "/photos/docs"):
        named = re.findall(r'(?:href|src)="([^"]+)"', (await edge.get(page)).text)
        assert named
        assert not [address for address in named if address.startswith(("/", "http"))]


async def test_our_client_takes_the_path_with_the_address(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    settings = {"public_path": "/photos", "jobs_dir": tmp_path / "jobs"}
    async with (
        listening(server, root, **settings) as (port, _),
        AsyncClient(f"http://127.0.0.1:{port}/photos/") as client,
    ):
        await client.check(stages=[], scale=2)
        with pytest.raises(BadOption, match="scale is 3"):
            await client.check(stages=[], scale=3)
        restored = await client.restore(make_picture(), stages=[], format="png")
        waited = await client.wait(await client.submit(make_picture(), stages=[], format="png"))
        assert (restored.content, restored.content_type) == (waited.content, "image/png")
        bundle = await client.bundle(make_picture(), mask=make_mask(), format="png")
        assert bundle.mask is not None


@pytest.mark.parametrize("host", ["album.example", "other.example"])
@pytest.mark.parametrize("is_trusted", [True, False])
async def test_origin_of_a_page_is_compared_with_the_host_that_its_reader_sees(
    server: FakeTorchServe, root: Path, is_trusted: bool, host: str
) -> None:
    networks = (ipaddress.ip_network("127.0.0.0/8"),) if is_trusted else ()
    headers = {"Origin": "http://album.example", "X-Forwarded-Host": host}
    async with running_edge(server, root, trusted_proxies=networks) as edge:
        answer = await edge.post("/v1/restore?stages=", content=make_picture(), headers=headers)
    assert answer.status_code == (200 if is_trusted and host == "album.example" else 403)


def request_from(peer: str, **headers: str) -> Scope:
    named = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {"type": "http", "path": "/", "client": (peer, 1), "headers": [(b"host", b"inner"), *named]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "203.0.113.9, unknown", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("198.51.100.1", "203.0.113.9", "198.51.100.1"),
        ("testclient", "203.0.113.9", "testclient"),
    ],
)
def test_caller_is_the_last_one_whom_no_trusted_proxy_is(peer: str, forwarded: str, expected: str) -> None:
    proxies = Proxies("", (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")))
    seen = proxies.seen_from_outside(request_from(peer, x_forwarded_for=forwarded))
    assert seen["client"] == (expected, 1)


def test_a_request_without_an_address_is_taken_as_it_is() -> None:
    scope: Scope = {**request_from("", x_forwarded_host="outer"), "client": None}
    assert Proxies("/a").seen_from_outside(scope) == scope
