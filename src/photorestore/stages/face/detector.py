"""Find faces and their five landmarks by the cascade of Zhang et al.: FaceDetector.

*Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks* (IEEE Signal Processing Letters,
2016): a network slid over a pyramid of the picture proposes windows, a second one rejects most of them, a third one
places the landmarks. The weights are those that the package facenet-pytorch carries (MIT licence), converted by
`training/convert_face_detector.py`; the arithmetic around them follows what they were trained with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.descriptor import Descriptor, Part, Port
from photorestore.stages.face.boxes import crop, shifted, squared, suppress

LANDMARKS = ("left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth")
"""Left and right as seen in the picture."""
PYRAMID_STEP = 0.709
"""Each level of the pyramid has half the area of the one before."""
WINDOW_PX, STRIDE_PX = 12, 2
"""What the first network looks at, and how far its windows lie apart."""
OUTPUT_PX = 48
"""Sides of the crops that the last network looks at."""
SMALLEST_PX = 24.0
"""Height of the smallest face looked for by default."""
CROPS_PER_BATCH = 256


@dataclass(frozen=True, slots=True)
class Face:
    """One face.

    Attributes:
        box: left, top, right, bottom, px; may reach beyond the picture.
        score: how sure the detector is, [0, 1].
        landmarks: x, y in px of each of `LANDMARKS`.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: tuple[tuple[float, float], ...]

    @property
    def eye_distance_px(self) -> float:
        """Return the distance between the centres of the eyes."""
        (left_x, left_y), (right_x, right_y) = self.landmarks[:2]
        return float(((right_x - left_x) ** 2 + (right_y - left_y) ** 2) ** 0.5)


class ProposalNet(nn.Module):
    """Looks at every 12-px window."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 10, 3), nn.PReLU(10), nn.MaxPool2d(2, 2, ceil_mode=True),
            nn.Conv2d(10, 16, 3), nn.PReLU(16),
            nn.Conv2d(16, 32, 3), nn.PReLU(32),
        )  # fmt: skip
        self.score = nn.Conv2d(32, 2, 1)
        self.shift = nn.Conv2d(32, 4, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probability of a face (N, h, w) and box shifts (N, 4, h, w) for (N, 3, H, W) in [-1, 1]."""
        features = self.features(image)
        return self.score(features).softmax(1)[:, 1], self.shift(features)


class RefineNet(nn.Module):
    """Judges 24-px crops."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 28, 3), nn.PReLU(28), nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Conv2d(28, 48, 3), nn.PReLU(48), nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Conv2d(48, 64, 2), nn.PReLU(64),
        )  # fmt: skip
        self.hidden = nn.Sequential(nn.Linear(576, 128), nn.PReLU(128))
        self.score = nn.Linear(128, 2)
        self.shift = nn.Linear(128, 4)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probability of a face (N,) and box shifts (N, 4) for (N, 3, 24, 24) in [-1, 1]."""
        hidden = self.hidden(_flat(self.features(crops)))
        return self.score(hidden).softmax(1)[:, 1], self.shift(hidden)


class OutputNet(nn.Module):
    """Judges 48-px crops and places landmarks."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 3), nn.PReLU(32), nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Conv2d(32, 64, 3), nn.PReLU(64), nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Conv2d(64, 64, 3), nn.PReLU(64), nn.MaxPool2d(2, 2, ceil_mode=True),
            nn.Conv2d(64, 128, 2), nn.PReLU(128),
        )  # fmt: skip
        self.hidden = nn.Sequential(nn.Linear(1152, 256), nn.PReLU(256))
        self.score = nn.Linear(256, 2)
        self.shift = nn.Linear(256, 4)
        self.landmarks = nn.Linear(256, 10)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return probability (N,), shifts (N, 4) and landmarks (N, 2, 5) for crops (N, 3, 48, 48) in [-1, 1].

        Landmarks are in shares of the crop.
        """
        hidden = self.hidden(_flat(self.features(crops)))
        return self.score(hidden).softmax(1)[:, 1], self.shift(hidden), self.landmarks(hidden).view(-1, 2, 5)


class FaceDetector(nn.Module):
    """The cascade.

    Args:
        thresholds: least probability after each network.
    """

    descriptor = Descriptor(
        "FaceDetector",
        (Port("image", "3 H W", 0, 1), Port("smallest_px", kind=float, is_optional=True)),
        Port("faces", kind=list),
        in_bfloat16=False,
    )

    def __init__(self, thresholds: tuple[float, float, float] = (0.6, 0.7, 0.9)) -> None:
        super().__init__()
        self.thresholds = thresholds
        self.proposal = ProposalNet()
        self.refine = RefineNet()
        self.output = OutputNet()

    def forward(self, image: Tensor, smallest_px: float | None = None) -> list[Face]:
        """Find faces.

        Args:
            image: (3, H, W) in [0, 1].
            smallest_px: height of the smallest face looked for; by default `SMALLEST_PX`.

        Returns:
            Faces, the surest first.
        """
        image, smallest_px = _as_trained(image), smallest_px or SMALLEST_PX
        boxes = self._propose(image, smallest_px)
        if len(boxes):
            score, shift = self._judge(self.refine, image, boxes, 24)
            boxes = self._kept(boxes, score, shift, self.thresholds[1])
        if not len(boxes):
            return []
        score, shift, landmarks = self._judge(self.output, image, boxes, OUTPUT_PX)
        sure = score > self.thresholds[2]
        boxes, score, landmarks = boxes[sure], score[sure], landmarks[sure]
        corners, sides = boxes[:, :2, None], (boxes[:, 2:] - boxes[:, :2] + 1)[..., None]
        landmarks = corners + sides * landmarks - 1
        boxes = shifted(boxes, shift[sure])
        return [
            Face(
                tuple(boxes[i].tolist()),
                float(score[i]),
                tuple((x, y) for x, y in landmarks[i].T.tolist()),
            )
            for i in suppress(boxes, score, 0.7, of_smaller=True)
        ]

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        seen = 2 * image - 1
        networks = ((self.proposal, 24), (self.refine, 24), (self.output, OUTPUT_PX))
        return torch.cat(
            [part.flatten() for net, side in networks for part in net(F.interpolate(seen, (side, side)))]
        )

    @property
    def parts(self) -> Mapping[str, Part[Tensor]]:
        """Return `landmarks`."""
        side = OUTPUT_PX
        descriptor = Descriptor(
            "landmarks",
            (Port("faces", f"N 3 {side} {side}", 0, 1),),
            Port("landmarks", "N 2 5"),
            in_bfloat16=False,
        )
        return {"landmarks": Part(descriptor, self.landmarks)}

    def landmarks(self, faces: Tensor) -> Tensor:
        """Return where the last network sees the landmarks of faces (N, 3, OUTPUT_PX, OUTPUT_PX) in [0, 1].

        Returns:
            (N, 2, 5): x and y of each of `LANDMARKS`, in shares of the crop.
        """
        shares: Tensor = self.output(_as_trained(faces))[2]
        return shares

    def _propose(self, image: Tensor, smallest_px: float) -> Tensor:
        """Square windows (K, 4) that may hold a face."""
        _, h, w = image.shape
        scale, found = WINDOW_PX / smallest_px, []
        while min(h, w) * scale >= WINDOW_PX:
            level = F.interpolate(image[None], (int(h * scale + 1), int(w * scale + 1)), mode="area")
            score, shift = self.proposal(level)
            rows, columns = (score[0] >= self.thresholds[0]).nonzero(as_tuple=True)
            corners = torch.stack([columns, rows], 1) * STRIDE_PX
            boxes = torch.cat([(corners + 1) / scale, (corners + WINDOW_PX) / scale], 1).floor()
            score, shift = score[0, rows, columns], shift[0, :, rows, columns].T
            kept = suppress(boxes, score, 0.5)
            found.append((boxes[kept], score[kept], shift[kept]))
            scale *= PYRAMID_STEP
        if not found:
            return torch.zeros((0, 4), device=image.device)
        boxes, score, shift = (torch.cat(parts) for parts in zip(*found, strict=True))
        kept = suppress(boxes, score, 0.7)
        boxes, shift = boxes[kept], shift[kept]
        return squared(boxes + shift * (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2))

    def _kept(self, boxes: Tensor, score: Tensor, shift: Tensor, threshold: float) -> Tensor:
        sure = score > threshold
        boxes, score, shift = boxes[sure], score[sure], shift[sure]
        kept = suppress(boxes, score, 0.7)
        return squared(shifted(boxes[kept], shift[kept]))

    @staticmethod
    def _judge(network: nn.Module, image: Tensor, boxes: Tensor, side_px: int) -> list[Tensor]:
        """Return what a network says of the crops at `boxes`."""
        crops = torch.stack([crop(image, box, side_px) for box in boxes.trunc().int().tolist()])
        outputs = [network(part) for part in crops.split(CROPS_PER_BATCH)]
        return [torch.cat(parts) for parts in zip(*outputs, strict=True)]


def _as_trained(image: Tensor) -> Tensor:
    """Scale [0, 1] to the range that the networks were trained with."""
    return (image.float() * 255 - 127.5) / 128


def _flat(features: Tensor) -> Tensor:
    """Column by column, as the weights expect."""
    return features.permute(0, 3, 2, 1).flatten(1)
