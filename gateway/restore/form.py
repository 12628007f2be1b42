"""Forms with a picture, an optional mask and fields with options, parsed while they arrive."""

from __future__ import annotations

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gateway.errors import BadRequest
from gateway.restore.parts import Parts


def form_parser(parts: Parts, boundary: bytes | None) -> MultipartParser:
    """Return a parser that takes a form piece by piece and writes its parts to `parts`.

    Raises:
        BadRequest: the boundary is missing or invalid.
    """
    if not boundary:
        raise BadRequest("the form's Content-Type names no boundary")
    header: dict[str, bytes] = {"name": b"", "value": b""}
    disposition = b""

    def on_part_begin() -> None:
        nonlocal disposition
        disposition = b""

    def on_header_field(data: bytes, start: int, end: int) -> None:
        header["name"] += data[start:end]

    def on_header_value(data: bytes, start: int, end: int) -> None:
        header["value"] += data[start:end]

    def on_header_end() -> None:
        nonlocal disposition
        if header["name"].lower() == b"content-disposition":
            disposition = header["value"]
        header.update(name=b"", value=b"")

    def on_headers_finished() -> None:
        _, fields = parse_options_header(disposition)
        name = fields.get(b"name", b"").decode(errors="replace")
        parts.begin(name, is_file=b"filename" in fields)

    def on_part_data(data: bytes, start: int, end: int) -> None:
        parts.write(memoryview(data)[start:end])

    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": on_part_begin,
                "on_header_field": on_header_field,
                "on_header_value": on_header_value,
                "on_header_end": on_header_end,
                "on_headers_finished": on_headers_finished,
                "on_part_data": on_part_data,
                "on_part_end": parts.end,
            },
        )
    except FormParserError as error:
        raise BadRequest(f"the form cannot be read: {error}") from error


def feed(form: MultipartParser, chunk: bytes) -> None:
    """Parse further bytes of a form.

    Raises:
        BadRequest: the form is malformed or has unknown files.
        NotAnImage, PayloadTooLarge: as `Parts` raises them.
    """
    try:
        form.write(chunk)
    except FormParserError as error:
        raise BadRequest(f"the form cannot be read: {error}") from error
