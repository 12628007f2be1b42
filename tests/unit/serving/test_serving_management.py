import pytest

from photorestore.serving.management import Management, Node

MANAGEMENT = Management("http://127.0.0.1:8081", "mine")


def test_workflow_is_described_and_registered_under_its_name() -> None:
    assert MANAGEMENT.workflow_url == "http://127.0.0.1:8081/workflows/mine"
    assert MANAGEMENT.registration_url == "http://127.0.0.1:8081/workflows?url=restore.war&workflow_name=mine"
    assert MANAGEMENT.model_url("denoise") == "http://127.0.0.1:8081/models/mine__denoise"


@pytest.mark.parametrize(
    ("names", "expected"), [([], False), (["other__face", "mine"], False), (["mine__face"], True)]
)
def test_models_of_the_workflow_are_known_by_their_names(names: list[str], *, expected: bool) -> None:
    listed = {"models": [{"modelName": name} for name in names]}
    assert MANAGEMENT.has_models_of_workflow(listed) is expected


def test_a_node_is_ready_when_all_its_workers_are() -> None:
    workers = [{"status": "READY"}, {"status": "UNLOADING"}]
    queue = {"pendingRequests": 3}
    node = Node.of("face", [{"workers": workers, "maxWorkers": "2", "jobQueueStatus": queue}])
    assert node == Node("face", ready=1, wanted=2, pending=3)
    assert not node.is_ready
    assert Node.of("face", [{"workers": workers, "maxWorkers": "1"}]).is_ready


def test_a_stage_that_torchserve_does_not_know_is_not_ready() -> None:
    assert not Node("face").is_ready
