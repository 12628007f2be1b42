"""Commands that other packages add to the client's program."""

import tomllib
from pathlib import Path

import pytest
from photorestore_client import command

HOME = Path(__file__).resolve().parents[3]


def test_a_command_of_another_package_gets_the_other_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "further-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: further\nVersion: 1\n")
    (package / "entry_points.txt").write_text(f"[{command.COMMANDS}]\nmore = further_command:main\n")
    (tmp_path / "further_command.py").write_text(
        "def main(arguments):\n    assert list(arguments) == ['in', '-o', 'out']\n    return 7\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert command.main(["more", "in", "-o", "out"]) == 7


def test_bulk_and_import_are_such_commands() -> None:
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][command.COMMANDS] == {
        "bulk": "photorestore_bulk.command:main",
        "import": "photorestore_import.command:main",
    }
