import threading
from pathlib import Path

import photorestore_client
import pytest
from photorestore_client import (
    Client,
    RestoreError,
    Unchanged,
    Unreachable,
)

from tests.edge_double import CONFIDENCE, JPEG, Edge, drop, refuse, say


def test_picture_and_options_are_sent_and_the_result_is_typed(
    edge: Edge, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "old.jpg").write_bytes(b"old" * 100_000)
    restored = client.restore(
        tmp_path / "old.jpg",
        accept="image/webp",
        request_id="r1",
        mode="gentle",
        stages=["denoise", "translate"],
        strength={"translate": 0.5, "denoise": 1},
        normalise=True,
        format="webp",
        timeout=30,
    )
    seen = edge.seen[0]
    assert (seen.method, seen.path, seen.body) == ("POST", "/v1/restore", b"old" * 100_000)
    assert seen.query == {
        "mode": "gentle",
        "stages": "denoise,translate",
        "strength": "denoise:1,translate:0.5",
        "normalise": "true",
        "format": "webp",
        "timeout": "30",
    }
    assert seen.headers["Authorization"] == "Bearer secret"
    assert seen.headers["X-Request-Id"] == restored.request_id == "r1"
    assert (seen.headers["Accept"], seen.headers["Content-Length"]) == ("image/webp", "300000")
    assert (restored.content[: len(JPEG)], restored.content_type) == (JPEG, "image/jpeg")
    assert dict(restored.stages_ms) == {"denoise": 12.5, "deliver": 3.0}  # `hops` is none


def test_mask_goes_as_a_part_of_a_form_streamed_from_files(
    edge: Edge, client: Client, tmp_path: Path
) -> None:
    picture, mask = bytes(range(256)) * 1000, b"\x89PNG\r\n\x1a\n--mask"
    (tmp_path / "old.png").write_bytes(picture)
    client.restore(tmp_path / "old.png", mask=mask)
    assert edge.seen[0].parts() == {"image": picture, "mask": mask}
    assert "Transfer-Encoding" not in edge.seen[0].headers


def test_empty_picture_is_sent_as_such(edge: Edge, client: Client) -> None:
    client.restore(b"")
    assert (edge.seen[0].headers["Content-Length"], edge.seen[0].body) == ("0", b"")


def test_each_call_has_a_request_id_of_its_own_that_its_tries_share(edge: Edge, client: Client) -> None:
    edge.misbehave += [refuse(503, "out-of-space"), drop]
    client.restore(b"one")
    client.restore(b"two")
    labels = [seen.headers["X-Request-Id"] for seen in edge.seen]
    assert len(set(labels[:3])) == 1
    assert len(set(labels)) == 2


def test_etag_of_a_result_is_not_computed_again(edge: Edge, client: Client) -> None:
    etag = client.restore(b"old").etag
    with pytest.raises(Unchanged):
        client.restore(b"old", if_none_match=etag)
    assert sum(edge.completed.values()) == 1


def test_a_picture_of_a_blur_goes_as_a_part_of_a_form_and_words_in_the_query(
    edge: Edge, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "blur.png"
    file.write_bytes(b"blur")
    client.restore(b"picture", psf=file, deblur_method="wiener")
    client.restore(b"picture", psf=b"blur", mask=b"mask")
    client.restore(b"picture", psf="estimate")
    assert edge.seen[0].parts() == {"image": b"picture", "psf": b"blur"}
    assert edge.seen[0].query == {"deblur_method": "wiener"}
    assert edge.seen[1].parts() == {"image": b"picture", "mask": b"mask", "psf": b"blur"}
    assert edge.seen[2].query == {"psf": "estimate"}


def test_bundle_has_picture_mask_and_report(edge: Edge, client: Client) -> None:
    edge.answer = lambda _: JPEG + bytes(range(256)) + b"\r\n\r\n"
    bundle = client.bundle(b"old", strength=0.5)
    assert edge.seen[0].query == {"return": "bundle", "strength": "0.5"}
    assert bundle.restored.content == JPEG + bytes(range(256)) + b"\r\n\r\n"
    assert (bundle.restored.content_type, bundle.restored.stages_ms["deliver"]) == ("image/jpeg", 3.0)
    assert (bundle.mask, bundle.report) == (b"\r\n--not the end\r\n\r\n", {"tier": "fast"})
    assert bundle.confidence is None
    assert client.bundle(b"old", colorize="learned").confidence == CONFIDENCE


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (JPEG, "image/jpeg"),
        (b"--b\r\n\r\nx\r\n--b--", "multipart/mixed; boundary=b"),
        (b"", "multipart/mixed"),
    ],
)
def test_answers_that_are_no_bundle(edge: Edge, client: Client, body: bytes, content_type: str) -> None:
    edge.misbehave.append(say(200, body, content_type))
    with pytest.raises(Unreachable, match="without a bundle"):
        client.bundle(b"old")


def test_label_with_a_line_break_is_refused_here(edge: Edge, client: Client) -> None:
    with pytest.raises(ValueError, match="header"):
        client.restore(b"old", request_id="one\r\nX-Other: two")
    assert edge.seen == []


def test_analysis_and_stages(edge: Edge, client: Client) -> None:
    analysis = client.analyze(b"old", timeout=9)
    assert (analysis.source, analysis.found) == ({"format": "png"}, {"scratch": {"share": 0.5}})
    assert edge.seen[0].query == {"timeout": "9"}
    service = client.stages()
    assert [(stage.name, stage.details["version"]) for stage in service.stages] == [("denoise", "2")]
    assert service.details == {"version": "1"}


def test_netrc_and_cookies_stay_out(edge: Edge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    edge.misbehave.append(say(200, JPEG, "image/jpeg", **{"Set-Cookie": "session=1"}))
    with Client(edge.url) as client:
        client.restore(b"old")
        client.restore(b"old")
    assert "Authorization" not in edge.seen[0].headers
    assert "Cookie" not in edge.seen[1].headers


def test_the_package_draws_its_errors(client: Client) -> None:
    drawn = photorestore_client.__doc__
    pending = [RestoreError]
    while pending:
        error = pending.pop()
        if not error.__name__.startswith("_"):
            assert error.__name__ in drawn
            assert error.__name__ in photorestore_client.__all__
        pending += error.__subclasses__()


def test_saving_replaces_a_file_as_a_whole(client: Client, tmp_path: Path) -> None:
    (tmp_path / "new.jpg").write_bytes(b"before")
    client.restore(b"old").save(tmp_path / "new.jpg")
    assert (tmp_path / "new.jpg").read_bytes().startswith(JPEG)
    assert [file.name for file in tmp_path.iterdir()] == ["new.jpg"]


def test_no_threads_are_left(edge: Edge) -> None:
    before = threading.active_count()
    with Client(edge.url) as client:
        client.restore(b"old")
    assert threading.active_count() <= before + 1  # the server's own
