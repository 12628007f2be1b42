"""What every method that removes noise holds, and what each promises."""

import contextlib
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter
from torch import Tensor

from photorestore.blur_words import Blur
from photorestore.fidelity import psnr
from photorestore.networks.descriptor import Network
from photorestore.pixels.optics import Optics, mirrored
from photorestore.pixels.psf import draw
from photorestore.stages.denoise.methods.block_matching import BlockMatching
from photorestore.stages.denoise.methods.contract import Step
from photorestore.stages.denoise.methods.kriging import Kriging
from photorestore.stages.denoise.methods.ksvd import DictionaryLearning, cosine_atoms, sparse_codes
from photorestore.stages.denoise.methods.l0tv import ImpulseRemoval, is_salt_or_pepper
from photorestore.stages.denoise.methods.poisson_tv import PoissonTV
from photorestore.stages.denoise.methods.variation import (
    curvature,
    curvature_back,
    gradient,
    gradient_back,
    gradient_power,
)
from tests.conftest import make_photo

Make = Callable[[Step], Network[Tensor]]
METHODS: dict[str, Make] = {
    "l0tv": lambda step: ImpulseRemoval(step, steps=10),
    "kriging": Kriging,
    "ksvd": DictionaryLearning,
    "poisson-tv": lambda step: PoissonTV(30.0, step=step, steps=10),
    "bm3d": BlockMatching,
}
IMPULSES: dict[str, Make] = {"l0tv": ImpulseRemoval, "kriging": Kriging}


@pytest.fixture(autouse=True)
def _quick_block_matching(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package takes seconds for the smallest picture: another denoiser stands for it."""
    quick = types.ModuleType("bm3d")
    quick.bm3d = lambda plane, sigma: uniform_filter(plane, 3)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bm3d", quick)


def photo(h: int, w: int) -> Tensor:
    return torch.from_numpy(make_photo(h, w, seed=3)).permute(2, 0, 1)[None].float() / 255


def run(method: Network[Tensor], image: Tensor, sigma: float = 0.1) -> Tensor:
    with torch.inference_mode():
        return method(image, torch.full((len(image),), sigma))


def salted(image: Tensor, density: float) -> Tensor:
    drawn = torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
    return torch.where(drawn < density, (drawn < density / 2).to(image), image)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("kind", "hw"),
    [
        ("noise", (1, 1)),
        ("noise", (2, 3)),
        ("noise", (37, 51)),
        ("black", (20, 9)),
        ("white", (20, 9)),
        ("beyond", (9, 20)),
    ],
)
def test_results_are_finite_and_of_the_pictures_size(name: str, hw: tuple[int, int], kind: str) -> None:
    image = {
        "noise": torch.rand(1, 3, *hw),
        "black": torch.zeros(1, 3, *hw),
        "white": torch.ones(1, 3, *hw),
        "beyond": 2 * torch.rand(1, 3, *hw) - 0.5,
    }[kind]
    result = run(METHODS[name](contextlib.nullcontext), image, sigma=0.3)
    assert result.shape == image.shape
    assert result.isfinite().all()
    if kind in ("black", "white"):
        torch.testing.assert_close(result, image, atol=2e-3, rtol=0)


@pytest.mark.parametrize("name", METHODS)
def test_equal_channels_stay_equal(name: str) -> None:
    result = run(METHODS[name](contextlib.nullcontext), torch.rand(1, 1, 20, 24).expand(-1, 3, -1, -1))
    assert (result == result[:, :1]).all()


@pytest.mark.parametrize("name", METHODS)
def test_each_stops_between_two_steps(name: str) -> None:
    class Stopped(Exception):
        pass

    @contextmanager
    def stop() -> Iterator[None]:
        raise Stopped
        yield

    with pytest.raises(Stopped):
        run(METHODS[name](stop), salted(photo(40, 40), 0.3))


@pytest.mark.parametrize("name", ["ksvd"])
def test_gaussian_noise_is_removed(name: str) -> None:
    gt = photo(40, 48)
    lq = gt + 0.1 * torch.randn(gt.shape, generator=torch.Generator().manual_seed(0))
    assert psnr(run(METHODS[name](contextlib.nullcontext), lq).clamp(0, 1), gt) > psnr(lq, gt) + 4


@pytest.mark.parametrize("name", IMPULSES)
def test_salt_and_pepper_is_found_and_replaced(name: str) -> None:
    gt = 0.1 + 0.8 * photo(48, 56)
    lq = salted(gt, 0.5)
    result = run(IMPULSES[name](contextlib.nullcontext), lq)
    assert ((result != lq) == (lq != gt)).float().mean() > 0.999
    assert psnr(result, gt) > 24


@pytest.mark.parametrize("name", IMPULSES)
def test_samples_that_are_no_impulses_stay_as_they_are(name: str) -> None:
    gt = 0.1 + 0.8 * photo(48, 56)
    at = torch.rand(gt.shape, generator=torch.Generator().manual_seed(0)) < 0.03
    lq = torch.where(at, (gt + 0.5) % 1, gt)
    result = run(IMPULSES[name](contextlib.nullcontext), lq)
    changed = result != lq
    assert changed[at].float().mean() > 0.95
    assert changed[~at].float().mean() < 0.02
    assert psnr(result, gt) > psnr(lq, gt) + 8


def test_black_and_white_places_are_no_salt_and_pepper() -> None:
    image = photo(60, 80) * 0.8 + 0.1
    image[..., :30, :30] = 0
    image[..., 30:, 40:] = 1
    assert not is_salt_or_pepper(image).any()
    noisy = salted(image, 0.2)
    found = is_salt_or_pepper(noisy)
    assert found[(noisy != image)].float().mean() > 0.95
    assert not found[..., 4:26, 4:26][noisy[..., 4:26, 4:26] == 0].any()


@pytest.mark.parametrize("peak", [5.0, 55.0])
@pytest.mark.parametrize("words", [None, "gaussian:1.2"])
def test_the_energy_of_photon_noise_falls(peak: float, words: str | None) -> None:
    blur = None if words is None else Blur.parse(words)
    gt = photo(32, 40)
    lq = torch.poisson(gt * peak, generator=torch.Generator().manual_seed(0)) / peak
    method = PoissonTV(peak, None if blur is None else draw(blur), steps=25)
    seen = torch.nn.functional.pad(lq, (method.pad_px,) * 4, mode="circular")
    psf = torch.ones(1, 1) if method.psf is None else method.psf
    known = torch.nn.functional.pad(torch.ones_like(lq[:, :1], dtype=torch.bool), (method.pad_px,) * 4)
    optics = Optics.of(psf, known)
    with torch.inference_mode():
        energies = torch.stack([method.energy(picture, seen, optics) for picture in method.iterates(lq)])
        start = method.energy(seen.clamp_min(1e-4), seen, optics)
    assert (energies.diff(dim=0) <= 0).all()
    assert (energies[-1] < start).all()
    assert (energies.diff(dim=0) < 0).float().mean() > 0.5, "it is not the guard that lets it fall"


@pytest.mark.parametrize(("words", "gain_db"), [(None, 6), ("gaussian:1.2", 3)])
def test_photon_noise_is_removed_better_than_by_plain_total_variation(
    words: str | None, gain_db: float
) -> None:
    gt, peak = photo(48, 56), 25.0
    blur = None if words is None else Blur.parse(words)
    psf = None if blur is None else draw(blur)
    light = gt if psf is None else mirrored(gt, len(psf) // 2)
    if psf is not None:
        light = torch.nn.functional.conv2d(light.transpose(0, 1), psf[None, None]).transpose(0, 1)
    lq = torch.poisson(light * peak, generator=torch.Generator().manual_seed(0)) / peak
    ours = psnr(run(PoissonTV(peak, psf), lq).clamp(0, 1), gt)
    plain = [
        psnr(run(PoissonTV(peak, psf, weights=(weight, 0.0), group_px=1), lq).clamp(0, 1), gt)
        for weight in (0.3, 0.6)
    ]
    assert ours > max(plain)
    assert ours > psnr(lq, gt) + gain_db


def test_differences_have_the_adjoints_and_the_power_that_they_say() -> None:
    image, other = torch.rand(2, 12, 14), torch.rand(2, 12, 14)
    for forward, back, square in ((gradient, gradient_back, 1), (curvature, curvature_back, 2)):
        there = forward(image)
        torch.testing.assert_close((there * forward(other)).sum(), (image * back(forward(other))).sum())
        spectrum = torch.fft.rfft2(image) * gradient_power(12, 14, image.device) ** square
        torch.testing.assert_close(back(there), torch.fft.irfft2(spectrum, (12, 14)), atol=1e-4, rtol=1e-3)


def test_sparse_codes_explain_patches_up_to_what_is_allowed() -> None:
    patches = torch.rand(50, 64) - 0.5
    codes = sparse_codes(patches, cosine_atoms(), allowed=1.0)
    assert ((patches - codes @ cosine_atoms()).square().sum(1) <= 1.0).all()
    assert 0 < int((codes != 0).sum(1).max()) < 24


def test_without_its_package_block_matching_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Exception, match="without the package bm3d") as raised:
        BlockMatching.installed(contextlib.nullcontext)
    assert getattr(raised.value, "status", None) == 400


def test_a_made_photo_is_not_taken_for_one_with_impulses() -> None:
    image = torch.from_numpy(np.ascontiguousarray(make_photo(60, 80))).permute(2, 0, 1)[None].float() / 255
    assert (run(ImpulseRemoval(), image) != image).float().mean() < 0.02
