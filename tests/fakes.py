"""Stand-ins for TorchServe's objects."""

from collections.abc import Mapping
from typing import Any


class FakeMetric:
    def __init__(self) -> None:
        self.entries: list[tuple[float, tuple[str, ...]]] = []

    def add_or_update(self, value: float, dimensions: list[str]) -> None:
        self.entries.append((value, tuple(dimensions)))


class FakeMetrics:
    def __init__(self) -> None:
        self.cache = {"histogram": {"photorestore_stage_seconds": FakeMetric()}}

    @property
    def outcomes(self) -> list[tuple[str, ...]]:
        return [dimensions for _, dimensions in self.cache["histogram"]["photorestore_stage_seconds"].entries]


class FakeContext:
    """TorchServe's context for a batch with these request headers."""

    def __init__(
        self, *headers: dict[str, Any], model_dir: str = ".", config: dict[str, Any] | None = None
    ) -> None:
        self.headers = headers
        self.model_yaml_config: Mapping[str, object] | None = config
        self.system_properties: Mapping[str, object] = {"model_dir": model_dir, "gpu_id": None}
        self.metrics: Any = FakeMetrics()
        self.statuses: dict[int, int] = {}
        self.content_types: dict[int, str] = {}

    def get_all_request_header(self, idx: int) -> dict[str, Any]:
        return self.headers[idx] if idx < len(self.headers) else {}

    def set_response_status(self, code: int, phrase: str, idx: int) -> None:
        self.statuses[idx] = code

    def set_response_content_type(self, idx: int, value: str) -> None:
        self.content_types[idx] = value
