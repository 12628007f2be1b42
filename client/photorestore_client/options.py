"""Options of a restoration, and how they are written in a URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal, TypedDict


class Options(TypedDict, total=False):
    """Options of a restoration; what is left out is the service's default.

    The service checks the values; a wrong one raises `BadOption`.

    Attributes:
        mode: how much is done by default: `gentle` does only what is beyond doubt; `thorough` runs the whole chain at
            full strength; `auto`, the service's default, is thorough with old or damaged prints, gentle with other
            photographs, and leaves line art and text untouched.
        stages: overrides `mode`: the stages that must work, all others pass; an empty list makes all pass.
        strength: 0 leaves the picture as it is, 1 restores fully; or such a number by stage, for example
            `{"denoise": 0.5, "face": 0}`.
        sigma_255: noise level in 8-bit units, if it is known.
        denoise_method: by which noise is removed: `network`, the service's default; `l0tv` and `kriging` replace
            impulses, `poisson-tv` removes photon noise, `csf`, `ksvd` and `bm3d` Gaussian noise. `dip` fits a network
            to this picture alone, which takes minutes: only jobs do it.
        translate_method: by which damage is filled: `network`, the service's default, or `dip`.
        normalise: correct colour cast, fading and contrast first.
        psf: the blur to undo: `motion:15,30` (length in px, angle in degrees), `gaussian:1.6` (sigma in px) or
            `defocus:4` (radius in px); `estimate`, which finds it in the picture; or a picture of it, of at most
            127x127 px: the bytes of its file, or the path to it as a `Path`.
        deblur_method: by which it is undone: `network`, which needs no `psf`, or by one `hqs`, `hqs-csf`, `wiener`
            or `richardson-lucy`; `auto`, the service's default, is `hqs` with `psf`, else `hqs-csf` where an estimate
            can be trusted, else `network`.
        weather_method: by which weather is taken out: `network`, the service's default, which takes out rain and snow
            where `stages` names `weather`, or `haze-network` or `dark-channel`, which lift haze, and need not be
            named; the former only where it finds some.
        colorize: give a grey photograph colours: `learned`, invented by what photographs usually show; `exemplar`, a
            reference's where it shows the same; `transfer`, a reference's by lightness alone.
        hints: points whose colours are known: `120,80,#aa3311;40,200,#336699`, in pixels of the upright picture.
        scale: enlargement: 1, 2 or 4.
        upscale_method: by which it is enlarged: `network`, the service's default, or `dip`.
        tier: which networks are used; `auto` leaves that to the service.
        networks: those from elsewhere that work in stages: `denoise:old-film,upscale:sharp-x4`; `Client.stages` lists
            them as `imported`.
        format: `jpeg`, `png`, `webp`, `tiff` or `avif`.
        quality: 1 to 100, for lossy formats.
        metadata: what happens to EXIF and XMP.
        colour: the result's colour space; `source` is that of the upload, with equal values where nothing was changed.
        timeout: seconds that the service may take.
        preset: options that the service's operator has named, for what is not given here; `Client.stages` lists them.
    """

    mode: Literal["auto", "gentle", "thorough"]
    stages: Sequence[str]
    strength: float | Mapping[str, float]
    sigma_255: float
    denoise_method: Literal["network", "l0tv", "poisson-tv", "csf", "ksvd", "kriging", "bm3d", "dip"]
    translate_method: Literal["network", "dip"]
    normalise: bool
    psf: str | bytes | PathLike[str]
    deblur_method: Literal["auto", "hqs", "hqs-csf", "wiener", "richardson-lucy", "network"]
    weather_method: Literal["network", "haze-network", "dark-channel"]
    colorize: Literal["learned", "exemplar", "transfer"]
    hints: str
    scale: int
    upscale_method: Literal["network", "dip"]
    tier: Literal["auto", "fast", "quality"]
    networks: str
    format: str
    quality: int
    metadata: Literal["keep", "strip", "no-gps"]
    colour: Literal["srgb", "source"]
    timeout: float
    preset: str


def query(options: Mapping[str, Any]) -> dict[str, str]:
    """Return options as parameters of a URL, in the order of their names; those that are None are left out.

    Lists are joined by commas, mappings as `name:value`.
    """
    return {name: _text(options[name]) for name in sorted(options) if options[name] is not None}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{_text(value[name])}" for name in sorted(value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(_text, value))
    return str(value)
