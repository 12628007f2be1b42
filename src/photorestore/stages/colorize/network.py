"""Guess the colours of a grey photograph: ColorizeNetwork, a decoder of what a network that knows photographs sees.

After Zhang et al., *Colorful Image Colorization* (ECCV 2016): for each square of 4 px of one view of the whole picture
a distribution over bins of a and b, because what is grey can have had one of several colours, whose mean is brown.
What differs: the encoder is frozen and was trained by others to name things; the decoder has few values, since it
learns from few photographs; and a colour belongs to four bins bilinearly (`bins`).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import ResidualBlock, enlarge_bilinear
from photorestore.networks.descriptor import Descriptor, Port
from photorestore.stages.colorize.bins import cells_in_gamut
from photorestore.stages.colorize.sight import FEATURES

BINS = len(cells_in_gamut())
LUMA_CHANNELS = 24


class ColorizeNetwork(nn.Module):
    """View and features in, logarithms of unnormalised likelihoods of the bins out, for squares of 4 px.

    Args:
        widths: channels at stride 32, 16, 8 and 4.
        depths: residual blocks at stride 16, 8 and 4.
        dropped: share of the features that are left out in training.
    """

    descriptor = Descriptor(
        "ColorizeNetwork",
        (
            Port("view", "N 1 V U", 0, 1),
            *(
                Port(f"seen_{stride}", f"N {channels} V{stride} U{stride}")
                for stride, channels in FEATURES.items()
            ),
        ),
        Port("logits", f"N {BINS} V4 U4"),
    )

    def __init__(
        self,
        widths: tuple[int, ...] = (160, 128, 88, 64),
        depths: tuple[int, ...] = (1, 1, 1),
        dropped: float = 0.1,
    ) -> None:
        super().__init__()
        deep, *rest = widths
        self.dropped = dropped
        by_stride = dict(reversed(FEATURES.items()))
        self.laterals = nn.ModuleList(
            nn.Conv2d(channels, width, 1) for channels, width in zip(by_stride.values(), widths, strict=True)
        )
        self.whole = nn.Linear(by_stride[32], deep)
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 1) for before, after in zip(widths, rest, strict=False)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width, bias=True) for _ in range(depth)))
            for width, depth in zip(rest, depths, strict=True)
        )
        self.luma = nn.Sequential(
            nn.Conv2d(1, LUMA_CHANNELS, 3, 2, 1), nn.ReLU(), nn.Conv2d(LUMA_CHANNELS, widths[-1], 3, 2, 1)
        )
        self.head = nn.Conv2d(widths[-1], BINS, 1)

    def forward(self, view: Tensor, *seen: Tensor) -> Tensor:
        """Guess the colours.

        Args:
            view: (N, 1, V, U) in [0, 1], sides multiples of 32: greys of the picture's lightness.
            seen: features of it, from `sight.features_of`.

        Returns:
            (N, BINS, V/4, U/4).
        """
        deepest, *others = [F.dropout2d(part, self.dropped, self.training) for part in reversed(seen)]
        whole = self.whole(deepest.mean((2, 3)))[..., None, None]
        features = F.relu(self.laterals[0](deepest) + whole)
        for index, part in enumerate(others):
            mixed = enlarge_bilinear(self.down[index](features).float(), 2) + self.laterals[index + 1](part)
            if index == len(others) - 1:
                mixed = mixed + self.luma(view - 0.5)
            features = F.relu(self.blocks[index](F.relu(mixed)))
        return self.head(features)

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        view = image.mean(1, keepdim=True)
        side = view.shape[-1]
        seen = [
            F.interpolate(image[:, :1] - 0.5, (side // stride,) * 2).expand(-1, channels, -1, -1)
            for stride, channels in FEATURES.items()
        ]
        return self.forward(view, *seen)
