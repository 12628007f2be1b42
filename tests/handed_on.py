"""What `deliver` hands on, for tests of what follows it."""

from photorestore.report import Report
from photorestore.source import Source

REPORT = Report(
    request_id="-",
    source=Source.of_array(90, 60, 8),
    estimates={},
    trace={},
    content_type="image/png",
    unchanged=False,
    width=90,
    height=60,
    bits=8,
    dropped=(),
)
"""Of a picture with which nothing was done."""
