"""`photorestore import`: what is taken in, under which name, with which card; and what is refused, and why."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from photorestore.networks.weights import load_network, read_metadata
from photorestore_import import reading
from photorestore_import.command import CANNOT, DONE, REFUSED, USAGE, main
from photorestore_import.reading import Refused, read
from tests.spandrel_networks import compact, needs_spandrel, registry


class Sent:
    """Does something when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return Path.touch, (Path("was-run"),)  # type: ignore[return-value]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def saved(tmp_path: Path, values: object, name: str = "Old Film.pth") -> Path:
    torch.save(values, tmp_path / name)
    return tmp_path / name


def left(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_a_file_that_holds_code_is_refused_and_not_run(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = saved(tmp_path, {"weight": torch.zeros(1), "sent": Sent()})
    assert main([str(file), "--stage", "denoise", "--weights", str(weights)]) == REFUSED
    assert "holds more than weights, or is broken, and was not run" in capsys.readouterr().err
    assert not (tmp_path / "was-run").exists()
    assert left(weights) == []


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.pth", b"", "is broken"),
        ("a.pth", b"PK\x03\x04 no archive", "is broken"),
        ("a.safetensors", b"\xff" * 32, "is no safetensors file"),
        ("a.onnx", b"", r"expected \.safetensors, \.pth, \.pt, \.ckpt, \.bin"),
    ],
)
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused, match=why):
        read(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        read(tmp_path / "a.pth")


def test_another_file_than_was_expected_is_refused_before_it_is_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = saved(tmp_path, {"weight": torch.zeros(1)})
    monkeypatch.setattr("torch.load", pytest.fail)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(Refused, match=f"has the SHA-256 {sha256}"):
        read(file, "0" * 64)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--stage", "scratch"], "invalid choice: 'scratch'"),
        (["--stage", "denoise", "--name", "../x"], "cannot be a name"),
        (["--stage", "denoise", "--name", "fast"], "cannot be a name"),
        ([], "--stage"),
    ],
)
def test_wrong_usage(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["a.pth", *arguments])
    assert ended.value.code == USAGE
    assert why in capsys.readouterr().err


def test_without_spandrel_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> None:
        raise ImportError("No module named 'spandrel'")

    monkeypatch.setattr(reading, "canonical", missing)
    with pytest.raises(Refused, match=r"pip install 'photorestore\[import\]'"):
        read(saved(tmp_path, {"weight": torch.zeros(1)}))


@needs_spandrel
def test_a_network_is_taken_in_with_all_that_is_known_of_it(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = compact(1)
    file = saved(tmp_path, {"params_ema": values, "iter": 5})
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    told = ["--licence", "CC-BY-4.0", "--sha256", sha256.upper(), "--weights", str(weights)]
    assert main([str(file), "--stage", "denoise", *told]) == DONE
    target = weights / "denoise" / "denoise.old-film.safetensors"
    assert left(weights) == ["denoise/denoise.old-film.md", "denoise/denoise.old-film.safetensors"]
    metadata = read_metadata(target)
    assert metadata["licence"] == "CC-BY-4.0"
    origin = metadata["origin"]
    assert (origin["kind"], origin["file"], origin["sha256"]) == ("imported", "Old Film.pth", sha256)
    assert metadata["architecture"] == {
        "kind": "Compact", "stage": "denoise", "scale": 1, "stride": 1, "reach_px": 3, "in_bfloat16": True,
    }  # fmt: skip
    card = target.with_suffix(".md").read_text()
    out = capsys.readouterr().out
    assert out.startswith(card)
    assert str(target) in out
    for told_of in (
        "networks=denoise:old-film",
        "| Compact, as spandrel",
        sha256,
        "| CC-BY-4.0 |",
        "| 3 px far |",
    ):
        assert told_of in card
    with safe_open(target, framework="pt") as stored:
        assert all(torch.equal(stored.get_tensor(name), value) for name, value in values.items())
    image = torch.rand(1, 3, 20, 30)
    expected = registry().load(dict(values)).model.eval()(image).clamp(0, 1)
    assert torch.allclose(load_network("denoise", "old-film", root=weights)(image), expected, atol=1e-6)


@needs_spandrel
def test_one_of_that_name_is_replaced_only_when_told(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file(compact(2), tmp_path / "a.safetensors")
    arguments = [
        str(tmp_path / "a.safetensors"),
        "--stage",
        "upscale",
        "--name",
        "x2",
        "--weights",
        str(weights),
    ]
    assert main(arguments) == DONE
    first = (weights / "upscale" / "upscale.x2.safetensors").read_bytes()
    with pytest.raises(SystemExit):
        main(arguments)
    assert "is there already" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == DONE
    assert (weights / "upscale" / "upscale.x2.safetensors").read_bytes() == first


@needs_spandrel
@pytest.mark.parametrize(
    ("stage", "scale", "why"),
    [
        ("denoise", 2, "enlarges by 2; denoise takes 1"),
        ("upscale", 1, "enlarges by 1; upscale takes 2 or 4"),
        ("upscale", 3, "enlarges by 3; upscale takes 2 or 4"),
    ],
)
def test_a_scale_that_does_not_fit_the_stage_is_refused(
    tmp_path: Path, weights: Path, stage: str, scale: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path, compact(scale))
    assert main([str(file), "--stage", stage, "--weights", str(weights)]) == REFUSED
    assert why in capsys.readouterr().err
    assert left(weights) == []


@needs_spandrel
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda values: {"weight": torch.zeros(3)}, "of no architecture that spandrel knows"),
        (lambda values: {name: value[:1] for name, value in values.items()}, "do not fit the architecture"),
        (lambda values: values | {"body.0.bias": values["body.0.bias"] / 0}, "not finite"),
        (lambda values: {}, "does not hold tensors by name"),
        (lambda values: {name: value * 1e30 for name, value in values.items()}, "is not finite"),
    ],
)
def test_weights_that_make_no_network_are_refused(
    tmp_path: Path,
    weights: Path,
    change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]],
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = saved(tmp_path, change(compact(1)))
    assert main([str(file), "--stage", "denoise", "--weights", str(weights)]) == REFUSED
    assert why in capsys.readouterr().err
    assert left(weights) == []


@needs_spandrel
def test_a_folder_that_cannot_be_written_is_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "weights").write_text("a file")
    file = saved(tmp_path, compact(1))
    assert main([str(file), "--stage", "denoise", "--weights", str(tmp_path / "weights")]) == CANNOT
    assert "Not a directory" in capsys.readouterr().err


@needs_spandrel
def test_faces_are_enlarged_for_a_network_of_faces(tmp_path: Path, weights: Path) -> None:
    file = saved(tmp_path, compact(1))
    assert main([str(file), "--stage", "face", "--name", "f", "--weights", str(weights)]) == DONE
    metadata = read_metadata(weights / "face" / "face.f.safetensors")
    assert (metadata["architecture"]["side_px"], metadata["architecture"]["reach_px"]) == (256, None)
    card = (weights / "face" / "face.f.md").read_text()
    assert "| faces of 256 x 256 px |" in card
    assert "Looks" not in card
    assert json.dumps(metadata["metrics"], sort_keys=True).startswith('{"bfloat16_db"')
