"""What `preprocess` and `deliver` hand on, for tests of what follows them."""

from dataclasses import asdict

from photorestore.report import Report
from photorestore.source import Source
from photorestore.stages.preprocess.findings import Estimates, PreprocessFindings

MEASURED = Estimates(
    region=(0, 0, 10_000, 10_000),  # all of it, whatever its size
    sigma_255=0.0,
    grain_255=0.0,
    surface_255=0.0,
    noisy=False,
    jpeg_quality=None,
    artefacts_255=None,
    gradient_255=9.0,
    blur=0.0,
    fading=0.0,
    faded=False,
    cast=(0.0, 0.0, 0.0),
    is_grey=False,
    one_colour=False,
)
SOUND = PreprocessFindings(**asdict(MEASURED), mode="gentle")
"""Nothing is wrong with the picture."""

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
