"""Three classic networks that stand beside ours in the bench. They are learned baselines and are not served.

All work on one channel: full-range luma, (N, 1, H, W) in [0, 1]. Results are not clamped.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2
"""Negative slope of LapSRN's leaky ReLU."""


class Autoencoder(nn.Module):
    """The denoising autoencoder of the textbooks: two convolutions, each pooled, and the way back.

    Convolution, pooling, convolution, pooling; then convolution and enlargement twice, and a last convolution. There
    is no skip: all that it knows of a picture has passed through a quarter of its sides.

    Args:
        width: channels.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(width, 1, 3, padding=1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, image: Tensor) -> Tensor:
        """Return the denoised luma of noisy luma of any size."""
        h, w = image.shape[-2:]
        padded = F.pad(image, (0, -w % 4, 0, -h % 4), mode="replicate")
        return self.decoder(self.encoder(padded))[..., :h, :w]


class SRCNN(nn.Module):
    """Dong et al., *Learning a Deep Convolutional Network for Image Super-Resolution*, ECCV 2014: 9-1-5, 64-32.

    One chain of three convolutions for each scale. It repairs what bicubic enlargement gave; borders are repeated,
    so that the size stays.

    Args:
        scales: the enlargements that there is a chain for.
    """

    def __init__(self, scales: tuple[int, ...] = (2, 4)) -> None:
        super().__init__()
        self.chains = nn.ModuleDict(
            {
                str(scale): nn.Sequential(
                    nn.Conv2d(1, 64, 9), nn.ReLU(), nn.Conv2d(64, 32, 1), nn.ReLU(), nn.Conv2d(32, 1, 5)
                )
                for scale in scales
            }
        )

    def forward(self, image: Tensor, scale: int) -> Tensor:
        """Sharpen luma that bicubic interpolation has enlarged `scale` times; the size stays."""
        return self.chains[str(scale)](F.pad(image, (6, 6, 6, 6), mode="replicate"))


class LapSRN(nn.Module):
    """Lai et al., *Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution*, CVPR 2017, small.

    Each level doubles the sides: features are refined by plain convolutions and enlarged by a transposed one, and
    give the detail that is added to the enlarged picture. It is narrower and shallower than in the paper (64
    channels, 10 convolutions a level), and the picture is enlarged bilinearly by interpolation, with which the paper's
    transposed convolution begins.

    Args:
        width: channels.
        depth: convolutions a level.
        levels: doublings.
    """

    def __init__(self, width: int = 32, depth: int = 5, levels: int = 2) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, width, 3, padding=1)
        self.features = nn.ModuleList(_features(width, depth) for _ in range(levels))
        self.details = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for _ in range(levels))
        for detail in self.details:
            assert isinstance(detail, nn.Conv2d)
            nn.init.zeros_(detail.weight)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return small luma 2, 4, ... times as large."""
        features, enlarged = F.leaky_relu(self.head(image), SLOPE), []
        for feature, detail in zip(self.features, self.details, strict=True):
            features = feature(features)
            image = F.interpolate(image, scale_factor=2, mode="bilinear") + detail(features).float()
            enlarged.append(image)
        return enlarged


NETWORKS: dict[str, type[nn.Module]] = {"autoencoder": Autoencoder, "srcnn": SRCNN, "lapsrn": LapSRN}
"""By the name of their weights, `bench/weights/<name>/<name>.fast.safetensors`."""


def _features(width: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(SLOPE)]
    enlargement = nn.ConvTranspose2d(width, width, 4, 2, 1)
    for layer in (*layers, enlargement):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, SLOPE, nonlinearity="leaky_relu")
    return nn.Sequential(*layers, enlargement, nn.LeakyReLU(SLOPE))
