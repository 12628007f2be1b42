"""The running service against its own OpenAPI document, by schemathesis: no 5xx, no answer outside of the document."""

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.app import create_app
from gateway.settings import GatewaySettings
from tests.e2e.conftest import Service
from tests.heif_files import heic

pytestmark = pytest.mark.e2e
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def picture(seed: int) -> bytes:
    """A small one: PNG, JPEG, JPEG 2000 and HEIC in turn."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8 + seed % 9, 12, 3), np.uint8)
    if seed % 4 == 3:
        return heic(pixels)
    buffer = io.BytesIO()
    settings = {"num_resolutions": 2} if seed % 4 == 2 else {}
    Image.fromarray(pixels).save(buffer, ("PNG", "JPEG", "JPEG2000")[seed % 4], **settings)
    return buffer.getvalue()


PICTURES = st.one_of(
    st.binary(max_size=200), st.integers(0, 20).map(picture), st.integers(0, 20).map(picture)
)
schemathesis.openapi.format("binary", PICTURES)
schemathesis.openapi.media_type("application/octet-stream", PICTURES)


schema = schemathesis.openapi.from_dict(
    create_app(GatewaySettings(workspace_root=Path(tempfile.mkdtemp()))).openapi()
)


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_those_of_the_document(case: schemathesis.Case[Any], service: Service) -> None:
    answer = case.call(base_url=service.gateway_url, timeout=300)
    case.validate_response(answer, checks=CHECKS)
    assert "x-request-id" in answer.headers
    if answer.status_code >= 400 and case.path.startswith("/v1/"):
        assert answer.json()["type"].startswith("urn:photorestore:problem:")


def test_nothing_is_left_after_all_that(service: Service) -> None:
    assert requests.get(f"{service.gateway_url}/readyz", timeout=30).ok
    assert not [entry for entry in service.root.iterdir() if entry.is_dir()]
