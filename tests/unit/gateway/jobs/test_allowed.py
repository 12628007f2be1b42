"""Places that the operator lets jobs read from, or write to."""

import contextlib
from pathlib import Path

import pytest

from gateway.errors import PlaceNotAllowed, SourceNotFound
from gateway.jobs.allowed import Places, is_in_bucket, shown, split
from gateway.restore.parts import Parts
from photorestore.errors import UnsupportedOption
from photorestore.options import Options
from photorestore.workspace import Workspace
from tests.edge import make_picture

PLACES = Places.parse("s3://album/scans, gs://prints/, *.store.example.org, 10.1.0.0/16", "source")


@pytest.mark.parametrize(
    "url",
    [
        "s3://album/scans/1.png",
        "s3://album/scans/ü b/1 ?#%2e.png",
        "gs://prints/1",
        "https://a.store.example.org/1?X-Sig=a",
        "http://10.1.2.3:8080/1",
    ],
)
def test_what_is_below_a_listed_place_is_allowed(url: str) -> None:
    PLACES.check(url)


@pytest.mark.parametrize(
    "url",
    [
        *("s3://album/1.png", "s3://album/scans", "s3://album/scans2/1.png", "s3://album2/scans/1.png"),
        *("gs://album/scans/1.png", "s3://prints/1", "https://store.example.org/1", "http://10.2.0.1/1"),
        *(
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:169.254.169.254]/",
            "http://2852039166/",
        ),
        *(
            "https://a.store.example.org.evil.example/1",
            "http://localhost/1",
            "https://evil.example/album/scans/",
        ),
    ],
)
def test_all_else_is_not(url: str) -> None:
    with pytest.raises(PlaceNotAllowed):
        PLACES.check(url)


@pytest.mark.parametrize(
    "url",
    [
        *("s3://album/scans/../1.png", "s3://album/scans/./1", "s3://album/scans//1", "s3://album/scans/"),
        *(
            "s3://ALBUM/scans/1",
            "s3://-a/1",
            "s3:///scans/1",
            "s3://album/scans/\0",
            "s3://album/scans/a\u2028b",
        ),
        *("S3://album/scans/1", "file:///etc/passwd", "az://album/1", "//a.store.example.org/1", ""),
        *(
            "https://user@a.store.example.org/1",
            "https://a.store.example.org:0/1",
            "https:///1",
            "https://[::1/1",
        ),
    ],
)
def test_what_is_no_place_is_refused_whatever_is_listed(url: str) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        PLACES.check(url)
    assert not isinstance(caught.value, PlaceNotAllowed)


def test_bucket_as_a_whole_may_be_listed() -> None:
    for text in ("s3://album", "s3://album/"):
        Places.parse(text, "result").check("s3://album/any/1.png")


def test_what_is_shown_has_no_signature() -> None:
    assert shown("https://a.example/b?X-Sig=hidden#c") == "https://a.example/b"
    assert shown("s3://album/b?c#d") == "s3://album/b?c#d"  # a key
    assert split("s3://album/b/c?d") == ("s3", "album", "b/c?d")
    assert is_in_bucket("gs://a/b")
    assert not is_in_bucket("https://a/b")


@pytest.mark.parametrize(
    "key",
    ["%2e%2e/secret", "..\\secret", "%2E%2E%2Fsecret", "a?b", "a#b", ".%2e/secret"],
)
def test_store_takes_keys_letter_by_letter(bucket: str, tmp_path: Path, key: str) -> None:
    """So that what is allowed by its letters cannot become another key on its way."""
    from obstore.store import from_url

    from gateway.jobs import buckets

    store = from_url(bucket, client_options={"allow_http": True})
    for name in ("secret", "scans/a"):
        store.put(name, make_picture())
    place = f"{bucket}/scans/{key}"
    Places.parse(f"{bucket}/scans", "source").check(place)
    workspace = Workspace.create(tmp_path / "spaces", Options(), request_id="r")
    with contextlib.ExitStack() as files:
        parts = Parts(workspace, files, 1 << 20)
        parts.begin("image", is_file=True)
        with pytest.raises(SourceNotFound):
            buckets.read(place, parts, 1 << 20)
