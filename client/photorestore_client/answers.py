"""Conversion of answers to the results of each route."""

from __future__ import annotations

import json

from photorestore_client.errors import Unreachable
from photorestore_client.messages import Answer
from photorestore_client.parts import split_form
from photorestore_client.results import Bundle, Job, Restored, parse_server_timing


def as_job(answer: Answer) -> Job:
    """Return the job in an answer.

    Raises:
        Unreachable: it holds no job.
    """
    document = answer.document()
    try:
        return Job.from_document(document, request_id=answer.request_id)
    except KeyError as error:
        raise Unreachable(
            f"the service's job has no {error.args[0]}", request_id=answer.request_id
        ) from error


def as_bundle(answer: Answer) -> Bundle:
    """Return the picture, masks and report in an answer.

    Raises:
        Unreachable: it holds no bundle.
    """
    parts = split_form(answer.content, answer.headers.get("Content-Type", ""))
    try:
        content_type, content = parts["image"]
        report = json.loads(parts["report"][1])
    except (KeyError, ValueError) as error:
        raise Unreachable("the service answered without a bundle", request_id=answer.request_id) from error
    restored = _picture(answer, content, content_type)
    mask, confidence = (parts.get(name, ("", b""))[1] or None for name in ("mask", "confidence"))
    return Bundle(restored, mask, report, confidence)


def as_restored(answer: Answer) -> Restored:
    """Return the picture in an answer.

    Raises:
        Unreachable: it holds no picture.
    """
    if not answer.content_type.startswith("image/"):
        raise Unreachable(
            f"the service answered with {answer.content_type or 'nothing'} instead of a picture",
            request_id=answer.request_id,
        )
    return _picture(answer, answer.content, answer.content_type)


def _picture(answer: Answer, content: bytes, content_type: str) -> Restored:
    return Restored(
        content,
        content_type,
        answer.request_id,
        answer.headers.get("ETag", ""),
        parse_server_timing(answer.headers.get("Server-Timing", "")),
    )
