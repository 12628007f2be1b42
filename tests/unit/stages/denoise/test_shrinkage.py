import pytest
import torch
from torch import Tensor

from photorestore.fidelity import psnr
from photorestore.networks.runner import load_runner
from photorestore.stages.denoise import shrinkage
from photorestore.stages.denoise.shrinkage import ShrinkageCascade, ShrinkageField, change_of
from tests.conftest import make_photo


@pytest.fixture
def cascade() -> ShrinkageCascade:
    torch.manual_seed(0)
    cascade = ShrinkageCascade(2, 4).eval()
    for value in cascade.parameters():
        value.data += 0.2 * torch.randn_like(value)
    return cascade


def noisy(height: int, width: int, *, grey: bool = False) -> tuple[Tensor, Tensor]:
    photo = torch.from_numpy(make_photo(height, width)).permute(2, 0, 1)[None].float() / 255
    clean = photo[:, :1].expand(-1, 3, -1, -1) if grey else photo
    noise = torch.randn(1, 1 if grey else 3, height, width, generator=torch.Generator().manual_seed(0))
    return clean + 0.1 * noise, clean


def test_responses_shrink_by_a_rational_function_that_is_odd_and_ends_at_0() -> None:
    responses = torch.tensor([-1e4, -1.5, 0.0, 1.5, 1e4]).view(1, 1, 1, 5)
    shapes = torch.tensor([-0.5, 2.0]).view(1, 2, 1, 1, 1)
    z = 1 / (1 + 1.5**2)
    change = 1.5 * z * (-0.5 + 2 * z)
    expected = torch.tensor([0.0, -change, 0.0, change, 0.0]).view(1, 1, 1, 5)
    assert torch.allclose(change_of(responses.clone(), shapes), expected, atol=1e-4)
    with torch.inference_mode():
        assert torch.allclose(change_of(responses.clone(), shapes), expected, atol=1e-4)


@pytest.mark.parametrize("band_px", [1, 600, 10**6])
def test_bands_of_any_size_give_what_the_whole_gives_in_training(
    cascade: ShrinkageCascade, monkeypatch: pytest.MonkeyPatch, band_px: int
) -> None:
    image, _ = noisy(46, 52)
    whole = cascade(image, torch.tensor([0.1]))
    monkeypatch.setattr(shrinkage, "BAND_PX", band_px)
    with torch.inference_mode():
        assert torch.allclose(cascade(image, torch.tensor([0.1])), whole, atol=1e-5)
    assert whole.requires_grad


def test_a_stage_solves_for_the_picture_that_is_near_the_noisy_one_and_has_the_shrunk_responses() -> None:
    stage = ShrinkageField(24).requires_grad_(False)
    stage.shapes.data.zero_()  # no response changes, so that the filters hold the picture where it is
    image, noisy = torch.randn(1, 16, 18), torch.randn(1, 16, 18)
    conditions = torch.tensor([[1.0, 0.0, 0.0]])
    towards = torch.fft.rfft2(stage(noisy, image, conditions) - image) / torch.fft.rfft2(noisy - image)
    assert float(towards[0, 0, 0].real) == pytest.approx(1, abs=1e-3)  # no filter sees the mean
    assert float(towards.imag.abs().max()) < 1e-3
    assert 0.02 < float(towards.real.min()) < 0.1  # the filters see all else 24 times or so
    assert torch.allclose(stage(image, image, conditions), image, atol=1e-5)


def test_grey_pictures_are_one_plane_and_stay_grey(cascade: ShrinkageCascade) -> None:
    image, _ = noisy(40, 44, grey=True)
    calls: list[tuple[int, ...]] = []
    planes = cascade.planes

    def watched(given: Tensor, *others: Tensor) -> Tensor:
        calls.append(tuple(given.shape))
        return planes(given, *others)

    cascade.planes = watched  # type: ignore[method-assign,assignment]
    result = cascade(image, torch.tensor([0.1]))
    assert calls == [(1, 1, 40, 44)]
    assert torch.equal(result, result[:, :1].expand(-1, 3, -1, -1))


@pytest.mark.parametrize("grey", [True, False])
def test_the_delivered_weights_remove_noise(grey: bool) -> None:
    image, clean = noisy(128, 160, grey=grey)
    denoised = load_runner("denoise_csf")(image, torch.tensor([0.1]))
    assert psnr(denoised, clean) > psnr(image, clean) + 6


def test_the_delivered_cascade_has_fewer_weights_than_50_000() -> None:
    network = load_runner("denoise_csf").network
    assert isinstance(network, ShrinkageCascade)
    assert sum(value.numel() for value in network.parameters()) < 50_000
