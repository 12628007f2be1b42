"""Enlarge pictures x2 and x4 by super-resolution: Upscaler.

One trunk of residual blocks at the input's resolution, in the manner of EDSR without its normalisation (Lim et al.,
CVPRW 2017), and one pixel-shuffle tail for each scale, as in MDSR of the same paper: what a photograph's edges and
textures look like is learned once for both. The tails add detail to a bicubic enlargement, so a new network gives just
that.

In training every 3x3 convolution of the trunk is a sum of linear branches (Zhang et al., ECBSR, ACM MM 2021). They
have no bias or normalisation between them, so that the sum is exactly one 3x3 kernel; it is made from the branches at
every step (Bhardwaj et al., Collapsible Linear Blocks, MLSys 2022), and training costs hardly more than with plain
convolutions. `reparameterise` gives the network with the kernels alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import enlarge_bilinear
from photorestore.networks.descriptor import IMAGE, SCALE, Descriptor, Port

SOBEL = ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0))
LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


class CollapsibleConv(nn.Module):
    """A 3x3 convolution that is learned as a sum of linear branches.

    The branches: a plain 3x3; a 1x1 to twice the channels and a 3x3 back; a 1x1 and an edge filter (both Sobel,
    Laplacian) with a gain for every channel.

    Args:
        channels: in and out.
        zero: whether every branch begins at zero, as at the end of a residual block.
    """

    edge_filters: Tensor

    def __init__(self, channels: int, *, zero: bool = False) -> None:
        super().__init__()
        self.direct = nn.Parameter(torch.empty(channels, channels, 3, 3))
        self.expand = nn.Parameter(torch.empty(2 * channels, channels))
        self.squeeze = nn.Parameter(torch.empty(channels, 2 * channels, 3, 3))
        self.edge_mix = nn.Parameter(torch.empty(3, channels, channels))
        self.edge_gain = nn.Parameter(torch.zeros(3, channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        vertical, laplacian = torch.tensor(SOBEL), torch.tensor(LAPLACIAN)
        filters = torch.stack([vertical, vertical.T, laplacian])
        self.register_buffer("edge_filters", filters, persistent=False)
        self._initialise(zero=zero)

    def kernel(self) -> Tensor:
        """Return the sum of the branches: (channels, channels, 3, 3), float32."""
        with torch.autocast(self.direct.device.type, enabled=False):
            expanded = torch.einsum("ohyx,hi->oiyx", self.squeeze, self.expand)
            edges = torch.einsum("ko,koi,kyx->oiyx", self.edge_gain, self.edge_mix, self.edge_filters)
            return self.direct + expanded + edges

    def forward(self, features: Tensor) -> Tensor:
        return F.conv2d(features, self.kernel(), self.bias, padding=1)

    def _initialise(self, *, zero: bool) -> None:
        channels = self.bias.numel()
        nn.init.kaiming_normal_(self.direct, nonlinearity="relu")
        nn.init.normal_(self.expand, std=channels**-0.5)
        nn.init.normal_(self.edge_mix, std=channels**-0.5)
        nn.init.zeros_(self.squeeze)
        if zero:
            nn.init.zeros_(self.direct)


class Block(nn.Module):
    """Two 3x3 convolutions around a skip; a new block is the identity."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, features: Tensor) -> Tensor:
        return features + self.second(F.relu(self.first(features)))


class Upscaler(nn.Module):
    """Small image in, image of two or four times its sides out; the result is not clamped.

    Args:
        width: channels of the trunk.
        depth: residual blocks.
        scales: the enlargements that there is a tail for.
        reparameterised: plain 3x3 convolutions, as they are served, in place of their branches.
    """

    def __init__(
        self, width: int, depth: int, scales: tuple[int, ...] = (2, 4), *, reparameterised: bool = False
    ) -> None:
        super().__init__()
        self.sizes = width, depth, scales
        self.architecture = {
            "width": width,
            "depth": depth,
            "scales": scales,
            "reparameterised": reparameterised,
        }
        self.descriptor = Descriptor(
            "Upscaler",
            (IMAGE, SCALE),
            Port("upscaled", "N 3 H W", 0, 1),
            reach_px=2 * depth + 3,  # head, blocks, end of the trunk, tail; more than the skip's 2
            scales=scales,
        )
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.Sequential(
            *(
                Block(
                    _conv(width, reparameterised=reparameterised),
                    _conv(width, reparameterised=reparameterised, zero=True),
                )
                for _ in range(depth)
            ),
            _conv(width, reparameterised=reparameterised),
        )
        self.tails = nn.ModuleDict({str(scale): _tail(width, scale) for scale in scales})

    def forward(self, image: Tensor, scale: int) -> Tensor:
        """Enlarge.

        Args:
            image: (N, 3, H, W) in [0, 1].
            scale: one that there is a tail for.

        Returns:
            (N, 3, scale * H, scale * W), float32, not clamped.
        """
        features = self.head(image - 0.5)  # (N, width, H, W)
        features = features + self.body(features)
        detail = self.tails[str(scale)](features)  # (N, 3 * scale^2, H, W)
        return enlarge(image.float(), scale) + F.pixel_shuffle(detail.float(), scale)

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        small = image[..., :16, :16]
        return torch.cat(
            [(self(small, scale) - enlarge(small, scale)).flatten() for scale in self.descriptor.scales]
        )

    def reparameterise(self) -> Upscaler:
        """Return the same function with every sum of branches collapsed into one 3x3 convolution."""
        plain = Upscaler(*self.sizes, reparameterised=True)
        values = {name: value.detach() for name, value in self.state_dict().items()}
        for name, module in self.named_modules():
            if isinstance(module, CollapsibleConv):
                values = {key: value for key, value in values.items() if not key.startswith(f"{name}.")}
                values |= {f"{name}.weight": module.kernel().detach(), f"{name}.bias": module.bias.detach()}
        plain.load_state_dict(values)
        plain.train(self.training)
        return plain.to(self.head.weight.device, memory_format=torch.channels_last)  # type: ignore[call-overload]


class Bilinear:
    """Enlarges one channel bilinearly, under the contract of a network: opacity must not ring at its edges."""

    descriptor = Descriptor(
        "Bilinear",
        (Port("image", "N 1 H W", 0, 1), SCALE),
        Port("upscaled", "N 1 H W", 0, 1),
        reach_px=1,
        scales=(2, 4),
    )

    def __call__(self, image: Tensor, scale: int) -> Tensor:
        """Enlarge (N, 1, H, W) to (N, 1, scale * H, scale * W)."""
        return enlarge_bilinear(image, scale)


def enlarge(image: Tensor, scale: int) -> Tensor:
    """Enlarge bicubically (a = -0.5; torch's kernel without antialiasing has a = -0.75)."""
    return F.interpolate(image.contiguous(), scale_factor=scale, mode="bicubic", antialias=True)


def _conv(width: int, *, reparameterised: bool, zero: bool = False) -> nn.Module:
    if reparameterised:
        return nn.Conv2d(width, width, 3, padding=1)
    return CollapsibleConv(width, zero=zero)


def _tail(width: int, scale: int) -> nn.Conv2d:
    """From the trunk to the pixels of each enlarged pixel; it starts at zero."""
    tail = nn.Conv2d(width, 3 * scale**2, 3, padding=1)
    nn.init.zeros_(tail.weight)
    if tail.bias is not None:
        nn.init.zeros_(tail.bias)
    return tail
