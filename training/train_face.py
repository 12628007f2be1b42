"""Train the network that gives faces their detail back.

    make train-face                          # fast tier, configs/face.fast.toml
    python -m training.train_face --config training/configs/face.quality.toml --minutes 29

Faces are found in the training pictures and cut out upright once (`runs/faces.pt`), then degraded as old portraits are
by training/degradations/portraits.py. The tone of a degraded face is kept: grey stays grey, faded stays faded. A part
of the degraded faces goes through the denoiser first, because that is what comes before this network in the pipeline.
Faces from small pictures are compared at half size, so that their blur is not taught. Every n-th person is held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from photorestore.fidelity import psnr
from photorestore.networks.precision import BFLOAT16
from photorestore.networks.runner import Runner, load_runner
from photorestore.networks.weights import FAST, weights_file
from photorestore.stages.face.detector import Face
from photorestore.stages.face.geometry import face_mask
from photorestore.stages.face.judgement import landmark_shift, place_landmarks
from photorestore.stages.face.network import FaceUNet
from training.adversary import Opponent, PatchAdversary, adversary_loss, fooling_loss
from training.aligned_faces import Faces, load_faces
from training.config import RunConfig, read_config
from training.degradations.portraits import old_portrait
from training.face_losses import refine_loss
from training.muon import MuonAdamW
from training.place import Place, command_line, place_of
from training.randomness import pick
from training.run import Run

EVALUATE_EVERY = 250
VALIDATION_BATCH = 8


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    widths: tuple[int, ...]  # channels at stride 2, 4, 8, 16, 32
    depths: tuple[int, ...]  # blocks at these strides
    hidden: int  # channels between the face and the maps that modulate by it
    photos: tuple[str, ...]  # folders of pictures with faces, below the data root
    repeats: tuple[int, ...]  # how often a face of each folder is drawn, against one of the others
    validation_every: int  # every n-th person of a folder is kept for validation
    denoised_share: float  # share of a batch that is denoised before it is refined
    gradient_weight: float  # error of differences between neighbours, against the error of values
    adversary_weight: float  # 0: no adversary


@dataclass(frozen=True, slots=True)
class Held:
    """A held-out face, degraded with a fixed seed: both (1, 3, H, W)."""

    lq: Tensor
    gt: Tensor


def make_sample(faces: Faces, numbers: Sequence[int], rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return (lq, gt, coarse): coarse is 1 where the picture was too small for the crop."""
    number = pick(numbers, rng)
    lq, gt = old_portrait(faces.draw(number, rng), rng)
    return lq, gt, torch.tensor(faces.is_coarse(number))


def denoise_some(denoiser: Runner[Tensor] | None, lq: Tensor, share: float) -> Tensor:
    """Denoise the first `share` of a batch, and leave the rest as it is."""
    count = round(share * len(lq))
    if denoiser is None or count == 0:
        return lq
    return torch.cat([denoiser(lq[:count]).to(lq.device), lq[count:]])


def load_denoiser(place: Place) -> Runner[Tensor] | None:
    """Load the denoiser that works before this network, where there is one."""
    if not weights_file("denoise", FAST, place.weights).exists():
        return None
    return load_runner("denoise", device=place.device, root=place.weights, precision=BFLOAT16)


def make_validation(faces: Faces, numbers: Sequence[int], denoiser: Runner[Tensor] | None) -> list[Held]:
    """Degrade held-out faces with fixed seeds; every other one is denoised."""
    held = []
    for seed, number in enumerate(numbers):
        rng = torch.Generator().manual_seed(seed)
        lq, gt = old_portrait(faces.crops[number].float() / 255, rng)
        held.append(Held(denoise_some(denoiser, lq[None], seed % 2), gt[None]))
    return held


def evaluate(network: Runner[Tensor], held: Sequence[Held], detector: Runner[list[Face]]) -> dict[str, float]:
    """Return means over the faces, refined and as given: PSNR (dB) in the face, landmark shift (%) from the truth."""
    inside, totals = face_mask(0), [0.0] * 4
    for start in range(0, len(held), VALIDATION_BATCH):
        lq, gt = (
            torch.cat(parts)
            for parts in zip(
                *((item.lq, item.gt) for item in held[start : start + VALIDATION_BATCH]), strict=True
            )
        )
        pred = network(lq).cpu()
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
    names = ("psnr_face_db", "psnr_face_lq_db", "landmark_shift_percent", "landmark_shift_lq_percent")
    return dict(zip(names, totals, strict=True))


def load(config: Config, place: Place, detector: Runner[list[Face]]) -> tuple[Faces, list[int], list[int]]:
    """Find the faces; return them, the numbers of those to draw from, and of those whose persons are held out."""
    faces = load_faces(place.data, config.photos, place.runs / "faces.pt", detector)
    held_out, kept = faces.hold_out(config.validation_every)
    times = dict(zip(config.photos, config.repeats, strict=True))
    print(f"{len(kept)} faces, {len(held_out)} held out", flush=True)
    return faces, [number for number in kept for _ in range(times[faces.folders[number]])], held_out


def train(config: Config, place: Place) -> FaceUNet:
    """Train a refiner of faces, write its weights, and return it."""
    place.prepare()

    # 1. Faces; some persons are held out for validation.
    detector, denoiser = load_runner("face_detector"), load_denoiser(place)
    faces, numbers, held_out = load(config, place, detector)
    held = make_validation(faces, held_out, denoiser)

    # 2. Networks and optimisers.
    torch.manual_seed(config.seed)
    network = place.take(FaceUNet(config.widths, config.depths, config.hidden))
    opponent = Opponent(place.take(PatchAdversary()), 1e-4)
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    run = Run(
        "face", place, config, network, optimiser, adversary=opponent.network, opponent=opponent.optimiser
    )
    samples = run.samples(partial(make_sample, faces, numbers))

    # 3. The loop.
    for progress in run.progress():
        lq, gt, coarse = next(samples)
        lq = denoise_some(denoiser, lq, config.denoised_share)
        with place.autocast():
            pred = network(lq.contiguous(memory_format=torch.channels_last))
        loss, sharp = refine_loss(pred, gt, coarse, config.gradient_weight), ~coarse
        has_opponent = bool(config.adversary_weight) and bool(sharp.any())
        if has_opponent:
            with place.autocast():
                fooled = fooling_loss(opponent.network, pred[sharp])
            loss = loss + config.adversary_weight * fooled
        run.learn(loss, progress)
        if has_opponent:
            with place.autocast():
                verdict = adversary_loss(opponent.network, pred[sharp], gt[sharp])
            opponent.learn(verdict)
        if run.is_due(EVALUATE_EVERY):
            run.record(evaluate(place.runner(run.averaged()), held, detector))

    # 4. The averaged weights.
    trained = run.averaged()
    run.finish(
        trained,
        evaluate(place.runner(trained), held, detector),
        architecture={"widths": config.widths, "depths": config.depths, "hidden": config.hidden},
        data="All-Age-Faces, CC-BY studio portraits, LFW (grey), YouTube Faces",
        licence="All-Age-Faces, LFW, YouTube Faces: research use; see docs/models/face.md",
    )
    return trained


def main() -> None:
    arguments = command_line("face", __doc__, "workers").parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
