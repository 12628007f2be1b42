"""Give a method that undoes one blur the contract of a network, so that it runs in tiles."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.descriptor import IMAGE, Descriptor, Port
from photorestore.pixels.optics import Optics, mirrored
from photorestore.pixels.threads import one_thread
from photorestore.stages.deblur.light import light_of, values_of
from photorestore.stages.deblur.methods import Method

STRIDE = 8
FAR_PX = 96
"""A spectrum's reach has no end, but what is further off than this and the PSF hardly counts."""
LEAST_SIGMA = 0.8 / 255
"""Least noise that is taken for there: rounding to 8 bits and a PSF that is not quite right are noise, too."""


class Deconvolution:
    """A network's contract for a method that undoes one blur: blurred pictures in, sharp ones out, in tiles or whole.

    Args:
        psf: (K, K), K odd, its sum 1.
        method: what undoes it.
        of_light: whether light was blurred; that is what the method is given then, in place of sRGB values.
    """

    def __init__(self, psf: Tensor, method: Method, *, of_light: bool = False) -> None:
        self.psf, self.method, self.of_light = psf, method, of_light
        self.pad_px = 2 * (psf.shape[-1] // 2) + 16
        self.descriptor = Descriptor(
            "Deconvolution",
            (IMAGE, Port("scratch_mask", "N 1 H W", 0, 1), Port("sigma", "N", 0, 1)),
            Port("deblurred", "N 3 H W", 0, 1),
            stride=STRIDE,
            reach_px=-(-(self.pad_px + FAR_PX) // STRIDE) * STRIDE,
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
        sound = scratch_mask == 0
        seen = mirrored(light_of(image.float()) if self.of_light else image.float(), self.pad_px)
        with one_thread():
            optics = Optics.of(self.psf.to(image.device), F.pad(sound, (self.pad_px,) * 4))
            if not sound.all():
                seen = optics.healed(seen, mirrored(sound, self.pad_px))
        noise = sigma.float().clamp_min(LEAST_SIGMA).view(-1, 1, 1, 1)
        sharp = self.method(seen, optics, noise)
        sharp = sharp[..., self.pad_px : self.pad_px + h, self.pad_px : self.pad_px + w]
        return values_of(sharp) if self.of_light else sharp
