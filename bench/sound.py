"""What `preprocess` hands on of a sound picture, where a bench or a test runs only what follows it."""

from dataclasses import asdict

from photorestore.options import GENTLE
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
SOUND = PreprocessFindings(**asdict(MEASURED), mode=GENTLE)
"""Nothing is wrong with the picture."""
