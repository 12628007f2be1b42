"""Jobs whose pictures the service fetches, in Python and on the command line."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from photorestore_client import (
    AsyncClient,
    BadOption,
    BadPicture,
    Busy,
    Client,
    Conflict,
    Job,
    JobCancelled,
    Order,
    Unreachable,
    jobs_command,
)
from photorestore_client.command import main
from photorestore_client.given import DONE, NO_SERVICE, SOME_FAILED, USAGE
from photorestore_client.orders import MOST_ORDERS

from tests.edge import FakeTorchServe, listening, make_picture
from tests.edge_double import Edge, Handler, refuse, say
from tests.jobs import hosting


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_command, "LOOK_EVERY_S", 0.01)


def sent(edge: Edge) -> list[dict[str, Any]]:
    """The orders of the first batch that came, without their keys."""
    orders = json.loads(edge.seen[0].body)["jobs"]
    return [{name: value for name, value in order.items() if name != "idempotency_key"} for order in orders]


def test_one_order_goes_in_the_query(edge: Edge, client: Client) -> None:
    job = client.submit_from(
        "s3://a/b c.jpg", result="s3://a/d", webhook="https://w.example", scale=2, psf="estimate"
    )
    assert edge.seen[0].query == {
        "source": "s3://a/b c.jpg",
        "result": "s3://a/d",
        "webhook": "https://w.example",
        "scale": "2",
        "psf": "estimate",
    }
    assert (edge.seen[0].path, edge.seen[0].body) == ("/v1/jobs", b"")
    assert (job.ahead, job.seconds_left) == (0, 7)
    again = [client.submit_from("s3://a/b", idempotency_key="k").id for _ in range(2)]
    assert again[0] == again[1] != job.id


def test_upload_can_be_written_elsewhere(edge: Edge, client: Client) -> None:
    client.submit(b"old", result="s3://a/d")
    assert edge.seen[0].query == {"result": "s3://a/d"}


def test_many_orders_go_in_one_request(edge: Edge, client: Client) -> None:
    orders = [
        Order("s3://a/1", "s3://a/2", options={"stages": (), "strength": {"face": 0.5}}),
        Order("https://no.example/1"),
        Order("s3://a/3", webhook="https://w.example"),
    ]
    first, refused, second = client.submit_all(orders, format="png", scale=2)
    assert isinstance(first, Job)
    assert isinstance(second, Job)
    assert isinstance(refused, BadOption)
    assert (refused.type, refused.status, bool(refused.request_id)) == ("place-not-allowed", 403, True)
    assert sent(edge) == [
        {"source": "s3://a/1", "result": "s3://a/2", "options": {"stages": [], "strength": {"face": 0.5}}},
        {"source": "https://no.example/1", "options": {}},
        {"source": "s3://a/3", "webhook": "https://w.example", "options": {}},
    ]
    assert json.loads(edge.seen[0].body)["options"] == {"format": "png", "scale": 2}
    (again,) = client.submit_all([orders[0]])
    assert isinstance(again, Job)
    assert again.id == first.id  # by its key


def test_lost_answer_makes_no_second_jobs(edge: Edge, client: Client) -> None:
    def lose(handler: Handler) -> None:
        handler.enter(json.loads(handler.seen.body)["jobs"][0]["idempotency_key"], b"")
        handler.close_connection = True

    edge.misbehave.append(lose)
    client.submit_all([Order("s3://a/1")])
    assert (len(edge.seen), len(edge.jobs)) == (2, 1)


@pytest.mark.parametrize("count", [0, MOST_ORDERS + 1])
def test_number_of_orders_is_bounded(edge: Edge, client: Client, count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} jobs"):
        client.submit_all([Order("s3://a/1")] * count)
    assert edge.seen == []


def test_picture_of_a_blur_does_not_go_along(edge: Edge, client: Client) -> None:
    for psf in (b"picture", Path("psf.png")):
        with pytest.raises(ValueError, match="psf"):
            client.submit_from("s3://a/1", psf=psf)
        with pytest.raises(ValueError, match="psf"):
            client.submit_all([Order("s3://a/1", options={"psf": psf})])
    assert edge.seen == []


@pytest.mark.parametrize("body", ["{}", '{"jobs": []}', '{"jobs": [1]}', '{"jobs": [{"job": {}}]}', "[]"])
def test_answer_that_does_not_tell_is_none(edge: Edge, client: Client, body: str) -> None:
    edge.misbehave.append(say(200, body.encode(), "application/json"))
    with pytest.raises(Unreachable):
        client.submit_all([Order("s3://a/1")])


def test_batch_that_is_refused_raises(edge: Edge, client: Client) -> None:
    edge.misbehave.append(refuse(422, "idempotency-key-reused"))
    with pytest.raises(Conflict):
        client.submit_all([Order("s3://a/1")])


def test_job_is_followed_without_fetching(edge: Edge, client: Client) -> None:
    job = client.submit_from("s3://a/1")
    assert client.follow(job).state == "succeeded"
    assert not any(seen.path.endswith("/result") for seen in edge.seen)
    gone = client.submit_from("s3://a/2")
    problem = {"type": "urn:photorestore:problem:source-not-found", "status": 404, "detail": "gone"}
    edge.jobs[gone.id] |= {"end": "failed", "problem": problem}
    with pytest.raises(BadPicture, match="gone"):
        client.follow(gone)
    dropped = client.submit_from("s3://a/3")
    client.cancel(dropped)
    with pytest.raises(JobCancelled):
        client.follow(dropped)


def test_awaited_client_does_the_same(edge: Edge) -> None:
    async def all_three() -> str:
        async with AsyncClient(edge.url) as client:
            (job,) = await client.submit_all([Order("s3://a/1")])
            assert isinstance(job, Job)
            await client.submit_from("s3://a/2")
            return (await client.follow(job)).state

    assert asyncio.run(all_three()) == "succeeded"


def run(edge: Edge, *words: str) -> int:
    return main(["jobs", *words, "--url", edge.url])


def test_command_names_results_and_tells_of_each(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["s3://a/one.jpg", "https://b.example/x/two.tif?X-Sig=hidden"]
    assert run(edge, *places, "-o", "s3://to/there/", "--scale", "2") == DONE
    assert [(order["source"], order["result"]) for order in sent(edge)] == [
        (places[0], "s3://to/there/one.jpg"),
        (places[1], "s3://to/there/two.tif.jpg"),
    ]
    assert json.loads(edge.seen[0].body)["options"] == {"scale": 2, "format": "jpeg"}
    assert sorted(capsys.readouterr().out.splitlines()) == [
        "https://b.example/x/two.tif -> s3://to/there/two.tif.jpg",
        "s3://a/one.jpg -> s3://to/there/one.jpg",
    ]


def test_command_takes_keys_of_buckets_letter_by_letter(
    edge: Edge, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["s3://a/one#1.jpg", "gs://a/one#2?.jpg"]
    assert run(edge, *places, "-o", "s3://to/") == DONE
    assert [order["result"] for order in sent(edge)] == ["s3://to/one#1.jpg", "s3://to/one#2?.jpg"]
    assert f"{places[1]} -> s3://to/one#2?.jpg" in capsys.readouterr().out.splitlines()


def test_command_goes_on_where_somebody_deletes_a_job(
    edge: Edge, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Client.job

    def deleted_first(client: Client, job: str) -> Job:
        if job == "job-0":
            edge.jobs.pop(job, None)
        return ask(client, job)

    monkeypatch.setattr(Client, "job", deleted_first)
    assert run(edge, "s3://a/1.jpg", "s3://a/2.jpg") == SOME_FAILED
    shown = capsys.readouterr()
    assert shown.out == "s3://a/2.jpg -> job job-1\n"
    assert shown.err.startswith("s3://a/1.jpg: no-such-job: why no-such-job")


def test_command_takes_one_place_for_one_picture_or_none(
    edge: Edge, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, options in (("2", {}), ("2.PNG?X-Sig=a", {"format": "png"})):
        assert run(edge, "s3://a/1.jpg", "-o", f"https://to.example/{name}") == DONE
        assert sent(edge)[0]["result"] == f"https://to.example/{name}"
        assert json.loads(edge.seen[0].body)["options"] == options
        edge.seen.clear()
    edge.seen.clear()
    assert run(edge, "s3://a/3.jpg") == DONE
    assert "result" not in sent(edge)[0]
    assert capsys.readouterr().out.splitlines()[-1] == "s3://a/3.jpg -> job job-2"


def test_command_goes_on_as_there_is_room(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    edge.capacity = 2
    places = [f"s3://a/{number}.jpg" for number in range(5)]
    assert run(edge, *places, "-o", "s3://to/") == DONE
    assert len(edge.jobs) == 5
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_command_ends_at_once_if_nobody_waits(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    edge.capacity = 1
    assert run(edge, "s3://a/1.jpg", "s3://a/2.jpg", "-o", "s3://to/", "--no-wait") == NO_SERVICE
    shown = capsys.readouterr()
    assert shown.out == "job-0 s3://a/1.jpg\n"
    assert shown.err.startswith("s3://a/2.jpg: too-many-requests: full (request ")


def test_command_says_what_failed(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(edge, "https://no.example/1.jpg?X-Sig=hidden", "s3://a/2.jpg", "s3://a/3.jpg", "-o", "s3://to/")
        == SOME_FAILED
    )
    shown = capsys.readouterr()
    assert shown.err.startswith("https://no.example/1.jpg: place-not-allowed: no")
    assert len(shown.out.splitlines()) == 2
    assert "hidden" not in shown.out + shown.err
    assert run(edge, "https://no.example/1.jpg") == USAGE
    capsys.readouterr()
    for name, state in (("job-2", "failed"), ("job-3", "cancelled")):
        document = {"type": "urn:photorestore:problem:source-not-found", "status": 404}
        edge.jobs[name] = {"id": name, "state": "queued", "progress": {}, "end": state, "picture": ""}
        edge.jobs[name] |= {"problem": document} if state == "failed" else {}
    assert run(edge, "s3://a/4.jpg", "s3://a/5.jpg") == SOME_FAILED
    shown = capsys.readouterr()
    assert "source-not-found" in shown.err
    assert "cancelled" in shown.err


@pytest.mark.parametrize(
    "words",
    [
        ("s3://a/x.jpg", "s3://b/x.jpg", "-o", "s3://to/"),
        ("https://a.example", "s3://b/x.jpg", "-o", "s3://to/"),
        ("s3://a/x.jpg", "--psf", __file__),
        ("s3://a/x.jpg", "--api-key-file", "/nowhere"),
    ],
)
def test_command_that_cannot_be_meant_sends_nothing(edge: Edge, words: tuple[str, ...]) -> None:
    assert run(edge, *words) == USAGE
    assert edge.seen == []


def test_command_without_a_service(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["jobs", "s3://a/x.jpg", "--url", "http://127.0.0.1:9", "--patience", "0.2"]
    assert main(words) == NO_SERVICE
    assert capsys.readouterr().err.startswith("photorestore: ")


@pytest.mark.anyio
async def test_client_and_service_agree(server: FakeTorchServe, root: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "jobs_dir": tmp_path / "jobs",
        "source_places": "127.0.0.0/8",
        "result_places": "127.0.0.0/8",
        "max_queued_jobs": 2,
    }
    with hosting(a=make_picture(), b=make_picture(seed=1)) as host:
        async with listening(server, root, **settings) as (port, _):  # noqa: SIM117 - the port comes first
            async with AsyncClient(f"http://127.0.0.1:{port}") as client:
                orders = [Order(f"{host.url}/{name}", f"{host.url}/to-{name}") for name in "ab"]
                refused = Order("http://10.0.0.1/a", options={"strength": {"face": 0.5}})
                *jobs, problem = await client.submit_all([*orders, refused], stages=[], format="png")
                assert isinstance(problem, BadOption | Busy)
                for job in jobs:
                    assert isinstance(job, Job)
                    done = await client.follow(job)
                    assert (await client.result(done)).content == host.files[f"/to-{'ab'[jobs.index(job)]}"]
