"""The face detector's weights out of the package that they are published in."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
import torch

from photorestore.stages.face.detector import FaceDetector
from training.convert_face_detector import HEADS, SOURCES, evaluate, origin, read_wheel
from training.data import read_photo


def published(network: FaceDetector) -> dict[str, dict[str, torch.Tensor]]:
    """The values of a network by the names of the package: layers numbered as they come, heads by their own."""
    files = {}
    for ours, theirs in SOURCES.items():
        back = {head: name for name, head in HEADS[theirs].items()}
        values: dict[str, torch.Tensor] = {}
        layers: list[str] = []
        for name, value in getattr(network, ours).state_dict().items():
            layer, kind = name.rsplit(".", 1)
            if layer not in back and layer not in layers:
                layers.append(layer)
            called = back.get(layer, f"layer{layers.index(layer) if layer in layers else ''}")
            values[f"{called}.{kind}"] = value
        files[theirs] = values
    return files


@pytest.fixture
def network() -> FaceDetector:
    torch.manual_seed(3)
    return FaceDetector().eval()


def write_wheel(file: Path, files: dict[str, dict[str, torch.Tensor]]) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, values in files.items():
            stored = io.BytesIO()
            torch.save(values, stored)
            archive.writestr(f"facenet_pytorch/data/{name}.pt", stored.getvalue())
    return file


def test_every_value_comes_to_its_place(network: FaceDetector, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "facenet_pytorch-2.6.0-py3-none-any.whl", published(network))
    values = read_wheel(wheel)
    expected = network.state_dict()
    assert set(values) == set(expected)
    assert all(torch.equal(values[name], value) for name, value in expected.items())


def test_a_wheel_with_other_weights_is_refused(network: FaceDetector, tmp_path: Path) -> None:
    files = published(network)
    del files["onet"]
    with pytest.raises(KeyError, match="onet"):
        read_wheel(write_wheel(tmp_path / "other.whl", files))


def test_a_network_of_another_depth_is_refused(network: FaceDetector, tmp_path: Path) -> None:
    files = published(network)
    files["pnet"]["further.weight"] = torch.zeros(1)
    with pytest.raises(ValueError, match="shorter"):
        read_wheel(write_wheel(tmp_path / "other.whl", files))


def test_the_origin_names_package_version_and_hash(tmp_path: Path) -> None:
    wheel = tmp_path / "facenet_pytorch-2.6.0-py3-none-any.whl"
    wheel.write_bytes(b"any")
    told = origin(wheel, "MIT")
    assert (told.source, told.version, told.file) == ("facenet-pytorch", "2.6.0", wheel.name)
    assert told.sha256 == hashlib.sha256(b"any").hexdigest()


class Finding:
    """Stands in for the detector: finds as many faces as there are bright pixels in the first row."""

    def __init__(self, moved_px: float = 0.0) -> None:
        self.moved_px = moved_px

    def __call__(self, image: torch.Tensor) -> list[object]:
        count = int((image[0, 0] > 0.9).sum())
        marks = [[10.0 + self.moved_px, 10.0], [50.0 + self.moved_px, 10.0]]
        return [type("Face", (), {"landmarks": marks, "eye_distance_px": 40.0})() for _ in range(count)]


def test_what_16_bits_change_is_measured_on_pictures_with_faces(
    network: FaceDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    for number, count in enumerate((1, 0, 2, 1)):
        picture = Image.new("RGB", (12, 12))
        for column in range(count):
            picture.putpixel((column, 0), (255, 255, 255))
        picture.save(tmp_path / f"{number}.png")
    assert int(read_photo(tmp_path / "2.png")[0].count_nonzero()) == 2
    sides = iter([Finding(), Finding(moved_px=4)])
    monkeypatch.setattr("training.convert_face_detector.Runner", lambda _: next(sides))
    found = evaluate(network, tmp_path, every=1)
    assert found == {
        "found_percent": 75,
        "same_count_percent": 100,
        "shift_percent": pytest.approx(10),
        "pictures": 4,
    }
