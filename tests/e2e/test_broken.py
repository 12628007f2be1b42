"""Broken pictures through the served workflow, beside whole ones."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from PIL import Image

from photorestore import pipeline
from photorestore.errors import RestorationError
from photorestore.options import Options
from tests.broken_inputs import broken_inputs
from tests.conftest import add_noise, make_photo
from tests.e2e.conftest import Service

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),  # of the comparison
]

PASSING = {"stages": [], "format": "png"}
WORKING = {"stages": ["denoise", "scratch", "translate"], "format": "png"}
LONGEST_GROWTH = 5
"""Threads that Java may have more after all this; a failed workflow leaks one to four of them."""


def outcome(answer: requests.Response) -> str | bytes:
    """A problem's type, or the picture."""
    is_problem = answer.content.startswith(b"{")
    return answer.json()["type"].rsplit(":", 1)[1] if is_problem else answer.content


def test_broken_pictures_are_problems_and_cost_nobody_anything(
    service: Service, oracle: pipeline.Pipeline
) -> None:
    def in_process(upload: bytes, options: dict[str, Any]) -> str | bytes:
        try:
            return oracle.restore(upload, Options.from_mapping(options)).encoded
        except RestorationError as error:
            return error.type

    buffer = io.BytesIO()
    Image.fromarray(add_noise(make_photo(120, 90), 20)).save(buffer, "PNG")
    whole = (buffer.getvalue(), WORKING)
    broken = [(upload, PASSING) for _, upload in broken_inputs()]
    requests = [whole if place % 6 == 0 else broken.pop() for place in range(360)]
    assert broken == []

    with ThreadPoolExecutor(4) as pool:

        def send(cases: list[tuple[bytes, dict[str, Any]]]) -> list[str | bytes]:
            answers = pool.map(lambda case: service.restore(case[0], json.dumps(case[1])), cases)
            return [outcome(answer) for answer in answers]

        send(requests[:40])  # Java's threads come with the first requests
        pids, threads = service.pids(), service.java_threads()
        found = send(requests)

    alone = in_process(*whole)
    expected = [alone if case is whole else in_process(*case) for case in requests]
    assert [a for a, b in zip(found, expected, strict=True) if a != b] == []
    assert "internal" not in found
    assert service.pids() == pids
    assert service.java_threads() <= threads + LONGEST_GROWTH
