"""Restore one picture by a network that has learned nothing but this picture: `DeepPrior`.

After Ulyanov, Vedaldi, Lempitsky, *Deep Image Prior*, CVPR 2018: a network with random weights is fitted to a picture,
and makes what looks like a photograph before it makes noise, or what does not fit in a hole. Some pixels are held out
of the fit; where the mean of the latest outputs is nearest to them, fitting ends. Where steps are left for another fit,
that begins with other random numbers, and the result is the mean of both, whose errors differ.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.descriptor import IMAGE, SCALE, Descriptor, Port
from photorestore.pixels.threads import one_thread

Step = Callable[[int, int], None]
"""Called before each step of all fits with its number and how many there are at most; may raise to stop."""

FITS = (1, 2)
"""What the random numbers of each fit begin with: those of its weights, seeds and held-out pixels."""
LEAST_SHARE = 0.5
"""What share of the steps of the first fit must be left for another."""
_NOISY = Port("image", "N 3 H W", -0.5, 1.5)
DENOISES, FILLS, ENLARGES = (
    Descriptor(
        f"DeepPrior, {name}", inputs, Port("restored", "N 3 H W", 0, 1), 1, 0, scales, in_bfloat16=False
    )
    for name, inputs, scales in (
        ("denoising", (_NOISY, Port("sigma", "N", 0, 1)), (1,)),
        ("filling", (IMAGE, Port("scratch_mask", "N 1 H W", 0, 1)), (1,)),
        ("enlarging", (IMAGE, SCALE), (2, 4)),
    )
)
"""What it does, as networks. It looks at all of a picture, but `long_work.LARGEST_PX` are never cut into tiles."""
WIDTH, SKIPPED, SEEDS = 32, 4, 16
"""Channels of each scale, of what is handed past the coarser scales, and of what the network makes its picture of."""
SCALES = 5
STRIDE = 2**SCALES
LEAST_PX = 2 * STRIDE
"""Least sides of what is made: a channel must have several values at the coarsest scale."""
STEPS, LEAST_STEPS = 3000, 400
"""Of all fits together, at most, for small and large pictures."""
STEPS_PX = 3 * 2**24
"""Steps times pixels of all fits together, at most, where these lie between: three minutes of one core."""
RATE = 0.01
LOUDNESS, SHAKE = 0.1, 0.03
"""Of the seeds, and the standard deviation of the noise that is added to them in each step: more of it keeps noise
longer out of the picture, but takes more steps."""
HELD_OUT = 0.03
"""Share of the known pixels that the fit does not see."""
KEPT = 0.99
"""Weight of the mean of earlier outputs, when another is added."""
LOOK_EVERY, PATIENCE = 25, 14
"""Steps between looks at the held-out pixels, and how many looks in a row may find nothing better."""


class DeepPrior(nn.Module):
    """An encoder and a decoder with a short way past each scale.

    Args:
        channels: of the picture.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [SEEDS] + [WIDTH] * SCALES
        self.past = nn.ModuleList(_layer(width, SKIPPED, 1) for width in widths[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(_layer(width, WIDTH, 3, stride=2), _layer(WIDTH, WIDTH, 3)) for width in widths[:-1]
        )
        self.up = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(WIDTH + SKIPPED),
                _layer(WIDTH + SKIPPED, WIDTH, 3),
                _layer(WIDTH, WIDTH, 1),
            )
            for _ in range(SCALES)
        )
        self.last = nn.Conv2d(WIDTH, channels, 1)

    def forward(self, seeds: Tensor) -> Tensor:
        """Return the picture (1, C, H, W) in [0, 1] that is made of seeds (1, SEEDS, H, W).

        H and W are multiples of `STRIDE`.
        """
        image, passed = seeds, list[Tensor]()
        for past, down in zip(self.past, self.down, strict=True):
            passed.append(past(image))
            image = down(image)
        for up, beside in zip(self.up, reversed(passed), strict=True):
            image = F.interpolate(image, scale_factor=2.0, mode="bilinear", align_corners=False)
            image = up(torch.cat([image, beside], 1))
        return torch.sigmoid(self.last(image))


def restore(seen: Tensor, known: Tensor, step: Step, scale: int = 1) -> Tensor:
    """Return what networks that are fitted to the known pixels make of a picture; the same bytes each time.

    Args:
        seen: the picture (1, C, H, W) in [0, 1]; noise may take it outside.
        known: (1, 1, H, W), False where `seen` says nothing.
        step: called before each step of fitting.
        scale: how many times larger the result is.

    Returns:
        (1, C, scale * H, scale * W) in [0, 1].
    """
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        seen, known = seen.clone(), known.clone()
        steps, done = steps_for(scale**2 * known.numel()), 0
        results = list[Tensor]()
        for first in FITS:
            torch.manual_seed(first)
            result, done = _Fit(seen, known, scale).run(step, done, steps)
            results.append(result)
            if steps - done < LEAST_SHARE * done:
                break
        return torch.stack(results).mean(0)


def steps_for(pixels: int) -> int:
    """Return the most steps of all fits together, for a result of so many pixels."""
    return min(STEPS, max(LEAST_STEPS, STEPS_PX // pixels))


class _Fit:
    """One network and what it is fitted to; see `restore`."""

    def __init__(self, seen: Tensor, known: Tensor, scale: int) -> None:
        self.seen, self.scale = seen, scale
        self.size_hw = (scale * seen.shape[2], scale * seen.shape[3])
        held_out = known & (torch.rand(known.shape) < HELD_OUT)
        self.fitted = (known & ~held_out).float()
        self.judged = (
            held_out.float() if held_out.any() else self.fitted
        )  # of a few pixels none may be held out
        self.network = DeepPrior(seen.shape[1])
        self.seeds = _seeds(self.size_hw).contiguous(memory_format=torch.channels_last)
        self.optimiser = torch.optim.Adam(self.network.parameters(), RATE)

    def run(self, step: Step, done: int, most: int) -> tuple[Tensor, int]:
        """Fit until the held-out pixels are matched no better.

        Args:
            step: see `restore`.
            done: steps of earlier fits.
            most: steps of these and this one, at most.

        Returns:
            The best mean of outputs, and the steps of earlier fits and this one.
        """
        mean = best = torch.zeros(0)
        least, looks = float("inf"), 0
        for number in range(1, most - done + 1):
            step(done + number, most)
            with one_thread():
                output = self._learn()
                # The first outputs are forgotten soon, later ones ever more slowly.
                mean = output if number == 1 else mean.lerp(output, max(1 - KEPT, 2 / (number + 1)))
                if number % LOOK_EVERY and done + number < most:
                    continue
                error, looks = self._error(mean, self.judged).item(), looks + 1
            if error < least:
                least, best, looks = error, mean, 0
            if looks == PATIENCE:
                break
        return best, done + number

    def _learn(self) -> Tensor:
        """Make one step, and return the output that it began with."""
        height, width = self.size_hw
        output: Tensor = self.network(self.seeds + SHAKE * torch.randn(self.seeds.shape))[
            ..., :height, :width
        ]
        self.optimiser.zero_grad(set_to_none=True)
        self._error(output, self.fitted).backward()
        self.optimiser.step()
        return output.detach()

    def _error(self, output: Tensor, counted: Tensor) -> Tensor:
        """Return the mean squared error of an output where pixels count."""
        if self.scale > 1:
            output = F.interpolate(output, self.seen.shape[-2:], mode="bicubic", antialias=True)
        squared = (output - self.seen).square().mean(1, keepdim=True)
        return (squared * counted).sum() / counted.sum().clamp_min(1)


def _seeds(size_hw: tuple[int, int]) -> Tensor:
    """Return random seeds (1, SEEDS, H, W) for a picture of a size; H and W are multiples of `STRIDE`."""
    height, width = (max(LEAST_PX, -(-side // STRIDE) * STRIDE) for side in size_hw)
    return LOUDNESS * torch.rand(1, SEEDS, height, width)


def _layer(before: int, after: int, side: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, side, stride, side // 2, padding_mode="reflect", bias=False),
        nn.BatchNorm2d(after),
        nn.LeakyReLU(0.2),
    )
