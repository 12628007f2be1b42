"""What the tests of the deployment share: files, programs, and the names in queries."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings import HOME

DEPLOY = HOME / "deploy"
DOCUMENT = HOME / "docs/operations.md"
METRIC = re.compile(r"\b(?:photorestore_|ts_|process_)\w+(?![\w:])")
RECORDED = re.compile(r"\bphotorestore:[\w:]+")
LABEL = re.compile(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)")
KNOWN_TO_PROMETHEUS = {"job", "instance", "pod", "namespace"}
"""Labels that scraping adds."""


def program(name: str, package: str) -> str:
    """Where a program is; without it the test is skipped."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed; it comes with {package}")
    return found


def run(*words: str, **options: Any) -> str:
    """Standard output of a program that must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules(file: str) -> list[dict[str, Any]]:
    """Rules of one of Prometheus's files."""
    document = yaml.safe_load((DEPLOY / "prometheus" / file).read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    return json.loads((DEPLOY / "grafana/dashboards/photorestore.json").read_text())


def panel_queries() -> dict[str, str]:
    """The dashboard's queries by panel and number, their variables filled in."""
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        .replace("$__rate_interval", "1m")
        .replace("$instance", ".+")
        for panel in dashboard()["panels"]
        for target in panel.get("targets", [])
    }


def all_queries() -> dict[str, str]:
    """Every query of the deployment, by where it stands."""
    recorded = {rule["record"]: rule["expr"] for rule in rules("recording.yml")}
    alerts = {rule["alert"]: rule["expr"] for rule in rules("alerts.yml")}
    return recorded | alerts | panel_queries()


def write(file: Path, document: object) -> Path:
    file.write_text(yaml.safe_dump(document))
    return file
