"""Describe what a handler uses of TorchServe's context; TorchServe itself is never imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Context(Protocol):
    """The object that TorchServe hands to `initialize` and `handle`.

    Attributes:
        model_yaml_config: the archive's `model-config.yaml`.
        metrics: the worker's metrics, as declared in `metrics.yaml`.
    """

    model_yaml_config: Mapping[str, object] | None
    metrics: Any

    @property
    def system_properties(self) -> Mapping[str, object]:
        """Return `model_dir`, `gpu_id` and others."""
        ...

    def get_all_request_header(self, idx: int) -> Mapping[str, object]:
        """Return the headers of one request, spelt as they were sent; names of multipart parts are among them."""
        ...

    def set_response_status(self, code: int, phrase: str, idx: int) -> None:
        """Set the status of one answer; it is lost inside a workflow."""
        ...

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the media type of one answer; it is lost inside a workflow."""
        ...
