"""What `preprocess` hands on, for tests of the stages that follow."""

from photorestore.stages.preprocess.findings import PreprocessFindings

SOUND = PreprocessFindings(
    region=(0, 0, 1, 1),
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
    mode="gentle",
)
"""Nothing is wrong with the picture."""
