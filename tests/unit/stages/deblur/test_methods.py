import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch.nn import functional as F

from photorestore.blur_words import Blur
from photorestore.fidelity import psnr
from photorestore.networks.runner import Runner, load_runner
from photorestore.pixels.optics import Optics, mirrored, spectrum_of
from photorestore.pixels.psf import draw
from photorestore.stages.deblur.deconvolution import Deconvolution
from photorestore.stages.deblur.methods import (
    QUICK_GRADIENT_STEPS,
    QUICK_STEPS,
    HalfQuadraticSplitting,
    Method,
    RichardsonLucy,
    Wiener,
    roughness,
)
from tests.conftest import make_photo

CLASSICAL: list[Method] = [Wiener(), RichardsonLucy()]


@pytest.fixture(scope="module")
def splitting() -> HalfQuadraticSplitting:
    denoiser: Runner[torch.Tensor] = load_runner("denoise", precision="float32")
    return HalfQuadraticSplitting(lambda image, sigma: denoiser(image, sigma, clamps=False))


def psf_of(words: str) -> torch.Tensor:
    blur = Blur.parse(words)
    assert blur is not None
    return draw(blur)


def blurred(sharp: torch.Tensor, psf: torch.Tensor, sigma_255: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Blurred with noise, and sharp, of the part that the kernel fits in: (1, 3, H, W)."""
    radius = len(psf) // 2
    seen = F.conv2d(sharp.transpose(0, 1), psf.flip(0, 1)[None, None]).transpose(0, 1)
    noise = sigma_255 / 255 * torch.randn(seen.shape, generator=torch.Generator().manual_seed(0))
    return seen + noise, sharp[..., radius:-radius, radius:-radius]


def photo(h: int, w: int) -> torch.Tensor:
    return torch.from_numpy(make_photo(h, w, seed=3)).permute(2, 0, 1)[None].float() / 255


def undo(
    lq: torch.Tensor, psf: torch.Tensor, method: Method, sigma_255: float, damage: torch.Tensor | None = None
) -> torch.Tensor:
    damage = torch.zeros_like(lq[:, :1]) if damage is None else damage
    with torch.inference_mode():
        return Deconvolution(psf, method)(lq, damage, torch.tensor([sigma_255 / 255]))


@pytest.mark.parametrize(("sigma_255", "least_db"), [(2.55, 2.5), (7.65, 1.5)])
def test_the_denoiser_as_prior_beats_the_classical_methods(
    splitting: HalfQuadraticSplitting, sigma_255: float, least_db: float
) -> None:
    psf = psf_of("motion:9,30")
    lq, gt = blurred(photo(104, 112), psf, sigma_255)
    methods: list[Method] = [splitting, *CLASSICAL]
    ours, *others = (psnr(undo(lq, psf, method, sigma_255).clamp(0, 1), gt) for method in methods)
    assert ours - max(others) >= least_db
    assert max(others) > psnr(lq, gt) + 1


def test_shrinkage_fields_come_near_the_denoiser(splitting: HalfQuadraticSplitting) -> None:
    fields, psf = load_runner("denoise_csf"), psf_of("motion:9,30")
    quick = HalfQuadraticSplitting(
        lambda image, sigma: fields(image, sigma, clamps=False),
        steps=QUICK_STEPS,
        gradient_steps=QUICK_GRADIENT_STEPS,
    )
    lq, gt = blurred(photo(104, 112), psf, 2.55)
    best, found = (psnr(undo(lq, psf, method, 2.55).clamp(0, 1), gt) for method in (splitting, quick))
    assert found > best - 1.5
    assert found > psnr(lq, gt) + 3


@pytest.mark.parametrize("method", CLASSICAL, ids=["wiener", "richardson-lucy"])
def test_nothing_rings_at_the_borders(method: Method) -> None:
    """A picture whose opposite borders differ: what repeats beyond them would ring along all four."""
    sharp = torch.full((1, 3, 90, 100), 0.2)
    sharp[..., 60:] = 0.8
    sharp[..., 50:, :] += 0.1
    psf = psf_of("defocus:4")
    lq, gt = blurred(sharp, psf, 0)
    error = (undo(lq, psf, method, 1) - gt).abs()
    for border in (error[..., :5, :40], error[..., -5:, :40], error[..., :20, :5], error[..., :20, -5:]):
        assert border.max() < 5 / 255


@pytest.mark.parametrize("method", CLASSICAL, ids=["wiener", "richardson-lucy"])
def test_damage_does_not_ring_where_it_is_known(method: Method) -> None:
    psf = psf_of("motion:9,90")
    lq, gt = blurred(photo(96, 104), psf, 1)
    damage = torch.zeros_like(lq[:, :1])
    damage[..., 30:33, 10:80] = 1
    scratched = torch.where(damage > 0, 1.0, lq)
    whole, told, untold = (
        (undo(picture, psf, method, 1, mask) - gt).square()[..., 24:40, 10:80].mean()
        for picture, mask in ((lq, None), (scratched, damage), (scratched, None))
    )
    assert told < 4 * whole
    assert untold > 10 * told


@pytest.mark.parametrize("method", CLASSICAL, ids=["wiener", "richardson-lucy"])
@pytest.mark.parametrize("hw", [(1, 1), (3, 200), (37, 41)])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_flat_pictures_of_all_sizes_stay_flat(method: Method, hw: tuple[int, int], value: float) -> None:
    lq = torch.full((1, 3, *hw), value)
    result = undo(lq, psf_of("motion:64,20"), method, 0)
    torch.testing.assert_close(result, lq, atol=3e-3, rtol=0)


@pytest.mark.parametrize("method", CLASSICAL, ids=["wiener", "richardson-lucy"])
def test_results_are_finite_where_nothing_is_known(method: Method) -> None:
    lq = torch.rand(1, 3, 20, 30)
    assert undo(lq, psf_of("gaussian:10"), method, 0, torch.ones(1, 1, 20, 30)).isfinite().all()


def test_the_level_falls_from_the_first_to_that_of_the_noise() -> None:
    told: list[float] = []

    def note(image: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        told.append(255 * float(sigma))
        return image

    undo(photo(20, 20), psf_of("gaussian:1"), HalfQuadraticSplitting(note), 5)
    assert len(told) >= 6
    assert (told[0], told[-1]) == pytest.approx((49, 5))
    ratios = [after / before for before, after in itertools.pairwise(told)]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))


def test_every_step_of_computing_is_entered() -> None:
    class Stopped(Exception):
        pass

    @contextmanager
    def stop() -> Iterator[None]:
        raise Stopped
        yield

    for method in (Wiener(stop), RichardsonLucy(stop), HalfQuadraticSplitting(lambda image, _: image, stop)):
        with pytest.raises(Stopped):
            undo(photo(20, 20), psf_of("gaussian:1"), method, 5)


def test_spectra_convolve_as_sums_do() -> None:
    psf = torch.rand(5, 5)
    image = torch.rand(1, 3, 40, 50)
    optics = Optics.of(psf, torch.ones(1, 1, 40, 50, dtype=torch.bool))
    inner = F.conv2d(image.transpose(0, 1), psf.flip(0, 1)[None, None]).transpose(0, 1)
    torch.testing.assert_close(optics.blur(image)[..., 2:-2, 2:-2], inner)


def test_where_all_is_known_one_division_explains_the_picture() -> None:
    psf, sharp = psf_of("gaussian:1"), torch.rand(1, 3, 32, 40)
    optics = Optics.of(psf, torch.ones(1, 1, 32, 40, dtype=torch.bool))
    prior, weight = torch.rand_like(sharp), torch.tensor(0.1)
    spectrum = optics.back * spectrum_of(optics.blur(sharp)) + weight * spectrum_of(prior)
    expected = optics.picture_of(spectrum / (optics.power + weight))
    found = optics.explain(optics.blur(sharp), prior, weight, start=prior)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_pictures_are_mirrored_as_often_as_it_takes() -> None:
    row = mirrored(torch.tensor([[[[1.0, 2.0, 3.0]]]]), 4)[0, 0, 4]
    assert row.tolist() == [3, 3, 2, 1, 1, 2, 3, 3, 2, 1, 1]


def test_the_finest_chequers_are_roughest() -> None:
    rough = roughness(8, 8, torch.device("cpu"))
    assert float(rough[0, 0]) == pytest.approx(0, abs=1e-9)
    assert float(rough.max()) == pytest.approx(64)
    assert float(rough[4, 4]) == pytest.approx(64)
