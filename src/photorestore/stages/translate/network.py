"""Fill the damage of an old photograph: Translator.

The triplet domain translation of *Bringing Old Photos Back to Life* (Wan et al., CVPR 2020): a first VAE
encodes old photographs, a mapping carries their latents to those of clean ones and fills holes by partial
non-local attention, a second VAE decodes. It differs in that a fusion network at full resolution makes the
result, and that only places inside the mask are ever changed.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import pad_to_multiple
from photorestore.networks.box import Box
from photorestore.networks.descriptor import CORE, IMAGE, Descriptor, Part, Port
from photorestore.networks.vae import STRIDE, VAE
from photorestore.pixels.boxes import boxes_of
from photorestore.stages.translate.fusion import FILL_STRIDE, Fusion, smooth_fill
from photorestore.stages.translate.latent_mapping import KeyView, LatentMapping, hole_at_stride

FUSED_PX = 44
"""What the fusion computes around what it fills: 36 px on the average of its layers, and what a box takes by itself."""
VIEW_PX = 128
"""Longest side of the view that the keys come from: at most 32 x 32 = 1,024 keys."""
SCRATCH_MASK = Port("scratch_mask", "N 1 H W", 0, 1)


class Translator(nn.Module):
    """The two VAEs, the mapping between their latents, and the fusion.

    Args:
        latent, vae_width, vae_depth: see `VAE`.
        mapping_width, mapping_depth: see `LatentMapping`.
        fusion_width, fusion_depth: see `Fusion`.
    """

    def __init__(
        self,
        latent: int = 64,
        vae_width: int = 64,
        vae_depth: int = 1,
        mapping_width: int = 96,
        mapping_depth: int = 4,
        fusion_width: int = 64,
        fusion_depth: int = 3,
    ) -> None:
        super().__init__()
        self.old_vae = VAE(latent, vae_width, vae_depth)
        self.latent_mapping = LatentMapping(latent, mapping_width, mapping_depth)
        self.clean_vae = VAE(latent, vae_width, vae_depth)
        self.fusion = Fusion(fusion_width, fusion_depth)
        self.translation_px = self.old_vae.reach_px + self.latent_mapping.reach_px
        self.descriptor = Descriptor(
            "Translator",
            (
                IMAGE,
                SCRATCH_MASK,
                Port("context", kind=KeyView, is_optional=True),
                Port("certainty", "N 1 H W", 0, 1, is_optional=True),
                CORE,
            ),
            Port("translated", "N 3 H W", 0, 1),
            stride=FILL_STRIDE,
            reach_px=max(self.translation_px + self.fusion.reach_px, self.fusion.fill_reach_px),
        )

    def forward(
        self,
        image: Tensor,
        scratch_mask: Tensor,
        context: KeyView | None = None,
        certainty: Tensor | None = None,
        core: Box | None = None,
    ) -> Tensor:
        """Fill the damage.

        Args:
            image: (N, 3, H, W) in [0, 1], usually denoised.
            scratch_mask: (N, 1, H, W), 0 = keep the pixel exactly; above 0 = damaged, and how much of the
                filling is blended in, up to 1.
            context: from `key_view` of the whole picture; by default that of `image`.
            certainty: (N, 1, H, W) in [0, 1], how likely each pixel of the mask is damaged; by default 1. The lower it
                is, the more of the pixel is kept.
            core: where it is to be filled, see `descriptor.CORE`.

        Returns:
            (N, 3, H, W), float32, not clamped; equal to `image` where `scratch_mask` is 0.
        """
        keys = self.key_view(image, scratch_mask) if context is None else context
        h, w = image.shape[-2:]
        padded = pad_to_multiple(image, self.descriptor.stride)
        hole = (pad_to_multiple(scratch_mask, self.descriptor.stride) > 0).to(padded.dtype)
        certainty = None if certainty is None else pad_to_multiple(certainty, self.descriptor.stride)
        filled = self._filled(padded, hole, keys, certainty, Box.all_of(padded) if core is None else core)
        return torch.lerp(image.float(), filled[..., :h, :w], scratch_mask.float())

    @property
    def parts(self) -> Mapping[str, Part[KeyView] | Part[Tensor]]:
        """Return `key_view` and `decoded`; both look at whole pictures."""
        inputs = (IMAGE, SCRATCH_MASK)
        keys = Descriptor("key_view", inputs, Port("keys", kind=KeyView))
        decoded = Descriptor("decoded", inputs, Port("translation", "N 3 H W", 0, 1), stride=STRIDE)
        return {"key_view": Part(keys, self.key_view), "decoded": Part(decoded, self.decoded)}

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        hole = torch.zeros_like(image[:, :1])
        part = (..., slice(8, 24), slice(8, 24))
        hole[part] = 1
        filled: Tensor = self(image, hole)[part]
        return filled - 0.5

    def translate_and_fuse(
        self, image: Tensor, hole: Tensor, keys: KeyView, certainty: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return what the paper delivers, G2(T(E1(image))), and the fusion's filling, which counts inside holes only.

        Height and width must be multiples of 16.
        """
        translation = self.clean_vae.decode(self.map_latents(image, hole, keys))
        return translation, self.fusion(image, translation, hole, certainty)

    def _filled(
        self, image: Tensor, hole: Tensor, keys: KeyView, certainty: Tensor | None, core: Box
    ) -> Tensor:
        """Return the picture with the fusion's filling in its core.

        The smooth filling looks furthest. What else there is computes what the core needs of it, and the fusion what
        holes need.
        """
        fused = core.grown(self.fusion.reach_px, STRIDE, image)
        seen = fused.grown(self.translation_px, STRIDE, image)
        translation = self.clean_vae.decode(self.map_latents(seen.of(image), seen.of(hole), keys))
        smooth = smooth_fill(image, hole)
        filled = image.float().clone()
        for part in _parts(hole, core):
            near = part.grown(self.fusion.reach_px, STRIDE, image)
            filling = self.fusion.fuse(
                near.of(image),
                near.of(smooth),
                near.within(seen).of(translation),
                near.of(hole),
                None if certainty is None else near.of(certainty),
                part.within(near),
            )
            part.of(filled).copy_(filling)
        return filled

    def decoded(self, image: Tensor, scratch_mask: Tensor) -> Tensor:
        """Return what the paper delivers of a whole picture: (N, 3, H, W), not clamped; sides are multiples of 4."""
        hole = (scratch_mask > 0).to(image.dtype)
        return self.clean_vae.decode(self.map_latents(image, hole, self.key_view(image, hole)))

    def map_latents(self, image: Tensor, hole: Tensor, keys: KeyView) -> Tensor:
        """Return T(E1(image)): the latent of the clean picture, (N, latent, H/4, W/4)."""
        z_clean: Tensor = self.latent_mapping(self.old_vae.encode(image), hole_at_stride(hole), keys)
        return z_clean

    def key_view(self, image: Tensor, scratch_mask: Tensor) -> KeyView:
        """Return what every tile of this picture may fill its holes with: at most 1,024 keys.

        Args:
            image: (N, 3, H, W) the whole picture, or a smaller view of it.
            scratch_mask: (N, 1, H, W), above 0 = damaged.
        """
        view, hole = shrink(image, scratch_mask)
        return self.latent_mapping.keys(self.old_vae.encode(view), hole_at_stride(hole))


def _parts(hole: Tensor, core: Box) -> list[Box]:
    """Return boxes that hold all holes in the core; of several pictures together, and off the CPU, the core as it is.

    A GPU would have to wait for what is known on the CPU only, and could not run a captured graph.
    """
    if len(hole) > 1 or hole.device.type != "cpu":
        return [core]
    wanted = torch.zeros_like(hole[0])
    core.of(wanted).copy_(core.of(hole[0]))
    cells = F.max_pool2d(wanted, STRIDE)[0] > 0
    return [Box(*(STRIDE * edge for edge in box)) for box in boxes_of(cells.numpy(), FUSED_PX // STRIDE)]


def shrink(image: Tensor, scratch_mask: Tensor, longest_px: int = VIEW_PX) -> tuple[Tensor, Tensor]:
    """Return the whole picture small, its sides multiples of 4, and where in it damage lies (any of it counts)."""
    h, w = image.shape[-2:]
    factor = min(1.0, longest_px / max(h, w))
    size = tuple(max(STRIDE, round(side * factor / STRIDE) * STRIDE) for side in (h, w))
    view = F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)
    return view, F.adaptive_max_pool2d((scratch_mask > 0).to(image.dtype), size)
