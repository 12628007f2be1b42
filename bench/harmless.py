"""Measure whether default options do no harm to clean photographs, and yet remove noise from the same ones.

Clean: lossless output against the input, PSNR capped at 60 dB a picture. As files: the same photographs as they are
stored, nothing asked for; where no stage has worked, the upload's own bytes are to come back. Noisy: Gaussian noise,
clipped and rounded to 8 bits; how often the denoiser engages by itself, and what it gains.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.pictures import CLEAN_SETS, Pixels, add_gaussian, as_stored, read_set, set_files
from bench.statistics import pixel_hash, summary
from photorestore.fidelity import psnr
from photorestore.options import Options
from photorestore.pipeline import Pipeline, Restored
from photorestore.stages.preprocess.findings import PreprocessFindings
from photorestore.stages.scratch.findings import ScratchFindings

CAP_DB = 60.0
SIGMAS_255 = (15, 25, 50)
CHANGING = ("denoise", "translate", "face")
"""The stages that change pixels."""
OPTIONS = Options(format="png", timeout_s=600)


def measure(root: Path, pipeline: Pipeline, *, every: int = 1) -> dict[str, Any]:
    """Return figures by set; `every` takes only each n-th picture."""
    photos = {name: read_set(root, name)[::every] for name in CLEAN_SETS}
    return {
        "pixel_sha256": pixel_hash(pixels for chosen in photos.values() for _, pixels in chosen),
        "clean": _measure_clean(photos, pipeline),
        "files": _measure_files(
            [file for name in CLEAN_SETS for file in set_files(root, name)[::every]], pipeline
        ),
        "noisy": {str(sigma_255): _measure_noisy(photos, pipeline, sigma_255) for sigma_255 in SIGMAS_255},
    }


def _measure_clean(photos: dict[str, list[tuple[str, Pixels]]], pipeline: Pipeline) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for name, chosen in photos.items():
        for picture, pixels in chosen:
            restored = pipeline.restore(pixels, OPTIONS)
            found = restored.report.find(PreprocessFindings)
            damage = restored.report.find(ScratchFindings)
            assert found is not None
            rows.append(
                {
                    "picture": f"{name}/{picture}",
                    "psnr_db": round(_psnr(restored.image, pixels), 2),
                    "coverage": 0.0 if damage is None else damage.coverage,
                    "sigma_255": found.sigma_255,
                    "engaged": _engaged(restored, "denoise"),
                    "refined": _engaged(restored, "face"),
                }
            )
    return {
        "psnr_db": summary([row["psnr_db"] for row in rows]),
        "coverage": summary([row["coverage"] for row in rows]),
        "denoise_engaged": round(float(np.mean([row["engaged"] for row in rows])), 4),
        "face_engaged": round(float(np.mean([row["refined"] for row in rows])), 4),
        "worst": sorted(rows, key=lambda row: row["psnr_db"])[:10],
    }


def _measure_files(files: list[Path], pipeline: Pipeline) -> dict[str, Any]:
    """How many photographs no stage has changed, how many came back byte for byte, and by how much they grew."""
    untouched, same, said, grown = 0, 0, 0, []
    for file in files:
        upload = file.read_bytes()
        restored = pipeline.restore(upload, Options(timeout_s=600))
        trace = restored.report.trace
        untouched += all(trace[stage].outcome != "ran" for stage in CHANGING if stage in trace)
        same += restored.encoded == upload
        said += restored.report.unchanged
        grown.append(len(restored.encoded) / len(upload))
    return {
        "n": len(files),
        "untouched": untouched,
        "same_bytes": same,
        "reported_unchanged": said,
        "bytes_over_upload": summary(grown),
    }


def _measure_noisy(
    photos: dict[str, list[tuple[str, Pixels]]], pipeline: Pipeline, sigma_255: int
) -> dict[str, Any]:
    gains, engaged = [], []
    for seed, (_, pixels) in enumerate(pair for chosen in photos.values() for pair in chosen):
        noisy = as_stored(add_gaussian(pixels, sigma_255, seed))
        restored = pipeline.restore(noisy, OPTIONS)
        gains.append(_psnr(restored.image, pixels) - _psnr(noisy, pixels))
        engaged.append(_engaged(restored, "denoise"))
    return {"gain_db": summary(gains), "denoise_engaged": round(float(np.mean(engaged)), 4)}


def _engaged(restored: Restored, stage: str) -> bool:
    return restored.report.trace[stage].outcome == "ran"


def _psnr(result: np.ndarray, pixels: Pixels) -> float:
    pred, gt = (torch.from_numpy(np.array(array)) / 255.0 for array in (result[..., :3], pixels))
    return min(CAP_DB, psnr(pred, gt))
