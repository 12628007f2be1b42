"""Networks from elsewhere: how they are named, asked for and refused."""

import re
from pathlib import Path

import pytest

from photorestore.errors import UnavailableNetwork, UnsupportedOption, by_type
from photorestore.network_words import LONGEST, is_name, name_from, parse, pattern, written
from photorestore.options import NETWORK_STAGES, Options
from photorestore.tiers import available_tiers, imported_networks, require_networks


@pytest.mark.parametrize("name", ["a", "4x-sharp", "a" * LONGEST])
def test_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", "-a", "A", "a.b", "a/b", "../a", "a" * (LONGEST + 1), "fast", "quality", "auto"]
)
def test_what_is_no_name(name: str) -> None:
    assert not is_name(name)


def test_names_are_made_of_those_of_files() -> None:
    assert name_from("4x_Sharp (v2.1)") == "4x-sharp-v2-1"
    assert name_from("../é") == ""
    assert is_name(name_from("x" * 39 + "_y"))


def test_words_are_read_and_written_in_one_order() -> None:
    names = parse(" upscale:sharp-x4 , Denoise : Old-Film", NETWORK_STAGES)
    assert names == {"upscale": "sharp-x4", "denoise": "old-film"}
    assert written(names) == "denoise:old-film,upscale:sharp-x4"
    assert re.match(pattern(NETWORK_STAGES), written(names))


@pytest.mark.parametrize(
    "text", ["", "denoise", "denoise:", "denoise:a,denoise:b", "scratch:a", "denoise:fast", "denoise:a,"]
)
def test_other_words_are_none(text: str) -> None:
    assert parse(text, NETWORK_STAGES) is None


def test_naming_one_asks_for_its_stage() -> None:
    options = Options.from_mapping({"networks": "DENOISE:old-film"})
    assert options.networks == "denoise:old-film"
    assert (options.network_of("denoise"), options.network_of("face")) == ("old-film", None)
    assert (options.wants("denoise"), options.wants("face")) == (True, None)
    assert Options(networks="denoise:a", stages=("denoise",)).wants("face") is False


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"stages": "face"}, "networks names old-film for denoise, but stages leaves it out"),
        ({"denoise_method": "bm3d"}, "networks names old-film for denoise, but denoise_method is 'bm3d'"),
    ],
)
def test_what_does_not_go_with_one_is_refused(values: dict[str, str], why: str) -> None:
    with pytest.raises(UnsupportedOption, match=why):
        Options.from_mapping({"networks": "denoise:old-film", **values})


def test_a_text_that_names_none_is_refused_with_what_is_expected() -> None:
    with pytest.raises(
        UnsupportedOption, match="STAGE:NAME, separated by commas, for some of denoise, face, upscale"
    ):
        Options.from_mapping({"networks": "scratch:a"})


def test_networks_are_found_by_their_files_and_are_no_tiers(tmp_path: Path) -> None:
    for name in ("denoise", "scratch"):
        (tmp_path / name).mkdir()
        for rest in ("fast.safetensors", "old-film.safetensors", "old-film.md", "Odd.safetensors"):
            (tmp_path / name / f"{name}.{rest}").touch()
    (tmp_path / "denoise" / "denoise_csf.other.safetensors").touch()
    assert imported_networks(tmp_path / "denoise") == ("old-film",)
    assert imported_networks(tmp_path / "scratch") == ()
    assert available_tiers(tmp_path / "scratch") == ("fast",)


def test_one_that_is_not_there_is_refused() -> None:
    options = Options(networks="denoise:b,upscale:c")
    require_networks(options, {"denoise": ("a", "b"), "face": ()})
    with pytest.raises(
        UnavailableNetwork,
        match=r"^networks names b for denoise, which has a, d; c for upscale, which has none$",
    ):
        require_networks(options, {"denoise": ("a", "d"), "upscale": ()})
    assert (UnavailableNetwork.status, by_type("unavailable-network")) == (400, UnavailableNetwork)
