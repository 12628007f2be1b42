"""The pages' files and headers, and what pages of other origins may do."""

import hashlib
import re
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.__main__ import main
from gateway.command_line import parse
from gateway.http.keys import key_line, make_key
from gateway.settings import HOME, GatewaySettings
from tests.edge import EdgeClient, FakeTorchServe, make_picture, running_edge

pytestmark = pytest.mark.anyio
PAGE = HOME / "gateway/page"
VENDOR = PAGE / "vendor"
FILES = sorted(file for file in PAGE.iterdir() if file.is_file())
ORIGIN = "https://album.example"


@pytest.fixture
async def edge(server: FakeTorchServe, root: Path) -> AsyncIterator[EdgeClient]:
    async with running_edge(server, root) as client:
        yield client


def policy(headers: httpx.Headers) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_may_load_nothing_from_elsewhere_and_run_nothing_inline(
    edge: EdgeClient, path: str
) -> None:
    answer = await edge.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    sources = policy(answer.headers)
    assert sources["default-src"] == sources["frame-ancestors"] == sources["base-uri"] == "'none'"
    assert sources["script-src"] == sources["style-src"] == sources["connect-src"] == "'self'"
    assert "unsafe" not in str(sources)
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", answer.text)


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_everything_that_a_page_names_is_there(edge: EdgeClient, path: str) -> None:
    named = re.findall(r'(?:href|src)="([^"]+)"', (await edge.get(path)).text)
    for address in named:
        answer = await edge.get(f"/{address.removeprefix('./')}")
        assert answer.status_code == 200, address
    assert len(named) > 3


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
async def test_files_of_the_pages_come_with_their_type_and_name_no_other_host(
    edge: EdgeClient, file: Path
) -> None:
    kinds = {
        ".html": "text/html",
        ".css": "text/css",
        ".svg": r"image/svg\+xml",
        ".js": "(text|application)/javascript",
        ".jpg": "image/jpeg",
    }
    answer = await edge.get(f"/page/{file.name}")
    assert answer.content == file.read_bytes()
    assert re.match(kinds[file.suffix], answer.headers["content-type"])
    if file.suffix == ".jpg":
        return
    addresses = re.findall(r"(?:https?:)?//[a-z0-9-]+\.[^\s\"')]+", file.read_text())
    assert [address for address in addresses if address != "http://www.w3.org/2000/svg"] == []
    imports = re.findall(r'^import .*"(.*)";$', file.read_text(), re.MULTILINE)
    assert all((file.parent / name).exists() for name in imports)


async def test_files_of_others_are_those_of_their_packages_with_their_licences(edge: EdgeClient) -> None:
    origins = tomllib.loads((VENDOR / "origins.toml").read_text())
    assert {f"{name}.js" for name in origins} == {file.name for file in VENDOR.glob("*.js")}
    for name, origin in origins.items():
        content = (await edge.get(f"/page/vendor/{name}.js")).content
        assert hashlib.sha256(content).hexdigest() == origin["sha256"]
        assert (VENDOR / f"{name}.licence.txt").read_text()
        assert {"version", "licence", "file"} <= origin.keys()


async def test_browsers_keep_files_and_ask_whether_they_have_changed(edge: EdgeClient) -> None:
    for path in ("/", "/page/page.js", "/docs/files/swagger-ui-bundle.js"):
        first = await edge.get(path)
        assert first.headers["cache-control"] == "no-cache"
        again = await edge.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert (await edge.head(path)).status_code == 200


async def test_nothing_but_the_pages_files_is_served(edge: EdgeClient) -> None:
    for path in ("/page/", "/page/../app.py", "/page/%2e%2e/app.py", "/page/none.js", "/docs/files/"):
        answer = await edge.get(path)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:photorestore:problem:not-found")
    assert (await edge.post("/", content=b"x")).status_code == 405
    paths = (await edge.get("/openapi.json")).json()["paths"]
    assert not paths.keys() & {"/", "/docs"}


async def test_answers_that_are_no_pages_may_load_nothing_at_all(edge: EdgeClient) -> None:
    for answer in (
        await edge.post("/v1/restore?stages=", content=make_picture()),
        await edge.post("/v1/restore", content=b"x"),
        await edge.get("/v1/stages"),
        await edge.get("/none"),
    ):
        assert policy(answer.headers) == {"default-src": "'none'", "frame-ancestors": "'none'"}
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_pages_are_open_where_the_service_asks_for_keys(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text(key_line("album", make_key()))
    async with running_edge(server, root, keys_file=tmp_path / "keys") as edge:
        assert [(await edge.get(path)).status_code for path in ("/", "/docs", "/page/page.js")] == [200] * 3
        assert (await edge.get("/v1/stages")).status_code == 401


async def test_options_are_told_by_their_names_in_the_query(edge: EdgeClient) -> None:
    options = (await edge.get("/v1/stages")).json()["options"]
    query = {name: schema["default"] for name, schema in options.items() if schema["default"] is not None}
    answer = await edge.post("/v1/restore", params={**query, "stages": ""}, content=make_picture())
    assert answer.status_code == 200, answer.text


def preflight(origin: str = ORIGIN, **headers: str) -> dict[str, str]:
    asked = "authorization,content-type,if-none-match,idempotency-key,x-request-id"
    return {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked,
        **headers,
    }


async def test_pages_of_other_origins_may_read_nothing_by_default(edge: EdgeClient) -> None:
    answer = await edge.get("/v1/stages", headers={"Origin": ORIGIN})
    asked = await edge.options("/v1/restore", headers=preflight())
    assert not [name for name in (*answer.headers, *asked.headers) if name.startswith("access-control-")]


async def test_allowed_origins_may_upload_and_read_the_headers(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root, cors_origins=(ORIGIN, "https://other.example")) as edge:
        asked = await edge.options("/v1/restore", headers=preflight())
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, ORIGIN)
        assert "POST" in asked.headers["access-control-allow-methods"]
        allowed = asked.headers["access-control-allow-headers"].lower()
        for name in (
            "authorization",
            "content-type",
            "if-none-match",
            "idempotency-key",
            "range",
            "traceparent",
        ):
            assert name in allowed
        answer = await edge.post("/v1/restore?stages=", content=make_picture(), headers={"Origin": ORIGIN})
        refused = await edge.post("/v1/restore", content=b"x", headers={"Origin": ORIGIN})
        for each in (answer, refused):
            assert each.headers["access-control-allow-origin"] == ORIGIN
            assert "Origin" in each.headers["vary"]
            exposed = each.headers["access-control-expose-headers"].split(", ")
            names = {"ETag", "Server-Timing", "X-Request-Id", "Retry-After", "Location"}
            assert names | {"Accept-Ranges", "Content-Range"} == set(exposed)
            assert "access-control-allow-credentials" not in each.headers
        assert "Accept" in answer.headers["vary"]


@pytest.mark.parametrize("origin", ["https://album.example.evil.example", "http://album.example", "null"])
async def test_origins_are_compared_exactly(server: FakeTorchServe, root: Path, origin: str) -> None:
    async with running_edge(server, root, cors_origins=(ORIGIN,)) as edge:
        assert (await edge.options("/v1/restore", headers=preflight(origin))).status_code == 400
        answer = await edge.get("/v1/stages", headers={"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers


async def test_errors_that_nobody_expected_can_be_read_by_allowed_origins_too(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_edge(server, root, cors_origins=(ORIGIN,)) as edge:
        monkeypatch.setattr("gateway.routes.stages.describe", lambda: 1 / 0)
        answer = await edge.get("/v1/stages", headers={"Origin": ORIGIN})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (500, ORIGIN)


def test_origins_come_as_a_list_of_exact_ones(capsys: pytest.CaptureFixture[str]) -> None:
    given = "https://album.example, http://127.0.0.1:8080,http://[::1]:80"
    expected = ("https://album.example", "http://127.0.0.1:8080", "http://[::1]:80")
    assert parse(["--cors-origins", given], {}).cors_origins == expected
    assert parse([], {"PHOTORESTORE_GATEWAY_CORS_ORIGINS": given}).cors_origins == expected
    assert GatewaySettings().cors_origins == ()
    for wrong in (
        "*",
        "album.example",
        "https://album.example/",
        "https://Album.example",
        "https://*.example",
    ):
        assert main(["serve", "--cors-origins", wrong]) == 2
        assert f"--cors-origins is {wrong!r}; expected origins like" in capsys.readouterr().err
