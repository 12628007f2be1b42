"""The release that restores."""

from pathlib import Path

from gateway.restore import release


def test_fingerprint_is_of_the_archives(tmp_path: Path) -> None:
    store = tmp_path / "model_store"
    store.mkdir()
    assert release.fingerprint(tmp_path) != release.fingerprint(tmp_path)  # nothing is known: never the same
    (store / "denoise.mar").write_bytes(b"one")
    first = release.fingerprint(tmp_path)
    assert release.fingerprint(tmp_path) == first
    (store / "denoise.mar").write_bytes(b"two")
    assert release.fingerprint(tmp_path) != first
