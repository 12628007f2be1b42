"""The judgement of a picture, and how much is done by it."""

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from photorestore.networks.runner import Runner, load_runner
from photorestore.options import GENTLE, THOROUGH, UNTOUCHED, Options
from photorestore.stages.preprocess.judgement import (
    CROP_CENTRES,
    CROP_PX,
    LIKELY,
    VIEW_PX,
    Judgement,
    glimpse,
    has_few_levels,
    judge,
    resolve_mode,
    stray_hues,
)
from photorestore.stages.preprocess.network import FLAGS, KINDS, JudgeNet
from photorestore.stages.preprocess.scene import TRUNK, features_of, plane_view
from photorestore.stages.scratch.network import ScratchUNet
from tests.conftest import add_noise, make_photo

Networks = tuple[Runner[Any], Runner[Any], Runner[Any]]


@pytest.fixture(scope="module")
def networks() -> Networks:
    judging, detector, trunk = (
        load_runner(name, precision="float32") for name in ("preprocess_judge", "scratch_print", TRUNK)
    )
    return judging, detector, trunk


def judgement(kind: str = "photograph", confidence: float = 0.99, **flags: float) -> Judgement:
    others = (1 - confidence) / (len(KINDS) - 1)
    return Judgement(dict.fromkeys(KINDS, others) | {kind: confidence}, dict.fromkeys(FLAGS, 0.1) | flags)


def as_plane(picture: Image.Image | np.ndarray) -> np.ndarray:
    pixels = np.asarray(picture.convert("RGB")) if isinstance(picture, Image.Image) else picture
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def judged(plane: np.ndarray, networks: Networks) -> Judgement:
    judging, detector, trunk = networks
    return judge(plane, judging, detector, partial(features_of, trunk, plane_view(plane)))


def mode_of(picture: Image.Image | np.ndarray, networks: Networks) -> str:
    return resolve_mode(Options(), judged(as_plane(picture), networks))


def through_jpeg(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=80)
    return Image.open(file)


def bar_chart() -> Image.Image:
    image = Image.new("RGB", (640, 480), "white")
    draw = ImageDraw.Draw(image)
    draw.line((60, 30, 60, 430, 610, 430), fill="black", width=2)
    for i, tall in enumerate((120, 260, 190, 330, 80, 240, 300)):
        draw.rectangle((90 + 72 * i, 430 - tall, 130 + 72 * i, 430), fill="steelblue", outline="black")
        draw.text((95 + 72 * i, 440), f"19{50 + i}", fill="black")
    return image


def floor_plan() -> Image.Image:
    image = Image.new("L", (700, 500), 250)
    draw = ImageDraw.Draw(image)
    for box in ((40, 40, 660, 460), (40, 40, 300, 250), (300, 40, 660, 200), (300, 200, 520, 460)):
        draw.rectangle(box, outline=20, width=5)
    draw.arc((250, 200, 350, 300), 0, 90, fill=20, width=2)
    draw.text((120, 140), "KITCHEN", fill=20, font_size=24)
    draw.text((400, 110), "STUDY", fill=20, font_size=24)
    return image


def typed_page() -> Image.Image:
    image = Image.new("RGB", (600, 800), (246, 240, 222))
    draw = ImageDraw.Draw(image)
    for row in range(36):
        draw.text(
            (50, 40 + 20 * row),
            "The quick brown fox jumps over the lazy dog, again."[row % 9 :],
            fill=(40, 35, 30),
            font_size=15,
        )
    return image


def dithered() -> Image.Image:
    return Image.fromarray(make_photo(360, 480)).convert("1")


@pytest.mark.parametrize("make", [bar_chart, floor_plan, typed_page, dithered])
def test_what_is_no_photograph_is_left_alone(make: Callable[..., Any], networks: Networks) -> None:
    assert mode_of(make(), networks) == UNTOUCHED


@pytest.mark.parametrize("make", [bar_chart, floor_plan, typed_page])
def test_it_is_left_alone_as_a_jpeg(make: Callable[..., Any], networks: Networks) -> None:
    assert mode_of(through_jpeg(make()), networks) != THOROUGH


@pytest.mark.parametrize("hw", [(60, 90), (300, 400), (700, 500)])
@pytest.mark.parametrize("sigma_255", [0, 25])
def test_photographs_are_treated_gently(hw: tuple[int, int], sigma_255: int, networks: Networks) -> None:
    assert mode_of(add_noise(make_photo(*hw, seed=3), sigma_255), networks) == GENTLE


def detector_that_says(logit: float) -> Runner[Any]:
    """A detector that gives every pixel this logit."""
    detector = ScratchUNet((16, 16)).eval()
    torch.nn.init.zeros_(detector.tail.weight)
    assert detector.tail.bias is not None
    torch.nn.init.constant_(detector.tail.bias, logit)
    return Runner(detector, precision="float32")


def judge_that_says(kind: str) -> Runner[Any]:
    """A judge that takes every picture for one of this kind, and for nothing else."""
    network = JudgeNet().eval()
    last = network.head[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.copy_(torch.tensor([6.0 * (name == kind) for name in KINDS] + [-3.0] * len(FLAGS)))
    return Runner(network, precision="float32")


@pytest.mark.parametrize(("logit", "is_damaged"), [(4.0, True), (-4.0, False)])
def test_where_the_detector_is_sure_of_much_the_picture_is_damaged(
    logit: float, is_damaged: bool, networks: Networks
) -> None:
    judging, _, trunk = networks
    found = judged(as_plane(make_photo(200, 300)), (judging, detector_that_says(logit), trunk))
    assert (found.flags["damaged"] >= LIKELY) == is_damaged
    assert resolve_mode(Options(), found) == (THOROUGH if is_damaged else GENTLE)


class FindsRows(ScratchUNet):
    """A detector that is sure of the first rows of a view, and of nothing else."""

    rows = 0

    def forward(self, image: Tensor, scene_map: Tensor | None = None) -> Tensor:
        logits = torch.full_like(image[:, :1], -6.0)
        logits[:, :, : self.rows] = 6.0
        return logits


@pytest.mark.parametrize(("rows", "mode"), [(1, GENTLE), (2, THOROUGH)])
def test_damage_in_two_rows_of_a_view_is_much(rows: int, mode: str, networks: Networks) -> None:
    detector = FindsRows((16, 16)).eval()
    detector.rows = rows
    others = judge_that_says("photograph"), Runner(detector, precision="float32"), networks[2]
    assert resolve_mode(Options(), judged(as_plane(make_photo(200, 300)), others)) == mode


@pytest.mark.parametrize(
    ("kind", "logit", "mode"),
    [
        ("screenshot", 4.0, THOROUGH),  # cracks of a print with straight lines: it was none
        ("screenshot", -4.0, UNTOUCHED),
        ("line_art", 4.0, UNTOUCHED),  # a torn plan is one still
        ("halftone", 4.0, UNTOUCHED),
    ],
)
def test_what_is_cracked_is_no_screenshot(kind: str, logit: float, mode: str, networks: Networks) -> None:
    others = judge_that_says(kind), detector_that_says(logit), networks[2]
    found = judged(as_plane(make_photo(200, 300)), others)
    assert (found.kind == kind) == (mode == UNTOUCHED)
    assert sum(found.kinds.values()) == pytest.approx(1)
    assert found.kinds["photograph"] == pytest.approx(found.kinds["print"])
    assert resolve_mode(Options(), found) == mode


def test_a_judgement_comes_back_the_same(networks: Networks) -> None:
    image = as_plane(make_photo(300, 400))
    assert judged(image, networks) == judged(image, networks)


@pytest.mark.parametrize("hw", [(1, 1), (3, 500), (129, 40), (900, 1300)])
def test_a_glimpse_has_one_size(hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    view, crops = glimpse(rng.integers(0, 256, (3, *hw)).astype(np.uint8))
    assert view.shape == (3, VIEW_PX, VIEW_PX)
    assert crops.shape == (len(CROP_CENTRES), 3, CROP_PX, CROP_PX)


def test_a_glimpse_of_16_bits_is_that_of_8() -> None:
    image = as_plane(make_photo(200, 300))
    for deep, plain in zip(glimpse(image.astype(np.uint16) * 257), glimpse(image), strict=True):
        np.testing.assert_array_equal(deep, plain)


def test_crops_hold_the_picture_at_its_own_size() -> None:
    image = as_plane(make_photo(400, 600))
    (y, x), half = CROP_CENTRES[0], CROP_PX // 2
    top, left = round(400 * y) - half, round(600 * x) - half
    expected = image[:, top : top + CROP_PX, left : left + CROP_PX]
    np.testing.assert_array_equal(glimpse(image)[1][0], expected)


def test_hidden_colours_are_not_looked_at() -> None:
    rng = np.random.default_rng(0)
    image, alpha = as_plane(make_photo(300, 400)), np.full((1, 300, 400), 255, np.uint8)
    alpha[:, 100:220, 80:] = 0
    other = image.copy()
    other[:, 100:220, 80:] = rng.integers(0, 256, (3, 120, 320))
    for one, another in zip(glimpse(image, alpha), glimpse(other, alpha), strict=True):
        np.testing.assert_array_equal(one, another)
    for one, plain in zip(glimpse(image, np.full_like(alpha, 255)), glimpse(image), strict=True):
        np.testing.assert_array_equal(one, plain)


def test_colours_that_nobody_sees_make_no_photograph() -> None:
    page = as_plane(dithered())
    rng = np.random.default_rng(0)
    alpha = np.full((1, *page.shape[1:]), 255, np.uint8)
    alpha[:, :40] = 0
    page[:, :40] = rng.integers(0, 256, page[:, :40].shape)
    assert has_few_levels(page, alpha)
    assert not has_few_levels(page)


def test_few_levels_are_counted() -> None:
    assert has_few_levels(np.zeros((3, 20, 20), np.uint8))
    assert has_few_levels(as_plane(dithered()))
    assert not has_few_levels(as_plane(make_photo(60, 80)))


@pytest.mark.parametrize("mode", [GENTLE, THOROUGH])
def test_the_options_mode_stands_above_the_judgement(mode: str) -> None:
    for kind in KINDS:
        assert resolve_mode(Options(mode=mode), judgement(kind, damaged=1.0)) == mode


@pytest.mark.parametrize(
    ("found", "mode"),
    [
        (judgement("photograph"), GENTLE),
        (judgement("photograph", damaged=0.4), GENTLE),
        (judgement("photograph", damaged=0.999), THOROUGH),
        (judgement("print"), THOROUGH),
        (judgement("print", 0.4), GENTLE),
        (judgement("print", 0.4, damaged=0.999), THOROUGH),
        (judgement("line_art", damaged=0.999), UNTOUCHED),
        (judgement("photograph", 0.3), GENTLE),
        (judgement("halftone"), UNTOUCHED),
        (judgement("screenshot"), UNTOUCHED),
        (None, GENTLE),
    ],
)
def test_what_is_done_goes_by_the_judgement(found: Judgement | None, mode: str) -> None:
    assert resolve_mode(Options(), found) == mode


def test_what_is_no_photograph_is_neither_damaged_nor_noisy_nor_faded() -> None:
    flags = dict.fromkeys(FLAGS, 1.0)
    assert [flag for flag in FLAGS if judgement("halftone", **flags).says(flag)] == ["toned"]
    assert all(judgement("print", **flags).says(flag) for flag in FLAGS)


@pytest.mark.parametrize(("hues_255", "mode"), [(2.0, THOROUGH), (20.0, GENTLE)])
def test_a_print_of_many_hues_must_be_surer(hues_255: float, mode: str) -> None:
    found = judgement("print", 0.6)
    assert resolve_mode(Options(), Judgement(found.kinds, found.flags, hues_255)) == mode


def test_grey_and_sepia_have_one_hue() -> None:
    slope = np.linspace(0, 255, 64 * 64).reshape(64, 64)
    sepia = np.stack([slope, 0.8 * slope, 0.6 * slope]).round().astype(np.uint8)
    assert stray_hues(np.stack([slope.astype(np.uint8)] * 3)) == pytest.approx(0, abs=0.01)
    assert stray_hues(sepia) < 3
    assert stray_hues(as_plane(make_photo(64, 64))) > 6


@pytest.mark.parametrize(
    ("kinds", "flags"),
    [
        (dict.fromkeys((*KINDS, "painting"), 0.1), dict.fromkeys(FLAGS, 0.5)),
        (dict.fromkeys(KINDS, 1.2), dict.fromkeys(FLAGS, 0.5)),
        (dict.fromkeys(KINDS, 0.2), {"damaged": 0.5}),
        (dict.fromkeys(KINDS, 0.2), dict.fromkeys(FLAGS, 0.5) | {"noisy": float("nan")}),
    ],
)
def test_a_judgement_checks_itself(kinds: dict[str, float], flags: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Judgement(kinds, flags)
