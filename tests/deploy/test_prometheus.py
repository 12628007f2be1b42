"""Rules and alerts: what they ask is shown, what they say is tested and explained."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings import HOME
from tests.deploy.tools import (
    DEPLOY,
    DOCUMENT,
    KNOWN_TO_PROMETHEUS,
    LABEL,
    METRIC,
    RECORDED,
    all_queries,
    program,
    rules,
    run,
    write,
)

FOLDER = DEPLOY / "prometheus"
PROMTOOL = ("promtool", "Debian's package prometheus")


def test_rules_and_alerts_behave_as_their_tests_say() -> None:
    run(program(*PROMTOOL), "test", "rules", "tests.yml", cwd=FOLDER)


def test_configuration_is_valid() -> None:
    run(program(*PROMTOOL), "check", "config", "prometheus.yml", cwd=FOLDER)


def test_configuration_for_clusters_is_valid_but_for_the_discovery(tmp_path: Path) -> None:
    """Debian builds promtool without the discovery of pods: a fixed address stands in for it."""
    document = yaml.safe_load((FOLDER / "kubernetes.yml").read_text())
    for scrape in document["scrape_configs"]:
        assert scrape.pop("kubernetes_sd_configs") == [{"role": "pod"}]
        scrape["static_configs"] = [{"targets": ["127.0.0.1:8000"]}]
    document["rule_files"] = [str(FOLDER / name) for name in document["rule_files"]]
    run(program(*PROMTOOL), "check", "config", str(write(tmp_path / "prometheus.yml", document)))


def test_both_configurations_scrape_the_same() -> None:
    first, second = (
        yaml.safe_load((FOLDER / name).read_text()) for name in ("prometheus.yml", "kubernetes.yml")
    )
    scraped = {(job["job_name"], job.get("metrics_path")) for job in second["scrape_configs"]}
    assert scraped <= {(job["job_name"], job.get("metrics_path")) for job in first["scrape_configs"]}
    assert first["rule_files"] == second["rule_files"]


@pytest.mark.parametrize("place", all_queries())
def test_queries_name_metrics_and_labels_that_are_shown(place: str, shown: dict[str, set[str]]) -> None:
    query = all_queries()[place]
    names = set(METRIC.findall(query))
    assert names <= shown.keys()
    assert set(RECORDED.findall(query)) <= {rule["record"] for rule in rules("recording.yml")}
    grouped = re.findall(r"\b(?:by|without|on)\s*\(([^)]*)\)", query)
    used = {*LABEL.findall(query), *(label.strip() for labels in grouped for label in labels.split(","))}
    if names:
        assert used <= set().union(*(shown[name] for name in names)) | KNOWN_TO_PROMETHEUS


def test_every_alert_is_seen_to_fire_and_to_stay_quiet() -> None:
    tests = yaml.safe_load((FOLDER / "tests.yml").read_text())["tests"]
    cases = [case for test in tests for case in test.get("alert_rule_test", [])]
    alerts = {rule["alert"] for rule in rules("alerts.yml")}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == alerts
    late = {rule["alert"] for rule in rules("alerts.yml") if "for" in rule}
    assert late <= {case["alertname"] for case in cases if not case["exp_alerts"]}


@pytest.mark.parametrize("rule", rules("alerts.yml"), ids=lambda rule: rule["alert"])
def test_every_alert_is_explained(rule: dict[str, Any]) -> None:
    name = rule["alert"]
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}"
    assert f"\n### {name}\n" in DOCUMENT.read_text()


def test_no_alert_is_explained_that_is_not_there() -> None:
    headings = set(re.findall(r"^### (Photorestore\w+)$", DOCUMENT.read_text(), re.MULTILINE))
    assert headings == {rule["alert"] for rule in rules("alerts.yml")}


def test_the_autoscaler_follows_what_is_recorded() -> None:
    adapter = yaml.safe_load((FOLDER / "adapter.yml").read_text())
    (rule,) = adapter["rules"]
    followed = rule["seriesQuery"].partition("{")[0]
    assert followed in {rule["record"] for rule in rules("recording.yml")}
    scaling = yaml.safe_load((DEPLOY / "kubernetes/base/scaling.yaml").read_text())
    (metric,) = scaling["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]


def test_torchserve_shows_what_is_declared(torchserve_metrics: str) -> None:
    document = yaml.safe_load((HOME / "metrics.yaml").read_text())
    for kinds in (document["ts_metrics"], document["model_metrics"]):
        for kind, metrics in kinds.items():
            for metric in metrics:
                assert f"# TYPE {metric['name']} {kind}\n" in torchserve_metrics
