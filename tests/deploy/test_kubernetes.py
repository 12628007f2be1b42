"""The manifests against Kubernetes' schemas, and against the images."""

import re
from typing import Any

import pytest
import yaml

from gateway.settings import HOME, GatewaySettings
from photorestore.housekeeping import LONGEST_TIMEOUT_S
from tests.deploy.test_images import BYTES_PX
from tests.deploy.tools import DEPLOY, program, run

OVERLAYS = ("base", "gpu")
VERSIONS = ("1.29", "1.37")
"""The first with sidecars, and the latest that is known."""
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


@pytest.fixture
def pod(resources: Manifests) -> dict[str, Any]:
    return resources["StatefulSet/photorestore"]["spec"]["template"]["spec"]


@pytest.fixture
def containers(pod: dict[str, Any]) -> Manifests:
    return {container["name"]: container for container in (*pod["initContainers"], *pod["containers"])}


def bytes_of(text: str) -> int:
    found = re.fullmatch(r"(\d+)([MG]i)", text)
    assert found is not None
    number, unit = found.groups()
    return int(number) * UNITS[unit]


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_follow_the_schemas(resources: Manifests, version: str) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="make setup installs kubernetes-validate")
    for name, document in resources.items():
        if name != "overlay":
            validator.validate(document, version, strict=True)


def test_everything_asked_for_is_there(resources: Manifests) -> None:
    kinds = {name.partition("/")[0] for name in resources}
    wanted = {"StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy", "HorizontalPodAutoscaler"}
    assert wanted <= kinds


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
    labels = resources["StatefulSet/photorestore"]["spec"]["template"]["metadata"]["labels"]
    ports = {
        port["name"]
        for port in resources["StatefulSet/photorestore"]["spec"]["template"]["spec"]["containers"][0][
            "ports"
        ]
    }
    for name in ("StatefulSet/photorestore", "PodDisruptionBudget/photorestore"):
        assert resources[name]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for name in ("Service/photorestore", "Service/photorestore-pods"):
        assert resources[name]["spec"]["selector"].items() <= labels.items()
        assert {port["targetPort"] for port in resources[name]["spec"]["ports"]} <= ports
    assert (
        resources["NetworkPolicy/photorestore"]["spec"]["podSelector"]["matchLabels"].items()
        <= labels.items()
    )
    assert resources["StatefulSet/photorestore"]["spec"]["serviceName"] == "photorestore-pods"


def test_settings_of_the_edge_are_known(containers: Manifests) -> None:
    environment = {entry["name"]: entry["value"] for entry in containers["gateway"]["env"]}
    prefix = "PHOTORESTORE_GATEWAY_"
    names = {name.removeprefix(prefix).lower() for name in environment if name.startswith(prefix)}
    assert names <= set(GatewaySettings.__dataclass_fields__)
    mounts = [mount["mountPath"] for mount in containers["gateway"]["volumeMounts"]]
    assert all(
        any(path.startswith(mount) for mount in mounts) for path in environment.values() if path[0] == "/"
    )


def test_there_is_time_to_answer_what_is_in_flight(pod: dict[str, Any], containers: Manifests) -> None:
    environment = {entry["name"]: entry["value"] for entry in containers["gateway"]["env"]}
    notice_s = float(environment["PHOTORESTORE_GATEWAY_DRAIN_DELAY_S"])
    needed_s = notice_s + GatewaySettings().drain_s
    assert needed_s + 60 + 20 < pod["terminationGracePeriodSeconds"] < LONGEST_TIMEOUT_S


def test_scaling_down_is_slow(resources: Manifests) -> None:
    spec = resources["HorizontalPodAutoscaler/photorestore"]["spec"]
    assert spec["scaleTargetRef"]["kind"] == "StatefulSet"
    assert spec["behavior"]["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]


def test_gpu_overlay_asks_for_one_gpu_and_its_own_images(resources: Manifests, containers: Manifests) -> None:
    is_gpu = resources["overlay"]["name"] == "gpu"
    assert ("nvidia.com/gpu" in containers["backend"]["resources"]["limits"]) is is_gpu
    assert containers["backend"]["image"].endswith("-gpu") is is_gpu
