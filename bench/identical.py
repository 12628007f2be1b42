"""Check whether two builds answer with the same bytes: a matrix of pictures, formats, options and batch sizes.

    python -m bench.identical write before.json    # in the one checkout
    python -m bench.identical compare before.json  # in the other: exit status 1 where anything differs

Everything runs in process, with what the service answers byte for byte. Pictures are made here, with fixed seeds. Of
the report all but the times is compared.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from photorestore import imaging, pipeline
from photorestore.options import Options
from photorestore.workspace import Workspace

OPTIONS = {
    "default": Options(),
    "thorough": Options(mode="thorough"),
    "gentle": Options(mode="gentle", format="png"),
    "nothing": Options(stages=()),
    "all named": Options(stages=("denoise", "scratch", "translate", "face"), format="png"),
    "half": Options(
        stages=("denoise", "translate", "face"), strength={"denoise": 0.5, "face": 0.3}, format="webp"
    ),
    "enlarged": Options(scale=2, format="png"),
    "normalised": Options(normalise=True, format="jpeg", quality=80),
    "stripped": Options(mode="thorough", metadata="strip", format="tiff"),
}
"""Options by name."""
TOGETHER = (2, 4)
"""Sizes of batches, beside one by one."""


def make_pictures() -> dict[str, bytes]:
    """Make pictures of several kinds and formats, by name."""
    photo, print_ = _photo(1), _damaged(_photo(2))
    noisy = np.clip(photo + np.random.default_rng(3).normal(0, 22, photo.shape), 0, 255).astype(np.uint8)
    alpha = np.dstack([photo, _photo(4)[..., 0]])
    drawing = Image.new("1", (180, 140), 1)
    ImageDraw.Draw(drawing).line((10, 10, 170, 120), fill=0, width=2)
    return {
        "photo.jpg": _saved(photo, "JPEG", quality=88),
        "noisy.png": _saved(noisy, "PNG"),
        "print.jpg": _saved(print_, "JPEG", quality=92),
        "grey.png": _saved(print_[..., 0], "PNG"),
        "alpha.png": _saved(alpha, "PNG"),
        "deep.png": _saved((photo[..., 1].astype(np.uint16) * 257), "PNG"),
        "print.tif": _saved(print_, "TIFF", compression="tiff_lzw"),
        "photo.webp": _saved(noisy, "WEBP", quality=70),
        "small.png": _saved(photo[:1, :1], "PNG"),
        "narrow.png": _saved(noisy[:7], "PNG"),
        "drawing.png": _encoded(drawing, "PNG"),
    }


def answers() -> Iterator[tuple[str, str]]:
    """Yield what each case is called, and the hash of what comes back."""
    pictures = make_pictures()
    with tempfile.TemporaryDirectory() as folder:
        loaded = pipeline.load(root=Path(folder) / "spaces")
        for option, options in OPTIONS.items():
            for name, picture in pictures.items():
                yield f"{name}, {option}", _restore(loaded, [picture], options)[0]
        mask = np.zeros((240, 320), np.uint8)
        mask[60:80, 40:200] = 255
        yield "photo.jpg, mask", _restore(loaded, [pictures["photo.jpg"]], Options(), _saved(mask, "PNG"))[0]
        for count in TOGETHER:
            for option in ("default", "thorough", "enlarged"):
                names = list(pictures)[:count]
                hashes = _restore(loaded, [pictures[name] for name in names], OPTIONS[option])
                yield from (
                    (f"{name}, {option}, {count} together", one)
                    for name, one in zip(names, hashes, strict=True)
                )


def _restore(
    loaded: pipeline.Pipeline, pictures: list[bytes], options: Options, mask: bytes | None = None
) -> list[str]:
    batch = []
    for picture in pictures:
        workspace = Workspace.create(loaded.root, options)
        workspace.envelope.measures_all = True  # so that all of the report is compared
        imaging.put_picture(workspace, "upload", picture)
        if mask is not None:
            imaging.put_picture(workspace, "mask_upload", mask)
        batch.append(workspace)
    loaded.run(batch)
    hashes = [_hash_of(workspace) for workspace in batch]
    for workspace in batch:
        workspace.remove()
    return hashes


def _hash_of(workspace: Workspace) -> str:
    problem = workspace.envelope.problem
    if problem is not None:
        return f"{problem.status} {problem.type}: {problem.detail}"
    report = json.loads(workspace.read_file("report.json") or b"{}")
    for key in ("ms", "request_id", "seconds"):
        report.pop(key, None)
    for trace in report.get("trace", {}).values():
        for key in ("ms", "began"):
            trace.pop(key, None)
    digest = hashlib.sha256(workspace.read_file("result") or b"")
    digest.update(json.dumps(report, sort_keys=True).encode())
    return digest.hexdigest()


def _photo(seed: int) -> npt.NDArray[np.uint8]:
    """Something with slopes, edges and texture: (240, 320, 3)."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(30, 225, (12, 16, 3), np.uint8)).resize(
        (320, 240), Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, r = (int(value) for value in rng.integers((0, 0, 6), (320, 240, 50)))
        draw.ellipse(
            (x - r, y - r, x + r, y + r), fill=tuple(int(value) for value in rng.integers(0, 255, 3))
        )
    return np.array(image.filter(ImageFilter.GaussianBlur(1)))


def _damaged(photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The same as a faded, grainy, cracked print."""
    rng = np.random.default_rng(9)
    grey = photo.mean(2, keepdims=True) * np.array([0.62, 0.56, 0.45]) + 70
    image = Image.fromarray(np.clip(grey + rng.normal(0, 6, grey.shape), 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(5):
        places = np.cumsum(rng.integers(-20, 40, (8, 2)), 0) + rng.integers(0, 120, 2)
        draw.line(
            [tuple(place) for place in places.tolist()], fill=(235, 232, 224), width=int(rng.integers(1, 5))
        )
    return np.array(image)


def _saved(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], kind: str, **settings: object) -> bytes:
    return _encoded(Image.fromarray(pixels), kind, **settings)


def _encoded(image: Image.Image, kind: str, **settings: object) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **settings)
    return target.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("write", "compare"))
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    found = dict(answers())
    if arguments.what == "write":
        arguments.file.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{len(found)} answers")
        return
    before = json.loads(arguments.file.read_text())
    other = [name for name in sorted(before.keys() | found.keys()) if before.get(name) != found.get(name)]
    print(f"{len(found)} answers, {len(other)} differ", *other, sep="\n  ")
    sys.exit(1 if other else 0)


if __name__ == "__main__":
    main()
