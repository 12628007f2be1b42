import tempfile
import time
from pathlib import Path

import pytest

from photorestore.directories import (
    deadline_of,
    default_root,
    done_since,
    is_name,
    mark_done,
    new_name,
    token_of,
)


def test_a_name_tells_the_deadline_and_a_token_of_its_own() -> None:
    name, other = new_name(1234.9), new_name(1234.9)
    assert is_name(name)
    assert deadline_of(name) == 1234
    assert name == f"0000001234-{token_of(name)}"
    assert token_of(name) != token_of(other)


@pytest.mark.parametrize(
    "name", ["", "lost+found", "1234-" + "a" * 32, "0000001234-" + "g" * 32, "0000001234-" + "a" * 32 + "\n"]
)
def test_other_names_are_no_requests(name: str) -> None:
    assert not is_name(name)


def test_a_request_is_done_since_it_was_noted(tmp_path: Path) -> None:
    assert done_since(tmp_path) is None
    mark_done(tmp_path)
    since = done_since(tmp_path)
    assert since is not None
    assert abs(since - time.monotonic()) < 5


@pytest.mark.parametrize("is_writable", [True, False])
def test_requests_lie_in_shared_memory_where_it_may_be_written(
    is_writable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda folder, _: is_writable)
    base = Path("/dev/shm") if is_writable else Path(tempfile.gettempdir())
    assert default_root() == base / "photorestore"
