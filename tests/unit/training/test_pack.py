import hashlib
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from training import pack, pack_units
from training.degradations.sources import STAMP_KINDS, load_damage_sources
from training.marked import load_marked_prints
from training.pack import MEBIBYTE, PARTS, Part, make_pack
from training.pack_units import File

CONFIGS = Path(__file__).resolve().parents[3] / "training/configs"


def save(file: Path, seed: int, mode: str = "RGB") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    shape = (64, 80, 3) if mode == "RGB" else (64, 80)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(values).save(file)


def part_of(file: Path) -> int:
    """The rest by which damage is held out (0) or kept for validation (1)."""
    return min(2, int(hashlib.sha256(file.read_bytes()).hexdigest(), 16) % 5)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root with some of everything, and annotations of two of its prints, one of them of the test."""
    root = tmp_path / "data"
    names = [f"photos_a/hr/p{number:02}.png" for number in range(60)]
    names += [f"photos_a/bsds400/p{number:02}.png" for number in range(45)]
    names += [f"photos_b/{folder}/a.png" for folder in ("imagenet1k", "osie", "sunhays80")]
    names += [f"domain/faces/{folder}/a_1.jpg" for folder in ("aaf256", "ccby320", "lfwgray128", "ytf128")]
    names += [f"domain/old_real/{name}.jpg" for name in ("sound", "lady", "003")]
    names += ["domain/paper_textures/a.jpg", "domain/polyu_pairs/a_real.jpg", "domain/polyu_pairs/a_mean.jpg"]
    for number, name in enumerate(names):
        save(root / name, number)
    greys = [f"domain/damage_stamps/{kind}/{number}.png" for kind in STAMP_KINDS for number in range(12)]
    greys += [f"domain/crack_shapes/{number}.png" for number in range(12)]
    greys += [f"domain/film_scan_labels/scan_{number:02}.png" for number in (1, 4, 6)]
    for number, name in enumerate(greys):
        save(root / name, number, "L")
    annotations = tmp_path / "annotations"
    (annotations / "old_real").mkdir(parents=True)
    for name in ("lady", "003"):
        (annotations / "old_real" / f"{name}.txt").write_text(
            f"source: {name}.jpg\nP: 10,10 20,10 20,20 10,20\n"
        )
    (annotations / "old_real/sound.txt").write_text("sound\n")
    monkeypatch.setattr(pack_units, "ANNOTATIONS", annotations)
    return root


def test_a_pack_stays_below_its_size_and_is_the_same_again(data: Path, tmp_path: Path) -> None:
    first, again, other = (
        make_pack(data, tmp_path / name, network=None, most_bytes=2 * MEBIBYTE, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    files = [file for file in first.root.rglob("*.*") if file.suffix != ".json"]
    assert sum(file.stat().st_size for file in files) <= 2 * MEBIBYTE
    assert len(files) == len(first.sizes)
    assert first.sizes == again.sizes != other.sizes


def test_damage_that_is_held_out_stays_behind_and_the_rest_keeps_its_part(data: Path, tmp_path: Path) -> None:
    root = make_pack(data, tmp_path / "pack", network="scratch", most_bytes=64 * MEBIBYTE, seed=1).root
    for folder in (*(f"damage_stamps/{kind}" for kind in STAMP_KINDS), "crack_shapes"):
        before = {file.name: part for file in (data / "domain" / folder).iterdir() if (part := part_of(file))}
        assert {file.name: part_of(file) for file in (root / "domain" / folder).iterdir()} == before
    assert [file.name for file in sorted((root / "domain/film_scan_labels").iterdir())] == [
        "scan_01.png", "scan_06.png",
    ]  # fmt: skip
    stored, small = (load_damage_sources(place, held_out=False) for place in (data, root))
    difference = stored.stamps["hair"].short() - small.stamps["hair"].short()
    assert int(difference.abs().max()) <= 9
    assert (stored.scans[0] == small.scans[0]).all()


def test_marked_prints_come_with_their_masks_but_for_those_of_the_test(data: Path, tmp_path: Path) -> None:
    root = make_pack(data, tmp_path / "pack", network="scratch", most_bytes=64 * MEBIBYTE, seed=1).root
    (lady,) = load_marked_prints(root, root / "marks")
    assert lady.name == "old_real/lady"
    assert lady.share == pytest.approx(121 / (64 * 80), rel=0.2)
    assert not [file for file in root.rglob("*") if file.stem == "003"]


def test_photographs_that_validate_keep_their_places(data: Path, tmp_path: Path) -> None:
    room = 64 * sum(file.stat().st_size for file in (data / "photos_a").rglob("*.png"))
    root = make_pack(data, tmp_path / "pack", network="upscale", most_bytes=room, seed=1).root
    places = [file.stem.split("_") for file in sorted((root / "photos_a/hr").iterdir())]
    assert [int(place) for place, _ in places] == list(range(60))
    names = [name for _, name in places]
    assert names[:16] == [f"p{number:02}" for number in range(16)]
    assert names[40] == "p40"
    assert sorted(names) == [f"p{number:02}" for number in range(60)]
    assert names != sorted(names)


def test_a_pack_for_one_network_holds_only_what_it_reads(data: Path, tmp_path: Path) -> None:
    root = make_pack(data, tmp_path / "pack", network="face", most_bytes=MEBIBYTE, seed=1).root
    assert {file.name for file in root.iterdir()} == {"domain", "pack.json"}
    assert {file.name for file in (root / "domain").iterdir()} == {"faces"}
    assert json.loads((root / "pack.json").read_text())["network"] == "face"


def test_what_has_to_be_complete_must_fit(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        make_pack(data, tmp_path / "pack", network="scratch", most_bytes=500, seed=1)


def test_a_folder_that_is_no_pack_is_not_deleted(data: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        make_pack(data, data, network=None, most_bytes=MEBIBYTE, seed=1)
    assert (data / "photos_a").exists()


@pytest.mark.parametrize("name", ["scratch", "denoise", "upscale", "upscale_real", "translate", "face"])
def test_all_folders_that_a_quality_configuration_names_are_in_the_pack(name: str) -> None:
    config = tomllib.loads((CONFIGS / f"{name}.quality.toml").read_text())
    packed = {part.folder for part in PARTS if name in part.networks}
    named = {*config["photos"], *(config[key] for key in ("pairs", "old_photos", "papers") if key in config)}
    assert named <= packed
    if name != "face":
        assert config.get("validation", pack_units.VALIDATION_FIRST) == pack_units.VALIDATION_FIRST
        assert config.get("validation_every", pack_units.VALIDATION_EVERY) == pack_units.VALIDATION_EVERY


def test_room_goes_by_weight(tmp_path: Path) -> None:
    def units(_folder: Path, _rng: Random) -> Iterator[list[File]]:
        return ([(f"{number}.bin", bytes(100))] for number in range(1000))

    parts = (Part("a", frozenset("x"), units, 1.0), Part("b", frozenset("x"), units, 3.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack, "PARTS", parts)
        sizes = make_pack(tmp_path, tmp_path / "pack", network=None, most_bytes=4000, seed=1).sizes
    assert sum(name.startswith("a/") for name in sizes) == 10
    assert sum(name.startswith("b/") for name in sizes) == 30
