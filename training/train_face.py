"""Train the network that gives faces their detail back.

    make train-face                          # fast tier, configs/face.fast.toml
    python -m training.train_face --config training/configs/face.quality.toml --minutes 29

Faces are found in the training pictures and cut out upright once (`runs/faces.pt`), then degraded as old portraits
are by training/degradations/portraits.py. The tone of a degraded face is kept: grey stays grey, faded stays faded. A
part of the degraded faces goes through the denoiser first, because that is what comes before this network in the
pipeline. Faces from small pictures are compared at half size, so that their blur is not taught. Every so-many-th
person is held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.fidelity import psnr
from photorestore.networks.weights import load_network, weights_file
from photorestore.stages.denoise.network import DenoiseUNet
from photorestore.stages.face.detector import FaceDetector
from photorestore.stages.face.geometry import face_mask
from photorestore.stages.face.judgement import landmark_shift, place_landmarks
from photorestore.stages.face.network import FaceUNet
from training.aligned_faces import Faces, load_faces
from training.data import sample_batches
from training.degradations.portraits import old_portrait
from training.muon import MuonAdamW
from training.randomness import pick
from training.run import Run, add_workers, parse_arguments, read_config

EVALUATE_EVERY = 250
VALIDATION_BATCH = 8
AROUND = 0.1
"""What counts of an error beside the face."""


@dataclass(frozen=True, slots=True)
class Config:
    """One training run."""

    tier: str  # name of the weights' tier
    widths: tuple[int, ...]  # channels at stride 2, 4, 8, 16, 32
    depths: tuple[int, ...]  # blocks at these strides
    hidden: int  # channels between the face and the maps that modulate by it
    photos: tuple[str, ...]  # folders of pictures with faces, below the data root
    repeats: tuple[int, ...]  # how often a face of each folder is drawn, against one of the others
    validation_every: int  # each so-many-th person of a folder is kept for validation
    denoised_share: float  # share of a batch that is denoised before it is refined
    batch_size: int
    total_steps: int
    learning_rate: float
    final_learning_rate: float
    ema_decay: float
    gradient_weight: float  # error of differences between neighbours, against the error of values
    adversary_weight: float  # 0: no adversary
    seed: int


@dataclass(frozen=True, slots=True)
class Held:
    """A held-out face, degraded with a fixed seed: both (1, 3, H, W)."""

    lq: Tensor
    gt: Tensor


class PatchAdversary(nn.Sequential):
    """Tells patches of real faces (1) from those of refined ones (0); least squares."""

    def __init__(self, width: int = 48) -> None:
        super().__init__(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 3, padding=1),
        )


def make_sample(faces: Faces, numbers: Sequence[int], rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """(lq, gt, coarse): coarse is 1 where the picture was too small for the crop."""
    number = pick(numbers, rng)
    lq, gt = old_portrait(faces.draw(number, rng), rng)
    return lq, gt, torch.tensor(faces.is_coarse(number))


def refine_loss(pred: Tensor, gt: Tensor, coarse: Tensor, gradient_weight: float) -> Tensor:
    """L1 of values and of their differences, mostly inside the face; at half size where the target is coarse."""
    weight = AROUND + (1 - AROUND) * face_mask().to(pred)
    fine = _error(pred, gt, weight, gradient_weight)
    half = _error(*(F.avg_pool2d(image, 2) for image in (pred, gt, weight)), gradient_weight)
    return torch.where(coarse, half, fine).mean()


def _error(pred: Tensor, gt: Tensor, weight: Tensor, gradient_weight: float) -> Tensor:
    """(N,)."""
    error = (pred - gt) * weight
    steps = error.diff(dim=-1).abs().mean((1, 2, 3)) + error.diff(dim=-2).abs().mean((1, 2, 3))
    return (error.abs().mean((1, 2, 3)) + gradient_weight * steps) / weight.mean()


def adversary_loss(adversary: nn.Module, pred: Tensor, gt: Tensor) -> Tensor:
    """Real faces to 1, refined ones to 0."""
    return (adversary(gt) - 1).square().mean() + adversary(pred.detach()).square().mean()


@torch.no_grad()
def denoise_some(denoiser: nn.Module | None, lq: Tensor, share: float) -> Tensor:
    """The first `share` of a batch denoised, the rest as it is."""
    count = round(share * len(lq))
    if denoiser is None or count == 0:
        return lq
    denoised = denoiser(lq[:count]).float().clamp(0, 1)
    return torch.cat([denoised, lq[count:]])


def load_denoiser(weights: Path, device: str) -> DenoiseUNet | None:
    """The denoiser that works before this network, where there is one."""
    if not weights_file("denoise", "fast", weights).exists():
        return None
    denoiser = load_network("denoise", root=weights, device=device)
    assert isinstance(denoiser, DenoiseUNet)
    return denoiser


def make_validation(
    faces: Faces, numbers: Sequence[int], denoiser: nn.Module | None, device: str
) -> list[Held]:
    """Held-out faces, degraded with fixed seeds; every other one denoised."""
    held = []
    for seed, number in enumerate(numbers):
        rng = torch.Generator().manual_seed(seed)
        lq, gt = old_portrait(faces.crops[number].float() / 255, rng)
        with torch.autocast(device, torch.bfloat16):
            given = denoise_some(denoiser, lq[None].to(device), seed % 2)
        held.append(Held(given.cpu(), gt[None]))
    return held


@torch.inference_mode()
def evaluate(
    network: nn.Module, held: Sequence[Held], detector: FaceDetector, device: str
) -> dict[str, float]:
    """Means over the held-out faces, refined and as given: PSNR (dB) in the face, landmark shift (%) from the truth."""
    network.eval().to(device)
    inside, totals = face_mask(0), [0.0] * 4
    for start in range(0, len(held), VALIDATION_BATCH):
        lq, gt = (
            torch.cat(parts)
            for parts in zip(
                *((item.lq, item.gt) for item in held[start : start + VALIDATION_BATCH]), strict=True
            )
        )
        with torch.autocast(device, torch.bfloat16):
            pred = network(lq.to(device, memory_format=torch.channels_last)).cpu().clamp(0, 1)
        truth, refined, given = (place_landmarks(images, detector) for images in (gt, pred, lq))
        for i in range(len(gt)):
            figures = (
                psnr(pred[i], gt[i], mask=inside),
                psnr(lq[i], gt[i], mask=inside),
                100 * landmark_shift(refined[i], truth[i]),
                100 * landmark_shift(given[i], truth[i]),
            )
            totals = [
                total + min(60.0, figure) / len(held) for total, figure in zip(totals, figures, strict=True)
            ]
    network.train()
    names = ("psnr_face_db", "psnr_face_lq_db", "landmark_shift_percent", "landmark_shift_lq_percent")
    return dict(zip(names, totals, strict=True))


def main() -> None:
    arguments = parse_arguments("face", __doc__ or "", add_workers)
    config = read_config(Config, arguments.config)
    device = arguments.device
    architecture = {"widths": config.widths, "depths": config.depths, "hidden": config.hidden}

    # 1. Faces; some persons are held out for validation.
    detector = load_network("face_detector")
    assert isinstance(detector, FaceDetector)
    faces = load_faces(arguments.data, config.photos, arguments.runs / "faces.pt", detector)
    held_out, kept = faces.hold_out(config.validation_every)
    times = dict(zip(config.photos, config.repeats, strict=True))
    numbers = [number for number in kept for _ in range(times[faces.folders[number]])]
    denoiser = load_denoiser(arguments.weights, device)
    held = make_validation(faces, held_out, denoiser, device)
    print(f"{len(kept)} faces, {len(held)} held out", flush=True)

    # 2. Networks and optimisers.
    torch.manual_seed(config.seed)
    network = FaceUNet(**architecture).to(device, memory_format=torch.channels_last)
    adversary = PatchAdversary().to(device, memory_format=torch.channels_last)
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    opponent = torch.optim.AdamW(adversary.parameters(), 1e-4, betas=(0.5, 0.9), weight_decay=0.0)
    run = Run("face", arguments, config, network, optimiser, adversary=adversary, opponent=opponent)
    samples = sample_batches(
        lambda rng: make_sample(faces, numbers, rng),
        config.batch_size,
        config.seed + run.step,
        arguments.workers,
        device,
    )

    # 3. The loop.
    for progress in run.progress():
        lq, gt, coarse = next(samples)
        with torch.autocast(device, torch.bfloat16):
            lq = denoise_some(denoiser, lq, config.denoised_share)
            pred = network(lq.contiguous(memory_format=torch.channels_last))
        loss = refine_loss(pred, gt, coarse, config.gradient_weight)
        sharp = ~coarse
        if config.adversary_weight and bool(sharp.any()):
            with torch.autocast(device, torch.bfloat16):
                fooled = (adversary(pred[sharp]) - 1).square().mean()
            loss = loss + config.adversary_weight * fooled
        run.learn(loss, progress)
        if config.adversary_weight and bool(sharp.any()):
            with torch.autocast(device, torch.bfloat16):
                verdict = adversary_loss(adversary, pred[sharp], gt[sharp])
            opponent.zero_grad(set_to_none=True)
            verdict.backward()
            opponent.step()
        if run.is_due(EVALUATE_EVERY):
            trained = run.averaged(FaceUNet(**architecture))
            run.record(evaluate(trained, held, detector, device))

    # 4. The averaged weights.
    trained = run.averaged(FaceUNet(**architecture))
    metrics = evaluate(trained, held, detector, device)
    run.finish(
        trained,
        metrics,
        architecture=architecture,
        data="All-Age-Faces, CC-BY studio portraits, LFW (grey), YouTube Faces",
        licence="All-Age-Faces, LFW, YouTube Faces: research use; see docs/models/face.md",
    )


if __name__ == "__main__":
    main()
