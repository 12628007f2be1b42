"""Looks for known vulnerabilities of what requirements.lock pins: `python -m deploy.audit`, or `make audit`.

pip-audit asks PyPI. Where PyPI's advisories cannot be reached, as behind a mirror that has packages only, that is said,
and is no failure. The exit status is 1 where a vulnerability is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"  # unlike the hashes, it names torch as well
LONGEST_S = 300
"""How long the questions may take."""


class Vulnerability(TypedDict):
    """What is known of one, as pip-audit says it."""

    id: str
    aliases: list[str]
    fix_versions: list[str]


class Package(TypedDict, total=False):
    """A package as pip-audit says it: with a version and what is known of it, or why it was not looked up."""

    name: str
    version: str
    vulns: list[Vulnerability]
    skip_reason: str


def look_up(lock: Path) -> list[Package]:
    """Return what is known of each package of a lock file; an empty list where nobody can be asked."""
    words = ["--format", "json", "--progress-spinner", "off", "--disable-pip", "--no-deps", "-r", str(lock)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *words], capture_output=True, timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return []
    try:
        packages: list[Package] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        print(f"pip-audit: {done.stderr.decode().strip().rpartition(chr(10))[2]}", file=sys.stderr)
        return []
    return packages


def report(packages: list[Package]) -> tuple[list[str], bool]:
    """Return lines that say what was found, and whether that is a vulnerability."""
    asked = [package for package in packages if "skip_reason" not in package]
    if not asked:
        return ["no advisories could be reached: no package was audited"], False
    lines = [
        f"{package['name']} {package['version']}: {', '.join([found['id'], *found['aliases']])}; "
        f"mended in {', '.join(found['fix_versions']) or 'no release'}"
        for package in asked
        for found in package["vulns"]
    ]
    has_found = bool(lines)
    if skipped := sorted(package["name"] for package in packages if "skip_reason" in package):
        lines.append(f"not audited, since PyPI does not know them: {', '.join(skipped)}")
    verdict = "known vulnerabilities stand above" if has_found else "no vulnerability is known"
    return [*lines, f"{len(asked)} packages audited, {verdict}"], has_found


def main() -> int:
    """Print what is known, and return the exit status."""
    lines, has_found = report(look_up(LOCK))
    print("\n".join(lines))
    return int(has_found)


if __name__ == "__main__":
    sys.exit(main())
