"""Remove noise by sparse sums of atoms that are learned from the noisy picture itself (K-SVD).

Elad and Aharon, *Image denoising via sparse and redundant representations over learned dictionaries*, TIP 2006; the
atoms are renewed as Rubinstein, Zibulevsky and Elad have it (*Efficient implementation of the K-SVD algorithm*, 2008).
It differs in that the atoms are learned from a part of the patches, and that colour is treated as three planes.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.descriptor import Descriptor
from photorestore.pixels.optics import mirrored
from photorestore.stages.denoise.methods.contract import Step, contract
from photorestore.stages.denoise.opponents import by_planes

PATCH_PX, PAD_PX = 8, 8
ATOMS_A_SIDE = 16
"""256 atoms."""
LEARNED_FROM = 8000
"""Patches of a plane."""
ROUNDS = 8
"""Of learning."""
GAIN = 1.15
"""Residuals of a patch may be as large as its noise times this (C)."""
NOISY_WEIGHT = 30.0
"""Weight of the noisy picture against each patch's estimate, for noise of 1 in 8-bit units (lambda)."""
MOST_ATOMS = 24
AT_ONCE = 8192
"""Patches that are coded at once."""


@dataclass(frozen=True, slots=True)
class DictionaryLearning:
    """Return denoised pictures.

    Attributes:
        step: see `Step`.
    """

    step: Step = nullcontext

    @property
    def descriptor(self) -> Descriptor:
        """Return the contract."""
        return contract("DictionaryLearning", reach_px=32)

    def __call__(self, image: Tensor, sigma: Tensor) -> Tensor:
        """Denoise pictures (N, 3, H, W) in [0, 1] with noise of `sigma` (N,)."""
        return by_planes(self._denoised, image, sigma)

    def _denoised(self, inner: Tensor, sigma: float) -> Tensor:
        """Return a plane (H, W) without noise."""
        plane = mirrored(inner[None, None], PAD_PX)[0, 0]
        patches = F.unfold(plane[None, None], PATCH_PX)[0].T  # (patches, 64)
        means = patches.mean(1, keepdim=True)
        rng = torch.Generator().manual_seed(0)
        chosen = torch.randperm(len(patches), generator=rng)[:LEARNED_FROM]
        atoms = self._learned((patches - means)[chosen], sigma)
        estimates = torch.empty_like(patches)
        for first in range(0, len(patches), AT_ONCE):
            with self.step():
                part = slice(first, first + AT_ONCE)
                codes = sparse_codes(patches[part] - means[part], atoms, _allowed(sigma))
                estimates[part] = codes @ atoms + means[part]
        size_hw = (plane.shape[0], plane.shape[1])
        total = F.fold(estimates.T[None], size_hw, PATCH_PX)[0, 0]
        count = F.fold(torch.ones_like(estimates).T[None], size_hw, PATCH_PX)[0, 0]
        weight = NOISY_WEIGHT / (255 * sigma)
        h, w = inner.shape
        return ((weight * plane + total) / (weight + count))[PAD_PX : PAD_PX + h, PAD_PX : PAD_PX + w]

    def _learned(self, patches: Tensor, sigma: float) -> Tensor:
        """Return atoms (256, 64) that make sparse sums of patches (M, 64) without their means."""
        atoms = cosine_atoms().to(patches)
        for _ in range(ROUNDS):
            with self.step():
                codes = torch.cat(
                    [sparse_codes(part, atoms, _allowed(sigma)) for part in patches.split(AT_ONCE)]
                )
                left = patches - codes @ atoms
                for number in range(1, len(atoms)):
                    used = codes[:, number].nonzero()[:, 0]
                    if not len(used):
                        continue
                    amounts = codes[used, number]
                    own = left[used] + amounts[:, None] * atoms[number]
                    atom = amounts @ own
                    atoms[number] = atom / atom.norm().clamp_min(1e-12)
                    codes[used, number] = own @ atoms[number]
                    left[used] = own - codes[used, number][:, None] * atoms[number]
        return atoms


def _allowed(sigma: float) -> float:
    """Return the squared residual at which a patch is explained."""
    return (GAIN * sigma * PATCH_PX) ** 2


def cosine_atoms() -> Tensor:
    """Return the overcomplete cosines that learning begins with: (256, 64), of length 1, the first one constant."""
    at, waves = torch.arange(PATCH_PX), torch.arange(ATOMS_A_SIDE)[:, None]
    cosines = (math.pi / ATOMS_A_SIDE * waves * (at + 0.5)).cos()
    cosines[1:] -= cosines[1:].mean(1, keepdim=True)
    cosines /= cosines.norm(dim=1, keepdim=True)
    return torch.einsum("iy,jx->ijyx", cosines, cosines).reshape(ATOMS_A_SIDE**2, PATCH_PX**2)


def sparse_codes(patches: Tensor, atoms: Tensor, allowed: float) -> Tensor:
    """Return how much of each atom makes patches (M, 64) up to a squared residual, by orthogonal matching pursuit.

    Returns:
        (M, atoms), at most `MOST_ATOMS` of a row not 0.
    """
    codes = patches.new_zeros(len(patches), len(atoms))
    likeness, gram = patches @ atoms.T, atoms @ atoms.T
    rows = (patches.square().sum(1) > allowed).nonzero()[:, 0]
    chosen = rows.new_zeros(len(rows), 0)
    left = likeness[rows]
    for _ in range(MOST_ATOMS):
        if not len(rows):
            break
        chosen = torch.cat([chosen, left.abs().argmax(1, keepdim=True)], 1)
        among = gram[chosen[:, :, None], chosen[:, None]]
        among.diagonal(dim1=1, dim2=2).add_(1e-6)
        towards = likeness[rows].gather(1, chosen)
        amounts = torch.linalg.solve(among, towards)
        codes[rows[:, None], chosen] = amounts
        residual = patches[rows] - codes[rows] @ atoms
        goes_on = residual.square().sum(1) > allowed
        rows, chosen, left = rows[goes_on], chosen[goes_on], (residual @ atoms.T)[goes_on]
    return codes
