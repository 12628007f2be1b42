"""The service behind a real nginx, configured as docs/proxies.md shows."""

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from gateway.settings import HOME
from tests.edge import FakeTorchServe, free_port, listening, make_picture, problem
from tests.jobs import wait

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/nginx/sbin") or shutil.which(
    "nginx"
)

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(NGINX is None, reason="there is no nginx")]

FRAME = """
daemon off;
master_process off;
pid {place}/pid;
error_log {place}/errors;
events {{}}
http {{
    access_log off;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
{shown}
}}
"""


@contextlib.asynccontextmanager
async def fronted(edge_port: int, place: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an nginx that the documents configure, but for its ports."""
    text = (HOME / "docs/proxies.md").read_text()
    (shown,) = re.findall(r"^```nginx\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    port = free_port()
    shown = shown.replace("127.0.0.1:8000", f"127.0.0.1:{edge_port}")
    shown = shown.replace("listen 80;", f"listen 127.0.0.1:{port};")
    place.mkdir()
    (place / "nginx.conf").write_text(FRAME.format(place=place, shown=shown))
    assert NGINX is not None
    line = (NGINX, "-p", str(place), "-c", str(place / "nginx.conf"), "-e", str(place / "errors"))
    process = await asyncio.create_subprocess_exec(*line)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False
        ) as client:
            await until_answered(client, place)
            yield client
    finally:
        process.terminate()
        await process.wait()


async def until_answered(client: httpx.AsyncClient, place: Path) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(httpx.TransportError):
                await client.get("/photos/livez")
                return
            await asyncio.sleep(0.02)


async def test_pages_documents_pictures_and_jobs_go_through_nginx(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    settings = {"public_path": "/photos", "jobs_dir": tmp_path / "jobs", "trusted_proxies": "127.0.0.1"}
    async with (
        listening(server, root, **settings) as (port, _),
        fronted(port, tmp_path / "nginx") as client,
    ):
        assert (await client.get("/photos")).headers["location"].endswith("/photos/")
        for page in ("/photos/", "/photos/docs"):
            answer = await client.get(page)
            named = re.findall(r'(?:href|src)="([^"]+)"', answer.text)
            assert len(named) > 3
            for address in named:
                assert (await client.get(str(answer.url.join(address)))).status_code == 200, address
        restored = await client.post("/photos/v1/restore?stages=&format=png", content=make_picture())
        assert (restored.status_code, restored.headers["content-type"]) == (200, "image/png")
        mine = {"Origin": str(client.base_url).rstrip("/")}
        own_page = await client.post("/photos/v1/restore?stages=", content=make_picture(), headers=mine)
        assert own_page.status_code == 200
        foreign = {"Origin": "http://elsewhere.example"}
        assert problem(await client.post("/photos/v1/restore", content=b"x", headers=foreign))[0] == 403
        assert (await client.get("/photos/metrics")).status_code == 404
        answer = await client.post("/photos/v1/jobs?stages=", content=make_picture())
        job = await wait(client, answer.json())
        head = await client.head(job["links"]["result"])
        part = await client.get(job["links"]["result"], headers={"Range": "bytes=0-9"})
        assert (head.status_code, part.status_code, len(part.content)) == (200, 206, 10)


async def test_an_upload_of_sixty_megabytes_goes_through_nginx(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    upload = b"P" + np.random.default_rng(0).bytes(60_000_000)
    async with (
        listening(server, root, public_path="/photos") as (port, _),
        fronted(port, tmp_path / "nginx") as client,
    ):
        answer = await client.post("/photos/v1/restore", content=upload)
        assert problem(answer) == (415, "not-an-image")
        too_much = await client.post("/photos/v1/restore", content=upload + bytes(10_000_000))
        assert problem(too_much) == (413, "payload-too-large")
