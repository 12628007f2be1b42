"""Forms: however they arrive, the same parts come out, or it is said what is wrong."""

import contextlib
import hashlib
import itertools
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import BadRequest
from gateway.restore.form import feed, form_parser
from gateway.restore.parts import Parts, Received
from photorestore.errors import NotAnImage, PayloadTooLarge
from photorestore.options import Options
from photorestore.workspace import Workspace

BOUNDARY = b"a-b"
LIMIT_BYTES = 1000
REFUSED = (BadRequest, NotAnImage, PayloadTooLarge)


def part(name: str, content: bytes, more: bytes = b"") -> bytes:
    head = b'--%b\r\nContent-Disposition: form-data; name="%b"; filename="x"\r\n%b\r\n'
    return head % (BOUNDARY, name.encode(), more) + content + b"\r\n"


def form_of(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


def received(root: Path, pieces: Iterable[bytes]) -> tuple[Received, dict[str, bytes | None]]:
    """What comes of a form that arrives in pieces: the hashes, and the files of the workspace."""
    workspace = Workspace.create(root, Options())
    try:
        with contextlib.ExitStack() as files:
            parts = Parts(workspace, files, LIMIT_BYTES)
            form = form_parser(parts, BOUNDARY)
            for piece in pieces:
                feed(form, piece)
            hashes = parts.received()
            assert not parts.is_open
        return hashes, {name: workspace.read_file(name) for name in ("upload", "mask_upload")}
    finally:
        workspace.remove()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    image=st.binary(min_size=1, max_size=300) | st.just(b"\r\n--a-b\r\n--a-bx--a-c"),
    mask=st.none() | st.binary(min_size=1, max_size=80),
    cuts=st.lists(st.integers(0, 700), max_size=6),
    mask_first=st.booleans(),
)
def test_a_form_comes_out_the_same_however_it_is_cut(
    tmp_path: Path, image: bytes, mask: bytes | None, cuts: list[int], mask_first: bool
) -> None:
    image = image.replace(b"\r\n--a-b", b"\r\n--a_b")  # which would end the part
    parts = [part("image", image)] + (
        [] if mask is None else [part("mask", mask, b"Content-Type: image/png\r\n")]
    )
    form = form_of(*(parts[::-1] if mask_first else parts))
    ends = [0, *sorted(min(cut, len(form)) for cut in cuts), len(form)]
    hashes, files = received(tmp_path, (form[start:end] for start, end in itertools.pairwise(ends)))
    assert files == {"upload": image, "mask_upload": mask}
    assert hashes.image == hashlib.sha256(image).hexdigest()
    assert hashes.mask == (None if mask is None else hashlib.sha256(mask).hexdigest())


def test_a_form_may_arrive_byte_by_byte(tmp_path: Path) -> None:
    form = form_of(part("image", b"picture"), part("mask", b"mask"))
    _, files = received(tmp_path, (form[at : at + 1] for at in range(len(form))))
    assert files == {"upload": b"picture", "mask_upload": b"mask"}


@pytest.mark.parametrize(
    "head",
    [
        b"content-disposition: form-data; name=image",
        b'CONTENT-DISPOSITION: form-data; filename="a; name=b"; name="image"',
        b'Content-Type: image/png\r\nContent-Disposition: form-data; name="image"\r\nX-More: 1',
    ],
)
def test_the_head_of_a_part_may_be_written_in_several_ways(tmp_path: Path, head: bytes) -> None:
    _, files = received(tmp_path, [b"--a-b\r\n" + head + b"\r\n\r\npicture\r\n--a-b--\r\n"])
    assert files["upload"] == b"picture"


@pytest.mark.parametrize(
    ("form", "error", "told"),
    [
        (form_of(part("image", b"x"), part("image", b"y")), BadRequest, "the part image is there twice"),
        (form_of(part("photo", b"x")), BadRequest, "unknown file 'photo'; there are image, mask, reference"),
        (form_of(part("image", b"x"), part("", b"y")), BadRequest, "unknown file ''"),
        (form_of(b"--a-b\r\nContent-Type: image/png\r\n\r\nx\r\n"), NotAnImage, "no picture was sent"),
        (form_of(part("\udcff".encode("utf-8", "replace").decode(), b"x")), BadRequest, "unknown file '?'"),
        (form_of(part("image", b"")), NotAnImage, "no picture was sent"),
        (form_of(part("image", b"x"), part("mask", b"")), NotAnImage, "no picture was sent"),
        (form_of(part("mask", b"x")), NotAnImage, "expected it as the body, or as the part image"),
        (
            form_of(part("image", bytes(LIMIT_BYTES + 1))),
            PayloadTooLarge,
            "the image has more; the limit of a",
        ),
        (b"--other\r\n", BadRequest, "the form cannot be read"),
        (b"--a-b\r\nno colon\r\n\r\n", BadRequest, "the form cannot be read"),
    ],
)
def test_what_is_wrong_with_a_form_is_said(
    tmp_path: Path, form: bytes, error: type[Exception], told: str
) -> None:
    with pytest.raises(error) as raised:
        received(tmp_path, [form])
    assert told in str(raised.value)
    assert list(tmp_path.iterdir()) == [], "nothing stays"


def test_a_reference_is_received_and_hashed(tmp_path: Path) -> None:
    hashes, _ = received(tmp_path, [form_of(part("image", b"picture"), part("reference", b"other"))])
    assert hashes.reference == hashlib.sha256(b"other").hexdigest()


def test_a_part_may_be_as_large_as_the_limit(tmp_path: Path) -> None:
    _, files = received(
        tmp_path, [form_of(part("image", bytes(LIMIT_BYTES)), part("mask", bytes(LIMIT_BYTES)))]
    )
    assert [len(content or b"") for content in files.values()] == [LIMIT_BYTES, LIMIT_BYTES]


@pytest.mark.parametrize("boundary", [None, b""])
def test_a_form_without_a_boundary_is_refused(workspace: Workspace, boundary: bytes | None) -> None:
    with contextlib.ExitStack() as files, pytest.raises(BadRequest, match="names no boundary"):
        form_parser(Parts(workspace, files, LIMIT_BYTES), boundary)


def test_a_part_that_breaks_off_is_open_and_leaves_no_file(workspace: Workspace) -> None:
    def take_half() -> None:
        with contextlib.ExitStack() as files:
            parts = Parts(workspace, files, LIMIT_BYTES)
            feed(form_parser(parts, BOUNDARY), part("image", b"picture")[:-3])
            assert parts.is_open
            raise ConnectionError

    with pytest.raises(ConnectionError):
        take_half()
    assert list(workspace.directory.iterdir()) == []
