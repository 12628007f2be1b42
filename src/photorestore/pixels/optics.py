"""Convolve with a point spread function and undo it, by products of spectra, without ringing from borders and damage.

Convolutions by spectra take a picture for one that repeats beyond its borders. So pictures are mirrored there, and what
lies beyond their borders, like what is damaged, counts as unknown: it may be whatever explains the pixels inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

GRADIENT_STEPS = 6
"""Of the conjugate gradients that see to borders and damage."""
TINY = 1e-20
"""Least value that is divided by there."""
LEAST_SOUND = 0.05
"""Least share of a pixel's surroundings that must be sound for these to stand in for it."""


@dataclass(frozen=True)
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

    @cached_property
    def back(self) -> Tensor:
        """The spectrum of the mirrored PSF, by which light goes back to where it came from."""
        return self.transfer.conj()

    @cached_property
    def power(self) -> Tensor:
        """How much of each frequency's power the PSF lets through."""
        return self.transfer.abs().square()

    @classmethod
    def of(cls, psf: Tensor, known: Tensor) -> Optics:
        """Return those of a PSF (K, K) for pictures whose sides are at least K."""
        radius = psf.shape[-1] // 2
        kernel = psf.new_zeros(known.shape[-2:])
        kernel[: psf.shape[0], : psf.shape[1]] = psf
        return cls(spectrum_of(kernel.roll((-radius, -radius), (0, 1))), known)

    def blur(self, image: Tensor) -> Tensor:
        """Blur pictures (..., H, W), which are taken to repeat beyond their borders."""
        return self.filtered(image, self.transfer)

    def filtered(self, image: Tensor, spectrum: Tensor) -> Tensor:
        """Multiply the spectrum of pictures by another."""
        return self.picture_of(spectrum_of(image) * spectrum)

    def picture_of(self, spectrum: Tensor) -> Tensor:
        """Return the pictures of spectra."""
        return torch.fft.irfft2(spectrum, self.size_hw)

    def healed(self, image: Tensor, sound: Tensor) -> Tensor:
        """Return pictures with what is not `sound`, (N, 1, H, W), replaced by the mean of what is around it."""
        weights = sound.to(image.dtype)
        share = self.blur(weights)
        mean = self.blur(image * weights) / share.clamp_min(LEAST_SOUND)
        return torch.where(sound | (share < LEAST_SOUND), image, mean)

    def explain(
        self, blurred: Tensor, prior: Tensor, weight: Tensor, *, start: Tensor, steps: int = GRADIENT_STEPS
    ) -> Tensor:
        """Return the pictures that, blurred, come nearest to the known pixels, and lie near the prior.

        Minimises `|known (psf * x - blurred)|^2 + weight |x - prior|^2` by conjugate gradients. Were all pixels known,
        one division of spectra would do it; that division preconditions, so that few steps are left for the borders.

        Args:
            blurred, prior, start: (N, C, H, W); `start` is where to begin.
            weight: of the prior, for each frequency, or one for all.
            steps: of the gradients.
        """

        def from_known(image: Tensor) -> Tensor:
            """Spectrum of what known pixels say, as seen through the optics backwards."""
            return self.back * spectrum_of(image.masked_fill(~self.known, 0))

        at = start
        left = self.picture_of(from_known(blurred - self.blur(at)) - weight * spectrum_of(at - prior))
        step, before = torch.zeros_like(left), torch.ones_like(left[..., :1, :1])
        for _ in range(steps):
            towards = self.filtered(left, 1 / (self.power + weight))
            decrease = _dot(left, towards)
            step = towards + decrease / before.clamp_min(TINY) * step
            spectrum = spectrum_of(step)
            seen = self.picture_of(self.transfer * spectrum)
            change = self.picture_of(from_known(seen) + weight * spectrum)
            length = decrease / _dot(step, change).clamp_min(TINY)
            at, left, before = at + length * step, left - length * change, decrease
        return at


def spectrum_of(image: Tensor) -> Tensor:
    """Return the spectra of pictures (..., H, W): (..., H, W // 2 + 1), complex."""
    return torch.fft.rfft2(image)


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum((-2, -1), keepdim=True)


def fast_length(length: int) -> int:
    """Return the least number from `length` on that has no prime factor above 7: spectra of such sides take least."""
    while not _is_fast(length):
        length += 1
    return length


def _is_fast(length: int) -> bool:
    for factor in (2, 3, 5, 7):
        while length % factor == 0:
            length //= factor
    return length == 1


def mirrored(image: Tensor, pad_px: int, *, is_fast: bool = False) -> Tensor:
    """Mirror pictures (N, C, H, W) beyond their borders, over and over where they are smaller than `pad_px`.

    Args:
        is_fast: add more below and on the right, up to a size whose spectrum is computed fast.
    """
    for axis in (-2, -1):
        side = image.shape[axis]
        length = side + 2 * pad_px
        length = fast_length(length) if is_fast else length
        at = torch.arange(-pad_px, length - pad_px, device=image.device) % (2 * side)
        image = image.index_select(axis, torch.where(at < side, at, 2 * side - 1 - at))
    return image
