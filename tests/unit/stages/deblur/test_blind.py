"""What is found in several ways is trusted where these agree."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.blur_words import Blur
from photorestore.networks.runner import load_runner
from photorestore.pixels.psf import draw
from photorestore.stages.deblur import blind
from photorestore.stages.deblur.blind import FITS, JOINED, LEAST_PX, Estimate, find_blur, united
from photorestore.stages.deblur.psf_fitting import agreement
from photorestore.workspace import Array
from tests.blurs import blurred, scene

LINE = F.pad(draw(Blur("motion", (9.0, 0.0))), (2,) * 4)
POINT = F.pad(torch.ones(1, 1), (7,) * 4)


def found_in(picture: Tensor) -> Estimate:
    fields = load_runner("denoise_csf")
    image = (picture.clamp(0, 1) * 255).round().to(torch.uint8).expand(3, -1, -1).numpy()
    return find_blur(image, lambda image, sigma: fields(image, sigma, clamps=False), 1.5 * 0.005)


def image_of_edges() -> Array:
    return np.zeros((3, LEAST_PX, LEAST_PX), np.uint8)


def test_a_shaken_picture_of_edges_has_a_blur_that_is_trusted() -> None:
    psf = draw(Blur("motion", (9.0, 30.0)))
    found = found_in(blurred(scene(200), psf))
    assert (found.problem, found.of_light) == ("", False)
    assert agreement(found.psf, F.pad(psf, ((35 - len(psf)) // 2,) * 4)) > 0.85


def test_noise_has_no_blur_that_is_trusted() -> None:
    found = found_in(0.5 + 0.1 * torch.randn(150, 150, generator=torch.Generator().manual_seed(0)))
    assert found.problem != ""


def test_a_small_picture_has_no_blur_that_can_be_trusted() -> None:
    found = find_blur(np.zeros((3, LEAST_PX - 1, 400), np.uint8), lambda image, _: image, 0.01)
    assert "too small" in found.problem


def finding(monkeypatch: pytest.MonkeyPatch, *psfs: Tensor) -> None:
    """Let each way lead to a PSF of its own."""
    left: Iterator[Tensor] = iter(psfs)
    monkeypatch.setattr(blind, "estimate", lambda *_, **__: next(left))
    monkeypatch.setattr(blind, "refined", lambda image, psf, *_: psf)


def test_the_psf_is_the_mean_of_those_that_agree_wherever_they_lie() -> None:
    other = LINE.clone()
    other[7, 11] += 0.1
    found, alike = united([LINE.T.contiguous(), other.roll((2, -1), (0, 1)) / other.sum(), LINE])
    assert agreement(LINE, other) > JOINED > agreement(LINE, LINE.T.contiguous())
    assert torch.allclose(found, (LINE + other / other.sum()) / 2, atol=1e-6)
    assert alike == pytest.approx(
        (agreement(LINE, other) + agreement(other, LINE.T.contiguous())) / 2, abs=1e-3
    )


def test_ways_that_disagree_are_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, *[draw(Blur("motion", (9.0, 60.0 * n))) for n in range(len(FITS))])
    found = find_blur(image_of_edges(), lambda image, _: image, 0.01)
    assert "disagree" in found.problem


@pytest.mark.parametrize(("side_px", "problem"), [(255, "disagree"), (256, "")])
def test_ways_have_to_agree_more_in_a_small_picture(
    monkeypatch: pytest.MonkeyPatch, side_px: int, problem: str
) -> None:
    finding(monkeypatch, *[LINE] * len(FITS))
    monkeypatch.setattr(blind, "united", lambda _: (LINE, 0.9))
    found = find_blur(np.zeros((3, side_px, side_px), np.uint8), lambda image, _: image, 0.01)
    assert problem in found.problem
    assert bool(found.problem) == bool(problem)


def test_what_is_wider_than_a_shake_can_be_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, *[draw(Blur("motion", (33.0, 0.0)))] * len(FITS))
    assert "wider" in find_blur(image_of_edges(), lambda image, _: image, 0.01).problem


def test_what_the_picture_contradicts_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, *[LINE] * len(FITS))
    assert find_blur(image_of_edges(), lambda image, _: image, 0.01).problem == ""
    finding(monkeypatch, *[LINE] * len(FITS))
    monkeypatch.setattr(blind, "refined", lambda *_: LINE.T.contiguous())
    assert "disagree" in find_blur(image_of_edges(), lambda image, _: image, 0.01).problem


def test_what_light_contradicts_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, *[LINE] * len(FITS))
    told = iter([LINE, LINE.T.contiguous()])
    monkeypatch.setattr(blind, "refined", lambda *_: next(told))
    problem = find_blur(image_of_edges(), lambda image, _: image, 0.01).problem
    assert f"(1.00, 1.00, {agreement(LINE, LINE.T):.2f} of 1 alike)" in problem


@pytest.mark.parametrize("of_light", [False, True])
def test_the_psf_is_that_of_the_better_explanation(monkeypatch: pytest.MonkeyPatch, of_light: bool) -> None:
    finding(monkeypatch, *[LINE] * len(FITS))
    other = LINE.clone()
    other[7, 11] += 0.1
    told = iter([LINE, other])
    monkeypatch.setattr(blind, "refined", lambda *_: next(told))
    left = {False: 0.02, True: 0.01 if of_light else 0.03}
    monkeypatch.setattr(blind, "misfit", lambda *_, of_light: left[of_light])
    found = find_blur(image_of_edges(), lambda image, _: image, 0.01)
    assert found.of_light is of_light
    assert torch.equal(found.psf, other if of_light else LINE)


def test_neither_explanation_has_an_advantage_where_both_are_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, *[LINE] * len(FITS))
    monkeypatch.setattr(blind, "misfit", lambda *_, of_light: 0.02)
    assert not find_blur(image_of_edges(), lambda image, _: image, 0.01).of_light


@pytest.mark.parametrize(
    ("blur", "problem", "drawback"),
    [
        (Blur("motion", (7.0, 30.0)), "", ""),
        (Blur("motion", (7.0, 30.0)), "it is chance", "it is chance"),
        (Blur("defocus", (4.0,)), "", "as of a lens"),
        (Blur("gaussian", (1.5,)), "it is chance", "it is chance"),
    ],
)
def test_blurs_of_lenses_are_left_to_the_network(blur: Blur, problem: str, drawback: str) -> None:
    found = Estimate(draw(blur), 1.0, problem).drawback
    assert drawback in found
    assert bool(found) == bool(drawback)


@pytest.mark.parametrize(
    ("width_px", "length_px", "is_used"), [(3, 4, False), (3, 7, True), (8, 12, True), (10, 12, False)]
)
def test_the_network_undoes_what_is_short_or_round(width_px: int, length_px: int, is_used: bool) -> None:
    psf = torch.zeros(15, 15)
    psf[:width_px, :length_px] = 1 / (width_px * length_px)
    assert (Estimate(psf, 1.0).drawback == "") is is_used


@pytest.mark.parametrize(("least_px", "is_used"), [(3.5, False), (4.5, False), (5.5, True)])
def test_what_is_round_is_that_of_a_lens_where_it_is_like_one(least_px: float, is_used: bool) -> None:
    """Rings: the thinner, the less alike to a disc."""
    at = torch.arange(15.0) - 7
    radius_px = torch.hypot(at[:, None], at[None])
    psf = ((radius_px > least_px) & (radius_px < 6.5)).float()
    assert (Estimate(psf / psf.sum(), 1.0).drawback == "") is is_used


@pytest.mark.parametrize(("change", "expected"), [(0.0, False), (0.002, False), (0.02, True)])
def test_what_the_network_changes_may_be_blurred(change: float, expected: bool) -> None:
    """Only the part with most edges counts."""
    image = np.zeros((3, 200, 1200), np.uint8)
    image[:, :, 1000::8] = 200
    seen = []

    def deblur(part: Tensor) -> Tensor:
        seen.append(part)
        return part + change

    assert blind.seems_blurred(image, deblur) is expected
    assert seen[0].shape == (1, 3, 200, blind.WINDOW_PX)
    assert float(seen[0].max()) == pytest.approx(200 / 255)


def test_a_picture_that_is_sharp_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, *[POINT] * len(FITS))
    assert find_blur(image_of_edges(), lambda image, _: image, 0.01).problem == "the picture is not blurred"
