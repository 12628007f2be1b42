"""The networks beat their baselines by the margins in bench/gates.toml."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import faces, upscale
from photorestore import pipeline
from photorestore.fidelity import psnr
from photorestore.methods import HAZE_NETWORK, NETWORK
from photorestore.options import Options
from tests.conftest import add_noise, make_photo

GATES = tomllib.loads(Path("bench/gates.toml").read_text())
BENCH = Path("../shared/data/bench")

pytestmark = pytest.mark.quality
needs_pictures = pytest.mark.skipif(not BENCH.is_dir(), reason="the bench pictures are not at hand")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> pipeline.Pipeline:
    return pipeline.load(root=tmp_path_factory.mktemp("spaces"))


def test_noise_is_removed_from_a_made_picture(loaded: pipeline.Pipeline) -> None:
    photo = make_photo(256, 320)
    noisy = add_noise(photo, 25)
    restored = loaded.restore(noisy, Options(format="png")).image

    def score(pixels: np.ndarray) -> float:
        return psnr(torch.from_numpy(pixels.copy()) / 255.0, torch.from_numpy(photo) / 255.0)

    assert score(restored) - score(noisy) >= GATES["made"]["gain_db"]


@needs_pictures
def test_denoising_holds_its_level() -> None:
    from bench import denoise

    levels = denoise.measure(BENCH, every=9)["psnr_db"]
    gate = GATES["denoise"]
    for sigma_255 in (15, 25, 50):
        assert levels[str(sigma_255)]["ours, blind"]["mean"] >= gate[f"psnr_{sigma_255}_db"]
    classical = levels["25"]["BM3D, sigma given (subset)"]["mean"]
    assert levels["25"]["ours, blind (subset)"]["mean"] - classical >= gate["gain_over_bm3d_25_db"]


@needs_pictures
def test_known_blurs_are_undone() -> None:
    from bench import deconvolution

    gains = deconvolution.measure(BENCH, every=6)["gain_over_db"]
    for level, gained in gains.items():
        least_db = GATES["deblur"][f"gain_{level.replace('.', '_')}_db"]
        assert deconvolution.best_classical(gained) >= least_db


@needs_pictures
def test_colours_beat_a_transfer_and_grey() -> None:
    from bench import colorize

    result, gate = colorize.measure(BENCH, every=12), GATES["colorize"]
    gains, errors = result["gain_over_db"], result["rmse_ab"]
    assert gains[colorize.EXEMPLAR][colorize.TRANSFER]["mean"] >= gate["gain_exemplar_over_transfer_db"]
    assert gains[colorize.UNRELATED][colorize.LEARNED]["mean"] >= -gate["loss_unrelated_db"]
    share = errors[colorize.LEARNED]["mean"] / errors[colorize.GREY]["mean"]
    assert share <= gate["share_of_error_of_grey"]
    assert result["lightness_off_share"] <= 0.001


@needs_pictures
def test_raw_files_are_demosaicked_better_than_by_libraw() -> None:
    from bench import demosaic

    gains, gate = demosaic.measure(BENCH, every=3)["gain_over_db"], GATES["demosaic"]
    least = {"Bayer, sigma 0": gate["gain_bayer_db"], "X-Trans, sigma 0": gate["gain_xtrans_db"]}
    for case, gained in gains.items():
        assert gained[demosaic.LIBRAW]["mean"] >= least.get(case, gate["gain_noisy_db"])


@needs_pictures
def test_damage_is_found_and_filled(loaded: pipeline.Pipeline) -> None:
    from bench import damage

    result = damage.measure(BENCH, loaded, every=9, curve=None)
    gate = GATES["damage"]
    assert result["detection"]["f1"] >= gate["f1"]
    assert result["gain_over_db"]["Telea"]["filled"]["mean"] >= gate["gain_filled_over_telea_db"]
    assert result["loss_outside_against_denoised_db"]["mean"] <= gate["loss_outside_db"]


@needs_pictures
def test_what_a_caller_marks_is_filled(loaded: pipeline.Pipeline) -> None:
    from bench import holes

    gains = holes.measure(BENCH, loaded, every=40)["gain_over_db"]
    for kind, least_db in GATES["holes"].items():
        assert gains[kind.removesuffix("_over_telea_db")]["Telea"]["mean"] >= least_db


@needs_pictures
def test_pictures_worn_in_every_way_are_translated(loaded: pipeline.Pipeline) -> None:
    from bench import mixed

    result = mixed.measure(BENCH, loaded, every=9)
    gate = GATES["translate"]
    assert result["gain_over"]["psnr_db"]["input"]["mean"] >= gate["gain_over_input_db"]
    assert (
        result["gain_over"]["psnr_inside_db"]["denoise alone"]["mean"] >= gate["gain_inside_over_denoise_db"]
    )
    assert result["gain_over"]["ssim"]["input"]["mean"] >= gate["gain_over_input_ssim"]


@needs_pictures
def test_faded_prints_come_nearer_to_what_they_were(loaded: pipeline.Pipeline) -> None:
    from bench import tone

    result = tone.measure(BENCH, loaded, every=11)
    gate, psnr_db = GATES["tone"], result["scores"]["psnr_db"]
    gained = result["gain_over_faded_db"]["corrected"]["mean"]
    assert gained >= gate["gain_db"]
    stretched_db = psnr_db["one stretched curve"]["mean"]
    assert psnr_db["corrected"]["mean"] - stretched_db >= gate["gain_over_stretched_db"]
    assert result["clean_judged_faded"] <= gate["clean_judged_faded"]


@needs_pictures
def test_jpeg_artefacts_are_reduced() -> None:
    from bench import jpeg

    qualities = jpeg.measure(BENCH, every=4)["sets"]["LIVE1_nonkodak10"]["qualities"]
    for quality, found in qualities.items():
        assert found["gain_over_db"]["JPEG"]["mean"] >= GATES["jpeg"][f"gain_q{quality}_db"]


@needs_pictures
def test_grain_and_paper_are_reduced_and_strong_colours_cost_little() -> None:
    from bench import surfaces

    found, gate = surfaces.measure(BENCH, every=2), GATES["surfaces"]
    gains = {kind: figures["gain_db"]["mean"] for kind, figures in found["surfaces"].items()}
    assert gains["grain of 1 px"] >= gate["gain_grain_1_db"]
    assert gains["grain of 2 px"] >= gate["gain_grain_2_db"]
    assert min(gains[kind] for kind in ("linen", "silk", "honeycomb")) >= gate["gain_paper_db"]
    for level in found["strong"]["levels"].values():
        assert level["gain_db"]["mean"] >= gate["strong_db"]


@needs_pictures
def test_weather_is_taken_out_and_dry_photographs_stay(loaded: pipeline.Pipeline) -> None:
    from bench import weather

    looks, gate = weather.measure(BENCH, loaded, every=4)["looks"], GATES["weather"]
    for name, by_method in looks["photographs"]["weathers"].items():
        for method, found in by_method.items():
            assert found["gain_db"]["mean"] >= gate[f"gain_{name}_{method.replace('-', '_')}_db"]
    for method in (NETWORK, HAZE_NETWORK):
        assert looks["photographs"]["dry"][method]["psnr_db"]["mean"] >= gate["dry_db"]
    assert looks["old prints"]["dry"][NETWORK]["psnr_db"]["mean"] >= gate["dry_prints_db"]


@needs_pictures
def test_enlarging_beats_bicubic() -> None:
    sets = upscale.measure(BENCH, every=20)["scales"]
    for scale in ("2", "4"):
        gains = sets[scale]["BSD100"]["gain_over_bicubic_db"]
        assert gains["upscale, fast"]["mean"] >= GATES["upscale"][f"gain_x{scale}_db"]


@needs_pictures
def test_refining_brings_faces_nearer(loaded: pipeline.Pipeline) -> None:
    found = faces.measure(BENCH, loaded, every=12)["sets"]
    for figures in found.values():
        assert figures["gain_db"]["mean"] >= GATES["faces"]["gain_db"]
        assert figures["clean_psnr_db"]["mean"] >= GATES["faces"]["clean_db"]


@needs_pictures
def test_damaged_prints_are_mended_by_default(loaded: pipeline.Pipeline) -> None:
    from bench import prints

    scores = prints.measure(BENCH, loaded, every=8)["scores"]
    gate = GATES["prints"]
    assert scores["f1_rimless"]["mean"] >= gate["f1"]
    assert scores["matched_inside_gain"]["mean"] >= gate["gain_inside_db"]
    assert scores["matched_outside_gain"]["mean"] >= -gate["loss_outside_db"]
    assert scores["marked_gain"]["mean"] >= gate["marked_over_telea_db"]


@needs_pictures
def test_real_damage_is_found_by_default(loaded: pipeline.Pipeline) -> None:
    from bench import real

    sets = real.measure(BENCH, loaded)["sets"]
    gate = GATES["real"]
    assert sets["light"]["default"]["f1"]["mean"] >= gate["light_f1"]
    assert sets["heavy"]["default"]["f1"]["mean"] >= gate["heavy_f1"]
    assert sets["heavy"]["default"]["precision"]["mean"] >= gate["heavy_precision"]


@needs_pictures
def test_real_old_photographs_are_restored_by_default(loaded: pipeline.Pipeline) -> None:
    from bench import old

    result = old.measure(BENCH, loaded, every=8, pictures=None)
    assert result["plainly_changed"] >= GATES["old"]["plainly_changed"] * len(result["pictures"])


def test_drawings_halftones_and_fine_lines_stay(loaded: pipeline.Pipeline) -> None:
    from bench import untouched

    groups = untouched.measure(loaded, every=3)["groups"]
    gate = GATES["untouched"]
    for figures in groups.values():
        assert figures["ink_lost"]["max"] <= gate["ink_lost"]
    for group in ("drawings", "bilevel"):
        assert groups[group]["coverage"]["max"] <= gate["coverage"]


@needs_pictures
def test_clean_photographs_come_back_and_noisy_ones_are_restored(loaded: pipeline.Pipeline) -> None:
    from bench import harmless

    result = harmless.measure(BENCH, loaded, every=12)
    gate = GATES["harmless"]
    assert result["clean"]["psnr_db"]["mean"] >= gate["mean_db"]
    assert result["clean"]["psnr_db"]["min"] >= gate["worst_db"]
    assert result["clean"]["coverage"]["mean"] <= gate["coverage"]
    for noisy in result["noisy"].values():
        assert noisy["denoise_engaged"] >= gate["engaged_on_noise"]
        assert noisy["gain_db"]["mean"] >= gate["gain_on_noise_db"]
