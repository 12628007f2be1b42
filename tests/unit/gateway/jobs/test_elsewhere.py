"""Jobs whose pictures lie elsewhere, and whose results are written there."""

import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.jobs import disk_trouble, hosts
from gateway.jobs.attempts import Attempts
from gateway.jobs.elsewhere import Elsewhere
from gateway.settings import GatewaySettings
from photorestore.imaging import LIMITS
from tests.edge import EdgeClient, FakeTorchServe, make_picture, problem, running_edge, until
from tests.jobs import SECRET, hosting, look, receiving, wait

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick")]

EVERYWHERE: dict[str, Any] = {"source_places": "127.0.0.0/8", "result_places": "127.0.0.0/8"}


async def order(edge: EdgeClient, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
    return await edge.post("/v1/jobs", params={"stages": "", **query}, headers=headers)


async def ended(edge: EdgeClient, **query: Any) -> dict[str, Any]:
    answer = await order(edge, **query)
    assert answer.status_code == 202, answer.text
    return await wait(edge, answer.json())


def failure(job: dict[str, Any]) -> tuple[int, str]:
    assert job["state"] == "failed"
    return job["problem"]["status"], job["problem"]["type"].removeprefix("urn:photorestore:problem:")


async def test_picture_comes_from_a_bucket_and_its_result_goes_to_one(
    server: FakeTorchServe, root: Path, folder: Path, bucket: str
) -> None:
    from obstore.store import from_url

    store = from_url(bucket, client_options={"allow_http": True})
    store.put("scans/grandma 1.png", make_picture())
    places: dict[str, Any] = {"source_places": f"{bucket}/scans", "result_places": f"{bucket}/restored/"}
    async with running_edge(server, root, jobs_dir=folder, **places) as edge:
        named = {"source": f"{bucket}/scans/grandma 1.png", "result": f"{bucket}/restored/ü/1.png"}
        job = await ended(edge, format="png", **named)
        assert (job["state"], job["places"]) == ("succeeded", named)
        found = store.get("restored/ü/1.png")
        content = found.bytes().to_bytes()
        assert job["written"] == {
            "etag": found.meta["e_tag"],
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": len(content),
        }
        assert found.attributes["Content-Type"] == job["result"]["content_type"] == "image/png"
        kept = await edge.get(job["links"]["result"])
        direct = await edge.post("/v1/restore?stages=&format=png", content=make_picture())
        assert content == kept.content == direct.content
        gone = await ended(edge, source=f"{bucket}/scans/nothing.png")
        assert failure(gone) == (404, "source-not-found")
        store.put("scans/text", b"no picture")
        assert failure(await ended(edge, source=f"{bucket}/scans/text")) == (415, "not-an-image")
        other = await order(edge, source=f"{bucket}/scans2/grandma.png")
        assert problem(other) == (403, "place-not-allowed")


async def test_bucket_that_is_not_there_and_store_that_is_away(
    server: FakeTorchServe, root: Path, folder: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.jobs import buckets

    places: dict[str, Any] = {
        "source_places": "s3://jobs, s3://nothing, 127.0.0.0/8",
        "result_places": "s3://nothing, s3://away",
    }
    with hosting(a=make_picture()) as host:
        async with running_edge(server, root, jobs_dir=folder, job_tries=2, **places) as edge:
            assert failure(await ended(edge, source="s3://nothing/a")) == (404, "source-not-found")
            refused = await ended(edge, source=f"{host.url}/a", result="s3://nothing/a")
            assert failure(refused) == (403, "result-refused")
            assert list((folder / "results").iterdir()) == []
            monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            buckets._store_of.cache_clear()
            away = await ended(edge, source=f"{host.url}/a", result="s3://away/a")
            assert failure(away) == (503, "place-unavailable")
            assert away["tries"] == 1  # it is written again, and not restored again
    buckets._store_of.cache_clear()


async def test_hosts_that_are_listed_may_be_read_and_written(
    server: FakeTorchServe, root: Path, folder: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    told: dict[str, Any] = {"webhook_hosts": "127.0.0.0/8", "webhook_secret_file": tmp_path / "secret"}
    caplog.set_level(logging.DEBUG, "gateway")
    with hosting(a=make_picture()) as host, receiving() as receiver:
        async with running_edge(server, root, jobs_dir=folder, **EVERYWHERE, **told) as edge:
            named: dict[str, Any] = {
                "source": f"{host.url}/a?X-Sig=hidden",
                "result": f"{host.url}/b?X-Sig=hidden",
            }
            answer = await order(edge, webhook=receiver.url, **named)
            job = await wait(edge, answer.json())
            await until(lambda: receiver.got)
        assert job["places"] == {"source": f"{host.url}/a", "result": f"{host.url}/b"}
        assert job["written"]["etag"] == '"given"'
        assert job["written"]["sha256"] == hashlib.sha256(host.files["/b"]).hexdigest()
        assert [(method, path) for method, path, _ in host.got] == [
            ("GET", "/a?X-Sig=hidden"),
            ("PUT", "/b?X-Sig=hidden"),
        ]
        assert host.got[0][2]["Host"] == host.url.removeprefix("http://")
        assert host.got[1][2]["Content-Type"] == job["result"]["content_type"]
    said = "".join([answer.text, json.dumps(job), caplog.text, receiver.got[0][2].decode()])
    assert "hidden" not in said


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (403, (403, "source-forbidden")),
        (410, (404, "source-not-found")),
        (302, (403, "source-forbidden")),
        (206, (403, "source-forbidden")),
    ],
)
async def test_answers_of_a_source_that_do_not_pass(
    server: FakeTorchServe, root: Path, folder: Path, status: int, found: tuple[int, str]
) -> None:
    with hosting(a=make_picture()) as host:
        host.statuses.append(status)
        async with running_edge(server, root, jobs_dir=folder, **EVERYWHERE) as edge:
            job = await ended(edge, source=f"{host.url}/a")
            assert failure(job) == found
            assert ("redirects are not followed" in job["problem"]["detail"]) == (status == 302)
        assert len(host.got) == 1
    assert list(root.iterdir()) == []


async def test_what_passes_is_tried_again(server: FakeTorchServe, root: Path, folder: Path) -> None:
    with hosting(a=make_picture()) as host:
        async with running_edge(server, root, jobs_dir=folder, job_tries=3, **EVERYWHERE) as edge:
            host.statuses.extend([503, 429])
            job = await ended(edge, source=f"{host.url}/a")
            assert (job["state"], job["tries"]) == ("succeeded", 3)
            host.statuses.extend([0, 503, 500])  # 0: as it is
            job = await ended(edge, source=f"{host.url}/a", result=f"{host.url}/b")
            assert (job["state"], job["tries"]) == ("succeeded", 1)
            assert [method for method, path, _ in host.got if path == "/b"] == ["PUT"] * 3
            host.statuses.extend([503] * 3)
            assert failure(await ended(edge, source=f"{host.url}/a")) == (503, "place-unavailable")


async def test_limits_of_size_hold_while_it_is_fetched(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = make_picture() + bytes(100_000)
    with hosting(a=large, b=b"", c=make_picture(400, 700)) as host:
        settings: dict[str, Any] = {**EVERYWHERE, "max_upload_bytes": 50_000}
        async with running_edge(server, root, jobs_dir=folder, **settings) as edge:
            assert failure(await ended(edge, source=f"{host.url}/a")) == (413, "payload-too-large")
            monkeypatch.setattr(httpx.Headers, "get", lambda *_: "")  # nobody says how large it is
            assert failure(await ended(edge, source=f"{host.url}/a")) == (413, "payload-too-large")
            monkeypatch.undo()
            empty = await ended(edge, source=f"{host.url}/b")
            assert failure(empty) == (415, "not-an-image")
            assert empty["problem"]["detail"] == "the source is empty; expected a picture"
        async with running_edge(server, root, jobs_dir=folder, **EVERYWHERE) as edge:
            asked: dict[str, Any] = {"stages": "denoise", "denoise_method": "dip"}
            job = await ended(edge, source=f"{host.url}/c", **asked)
            assert failure(job) == (400, "unsupported-option")
            assert "280000" in job["problem"]["detail"]


async def test_a_picture_that_is_fetched_counts_among_the_uploads(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, put_back = list[bool](), Attempts.put_back

    def note(*given: Any, **named: Any) -> bool:
        seen.append(True)
        return put_back(*given, **named)

    monkeypatch.setattr(Attempts, "put_back", note)
    with hosting(a=make_picture()) as host:
        async with running_edge(server, root, jobs_dir=folder, max_uploads=1, **EVERYWHERE) as edge:
            with edge.app.state.edge.transfers.uploading(""):
                job = (await order(edge, source=f"{host.url}/a")).json()
                await until(lambda: seen)
                assert not host.got
            now = await wait(edge, job)
            assert (now["state"], now["tries"], len(host.got)) == ("succeeded", 1, 1)


async def test_by_default_no_place_is_allowed(edge: EdgeClient) -> None:
    for place in ("s3://a/b", "gs://a/b", "https://a.example/b", "http://169.254.169.254/latest"):
        assert problem(await order(edge, source=place)) == (403, "place-not-allowed")
        assert problem(await order(edge, result=place)) == (403, "place-not-allowed")


@pytest.mark.parametrize(
    "place",
    [
        *("s3://a", "s3://A/b", "s3://a/", "s3://a/x/../b", "s3://a/./b", "s3://a//b", "s3://a/b\nc"),
        *("s3://a/" + "b" * 1025, "file:///etc/passwd", "ftp://a/b", "az://a/b", "", "/a", "https://u:p@a/b"),
    ],
)
async def test_what_is_no_place_is_said(edge: EdgeClient, place: str) -> None:
    assert problem(await order(edge, source=place)) == (400, "unsupported-option")


async def test_internal_address_is_not_asked(server: FakeTorchServe, root: Path, folder: Path) -> None:
    with hosting(a=make_picture()) as host:
        by_name = host.url.replace("127.0.0.1", "localhost")
        places: dict[str, Any] = {"source_places": "localhost", "result_places": "localhost"}
        async with running_edge(server, root, jobs_dir=folder, **places) as edge:
            assert failure(await ended(edge, source=f"{by_name}/a")) == (403, "place-not-allowed")
        assert host.got == []


async def test_network_that_was_not_imported_is_refused_before_the_picture_is_fetched(
    server: FakeTorchServe, root: Path, folder: Path
) -> None:
    with hosting(a=make_picture()) as host:
        async with running_edge(server, root, jobs_dir=folder, **EVERYWHERE) as edge:
            gateway = edge.app.state.edge
            gateway.release = replace(gateway.release, networks={"denoise": ("old-film",)})
            asked: dict[str, Any] = {"source": f"{host.url}/a", "stages": "denoise"}
            refused = await order(edge, **asked, networks="denoise:mine")
            assert problem(refused) == (400, "unavailable-network")
            assert refused.json()["detail"] == "networks names mine for denoise, which has old-film"
        assert host.got == []


async def test_job_cancelled_while_its_result_cannot_be_written_leaves_nothing(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_trouble, "FIRST_WAIT_S", 60.0)
    with hosting(a=make_picture()) as host:
        async with running_edge(server, root, jobs_dir=folder, **EVERYWHERE) as edge:
            host.statuses.extend([0, 503])  # 0: as it is
            answer = await order(edge, source=f"{host.url}/a", result=f"{host.url}/b")
            await until(lambda: len(host.got) == 2)
            assert (await edge.delete(answer.headers["location"])).status_code == 204
            await until(lambda: not edge.app.state.edge.jobs._worker._runs)
            assert (await look(edge, answer.json()))["state"] == "cancelled"
            assert list((folder / "results").iterdir()) == []
    assert list(root.iterdir()) == []


async def test_orders_that_make_no_sense(server: FakeTorchServe, root: Path, folder: Path) -> None:
    places: dict[str, Any] = {"source_places": "s3://a", "result_places": "s3://a, https.example"}
    async with running_edge(server, root, jobs_dir=folder, **places) as edge:
        queries: tuple[dict[str, Any], ...] = (
            {"source": "s3://a/b", "result": "s3://a/b"},
            {"source": "s3://a/b", "result": "s3://a/c", "return": "bundle"},
            {"source": "s3://a/b", "tier": "best"},
            {"source": "s3://a/b", "colorize": "exemplar"},
            {"source": "s3://a/b", "colorize": "transfer"},
        )
        for query in queries:
            assert problem(await order(edge, **query)) == (400, "unsupported-option")
        both = await edge.post("/v1/jobs?source=s3://a/b", content=make_picture())
        assert problem(both) == (400, "bad-request")
        form: dict[str, Any] = {"image": make_picture(), "source": (None, "s3://a/b")}
        assert problem(await edge.post("/v1/jobs", files=form)) == (400, "unsupported-option")


async def test_key_stands_for_a_place_whatever_its_signature(
    server: FakeTorchServe, root: Path, folder: Path
) -> None:
    with hosting(a=make_picture()) as host:
        async with running_edge(server, root, jobs_dir=folder, **EVERYWHERE) as edge:
            server.is_open.clear()
            key = {"Idempotency-Key": "a"}
            first = await order(edge, key, source=f"{host.url}/a?X-Sig=1")
            again = await order(edge, key, source=f"{host.url}/a?X-Sig=2")
            assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
            other = await order(edge, key, source=f"{host.url}/c?X-Sig=1")
            assert problem(other) == (422, "idempotency-key-reused")
            server.is_open.set()
            await wait(edge, first.json())


async def test_mask_or_report_of_an_upload_is_written(
    server: FakeTorchServe, root: Path, folder: Path
) -> None:
    with hosting() as host:
        async with running_edge(server, root, jobs_dir=folder, **EVERYWHERE) as edge:
            for kind in ("mask", "report"):
                query = {"stages": "", "return": kind, "result": f"{host.url}/{kind}"}
                answer = await edge.post("/v1/jobs", params=query, content=make_picture())
                job = await wait(edge, answer.json())
                assert job["state"] == "succeeded"
                kept = await edge.get(job["links"]["result"])
                assert (host.files[f"/{kind}"] == kept.content) == (kind == "mask")
        assert json.loads(host.files["/report"]) == kept.json()


async def test_large_picture_from_elsewhere_waits_for_room_without_being_fetched_again(
    server: FakeTorchServe, root: Path, folder: Path
) -> None:
    with hosting(a=make_picture()) as host:
        settings: dict[str, Any] = {**EVERYWHERE, "max_requests": 1}
        async with running_edge(server, root, jobs_dir=folder, **settings) as edge:
            admission = edge.app.state.edge.admission
            place = None

            def take(pixels: int) -> bool:
                nonlocal place
                if (
                    pixels == 0 and place is None
                ):  # room for what is not known yet, and none for what it turns out to be
                    place = admission.enter(1, "")
                    return True
                return type(admission).has_room(admission, pixels)

            admission.has_room = take
            answer = await order(edge, source=f"{host.url}/a")
            await until(lambda: host.got)
            waiting = await wait(edge, answer.json(), "queued")
            await until(lambda: edge.app.state.edge.jobs.store.find(waiting["id"], "").work.pixels == 2400)
            assert len(host.got) == 1
            admission.leave(place)
            assert (await wait(edge, answer.json()))["state"] == "succeeded"
            assert len(host.got) == 2


async def test_host_that_is_slow_is_given_up(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "LONGEST_S", 0.0)
    with hosting(a=make_picture()) as host:
        async with running_edge(server, root, jobs_dir=folder, job_tries=1, **EVERYWHERE) as edge:
            assert failure(await ended(edge, source=f"{host.url}/a")) == (503, "place-unavailable")


def test_places_that_are_none_end_the_start() -> None:
    for text in ("s3://A/b", "s3://a/b?c", "s3:///b", "https://a.example", "az://a/b"):
        with pytest.raises(ValueError, match="1 validation error"):
            GatewaySettings(source_places=text)
    assert LIMITS.upload_bytes <= Elsewhere(GatewaySettings())._most_bytes
