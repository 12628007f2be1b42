"""Writes the rules of deploy/prometheus/ as the Prometheus Operator reads them: `make rules`."""

from __future__ import annotations

from pathlib import Path

import yaml

FOLDER = Path(__file__).parent
TARGET = FOLDER / "kubernetes/components/monitoring/rules.yaml"
SOURCES = ("recording", "alerts")
HEAD = "# Written by `make rules` from deploy/prometheus/recording.yml and alerts.yml.\n"


def manifest() -> str:
    """Return a PrometheusRule with all rules; its groups are named for the files that they come from."""
    groups = []
    for name in SOURCES:
        (group,) = yaml.safe_load((FOLDER / f"prometheus/{name}.yml").read_text())["groups"]
        groups.append({"name": f"{group['name']}-{name}", "rules": group["rules"]})
    document = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "photorestore"},
        "spec": {"groups": groups},
    }
    return HEAD + yaml.safe_dump(document, sort_keys=False, width=1000)


if __name__ == "__main__":
    TARGET.write_text(manifest())
