"""What is read from the archives of a model store."""

import json
import zipfile
from pathlib import Path

import pytest

from backend.archives import are_for_cpus, read_archives, unpacked_code_hash


def write_archive(file: Path, device: str = "cpu") -> None:
    with zipfile.ZipFile(file, "w") as archive:
        model = {"modelName": file.stem, "configFile": "settings.yaml"}
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps({"model": model}))
        archive.writestr("settings.yaml", f"deviceType: {device}\nphotorestore:\n    tile_px: 512\n")
        archive.writestr("photorestore/__init__.py", "")
        archive.writestr("photorestore/stages/base.py", "a = 1\n")
        archive.writestr("weights/denoise/denoise.fast.safetensors", b"weights")


def test_an_archive_tells_its_stage_its_settings_and_its_code(tmp_path: Path) -> None:
    write_archive(tmp_path / "denoise.mar")
    (archive,) = read_archives(tmp_path)
    assert (archive.stage, archive.config["photorestore"]) == ("denoise", {"tile_px": 512})
    archive.unpack("photorestore", tmp_path / "unpacked")
    assert [path.name for path in (tmp_path / "unpacked").iterdir()] == ["photorestore"]
    assert unpacked_code_hash(tmp_path / "unpacked") == archive.code_hash()
    (tmp_path / "unpacked" / "photorestore" / "stages" / "base.py").write_text("a = 2\n")
    assert unpacked_code_hash(tmp_path / "unpacked") != archive.code_hash()


@pytest.mark.parametrize(
    ("devices", "expected"), [(["cpu", "cpu"], True), (["cpu", "gpu"], False), ([], False)]
)
def test_workers_are_forked_where_all_archives_are_for_cpus(
    tmp_path: Path, devices: list[str], expected: bool
) -> None:
    for number, device in enumerate(devices):
        write_archive(tmp_path / f"{number}.mar", device)
    assert are_for_cpus(tmp_path) is expected


def test_a_file_that_is_no_archive_is_left_to_torchserve(tmp_path: Path) -> None:
    (tmp_path / "denoise.mar").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"denoise\.mar is not an archive"):
        read_archives(tmp_path)
    assert not are_for_cpus(tmp_path)
