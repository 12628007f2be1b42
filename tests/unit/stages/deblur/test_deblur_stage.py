import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.sound import SOUND
from photorestore.blur_words import Blur
from photorestore.imaging.psf_picture import drawn, read_psf
from photorestore.networks.runner import Runner
from photorestore.options import Options
from photorestore.pixels.psf import draw
from photorestore.stages.base import run_stage
from photorestore.stages.deblur.blind import LEAST_DOUBT, Estimate
from photorestore.stages.deblur.findings import DeblurFindings
from photorestore.stages.deblur.methods import STEPS, Denoise, Step
from photorestore.stages.deblur.network import DeblurUNet
from photorestore.stages.deblur.stage import DOUBT, LEFT_BY_DENOISING, DeblurStage, doubted
from photorestore.stages.denoise.network import DenoiseUNet
from photorestore.stages.denoise.shrinkage import ShrinkageCascade
from photorestore.stages.denoise.stage import DenoiseStage
from photorestore.workspace import Array, Workspace
from tests.conftest import found_by, make_photo, problem_of

PSF = "motion:7,20"
METHODS = ("hqs", "hqs-csf", "wiener", "richardson-lucy")


class Softening(torch.nn.Module):
    """A denoiser that takes a neighbourhood's mean; may do something at each call."""

    descriptor = DenoiseUNet((8, 16), (1, 1)).descriptor

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.workspace: Workspace | None = None

    def forward(self, image: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.workspace is not None:
            self.workspace.cancel()
        soft = torch.nn.functional.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
        return torch.lerp(image, soft, sigma.view(-1, 1, 1, 1).clamp(0, 1))


@pytest.fixture
def stage() -> DeblurStage:
    return stage_of(Softening())


def stage_of(network: Softening, tile_px: int = 1024, *, finds_blur: bool = True) -> DeblurStage:
    unknown = DeblurUNet((8, 8, 8), (1, 1, 1)).eval()
    torch.nn.init.constant_(unknown.tail.weight, 0.01 if finds_blur else 0.0)
    return DeblurStage(
        {
            "denoise": Runner(network, precision="float32", tile_px=tile_px),
            "denoise_csf": Runner(ShrinkageCascade(1, 2).eval(), precision="float32"),
            "deblur": Runner(unknown, precision="float32", tile_px=tile_px),
        }
    )


def prepared(
    tmp_path: Path, *, hw: tuple[int, int] = (60, 81), depth: str = "uint8", **options: Any
) -> Workspace:
    workspace = Workspace.create(tmp_path, Options(**{"psf": PSF, **options}))
    image = make_photo(*hw).transpose(2, 0, 1)
    workspace.write_plane("image", image if depth == "uint8" else image.astype(np.uint16) * 257)
    workspace.envelope.current = "image"
    workspace.envelope.estimates["preprocess"] = replace(SOUND, sigma_255=2.0)
    return workspace


def done(stage: DeblurStage, workspace: Workspace) -> np.ndarray:
    """The plane that the stage writes; it must have worked."""
    run_stage(stage, [workspace])
    assert workspace.envelope.problem is None
    assert workspace.envelope.trace["deblur"].outcome == "ran"
    assert workspace.envelope.current == "deblurred"
    return np.array(workspace.plane("deblurred"))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("depth", ["uint8", "uint16"])
@pytest.mark.parametrize("hw", [(60, 81), (1, 1), (5, 3)])
def test_pictures_of_all_depths_and_sizes_are_deblurred(
    stage: DeblurStage, tmp_path: Path, method: str, depth: str, hw: tuple[int, int]
) -> None:
    workspace = prepared(tmp_path, hw=hw, depth=depth, deblur_method=method)
    result = done(stage, workspace)
    assert result.shape == (3, *hw)
    assert result.dtype == np.uint16
    if hw == (60, 81):
        before = workspace.plane("image").astype(float) * (257 if depth == "uint8" else 1)
        assert np.abs(np.diff(result.astype(float))).sum() > 1.05 * np.abs(np.diff(before)).sum()


def test_it_says_what_was_undone(stage: DeblurStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path, psf=" Motion:7.0, 20", deblur_method="wiener", sigma_255=3)
    done(stage, workspace)
    assert found_by(workspace, DeblurFindings) == DeblurFindings("motion:7,20", "wiener", 3.0)
    assert workspace.envelope.trace["deblur"].note == "motion:7,20 undone by wiener (noise 3.0 of 255)"


def test_a_picture_of_a_blur_does_what_the_words_do(stage: DeblurStage, tmp_path: Path) -> None:
    in_words = done(stage, prepared(tmp_path, deblur_method="wiener"))
    blur = Blur.parse(PSF)
    assert blur is not None
    workspace = prepared(tmp_path, psf=drawn(draw(blur).numpy()), deblur_method="wiener")
    assert np.abs(done(stage, workspace).astype(int) - in_words).max() <= 257
    assert found_by(workspace, DeblurFindings).psf == "picture of 9x9 px"


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
@pytest.mark.parametrize("hw", [(60, 81), (1, 1), (5, 3)])
def test_the_network_works_where_no_blur_is_told(
    stage: DeblurStage, tmp_path: Path, depth: str, hw: tuple[int, int]
) -> None:
    workspace = prepared(tmp_path, hw=hw, depth=depth, psf=None, stages=("deblur",), deblur_method="network")
    result = done(stage, workspace)
    assert result.shape == (3, *hw)
    assert result.dtype == np.uint16
    assert found_by(workspace, DeblurFindings) == DeblurFindings("unknown", "network")
    assert workspace.envelope.trace["deblur"].note == "an unknown blur undone by network"


LINE = Blur("motion", (3.0, 0.0))


def estimating(
    monkeypatch: pytest.MonkeyPatch, problem: str, blur: Blur = LINE, *, of_light: bool = False
) -> None:
    """Let the stage find a blur."""
    found = Estimate(draw(blur), 0.9, problem, of_light)
    monkeypatch.setattr(
        "photorestore.stages.deblur.stage.find_blur", lambda image, denoise, sigma, step: found
    )


@pytest.mark.parametrize("options", [{"psf": "estimate"}, {"psf": None, "stages": ("deblur",)}])
def test_an_estimated_blur_is_undone_and_shown(
    stage: DeblurStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    estimating(monkeypatch, "")
    workspace = prepared(tmp_path, **options, deblur_method="wiener")
    done(stage, workspace)
    found = found_by(workspace, DeblurFindings)
    assert (found.psf, found.agreement, found.sigma_255) == ("estimated", 0.9, 255 * LEAST_DOUBT)
    assert found.picture is not None
    assert np.allclose(read_psf(found.picture), draw(LINE), atol=1e-3)


def test_an_estimate_reckons_with_more_noise_and_is_refined_by_shrinkage_fields(
    stage: DeblurStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []

    def find(image: Array, denoise: Denoise, sigma: float, step: Step) -> Estimate:
        with step():
            told.append(255 * sigma)
        grey = torch.full((1, 3, 33, 40), 0.5)
        assert torch.allclose(denoise(grey, torch.tensor([sigma])), grey, atol=1e-4)
        return Estimate(torch.ones(1, 1), 0.0, "it is chance")

    monkeypatch.setattr("photorestore.stages.deblur.stage.find_blur", find)
    run_stage(stage, [prepared(tmp_path, psf="estimate")])
    run_stage(stage, [prepared(tmp_path, psf="estimate", sigma_255=10)])
    assert told == pytest.approx([2 * DOUBT, 10 * DOUBT])
    denoiser = stage.networks["denoise"].network
    assert isinstance(denoiser, Softening)
    assert denoiser.calls == 0


def test_a_poor_estimate_is_shown_and_leaves_the_picture(
    stage: DeblurStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimating(monkeypatch, "it is chance")
    workspace = prepared(tmp_path, psf="estimate")
    run_stage(stage, [workspace])
    trace = workspace.envelope.trace["deblur"]
    assert (trace.outcome, "it is chance" in trace.note) == ("passed", True)
    assert workspace.envelope.current == "image"
    assert found_by(workspace, DeblurFindings).picture is not None


AUTO: dict[str, Any] = {"psf": None, "stages": ("deblur",)}


def test_a_blur_that_nobody_tells_is_undone_quickly_where_it_is_found(
    stage: DeblurStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimating(monkeypatch, "")
    workspace = prepared(tmp_path, **AUTO)
    result = done(stage, workspace)
    found = found_by(workspace, DeblurFindings)
    assert (found.psf, found.method, found.agreement) == ("estimated", "hqs-csf", 0.9)
    assert found.picture is not None
    assert "estimated undone by hqs-csf" in workspace.envelope.trace["deblur"].note
    asked = prepared(tmp_path, psf="estimate", deblur_method="hqs-csf")
    assert (done(stage, asked) == result).all()
    denoiser = stage.networks["denoise"].network
    assert isinstance(denoiser, Softening)
    assert denoiser.calls == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_blur_of_light_is_undone_in_light(
    stage: DeblurStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """As if the picture's values were its light; but denoisers, which have learned values, are not given light."""

    def undone(image: np.ndarray, *, of_light: bool) -> np.ndarray:
        estimating(monkeypatch, "", of_light=of_light)
        workspace = prepared(tmp_path, psf="estimate", deblur_method=method)
        workspace.write_plane("image", (65535 * image).round().astype(np.uint16))
        result = done(stage, workspace) / 65535
        assert found_by(workspace, DeblurFindings).of_light is of_light
        return result

    image = make_photo(60, 81).transpose(2, 0, 1) / 255
    in_light, as_light = undone(image, of_light=True), undone(image**2.2, of_light=False)
    assert np.abs(in_light - undone(image, of_light=False)).max() > 0.05
    is_as_of_light = np.abs(in_light**2.2 - as_light).max() < 0.001
    assert is_as_of_light == (method in ("wiener", "richardson-lucy"))


@pytest.mark.parametrize(
    ("blur", "problem"), [(Blur("motion", (7.0, 20.0)), "it is chance"), (Blur("defocus", (2.0,)), "")]
)
def test_the_network_works_where_a_blur_is_not_found_or_round(
    stage: DeblurStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blur: Blur, problem: str
) -> None:
    estimating(monkeypatch, problem, blur)
    workspace = prepared(tmp_path, **AUTO)
    result = done(stage, workspace)
    found = found_by(workspace, DeblurFindings)
    assert (found.psf, found.method, found.agreement, found.sigma_255) == ("unknown", "network", 0.9, None)
    assert found.picture is not None
    note = workspace.envelope.trace["deblur"].note
    assert note.startswith("an unknown blur undone by network; ")
    assert (problem or "as of a lens") in note
    assert (done(stage, prepared(tmp_path, **AUTO, deblur_method="network")) == result).all()


def test_no_blur_is_looked_for_where_the_network_finds_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photorestore.stages.deblur.stage.find_blur", None)
    workspace = prepared(tmp_path, **AUTO)
    result = done(stage_of(Softening(), finds_blur=False), workspace)
    assert (result == workspace.plane("image").astype(np.uint16) * 257).all()
    assert found_by(workspace, DeblurFindings) == DeblurFindings("unknown", "network")
    assert workspace.envelope.trace["deblur"].note == "an unknown blur undone by network"


def test_more_noise_is_reckoned_with_than_there_is_where_the_blur_is_found() -> None:
    assert [255 * doubted(level / 255) for level in (0.8, 2, 10, 255)] == pytest.approx([4, 4, 15, 255])


@pytest.mark.parametrize("options", [{"psf": None}, {"strength": 0}, {"strength": {"deblur": 0}}])
def test_it_passes_where_nobody_asks(stage: DeblurStage, tmp_path: Path, options: dict[str, Any]) -> None:
    workspace = prepared(tmp_path, **options)
    run_stage(stage, [workspace])
    trace = workspace.envelope.trace["deblur"]
    assert (trace.outcome, trace.note) == ("passed", "not asked for")
    assert workspace.envelope.current == "image"


def test_a_picture_of_one_colour_is_left_alone(stage: DeblurStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path)
    workspace.envelope.estimates["preprocess"] = replace(SOUND, one_colour=True)
    run_stage(stage, [workspace])
    assert workspace.envelope.trace["deblur"].outcome == "passed"


@pytest.mark.parametrize("options", [{"stages": ()}, {"mode": "gentle"}])
def test_it_works_whatever_else_is_asked_for(
    stage: DeblurStage, tmp_path: Path, options: dict[str, Any]
) -> None:
    done(stage, prepared(tmp_path, **options))


def test_strength_mixes_it_with_what_came(stage: DeblurStage, tmp_path: Path) -> None:
    full, half = (
        done(stage, prepared(tmp_path, strength=strength)).astype(float)
        for strength in (1.0, {"deblur": 0.5})
    )
    image = make_photo(60, 81).transpose(2, 0, 1) * 257.0
    inside = (full > 0) & (full < 65535)
    assert np.abs(half - (image + full) / 2)[inside].max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_a_grey_picture_gets_no_colour(stage: DeblurStage, tmp_path: Path, method: str) -> None:
    workspace = prepared(tmp_path, deblur_method=method)
    workspace.write_plane("image", make_photo(60, 81)[..., :1].repeat(3, 2).transpose(2, 0, 1))
    workspace.envelope.estimates["preprocess"] = replace(SOUND, is_grey=True)
    result = done(stage, workspace)
    assert (result == result[:1]).all()


@pytest.mark.parametrize("method", ["wiener", "richardson-lucy"])
def test_what_a_mask_marks_does_not_ring(stage: DeblurStage, tmp_path: Path, method: str) -> None:
    """What is marked may hold anything: beside it nothing changes."""
    results = []
    for value in (0, 255):
        workspace = prepared(tmp_path, deblur_method=method)
        image, mask = make_photo(60, 81).transpose(2, 0, 1), np.zeros((1, 60, 81), np.uint8)
        image[:, 28:32, 20:60], mask[:, 28:32, 20:60] = value, 255
        workspace.write_plane("image", image)
        workspace.write_plane("hole_mask", mask)
        results.append(done(stage, workspace)[:, mask[0] == 0].astype(int) / 257)
    spread = np.abs(results[0] - results[1])
    assert spread.mean() < 2
    assert np.median(spread) < 0.5


@pytest.mark.parametrize(
    ("found", "options", "sigma_255"),
    [
        ({"sigma_255": 3.0}, {}, 3.0),
        ({"sigma_255": 3.0, "artefacts_255": 4.0}, {}, 5.0),
        ({"sigma_255": 0.0}, {}, 0.8),
        ({"sigma_255": 3.0}, {"sigma_255": 12.5}, 12.5),
        ({"sigma_255": 3.0}, {"sigma_255": 0}, 0.8),
    ],
)
def test_noise_is_the_callers_or_what_was_found(
    stage: DeblurStage, tmp_path: Path, found: dict[str, float], options: dict[str, Any], sigma_255: float
) -> None:
    workspace = prepared(tmp_path, **options)
    workspace.envelope.estimates["preprocess"] = replace(SOUND, **found)  # type: ignore[arg-type]
    done(stage, workspace)
    assert found_by(workspace, DeblurFindings).sigma_255 == sigma_255


def test_after_denoising_a_part_of_the_noise_is_reckoned_with(stage: DeblurStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path, sigma_255=10)
    workspace.write_plane("denoised", np.full((3, 60, 81), 30000, np.uint16))
    result = done(stage, workspace)
    assert found_by(workspace, DeblurFindings).sigma_255 == 10 * LEFT_BY_DENOISING
    assert np.abs(result.astype(int) - 30000).max() < 200, "it starts from what was denoised"


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_gives_the_same_pixels_as_each_picture_alone(
    stage: DeblurStage, tmp_path: Path, method: str
) -> None:
    sizes = [(60, 81), (33, 50)]
    together = [prepared(tmp_path, hw=hw, deblur_method=method) for hw in sizes]
    run_stage(stage, together)
    for hw, workspace in zip(sizes, together, strict=True):
        assert (
            done(stage, prepared(tmp_path, hw=hw, deblur_method=method)) == workspace.plane("deblurred")
        ).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_threads_changes_nothing(stage: DeblurStage, tmp_path: Path, method: str) -> None:
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(done(stage, prepared(tmp_path, hw=(130, 150), deblur_method=method)))
    finally:
        torch.set_num_threads(threads)
    assert (results[0] == results[1]).all()


@pytest.mark.parametrize(("method", "mean_255"), [("hqs", 1.0), ("wiener", 1.0), ("richardson-lucy", 0.01)])
def test_tiles_give_nearly_what_the_whole_gives(tmp_path: Path, method: str, mean_255: float) -> None:
    whole, tiled = (
        done(stage_of(Softening(), tile_px), prepared(tmp_path, hw=(560, 700), deblur_method=method)).astype(
            int
        )
        for tile_px in (1024, 64)
    )
    spread = np.abs(whole - tiled) / 257
    assert spread.max() > 0, "it was cut"
    assert spread.mean() < mean_255


@pytest.mark.parametrize("method", METHODS)
def test_it_stops_between_two_steps_once_nobody_wants_the_result(tmp_path: Path, method: str) -> None:
    network = Softening()
    workspace = prepared(tmp_path, deblur_method=method)
    stage = stage_of(network)
    if method == "hqs":
        network.workspace = workspace  # cancels at the first step
    else:
        workspace.cancel()
        with pytest.raises(Exception, match="cancelled"):
            stage.run([workspace])
        return
    run_stage(stage, [workspace])
    assert problem_of(workspace.envelope).type == "cancelled"
    assert network.calls == 1
    assert "deblurred" not in workspace.envelope.planes


@pytest.mark.parametrize(("method", "turns"), [("hqs", 2 * STEPS), ("wiener", 1)])
def test_each_step_takes_a_turn_of_its_own(
    stage: DeblurStage, tmp_path: Path, method: str, turns: int
) -> None:
    taken: list[bool] = []

    class Turn(contextlib.AbstractContextManager[None]):
        def __enter__(self) -> None:
            assert not any(taken), "one within another would wait for itself"
            taken.append(True)

        def __exit__(self, *error: object) -> None:
            taken[-1] = False

    stage.take_turns(Turn())
    done(stage, prepared(tmp_path, deblur_method=method))
    assert len(taken) == turns


def test_denoising_leaves_the_noise_to_it_unless_asked_for(tmp_path: Path) -> None:
    for stages, outcome in ((None, "passed"), (("denoise",), "ran")):
        workspace = prepared(tmp_path, stages=stages)
        workspace.envelope.estimates["preprocess"] = replace(SOUND, sigma_255=20.0, noisy=True)
        run_stage(DenoiseStage({"denoise": Runner(Softening(), precision="float32")}), [workspace])
        assert workspace.envelope.trace["denoise"].outcome == outcome
