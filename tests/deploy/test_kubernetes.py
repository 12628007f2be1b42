"""The manifests against Kubernetes' schemas, and against the images."""

import re
from typing import Any

import pytest
import yaml

from deploy.rules import TARGET, manifest
from gateway.restore.parts import FILES
from gateway.restore.upload import FRAME_BYTES
from gateway.settings import HOME, GatewaySettings
from photorestore.housekeeping import LONGEST_TIMEOUT_S
from photorestore.imaging import LIMITS
from tests.deploy.test_images import BYTES_PX
from tests.deploy.tools import DEPLOY, program, rules, run

OVERLAYS = ("base", "gpu", "full")
VERSIONS = ("1.29", "1.37")
"""The first with sidecars, and the latest that is known."""
OPERATORS = ("PodMonitor", "PrometheusRule")
"""Kinds of the Prometheus Operator, which those schemas do not know."""
Manifests = dict[str, dict[str, Any]]
UNITS = {"Mi": 1 << 20, "Gi": 1 << 30}


@pytest.fixture(scope="module", params=OVERLAYS)
def resources(request: pytest.FixtureRequest) -> Manifests:
    """What an overlay makes, by kind and name."""
    text = run(program("kubectl", "Kubernetes"), "kustomize", str(DEPLOY / "kubernetes" / request.param))
    found = {
        f"{document['kind']}/{document['metadata']['name']}": document
        for document in yaml.safe_load_all(text)
    }
    return found | {"overlay": {"name": request.param}}


def pods_of(resources: Manifests) -> dict[str, Any]:
    """What makes the pods: a Deployment where they keep nothing."""
    found = [
        resources[name]
        for kind in ("StatefulSet", "Deployment")
        if (name := f"{kind}/photorestore") in resources
    ]
    (workload,) = found
    return workload


@pytest.fixture
def pod(resources: Manifests) -> dict[str, Any]:
    return pods_of(resources)["spec"]["template"]["spec"]


@pytest.fixture
def containers(pod: dict[str, Any]) -> Manifests:
    return {container["name"]: container for container in (*pod["initContainers"], *pod["containers"])}


def settings_of(container: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def bytes_of(text: str) -> int:
    found = re.fullmatch(r"(\d+)([MG]i)", text)
    assert found is not None
    number, unit = found.groups()
    return int(number) * UNITS[unit]


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_follow_the_schemas(resources: Manifests, version: str) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="make setup installs kubernetes-validate")
    for name, document in resources.items():
        if name != "overlay" and not name.startswith(OPERATORS):
            validator.validate(document, version, strict=True)


def test_everything_asked_for_is_there(resources: Manifests) -> None:
    kinds = {name.partition("/")[0] for name in resources}
    wanted = {"Service", "PodDisruptionBudget", "NetworkPolicy", "HorizontalPodAutoscaler"}
    assert wanted | {pods_of(resources)["kind"]} <= kinds


def test_backend_starts_before_the_edge_and_stops_after_it(
    pod: dict[str, Any], containers: Manifests
) -> None:
    assert [container["name"] for container in pod["initContainers"]] == ["backend"]
    assert containers["backend"]["restartPolicy"] == "Always"  # a sidecar
    assert containers["backend"]["startupProbe"]


def test_containers_share_one_folder_in_memory(pod: dict[str, Any], containers: Manifests) -> None:
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "spaces")
    assert volume["emptyDir"]["medium"] == "Memory"
    for container in containers.values():
        (mount,) = (mount for mount in container["volumeMounts"] if mount["name"] == "spaces")
        assert mount["mountPath"] == "/spaces"
        (root,) = (entry["value"] for entry in container["env"] if entry["name"] == "PHOTORESTORE_WORKSPACE")
        assert root == "/spaces/work"  # made by us: others own the mount
    admitted = GatewaySettings()
    size = bytes_of(volume["emptyDir"]["sizeLimit"])
    assert admitted.max_pixels * BYTES_PX + admitted.max_upload_bytes <= size
    assert size < bytes_of(containers["backend"]["resources"]["limits"]["memory"])
    assert admitted.max_upload_bytes < bytes_of(containers["gateway"]["resources"]["limits"]["memory"])


def test_containers_are_locked(pod: dict[str, Any], containers: Manifests) -> None:
    user = re.search(r"^USER (\d+):(\d+)$", (HOME / "Dockerfile").read_text(), re.MULTILINE)
    assert user is not None
    context = pod["securityContext"]
    assert context["runAsNonRoot"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (
        int(user[1]),
        int(user[2]),
        int(user[2]),
    )
    assert pod["automountServiceAccountToken"] is False
    for container in containers.values():
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]["limits"]) >= {"cpu", "memory"}
        assert container["livenessProbe"]


def test_selectors_find_the_pods(resources: Manifests) -> None:
    pods = pods_of(resources)["spec"]
    labels = pods["template"]["metadata"]["labels"]
    ports = {port["name"] for port in pods["template"]["spec"]["containers"][0]["ports"]}
    for spec in (pods, resources["PodDisruptionBudget/photorestore"]["spec"]):
        assert spec["selector"]["matchLabels"].items() <= labels.items()
    services = {name: found["spec"] for name, found in resources.items() if name.startswith("Service/")}
    for service in services.values():
        assert service["selector"].items() <= labels.items()
        assert {port["targetPort"] for port in service["ports"]} <= ports
    policy = resources["NetworkPolicy/photorestore"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    if "serviceName" in pods:
        assert f"Service/{pods['serviceName']}" in services


def test_settings_of_the_edge_are_known(containers: Manifests) -> None:
    environment = settings_of(containers["gateway"])
    prefix = "PHOTORESTORE_GATEWAY_"
    names = {name.removeprefix(prefix).lower() for name in environment if name.startswith(prefix)}
    assert names <= set(GatewaySettings.__dataclass_fields__)
    mounts = [mount["mountPath"] for mount in containers["gateway"]["volumeMounts"]]
    assert all(
        any(path.startswith(mount) for mount in mounts) for path in environment.values() if path[0] == "/"
    )


def test_there_is_time_to_answer_what_is_in_flight(pod: dict[str, Any], containers: Manifests) -> None:
    environment = settings_of(containers["gateway"])
    notice_s = float(environment["PHOTORESTORE_GATEWAY_DRAIN_DELAY_S"])
    needed_s = notice_s + GatewaySettings().drain_s
    assert needed_s + 60 + 20 < pod["terminationGracePeriodSeconds"] < LONGEST_TIMEOUT_S


def test_scaling_down_is_slow(resources: Manifests) -> None:
    spec = resources["HorizontalPodAutoscaler/photorestore"]["spec"]
    assert spec["scaleTargetRef"]["kind"] == pods_of(resources)["kind"]
    assert spec["behavior"]["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]


def test_gpu_overlay_asks_for_one_gpu_and_its_own_images(resources: Manifests, containers: Manifests) -> None:
    is_gpu = resources["overlay"]["name"] == "gpu"
    assert ("nvidia.com/gpu" in containers["backend"]["resources"]["limits"]) is is_gpu
    assert containers["backend"]["image"].endswith("-gpu") is is_gpu


@pytest.fixture(scope="module")
def full() -> Manifests:
    """What the sample with all components makes, by kind and name."""
    text = run(program("kubectl", "Kubernetes"), "kustomize", str(DEPLOY / "kubernetes/full"))
    return {
        f"{document['kind']}/{document['metadata']['name']}": document
        for document in yaml.safe_load_all(text)
    }


def test_the_sample_has_every_component() -> None:
    listed = yaml.safe_load((DEPLOY / "kubernetes/full/kustomization.yaml").read_text())["components"]
    folders = {f"../components/{folder.name}" for folder in (DEPLOY / "kubernetes/components").iterdir()}
    assert set(listed) == folders


def test_the_operators_rules_are_those_of_prometheus(full: Manifests) -> None:
    assert TARGET.read_text() == manifest(), "run `make rules`"
    groups = full["PrometheusRule/photorestore"]["spec"]["groups"]
    assert [rule for group in groups for rule in group["rules"]] == rules("recording.yml") + rules(
        "alerts.yml"
    )
    assert len({group["name"] for group in groups}) == len(groups)


def test_the_operator_scrapes_what_prometheus_does_under_the_same_names(full: Manifests) -> None:
    monitor = full["PodMonitor/photorestore"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= labels_of(full).items()
    config = yaml.safe_load((DEPLOY / "prometheus/kubernetes.yml").read_text())
    expected = {job["job_name"]: job.get("metrics_path", "/metrics") for job in config["scrape_configs"]}
    found = {
        entry["relabelings"][0]["replacement"]: entry["path"] for entry in monitor["podMetricsEndpoints"]
    }
    assert found == expected


def test_the_ingress_lets_the_largest_upload_and_the_longest_wait_through(full: Manifests) -> None:
    notes = full["Ingress/photorestore"]["metadata"]["annotations"]
    prefix = "nginx.ingress.kubernetes.io/proxy-"
    most = len(FILES) * LIMITS.upload_bytes + FRAME_BYTES
    assert int(notes[f"{prefix}body-size"].removesuffix("m")) << 20 >= most
    assert int(notes[f"{prefix}read-timeout"]) > LONGEST_TIMEOUT_S
    assert notes[f"{prefix}request-buffering"] == notes[f"{prefix}buffering"] == "off"
    (path,) = full["Ingress/photorestore"]["spec"]["rules"][0]["http"]["paths"]
    service = full[f"Service/{path['backend']['service']['name']}"]
    assert path["backend"]["service"]["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


@pytest.mark.parametrize(
    ("component", "ports"), [("webhooks", [443]), ("tracing", [4318]), ("shared-jobs", [5432, 443])]
)
def test_what_the_edge_calls_is_let_out_with_the_names_it_looks_up(
    full: Manifests, component: str, ports: list[int]
) -> None:
    policy = full[f"NetworkPolicy/photorestore-{component}"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels_of(full).items()
    assert policy["policyTypes"] == ["Egress"]
    names, *calls = policy["egress"]
    assert {(entry["port"], entry["protocol"]) for entry in names["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert [entry["port"] for call in calls for entry in call["ports"]] == ports
    assert full["NetworkPolicy/photorestore"]["spec"]["egress"] == []  # policies add up


def test_pods_that_share_their_jobs_keep_nothing_and_callers_go_to_any(full: Manifests) -> None:
    workload = full["Deployment/photorestore"]["spec"]
    assert not {"serviceName", "podManagementPolicy", "volumeClaimTemplates"} & workload.keys()
    assert "Service/photorestore-pods" not in full
    assert "sessionAffinity" not in full["Service/photorestore"]["spec"]
    assert not [
        name for name in full["Ingress/photorestore"]["metadata"]["annotations"] if "affinity" in name
    ]
    volumes = {volume["name"]: volume for volume in workload["template"]["spec"]["volumes"]}
    assert "emptyDir" in volumes["kept"]
    (edge,) = workload["template"]["spec"]["containers"]
    named = {entry["name"]: entry for entry in edge["env"]}
    assert "secretKeyRef" in named["PHOTORESTORE_GATEWAY_JOBS_URL"]["valueFrom"]
    assert named["PHOTORESTORE_GATEWAY_JOBS_FILES"]["value"].startswith("s3://")


def test_without_components_the_edge_calls_nobody() -> None:
    text = run(program("kubectl", "Kubernetes"), "kustomize", str(DEPLOY / "kubernetes/base"))
    kinds = [document["kind"] for document in yaml.safe_load_all(text)]
    assert kinds.count("NetworkPolicy") == 1
    assert not {"Ingress", *OPERATORS} & set(kinds)


def labels_of(manifests: Manifests) -> dict[str, str]:
    labels: dict[str, str] = pods_of(manifests)["spec"]["template"]["metadata"]["labels"]
    return labels
