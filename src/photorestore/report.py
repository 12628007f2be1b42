"""Define the report: what was found and done. No torch here: the REST edge imports this module."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.envelope import Trace
from photorestore.findings import Kind, find, read_findings
from photorestore.source import Source


@dataclass(frozen=True, slots=True)
class Report:
    """What a caller is told of a result; what `deliver` writes and the edge reads.

    Attributes:
        request_id: the caller's label.
        source: what the upload was.
        estimates: what the stages found, by stage, as JSON. The edge hands it on unread, so that reports
            of other versions can be read.
        trace: what the stages did, by stage.
        content_type: media type of the result.
        unchanged: whether the result is the upload, byte for byte.
        width, height, bits: of the result.
        dropped: what the result lacks of the upload.
    """

    request_id: str
    source: Source
    estimates: dict[str, object]
    trace: dict[str, Trace]
    content_type: str
    unchanged: bool
    width: int
    height: int
    bits: int
    dropped: tuple[str, ...]

    def find(self, kind: type[Kind]) -> Kind | None:
        """Return what one stage found, by the class of its findings; None where it found nothing.

        Raises:
            ValueError: another version wrote the report.
        """
        return find({stage: read_findings(stage, found) for stage, found in self.estimates.items()}, kind)
