"""Name the methods among which callers choose, and say which options do not go with them."""

from __future__ import annotations

from collections.abc import Collection

from photorestore.blur_words import Blur

NETWORK = "network"
"""The method that is a network of ours: it removes noise, and undoes a blur without a PSF."""

PSF_METHODS = HQS, HQS_CSF, WIENER, RICHARDSON_LUCY = "hqs", "hqs-csf", "wiener", "richardson-lucy"
"""Methods that undo a blur whose PSF is known: half-quadratic splitting with our denoiser or with shrinkage fields as
prior, and the classical ones."""

COLOUR_METHODS = LEARNED, EXEMPLAR, TRANSFER = "learned", "exemplar", "transfer"
"""Methods that give a picture colours: what photographs usually show, a reference's where it shows the same, and a
reference's by lightness alone."""

L0TV, POISSON_TV, CSF, KSVD, KRIGING, BM3D = "l0tv", "poisson-tv", "csf", "ksvd", "kriging", "bm3d"
"""Other methods that remove noise: two of impulses (l0tv, kriging), one of photons, and three of Gaussian noise."""

DIP = "dip"
"""Deep Image Prior, which denoises, fills and enlarges by a network that learns from this one picture."""

HAZE_NETWORK, DARK_CHANNEL = "haze-network", "dark-channel"
WEATHER_METHODS = (NETWORK, HAZE_NETWORK, DARK_CHANNEL)
"""Methods that take weather out: one network of ours rain and snow, another haze, and so the dark channel prior."""

DENOISE_METHODS = (NETWORK, L0TV, POISSON_TV, CSF, KSVD, KRIGING, BM3D, DIP)
FITTED_METHODS = (NETWORK, DIP)

FIND_IMPULSES = (L0TV, KRIGING)
"""Those that replace some pixels, and mark which."""


def clashes(
    denoise_method: str,
    translate_method: str,
    *,
    passing: Collection[str],
    sigma_255: float | None,
    psf: str | None,
    undoes_blur_by: str,
) -> list[str]:
    """Return what does not go with a method that is asked for, of options that are right by themselves.

    Args:
        passing: the stages that `stages` leaves out.
        undoes_blur_by: the method by which a blur would be undone.
    """
    found = [
        f"{stage}_method is {named!r}, but stages leaves {stage} out"
        for stage, named in (("denoise", denoise_method), ("translate", translate_method))
        if named != NETWORK and stage in passing
    ]
    if denoise_method in FIND_IMPULSES and sigma_255 is not None and psf is None:
        found.append(
            f"sigma_255 is {sigma_255!r}, but denoise_method {denoise_method!r} knows no level of noise"
        )
    is_told = psf is not None and Blur.parse(psf) is not None
    if denoise_method == POISSON_TV and is_told and undoes_blur_by != HQS:
        found.append(
            f"deblur_method is {undoes_blur_by!r}, but denoise_method {denoise_method!r} undoes the blur itself"
        )
    return found
