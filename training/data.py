"""Training pictures: decoded once, kept in memory as 8-bit tensors, cut into random patches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from training.randomness import chance, pick, randint, uniform

SUFFIXES = {".jpg", ".jpeg", ".png"}


def load_photos(folders: Sequence[Path], *, min_side_px: int, limit: int | None = None) -> list[Tensor]:
    """Read every RGB picture of the folders whose short side is long enough, as uint8 (3, H, W).

    Raises:
        FileNotFoundError: a folder holds no picture.
    """
    photos = []
    for folder in folders:
        files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
        if not files:
            raise FileNotFoundError(f"{folder} holds no picture; see training/README.md")
        photos += [read_photo(file) for file in files[:limit]]
    return [photo for photo in photos if min(photo.shape[-2:]) >= min_side_px]


def repeated(folders: Sequence[Sequence[Tensor]], times: Sequence[int]) -> list[Tensor]:
    """Return the photographs of all folders, those of each so many times as is told for it.

    Raises:
        ValueError: a folder has no number.
    """
    return [photo for folder, count in zip(folders, times, strict=True) for photo in [*folder] * count]


def hold_out(folders: Sequence[Sequence[Tensor]], every: int) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Return each folder's first photograph and every `every`-th after it, for validation; the others, by folder."""
    held = [photo for folder in folders for photo in folder[::every]]
    return held, [[photo for i, photo in enumerate(folder) if i % every] for folder in folders]


def read_photo(file: Path) -> Tensor:
    """Read one picture as uint8 (3, H, W)."""
    with Image.open(file) as picture:
        return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).contiguous()


def middle(photo: Tensor, side_px: int) -> Tensor:
    """Return the middle of a photograph (C, H, W), of at most `side_px` each way."""
    top, left = (max(0, side - side_px) // 2 for side in photo.shape[-2:])
    return photo[:, top : top + side_px, left : left + side_px]


def random_patch(photos: Sequence[Tensor], size_px: int, rng: torch.Generator) -> Tensor:
    """Cut a randomly placed, flipped and turned square: float (3, size_px, size_px) in [0, 1]."""
    photo = pick(photos, rng)
    _, h, w = photo.shape
    y, x = randint(0, h - size_px + 1, rng), randint(0, w - size_px + 1, rng)
    patch = photo[:, y : y + size_px, x : x + size_px].float() / 255
    if chance(0.5, rng):
        patch = patch.flip(-1)
    return patch.rot90(randint(0, 4, rng), (-2, -1))


def scaled_patch(
    photos: Sequence[Tensor], size_px: int, shrink: tuple[float, float], rng: torch.Generator
) -> Tensor:
    """Cut a random square at a random scale: float (3, size_px, size_px) in [0, 1].

    Args:
        shrink: range of the factor by which a part of a photograph is shrunk; below 1 it is enlarged.
    """
    photo = pick(photos, rng)
    side_px = min(round(size_px * uniform(*shrink, rng)), *photo.shape[-2:])
    patch = random_patch([photo], side_px, rng)
    if side_px == size_px:
        return patch
    scaled = F.interpolate(
        patch[None], (size_px, size_px), mode="bicubic", antialias=True, align_corners=False
    )
    return scaled[0].clamp(0, 1)


Batch = tuple[Tensor, ...]


def make_batch(
    make_sample: Callable[[torch.Generator], Batch], batch_size: int, rng: torch.Generator
) -> Batch:
    """Draw samples one after the other, and stack them."""
    samples = [make_sample(rng) for _ in range(batch_size)]
    return tuple(torch.stack(parts) for parts in zip(*samples, strict=True))


def batches(make_sample: Callable[[torch.Generator], Batch], batch_size: int, seed: int) -> Iterator[Batch]:
    """Yield batches without end, prepared by one thread ahead of the training loop.

    Args:
        make_sample: draws one sample, a tuple of tensors.
        seed: of the generator that is handed to `make_sample`.
    """
    ready: queue.Queue[Batch] = queue.Queue(maxsize=4)

    def prepare() -> None:
        rng = torch.Generator().manual_seed(seed)
        while True:
            ready.put(make_batch(make_sample, batch_size, rng))

    threading.Thread(target=prepare, daemon=True).start()
    while True:
        yield ready.get()


class BatchStream(IterableDataset[Batch]):
    """Endless batches; every worker process draws from a generator of its own.

    Args:
        make_batch: draws one batch, a tuple of tensors.
        seed: of the generators.
    """

    def __init__(self, make_batch: Callable[[torch.Generator], Batch], seed: int) -> None:
        self.make_batch, self.seed = make_batch, seed

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        rng = torch.Generator().manual_seed(1000 * self.seed + (worker.id if worker else 0))
        while True:
            yield self.make_batch(rng)


def worker_batches(
    make_batch: Callable[[torch.Generator], Batch], seed: int, workers: int, device: str
) -> Iterator[Batch]:
    """Yield batches on a device without end, prepared by several processes: for samples that cost much.

    Args:
        make_batch: draws one batch, a tuple of tensors.
        workers: processes; 0 prepares each batch when it is asked for.
    """
    loader = DataLoader(
        BatchStream(make_batch, seed),
        batch_size=None,
        num_workers=workers,
        pin_memory=device.startswith("cuda"),
        prefetch_factor=4 if workers else None,
    )
    for batch in loader:
        yield tuple(part.to(device, non_blocking=True) for part in batch)


def sample_batches(
    make_sample: Callable[[torch.Generator], Batch], batch_size: int, seed: int, workers: int, device: str
) -> Iterator[Batch]:
    """Yield batches of samples on a device without end.

    Args:
        make_sample: draws one sample, a tuple of tensors.
        workers: processes that prepare batches; 0: one thread, enough where a CPU trains.
    """
    if workers:
        return worker_batches(partial(make_batch, make_sample, batch_size), seed, workers, device)
    prepared = batches(make_sample, batch_size, seed)
    return (tuple(part.to(device) for part in batch) for batch in prepared)
