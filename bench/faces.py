"""Faces: portraits degraded with fixed seeds, restored with and without refining the face.

A third of the portraits stays in colour, a third is made grey, a third brown; then all lose detail as training faces
do (`training.degradations.portraits.worn`). PSNR is measured inside the ellipse of the face, on the picture's own
pixels; landmarks by the detector's last network on the upright face, against those of the clean portrait, whose
alignment is used for all. The two sets show different people: `faces/aaf` mostly Asian ones of all ages, `faces/ccby`
studio portraits; the gap between what refining gains on each is part of the result. The clean portraits are refined
too, as they are: most are to be left alone.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.pictures import Pixels, read_set
from bench.statistics import pixel_hash, summary
from photorestore.fidelity import psnr
from photorestore.networks.runner import Runner, load_runner
from photorestore.options import Options
from photorestore.pipeline import Pipeline
from photorestore.stages.face.detector import Face
from photorestore.stages.face.geometry import Alignment, align, cut, face_mask, warp
from photorestore.stages.face.judgement import landmark_shift, place_landmarks
from photorestore.stages.face.refine import Outcome, Refiner, find_faces, refine_faces
from training.degradations.fading import grey, sepia
from training.degradations.portraits import worn

SETS = ("faces/aaf", "faces/ccby")
OPTIONS = Options(format="png", strength={"face": 0}, timeout_s=600)
"""Options of all stages but the refiner, which is measured beside them."""
CAP_DB = 60.0


def measure(root: Path, pipeline: Pipeline, *, tier: str = "fast", every: int = 1) -> dict[str, Any]:
    """Return figures by set, and the gap between the sets; `every` takes only each n-th picture."""
    detector, refiner = load_runner("face_detector"), load_refiner(tier)
    sets, given = {}, []
    for name in SETS:
        rows: list[dict[str, Any]] = []
        photos = read_set(root, name)[::every]
        for seed, (_, pixels) in enumerate(photos):
            row = _measure_one(_as_image(pixels), seed, detector, refiner, pipeline)
            if row is not None:
                given.append(row.pop("pixels"))
                rows.append(row)
        sets[name] = _summarise(rows) | {"pictures": len(photos), "faces": len(rows)}
    first, second = (sets[name]["gain_db"]["mean"] for name in SETS)
    return {
        "refiner": tier,
        "pixel_sha256": pixel_hash(given),
        "sets": sets,
        "gap_db": round(first - second, 4),
    }


def load_refiner(tier: str) -> Refiner:
    """Load the network that refines, in bfloat16 where the processor has it."""
    return load_runner("face", tier)


def _measure_one(
    image: Tensor, seed: int, detector: Runner[list[Face]], refiner: Refiner, pipeline: Pipeline
) -> dict[str, Any] | None:
    """PSNR in the face and landmark shift of one portrait; None where no face is found in the clean one."""
    faces = find_faces(image, detector)
    if not faces:
        return None
    alignment = align(faces[0].landmarks)
    gt = (image, grey(image), sepia(grey(image), 0.7))[seed % 3].clamp(0, 1)
    lq = worn(gt, torch.Generator().manual_seed(seed))
    pixels = (lq * 255).round().byte().permute(1, 2, 0).numpy()
    restored = _as_image(pipeline.restore(pixels, OPTIONS).image[..., :3])
    results = {"input": lq, "unrefined": restored}
    row: dict[str, Any] = {"pixels": pixels}
    results["refined"], row["outcome"] = _refine(restored, find_faces(restored, detector), detector, refiner)
    clean, outcome = _refine(image, faces, detector, refiner)
    row["clean"] = (outcome, min(CAP_DB, psnr(clean, image)))
    for name, result in results.items():
        row[name] = (_psnr_in_face(result, gt, alignment), _shift(result, gt, alignment, detector))
    return row


def _refine(
    image: Tensor, faces: list[Face], detector: Runner[list[Face]], refiner: Refiner
) -> tuple[Tensor, str]:
    """The picture with refined faces, and what became of the surest one."""
    outcomes, patches = refine_faces(image, faces, detector, refiner)
    refined = image.clone()
    for patch in patches:
        patch.apply(refined)
    return refined, _outcome(outcomes)


def _psnr_in_face(result: Tensor, gt: Tensor, alignment: Alignment) -> float:
    h, w = gt.shape[-2:]
    mask = warp(face_mask(0), alignment.inverse(), (h, w), padding="zeros") > 0.5
    return min(CAP_DB, psnr(result, gt, mask=mask))


def _shift(result: Tensor, gt: Tensor, alignment: Alignment, detector: Runner[list[Face]]) -> float:
    """Return the landmark shift in percent of the eye distance."""
    crops = torch.stack([cut(result, alignment), cut(gt, alignment)])
    after, truth = place_landmarks(crops, detector)
    return 100 * landmark_shift(after, truth)


def _outcome(outcomes: list[Outcome]) -> str:
    """Return what became of the surest face: `refined`, or the first words of why not."""
    if not outcomes:
        return "not found"
    return "refined" if outcomes[0].refined else outcomes[0].reason.split(":")[0]


def _summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    methods = ("input", "unrefined", "refined")
    return {
        "psnr_face_db": {name: summary([row[name][0] for row in rows]) for name in methods},
        "landmark_shift_percent": {name: summary([row[name][1] for row in rows]) for name in methods},
        "gain_db": summary([row["refined"][0] - row["unrefined"][0] for row in rows]),
        "outcomes": dict(Counter(row["outcome"] for row in rows)),
        "clean_outcomes": dict(Counter(row["clean"][0] for row in rows)),
        "clean_psnr_db": summary([row["clean"][1] for row in rows]),
    }


def _as_image(pixels: Pixels) -> Tensor:
    """Return pixels as (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255
