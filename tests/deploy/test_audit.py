"""What `make audit` says of what pip-audit has found, and where nobody could be asked."""

import json
import subprocess
from pathlib import Path

import pytest

from deploy import audit
from deploy.audit import Package, look_up, report

SOUND: Package = {"name": "numpy", "version": "2.5.1", "vulns": []}
UNKNOWN: Package = {"name": "typer", "skip_reason": "Dependency not found on PyPI and could not be audited"}
BROKEN: Package = {
    "name": "pillow",
    "version": "9.0.0",
    "vulns": [
        {"id": "PYSEC-2022-42979", "aliases": ["CVE-2022-45198"], "fix_versions": ["9.2.0"]},
        {"id": "GHSA-x", "aliases": [], "fix_versions": []},
    ],
}


def test_a_vulnerability_is_named_with_its_aliases_and_what_mends_it() -> None:
    lines, has_found = report([SOUND, BROKEN])
    assert has_found
    assert lines == [
        "pillow 9.0.0: PYSEC-2022-42979, CVE-2022-45198; mended in 9.2.0",
        "pillow 9.0.0: GHSA-x; mended in no release",
        "2 packages audited, known vulnerabilities stand above",
    ]


@pytest.mark.parametrize("packages", [[], [UNKNOWN]])
def test_a_registry_without_advisories_is_not_taken_for_a_clean_result(packages: list[Package]) -> None:
    assert report(packages) == (["no advisories could be reached: no package was audited"], False)


def test_packages_that_were_passed_over_are_named() -> None:
    lines, has_found = report([SOUND, UNKNOWN])
    assert not has_found
    assert lines == [
        "not audited, since PyPI does not know them: typer",
        "1 packages audited, no vulnerability is known",
    ]


@pytest.mark.parametrize("printed", ["", "no route to host", json.dumps({"dependencies": [SOUND]})])
def test_what_pip_audit_prints_is_read_also_where_it_fails(
    printed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = subprocess.CompletedProcess(
        [], 1, stdout=printed.encode(), stderr=b"Traceback\nNo module named x\n"
    )
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    is_read = printed.startswith("{")
    assert look_up(Path("lock")) == ([SOUND] if is_read else [])
    assert capsys.readouterr().err == ("" if is_read else "pip-audit: No module named x\n")


def test_a_registry_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired([], timeout)

    monkeypatch.setattr(subprocess, "run", wait)
    assert look_up(Path("lock")) == []


@pytest.mark.parametrize(("package", "status"), [(SOUND, 0), (UNKNOWN, 0), (BROKEN, 1)])
def test_only_a_known_vulnerability_fails(
    package: Package, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "look_up", lambda _: [package])
    assert audit.main() == status
    assert capsys.readouterr().out.strip()
