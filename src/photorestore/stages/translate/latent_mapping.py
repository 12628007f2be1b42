"""Map the latents of old photographs to those of clean ones: LatentMapping.

After the mapping network T and its partial non-local block (Wan et al., CVPR 2020). What differs: the keys
come from one small view of the whole picture, computed once and given to every tile, so that the attention
matrix is bounded for any picture and tiles equal the whole; the hole mask is also an input; and the mapping
is a residual. Tone stays as it is: fading is corrected by a curve, which cannot drift from tile to tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.vae import STRIDE, normed_stack

FORBIDDEN = -1e4
"""Added to the affinity of keys in holes; finite, so that a view that is all hole does not give nan."""


@dataclass(frozen=True, slots=True)
class KeyView:
    """What the whole picture offers to fill holes with, computed once.

    Attributes:
        features: (N, K, width) hidden features of the view.
        usable: (N, K) 1 where the key lies outside holes.
    """

    features: Tensor
    usable: Tensor

    @classmethod
    def collate(cls, views: Sequence[KeyView]) -> KeyView:
        """Join the views of several pictures to a batch; shorter ones are filled up with forbidden keys."""
        most = max(view.usable.shape[1] for view in views)
        padding = [most - view.usable.shape[1] for view in views]
        return cls(
            torch.cat([F.pad(view.features, (0, 0, 0, n)) for view, n in zip(views, padding, strict=True)]),
            torch.cat([F.pad(view.usable, (0, n)) for view, n in zip(views, padding, strict=True)]),
        )


class PartialNonLocal(nn.Module):
    """Holes are rebuilt from what is alike elsewhere; all other places stay as they are.

    y_i = sum_j softmax_j(theta(x_i) . phi(x_j)) g(x_j) over the keys j outside holes;
    out = x + M * W(y), with M = 1 in holes and W zero at the start.
    """

    def __init__(self, width: int, inner: int = 64) -> None:
        super().__init__()
        self.theta = nn.Linear(width, inner)
        self.phi = nn.Linear(width, inner)
        self.g = nn.Linear(width, inner)
        self.w = nn.Linear(inner, width)
        nn.init.zeros_(self.w.weight)
        nn.init.zeros_(self.w.bias)

    def forward(self, features: Tensor, hole: Tensor, keys: KeyView) -> Tensor:
        """Return features (N, width, h, w) with the places filled where `hole` (N, 1, h, w) is 1."""
        places = features.permute(0, 2, 3, 1)  # (N, h, w, width)
        if hole.device.type != "cpu" or torch.compiler.is_compiling():  # one shape, whatever is a hole
            filled = self.filling_of(places.flatten(1, 2), keys).view_as(places)
            return features + hole * filled.permute(0, 3, 1, 2)
        filled = places.clone()
        for index, inside in enumerate(hole[:, 0] > 0):
            if inside.any():
                own = KeyView(keys.features[index : index + 1], keys.usable[index : index + 1])
                filled[index, inside] += self.filling_of(places[index, inside][None], own)[0]
        return filled.permute(0, 3, 1, 2)

    def filling_of(self, places: Tensor, keys: KeyView) -> Tensor:
        """Return what is added to places (N, P, width) of holes: the same for all of them where no key is usable."""
        bias = (1 - keys.usable) * FORBIDDEN
        queries = self.theta(places)
        found = F.scaled_dot_product_attention(
            queries[:, None],
            self.phi(keys.features)[:, None],
            self.g(keys.features)[:, None],
            attn_mask=bias.to(queries.dtype)[:, None, None].expand(-1, -1, places.shape[1], -1),
        )[:, 0]  # (N, P, inner)
        any_usable = keys.usable.amax(1).to(found.dtype).view(-1, 1, 1)
        filling: Tensor = self.w(found * any_usable)
        return filling.to(places.dtype)


class LatentMapping(nn.Module):
    """z_old to z_clean, both (N, latent, H/4, W/4).

    Args:
        latent: channels of both latents.
        width: channels inside.
        depth: residual blocks, half before and half after the partial non-local block.
    """

    def __init__(self, latent: int = 64, width: int = 96, depth: int = 4) -> None:
        super().__init__()
        self.head = nn.Conv2d(latent + 1, width, 1)
        self.before = normed_stack(width, depth // 2)
        self.non_local = PartialNonLocal(width)
        self.after = normed_stack(width, depth - depth // 2)
        self.tail = nn.Conv2d(width, latent, 1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]
        self.reach_px = 2 * depth * STRIDE

    def forward(self, z_old: Tensor, hole: Tensor, keys: KeyView) -> Tensor:
        """Return z_clean; `hole` is (N, 1, H/4, W/4), 1 = hole."""
        features = self._hidden(z_old, hole)
        features = self.non_local(features, hole, keys)
        return z_old + self.tail(self.after(features))

    def keys(self, z_old: Tensor, hole: Tensor) -> KeyView:
        """Return the key view of a whole, small picture: every place of its latent is one key."""
        features = self._hidden(z_old, hole)
        return KeyView(features.flatten(2).transpose(1, 2), (hole == 0).flatten(1).to(features.dtype))

    def _hidden(self, z_old: Tensor, hole: Tensor) -> Tensor:
        features: Tensor = self.before(self.head(torch.cat([z_old, hole.to(z_old.dtype)], dim=1)))
        return features


def hole_at_stride(scratch_mask: Tensor) -> Tensor:
    """Return (N, 1, H/4, W/4), 1 where any pixel of the 4x4 block is in the mask."""
    return F.max_pool2d((scratch_mask > 0).float(), STRIDE)
