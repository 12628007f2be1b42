"""Photographs that are read, held out and cut into patches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.conftest import make_photo
from training.data import (
    BatchStream,
    hold_out,
    load_photos,
    make_batch,
    random_patch,
    read_photo,
    repeated,
    sample_batches,
    scaled_patch,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deeper").mkdir()
    Image.fromarray(make_photo(40, 60)).save(tmp_path / "b.png")
    Image.fromarray(make_photo(90, 50)).save(tmp_path / "deeper/a.JPG")
    Image.fromarray(make_photo(30, 200)).save(tmp_path / "c.jpeg")
    Image.fromarray(make_photo(50, 50)[..., 0]).save(tmp_path / "d.png")  # grey
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_pictures_are_found_below_a_folder_in_order_and_small_ones_left_out(folder: Path) -> None:
    photos = load_photos([folder], min_side_px=40)
    assert [tuple(photo.shape) for photo in photos] == [(3, 40, 60), (3, 50, 50), (3, 90, 50)]
    assert all(photo.dtype == torch.uint8 and photo.is_contiguous() for photo in photos)
    assert torch.equal(photos[0], torch.from_numpy(make_photo(40, 60)).permute(2, 0, 1))
    assert torch.equal(photos[1][0], photos[1][2])  # grey has three equal channels


def test_a_limit_is_of_files_in_each_folder(folder: Path) -> None:
    assert len(load_photos([folder, folder], min_side_px=1, limit=2)) == 4


def test_a_folder_without_pictures_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty holds no picture; see training/README.md"):
        load_photos([folder, tmp_path / "empty"], min_side_px=1)


def test_alpha_and_palettes_are_read_as_colours(tmp_path: Path) -> None:
    pixels = make_photo(20, 20)
    Image.fromarray(np.dstack([pixels, np.full((20, 20), 9, np.uint8)])).save(tmp_path / "alpha.png")
    assert torch.equal(read_photo(tmp_path / "alpha.png"), torch.from_numpy(pixels).permute(2, 0, 1))


@pytest.mark.parametrize("every", [1, 2, 3, 10])
def test_what_is_held_out_is_not_learned_from_and_nothing_is_lost(every: int) -> None:
    folders = [[torch.tensor(10 * i + j) for j in range(7)] for i in range(2)]
    held, others = hold_out(folders, every)
    seen = {int(photo) for photo in held}, {int(photo) for folder in others for photo in folder}
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == {int(photo) for folder in folders for photo in folder}
    assert len(held) == 2 * -(-7 // every)


def corners() -> Tensor:
    """A photograph of which each quarter has a value of its own."""
    photo = torch.zeros(3, 16, 16, dtype=torch.uint8)
    photo[:, :8, 8:], photo[:, 8:, :8], photo[:, 8:, 8:] = 1, 2, 3
    return photo


def test_patches_are_turned_and_mirrored_in_all_eight_ways() -> None:
    rng, seen = seeded(), set()
    for _ in range(200):
        patch = (random_patch([corners()], 16, rng) * 255).round().byte()[0]
        seen.add(tuple(int(patch[row, column]) for row in (0, 15) for column in (0, 15)))
    assert len(seen) == 8


def test_patches_come_from_all_places_and_pictures() -> None:
    rows = torch.arange(20, dtype=torch.uint8).view(1, 20, 1).expand(3, 20, 20)
    rng, seen, pictures = seeded(), set(), set()
    for _ in range(300):
        patch = random_patch([rows, rows + 100], 4, rng) * 255
        low = round(float(patch.min()))
        pictures.add(low >= 100)
        seen.add(low % 100)
    assert seen == set(range(17))
    assert pictures == {False, True}


def test_a_picture_of_the_patchs_size_is_cut_whole() -> None:
    assert random_patch([corners()], 16, seeded()).shape == (3, 16, 16)
    with pytest.raises(RuntimeError):
        random_patch([corners()], 17, seeded())


@pytest.mark.parametrize("shrink", [(1.0, 1.0), (1.0, 2.0), (0.5, 1.0), (4.0, 4.0)])
def test_scaled_patches_keep_their_size_and_the_pictures_tone(shrink: tuple[float, float]) -> None:
    photo = torch.from_numpy(make_photo(120, 160)).permute(2, 0, 1)
    rng = seeded()
    patches = torch.stack([scaled_patch([photo], 32, shrink, rng) for _ in range(12)])
    assert patches.shape == (12, 3, 32, 32)
    assert 0 <= float(patches.min()) <= float(patches.max()) <= 1
    assert float(patches.mean()) == pytest.approx(float(photo.float().mean()) / 255, abs=0.08)


def test_a_shrunk_patch_shows_more_of_the_picture() -> None:
    ramp = torch.linspace(0, 255, 200).byte().view(1, 1, 200).expand(3, 200, 200)

    def span(shrink: float) -> float:
        patch = scaled_patch([ramp], 40, (shrink, shrink), seeded())
        return float(patch.max() - patch.min())

    assert span(1.0) == pytest.approx(40 / 200, abs=0.03)
    assert span(3.0) == pytest.approx(120 / 200, abs=0.05)
    assert span(9.0) == pytest.approx(1, abs=0.05)  # there is no more


def draw(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    value = torch.rand((), generator=rng)
    return value.expand(2, 2), -value


def test_a_batch_holds_samples_whose_parts_belong_together() -> None:
    first, second = make_batch(draw, 5, seeded())
    assert (first.shape, second.shape) == ((5, 2, 2), (5,))
    assert torch.equal(first[:, 0, 0], -second)
    assert len(set(second.tolist())) == 5


def test_each_worker_draws_from_a_generator_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def values(seed: int, worker: int | None) -> list[float]:
        told = None if worker is None else type("Info", (), {"id": worker})
        monkeypatch.setattr("training.data.get_worker_info", lambda: told)
        batches = iter(BatchStream(lambda rng: make_batch(draw, 2, rng), seed))
        return [float(next(batches)[1].sum()) for _ in range(3)]

    runs = [values(seed, worker) for seed in (1, 2) for worker in (0, 1, 2)]
    assert len({tuple(run) for run in runs}) == 6
    assert values(1, 0) == values(1, None) == runs[0]


def test_without_workers_a_thread_prepares_the_same_batches() -> None:
    batches = sample_batches(draw, 3, seed=4, workers=0, device="cpu")
    rng = seeded(4)
    for _ in range(3):
        assert torch.equal(next(batches)[1], make_batch(draw, 3, rng)[1])


def test_photographs_are_repeated_by_folder() -> None:
    first, second, third = (torch.full((3, 1, 1), value) for value in (1, 2, 3))
    found = repeated([[first, second], [third]], [2, 1])
    assert [int(photo[0, 0, 0]) for photo in found] == [1, 2, 1, 2, 3]
    with pytest.raises(ValueError, match="zip"):
        repeated([[first], [second]], [1])
