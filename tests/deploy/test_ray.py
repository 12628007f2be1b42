"""The manifests of bulk work: what they hold of Kubernetes, by its schemas, as KubeRay's own are not at hand."""

import tomllib
from typing import Any

import pytest
import yaml

from gateway.settings import HOME
from photorestore_bulk.command import make_parser
from tests.deploy.test_kubernetes import VERSIONS, bytes_of

FOLDER = HOME / "deploy/kubernetes/ray"
PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "job.yaml").read_text())["spec"]


def templates(job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = job["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    return [job["submitterPodTemplate"], cluster["headGroupSpec"]["template"], workers["template"]]


@pytest.mark.parametrize("version", VERSIONS)
def test_pods_and_policy_follow_the_schemas(job: dict[str, Any], version: str) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="make setup installs kubernetes-validate")
    validator.validate(yaml.safe_load((FOLDER / "network.yaml").read_text()), version, strict=True)
    for template in templates(job):
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        validator.validate({**pod, "metadata": {"name": "a", **pod["metadata"]}}, version, strict=True)


def test_pods_are_locked_and_the_policy_finds_them(job: dict[str, Any]) -> None:
    policy = yaml.safe_load((FOLDER / "network.yaml").read_text())["spec"]
    for template in templates(job):
        (container,) = template["spec"]["containers"]
        assert template["metadata"]["labels"] == policy["podSelector"]["matchLabels"]
        assert template["spec"]["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}


def test_the_command_is_one_that_there_is_and_workers_have_room_for_its_actors(job: dict[str, Any]) -> None:
    python, _, module, *arguments = job["entrypoint"].split()
    assert (python, module) == ("python", "photorestore_bulk")
    given = make_parser().parse_args(arguments)
    assert given.address == "auto"
    limits = templates(job)[2]["spec"]["containers"][0]["resources"]["limits"]
    actors = int(limits["cpu"]) // given.cpus
    assert bytes_of(limits["memory"]) >= actors * 1_500_000_000 + bytes_of("2Gi")


def test_ray_has_one_version_and_the_image_that_of_the_service(job: dict[str, Any]) -> None:
    version = job["rayClusterSpec"]["rayVersion"]
    assert PROJECT["optional-dependencies"]["bulk"] == [f"ray[data]=={version}"]
    assert f"FROM rayproject/ray:{version}-py311" in (FOLDER / "Dockerfile").read_text()
    images = {template["spec"]["containers"][0]["image"] for template in templates(job)}
    assert images == {f"photorestore-bulk:{PROJECT['version']}"}
