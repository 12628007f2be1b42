"""The units of systemd against systemd itself, and against what they start."""

import configparser
import sys
from pathlib import Path

import pytest

from backend import command
from backend.torchserve import STOP_S
from gateway.command_line import PREFIX, parse
from gateway.settings import GatewaySettings
from tests.deploy.tools import DEPLOY, program, run

FOLDER = DEPLOY / "systemd"
PYTHON = "/opt/photorestore/.venv/bin/python"
UNITS = ("photorestore-backend.service", "photorestore-edge.service")


def service_of(unit: str) -> dict[str, str]:
    """A unit's section `Service`."""
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(FOLDER / unit)
    return dict(parser["Service"])


def environment() -> dict[str, str]:
    lines = (FOLDER / "environment").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and line[0] != "#")


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """With this Python in place of the installed one, which has to be there."""
    verifier = program("systemd-analyze", "systemd")
    for unit in UNITS:
        (tmp_path / unit).write_text((FOLDER / unit).read_text().replace(PYTHON, sys.executable))
    run(verifier, "verify", "--man=no", *(str(tmp_path / unit) for unit in UNITS))


def test_the_units_start_what_there_is() -> None:
    words = service_of(UNITS[0])["ExecStart"].split()
    assert words[:3] == [PYTHON, "-m", "backend"]
    given = command._parser().parse_args(words[3:])
    assert (given.command, given.background, str(given.run_dir)) == (
        "serve",
        False,
        "/var/cache/photorestore",
    )
    assert service_of(UNITS[1])["ExecStart"] == f"{PYTHON} -m gateway serve"
    settings = parse([], environment())
    assert settings.jobs_dir == Path("/var/lib/photorestore/jobs")
    assert str(settings.workspace_root) == environment()["PHOTORESTORE_WORKSPACE"]
    assert all(name.startswith((PREFIX, "PHOTORESTORE_WORKSPACE")) for name in environment())


@pytest.mark.parametrize("unit", UNITS)
def test_what_dies_is_started_again_without_end_but_not_what_cannot_be_used(unit: str) -> None:
    service = service_of(unit)
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("always", "2")
    assert "StartLimitIntervalSec=0" in (FOLDER / unit).read_text()


def test_there_is_time_to_answer_what_is_in_flight() -> None:
    drain_s = command._parser().parse_args(["serve"]).drain_s
    assert float(service_of(UNITS[0])["TimeoutStopSec"]) > drain_s + STOP_S
    assert float(service_of(UNITS[1])["TimeoutStopSec"]) > GatewaySettings().drain_s
    assert (
        UNITS[0] in (FOLDER / UNITS[1]).read_text().partition("After=")[2].splitlines()[0]
    )  # it stops first
