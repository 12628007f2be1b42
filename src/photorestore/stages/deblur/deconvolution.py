"""Undo a known blur: Wiener's filter, Richardson and Lucy's iteration, and half-quadratic splitting with a denoiser.

All take the model `blurred = psf * sharp + noise`. Convolutions are products of spectra, so the picture is treated as
one that goes on beyond its borders: it is mirrored there, and faded into its own blurred self, so that nothing rings.

Half-quadratic splitting (Zhang et al., *Plug-and-play image restoration with deep denoiser prior*, TPAMI 2021; Li, Luo
and Zhang 2020) alternates between the sharp picture that explains the blurred one and what our denoiser makes of it, at
a level that falls from `FIRST_LEVEL` to that of the noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.descriptor import IMAGE, Descriptor, Port

STRIDE = 8
FAR_PX = 64
"""A spectrum's reach has no end, but what is further off than this and the PSF hardly counts."""
FIRST_LEVEL = 49 / 255
"""Level at which the denoiser begins; it explains ringing and what the first solution makes of noise as noise."""
STEPS = 8
PRIOR_WEIGHT = 0.23
"""Weight of the prior against the data, as published (lambda)."""
LEAST_SIGMA = 0.8 / 255
"""Least noise that is taken for there: rounding to 8 bits and a PSF that is not quite right are noise, too."""
GRADIENT_STEPS = 6
"""Of the conjugate gradients that see to the borders."""
TINY = 1e-20
"""Least value that is divided by there."""
WIENER_BALANCE = 100.0
"""Weight of smoothness for noise of variance 1, chosen on training photographs."""
LEAST_STEPS, MOST_STEPS, STEPS_TIMES_SIGMA = 3, 60, 0.3
"""Steps of Richardson and Lucy, chosen on training photographs: 30 for noise of 2.55 of 255, 10 for 7.65."""
LUCY_FLOOR, MOST_LUCY = 1e-3, 4.0
"""Least value that is divided by, and most that a pixel grows in a step."""

Solve = Callable[[Tensor, "Optics", Tensor], Tensor]
"""Makes a sharp picture of a padded one, its optics, and the noise of each sample, (N, 1, 1, 1)."""
Denoise = Callable[[Tensor, Tensor], Tensor]
"""Denoises (N, 3, H, W) of the levels (N,)."""


@dataclass(frozen=True, slots=True)
class Optics:
    """A PSF as a product of spectra, for pictures of one size.

    Attributes:
        transfer: its spectrum (H, W // 2 + 1), complex.
        known: (N, 1, H, W), False beyond a picture's borders and where it is damaged.
    """

    transfer: Tensor
    known: Tensor

    @property
    def size_hw(self) -> tuple[int, int]:
        """Return height and width of the pictures."""
        h, w = self.known.shape[-2:]
        return h, w

    @classmethod
    def of(cls, psf: Tensor, known: Tensor) -> Optics:
        """Return those of a PSF (K, K) for pictures whose sides are at least K."""
        radius = psf.shape[-1] // 2
        kernel = psf.new_zeros(known.shape[-2:])
        kernel[: psf.shape[0], : psf.shape[1]] = psf
        return cls(torch.fft.rfft2(kernel.roll((-radius, -radius), (0, 1))), known)

    def blur(self, image: Tensor) -> Tensor:
        """Blur pictures (..., H, W), which are taken to repeat beyond their borders."""
        return self.filtered(image, self.transfer)

    def filtered(self, image: Tensor, spectrum: Tensor) -> Tensor:
        """Multiply the spectrum of pictures by another."""
        return torch.fft.irfft2(torch.fft.rfft2(image) * spectrum, self.size_hw)


class Deconvolution:
    """A network's contract for a method that undoes one blur: blurred pictures in, sharp ones out, in tiles or whole.

    Args:
        psf: (K, K), K odd, its sum 1.
        solve: the method.
    """

    def __init__(self, psf: Tensor, solve: Solve) -> None:
        self.psf, self.solve = psf, solve
        self.pad_px = 2 * (psf.shape[-1] // 2) + 16
        self.reach_px = -(-(self.pad_px + FAR_PX) // STRIDE) * STRIDE
        self.descriptor = Descriptor(
            "Deconvolution",
            (IMAGE, Port("scratch_mask", "N 1 H W", 0, 1), Port("sigma", "N", 0, 1)),
            Port("deblurred", "N 3 H W", 0, 1),
            stride=STRIDE,
            reach_px=self.reach_px,
            in_bfloat16=False,
        )

    def __call__(self, image: Tensor, scratch_mask: Tensor, sigma: Tensor) -> Tensor:
        """Undo the blur.

        Args:
            image: (N, 3, H, W) in [0, 1].
            scratch_mask: (N, 1, H, W), above 0 where the picture is damaged: that was not blurred, and would ring.
            sigma: (N,), noise in [0, 1] units.

        Returns:
            (N, 3, H, W), not clamped.
        """
        h, w = image.shape[-2:]
        padded = _mirrored(image.float(), self.pad_px)
        psf = self.psf.to(image.device)
        optics = Optics.of(psf, F.pad(scratch_mask == 0, (self.pad_px,) * 4))
        noise = sigma.float().clamp_min(LEAST_SIGMA).view(-1, 1, 1, 1)
        sharp = self.solve(_closed(padded, psf, optics), optics, noise)
        return sharp[..., self.pad_px : self.pad_px + h, self.pad_px : self.pad_px + w]


def wiener(blurred: Tensor, optics: Optics, noise: Tensor) -> Tensor:
    """Return the smooth pictures that explain the blurred ones: Wiener's filter, held back where noise would win."""
    held_back = WIENER_BALANCE * noise.square() * _roughness(*optics.size_hw, blurred.device)
    return explain(blurred, torch.zeros_like(blurred), optics, held_back, start=blurred)


def richardson_lucy(blurred: Tensor, optics: Optics, noise: Tensor) -> Tensor:
    """Return the sharp pictures by the iteration of Richardson and Lucy, which keeps light and never falls below 0."""
    # Noise grows with each step, so there are fewer for noisier pictures.
    steps = round(min(MOST_STEPS, max(LEAST_STEPS, STEPS_TIMES_SIGMA / float(noise.max()))))
    seen, back = blurred.clamp_min(0), optics.transfer.conj()
    share = optics.filtered(optics.known.float(), back).clamp_min(
        LUCY_FLOOR
    )  # of a point's light that is known
    sharp = seen
    for _ in range(steps):
        ratio = (seen / optics.blur(sharp).clamp_min(LUCY_FLOOR)).masked_fill_(~optics.known, 0)
        sharp = sharp * (optics.filtered(ratio, back) / share).clamp(0, MOST_LUCY)
    return sharp


@dataclass(frozen=True, slots=True)
class HalfQuadraticSplitting:
    """The iteration with a denoiser.

    Attributes:
        denoise: takes pictures whose sides are not restricted.
        before_step: called before each step; may raise to stop.
        steps: how many.
    """

    denoise: Denoise
    before_step: Callable[[], None] = lambda: None
    steps: int = STEPS

    def __call__(self, blurred: Tensor, optics: Optics, noise: Tensor) -> Tensor:
        """Return the sharp pictures; see `Solve`."""
        sharp = blurred
        for share in torch.linspace(0, 1, self.steps).tolist():
            self.before_step()
            level = FIRST_LEVEL ** (1 - share) * noise**share
            solution = explain(blurred, sharp, optics, PRIOR_WEIGHT * (noise / level).square())
            sharp = self.denoise(solution.clamp(-0.5, 1.5), level.flatten())
        return sharp


def explain(
    blurred: Tensor, prior: Tensor, optics: Optics, weight: Tensor, *, start: Tensor | None = None
) -> Tensor:
    """Return the pictures that, blurred, come nearest to the known pixels, and lie near the prior.

    Minimises `|known (psf * x - blurred)|^2 + weight |x - prior|^2` by conjugate gradients. Were all pixels known, one
    division of spectra would do it; that division preconditions, so that few steps are left for the borders.

    Args:
        blurred, prior: (N, C, H, W).
        weight: of the prior, for each frequency, or one for all.
        start: where to begin; by default at the prior.
    """
    back, power = optics.transfer.conj(), optics.transfer.abs().square()

    def from_known(image: Tensor) -> Tensor:
        """Spectrum of what known pixels say, as seen through the optics backwards."""
        return back * torch.fft.rfft2(image.masked_fill(~optics.known, 0))

    def picture(spectrum: Tensor) -> Tensor:
        return torch.fft.irfft2(spectrum, optics.size_hw)

    at = prior if start is None else start
    left = picture(from_known(blurred - optics.blur(at)) - weight * torch.fft.rfft2(at - prior))
    step, before = torch.zeros_like(left), torch.ones_like(left[..., :1, :1])
    for _ in range(GRADIENT_STEPS):
        towards = picture(torch.fft.rfft2(left) / (power + weight))
        decrease = _dot(left, towards)
        step = towards + decrease / before.clamp_min(TINY) * step
        spectrum = torch.fft.rfft2(step)
        change = picture(from_known(picture(optics.transfer * spectrum)) + weight * spectrum)
        length = decrease / _dot(step, change).clamp_min(TINY)
        at, left, before = at + length * step, left - length * change, decrease
    return at


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum((-2, -1), keepdim=True)


def _mirrored(image: Tensor, pad_px: int) -> Tensor:
    """Mirror pictures (N, C, H, W) beyond their borders, over and over where they are smaller than `pad_px`."""
    for axis in (-2, -1):
        side = image.shape[axis]
        at = torch.arange(-pad_px, side + pad_px, device=image.device) % (2 * side)
        image = image.index_select(axis, torch.where(at < side, at, 2 * side - 1 - at))
    return image


def _closed(image: Tensor, psf: Tensor, optics: Optics) -> Tensor:
    """Fade pictures towards their borders into their blurred selves, so that opposite borders meet without a step."""
    h, w = optics.size_hw
    rows, columns = (_inside(psf.sum(axis), side) for axis, side in ((1, h), (0, w)))
    inside = rows[:, None] * columns[None]
    return torch.lerp(optics.blur(image), image, inside)


def _inside(profile: Tensor, side: int) -> Tensor:
    """How far each of `side` pixels is out of reach of the borders, [0, 1], by the PSF's profile along that axis."""
    padded = F.pad(profile[None, None], (len(profile) - 1,) * 2)
    overlap = F.conv1d(padded, profile[None, None])[0, 0]  # autocorrelation
    half = overlap[len(overlap) // 2 :] / overlap.max()
    fading = torch.zeros(side, device=profile.device)
    fading[: len(half)] = half[:side]
    return 1 - torch.maximum(fading, fading.flip(0))


def _roughness(height: int, width: int, device: torch.device) -> Tensor:
    """The squared spectrum of the Laplace operator, 0 for flat pictures and 64 for the finest chequers."""
    rows = torch.fft.fftfreq(height, device=device)[:, None]
    columns = torch.fft.rfftfreq(width, device=device)[None]
    laplacian = 4 - 2 * (2 * torch.pi * rows).cos() - 2 * (2 * torch.pi * columns).cos()
    return laplacian.square()
