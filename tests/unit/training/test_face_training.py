from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data

from photorestore.fidelity import psnr
from photorestore.networks.descriptor import IMAGE, Descriptor, Part
from photorestore.networks.runner import Runner
from photorestore.stages.face.detector import Face
from photorestore.stages.face.network import FaceUNet
from training.adversary import PatchAdversary, adversary_loss
from training.aligned_faces import Faces, load_faces, person_of
from training.data import make_batch, worker_batches
from training.degradations.fading import blur
from training.degradations.portraits import old_portrait, worn
from training.face_losses import refine_loss
from training.place import Place
from training.train_face import Held, denoise_some, evaluate, make_sample, make_validation


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of one person in two folders, one of them without a face."""
    root = tmp_path_factory.mktemp("pictures")
    portrait = Image.fromarray(data.astronaut()[:256, 96:352])
    for name in ("a/Eileen_Collins_01.png", "a/Eileen_Collins_02.png", "b/small.png"):
        (root / name).parent.mkdir(exist_ok=True)
        portrait.save(root / name)
    portrait.resize((96, 96)).save(root / "b/small.png")
    Image.fromarray(data.coffee()).resize((200, 150)).save(root / "b/coffee.png")
    return root


@pytest.fixture(scope="module")
def faces(folder: Path, detector: Runner[list[Face]], tmp_path_factory: pytest.TempPathFactory) -> Faces:
    return load_faces(folder, ["a", "b"], tmp_path_factory.mktemp("runs") / "faces.pt", detector)


def made_faces(persons: list[str]) -> Faces:
    count = len(persons)
    return Faces(
        torch.zeros((count, 3, 256, 256), dtype=torch.uint8), torch.ones(count), ["a"] * count, persons
    )


def test_faces_are_found_cut_out_upright_and_kept(
    folder: Path, detector: Runner[list[Face]], tmp_path: Path
) -> None:
    file = tmp_path / "faces.pt"
    first = load_faces(folder, ["a", "b"], file, detector)
    assert first.crops.shape == (3, 3, 256, 256)
    assert first.persons == ["Eileen_Collins", "Eileen_Collins", "small"]
    assert first.folders == ["a", "a", "b"]
    written = file.stat().st_mtime_ns
    again = load_faces(folder, ["a", "b"], file, detector)
    assert torch.equal(again.crops, first.crops)
    assert file.stat().st_mtime_ns == written
    assert load_faces(folder, ["b"], file, detector).persons == ["small"]


def test_enlarged_faces_are_known_as_coarse(faces: Faces) -> None:
    assert [faces.is_coarse(number) for number in range(3)] == [True, True, True]
    assert float(faces.scales[2] / faces.scales[0]) == pytest.approx(96 / 256, rel=0.05)


def test_whole_persons_are_held_out() -> None:
    persons = ["ann", "ann", "bob", "cid", "cid", "dot"]
    held, kept = made_faces(persons).hold_out(3)
    assert (held, kept) == ([0, 1, 5], [2, 3, 4])


@pytest.mark.parametrize(
    ("name", "person"), [("Goldie_Hawn_0007", "Goldie_Hawn"), ("00001A02", "00001A02"), ("anna", "anna")]
)
def test_a_person_is_named_by_the_file(name: str, person: str) -> None:
    assert person_of(Path(f"{name}.jpg")) == person


def test_drawn_faces_are_mirrored_and_shifted_by_the_rng(faces: Faces) -> None:
    draws = [faces.draw(0, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert draws[0].shape == (3, 256, 256)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_degrading_is_decided_by_its_seed_and_loses_detail(faces: Faces) -> None:
    face = faces.crops[0].float() / 255
    pairs = [old_portrait(face, torch.Generator().manual_seed(seed)) for seed in range(12)]
    again = old_portrait(face, torch.Generator().manual_seed(3))
    assert torch.equal(pairs[3][0], again[0])
    assert torch.equal(pairs[3][1], again[1])
    for lq, gt in pairs:
        assert lq.shape == gt.shape == face.shape
        assert float(lq.min()) >= 0
        assert float(lq.max()) <= 1
        torch.testing.assert_close(lq * 255, (lq * 255).round(), atol=1e-3, rtol=0)
    losses = [psnr(lq, gt) for lq, gt in pairs]
    assert min(losses) < 32
    assert max(losses) > 32


def test_the_target_keeps_the_tone_of_what_is_given(faces: Faces) -> None:
    face = faces.crops[0].float() / 255
    for seed in range(12):
        lq, gt = old_portrait(face, torch.Generator().manual_seed(seed))
        torch.testing.assert_close(lq.mean((1, 2)), gt.mean((1, 2)), atol=0.02, rtol=0)


def test_wear_leaves_the_target_alone(faces: Faces) -> None:
    face = faces.crops[0].float() / 255
    before = face.clone()
    worn(face, torch.Generator().manual_seed(1))
    assert torch.equal(face, before)


def test_a_sample_says_whether_its_face_is_coarse(faces: Faces) -> None:
    lq, gt, coarse = make_sample(faces, [0], torch.Generator().manual_seed(0))
    assert lq.shape == gt.shape == (3, 256, 256)
    assert bool(coarse)


def test_a_coarse_target_is_compared_at_half_size() -> None:
    gt = torch.full((2, 3, 256, 256), 0.5)
    checks = 0.1 * ((torch.arange(256)[:, None] + torch.arange(256)) % 2 * 2 - 1)
    fine, coarse = torch.tensor([False, False]), torch.tensor([True, True])
    assert float(refine_loss(gt + checks, gt, fine, 0.5)) > 0.1
    assert float(refine_loss(gt + checks, gt, coarse, 0.5)) < 1e-5
    assert float(refine_loss(gt + 0.1, gt, coarse, 0.0)) == pytest.approx(0.1, abs=1e-4)


def test_errors_in_the_face_count_more_than_those_beside_it() -> None:
    gt = torch.zeros((1, 3, 256, 256))
    face, beside = gt.clone(), gt.clone()
    face[..., 120:140, 120:140] = 0.5
    beside[..., :20, :20] = 0.5
    sharp = torch.tensor([False])
    assert float(refine_loss(face, gt, sharp, 0.5)) > 5 * float(refine_loss(beside, gt, sharp, 0.5))


def test_the_adversary_wants_real_faces_at_one_and_refined_ones_at_zero() -> None:
    adversary = PatchAdversary(4)
    for parameter in adversary.parameters():
        torch.nn.init.zeros_(parameter)
    image = torch.rand((1, 3, 64, 64), requires_grad=True)
    assert adversary_loss(adversary, image, image).item() == pytest.approx(1)
    adversary_loss(adversary, image, image.detach()).backward()
    assert image.grad is None


def test_learning_lowers_the_loss_and_raises_the_score(faces: Faces, detector: Runner[list[Face]]) -> None:
    gt, coarse = faces.crops[:1].float() / 255, torch.tensor([False])
    lq = blur(gt[0], 2.0)[None]
    network = FaceUNet((12, 16, 16), (1, 1, 1), 4)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
    losses = []
    for _ in range(20):
        loss = refine_loss(network(lq), gt, coarse, 0.5)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.98 * losses[0]
    scores = evaluate(Place().runner(network.eval()), [Held(lq, gt)], detector)
    assert scores["psnr_face_db"] > scores["psnr_face_lq_db"]


def test_only_a_share_of_a_batch_is_denoised() -> None:
    lq = torch.rand((4, 3, 8, 8))
    result = denoise_some(
        Runner(Part(Descriptor("clipping", (IMAGE,), IMAGE), torch.nn.Hardtanh(0.4, 0.6))), lq, 0.5
    )
    assert torch.equal(result[2:], lq[2:])
    assert torch.equal(result[:2], lq[:2].clamp(0.4, 0.6))
    assert denoise_some(None, lq, 0.5) is lq


def test_an_untrained_refiner_scores_as_what_it_is_given(faces: Faces, detector: Runner[list[Face]]) -> None:
    held = make_validation(faces, [0, 1], None)
    scores = evaluate(Place().runner(FaceUNet((8, 8), (1, 1), 4).eval()), held, detector)
    assert scores["psnr_face_db"] == pytest.approx(scores["psnr_face_lq_db"], abs=1e-3)
    assert scores["landmark_shift_percent"] == pytest.approx(scores["landmark_shift_lq_percent"], abs=1e-3)
    assert scores["landmark_shift_lq_percent"] > 0


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on one core
def test_workers_prepare_other_batches_than_each_other_and_the_same_again() -> None:
    def make(rng: torch.Generator) -> tuple[torch.Tensor]:
        return (torch.rand(2, generator=rng),)

    def draw() -> list[torch.Tensor]:
        batches = worker_batches(partial(make_batch, make, 3), 5, 2, "cpu")
        return [next(batches)[0] for _ in range(2)]

    first, again = draw(), draw()
    assert first[0].shape == (3, 2)
    assert torch.equal(torch.stack(first), torch.stack(again))
    assert not torch.equal(first[0], first[1])
