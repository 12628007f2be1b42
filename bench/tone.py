"""Faded prints brought back: the correction itself, and default options, on the tone set; and clean photographs.

*Corrected* is what the stage `translate` does to tone where a picture counts as faded; *default* is the whole pipeline
with default options, which first has to see that. PSNR is of RGB, Delta E is CIEDE2000; both inside the border.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from bench.looks import translate_stage
from bench.pictures import CLEAN_SETS, Pixels, read_set
from bench.statistics import paired, pixel_hash, summary
from bench.tone_set import FadedPicture, load_tone_set
from photorestore.fidelity import psnr
from photorestore.options import Options
from photorestore.pipeline import Pipeline
from photorestore.stages.base import run_stage
from photorestore.stages.preprocess.looking import look
from photorestore.stages.preprocess.normalise import normalise
from photorestore.stages.translate.findings import TranslateFindings
from photorestore.stages.translate.stage import TONE, correct_tone, needs_tone
from photorestore.workspace import Workspace

OPTIONS = Options(format="png", timeout_s=600)
FADED, STRETCHED, CORRECTED, DEFAULT = "faded", "one stretched curve", "corrected", "default"


def measure(root: Path, pipeline: Pipeline, *, every: int = 1) -> dict[str, Any]:
    """Return scores by method; `every` takes only each n-th picture."""
    pictures = load_tone_set(root, every=every)
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    flagged = []
    for picture in pictures:
        results = correct(picture, pipeline)
        restored = pipeline.restore(picture.lq, OPTIONS)
        found = restored.report.find(TranslateFindings)
        flagged.append(found is not None and found.tone)
        for method, pixels in (results | {DEFAULT: restored.image}).items():
            for name, value in score(picture, pixels).items():
                scores[name][method].append(value)
    gains = np.subtract(scores["psnr_db"][CORRECTED], scores["psnr_db"][FADED])
    return {
        "set": f"{len(pictures)} prints from {', '.join(CLEAN_SETS)}",
        "pixel_sha256": pixel_hash(picture.lq for picture in pictures),
        "scores": {
            name: {method: summary(values) for method, values in methods.items()}
            for name, methods in scores.items()
        },
        "gain_over_faded_db": {
            method: paired(scores["psnr_db"], method)[FADED]
            for method in scores["psnr_db"]
            if method != FADED
        },
        "gain_by_kind_db": {
            kind: summary([gain for gain, of in zip(gains, pictures, strict=True) if of.kind == kind])
            for kind in {picture.kind: None for picture in pictures}
        },
        "judged_faded": round(float(np.mean(flagged)), 4),
        "clean_judged_faded": _clean_judged_faded(root, pipeline, every),
    }


def correct(picture: FadedPicture, pipeline: Pipeline) -> dict[str, Pixels]:
    """Return the print, stretched by one curve for all channels, and corrected as the stage does: (H, W, 3)."""
    plane = np.ascontiguousarray(picture.lq.transpose(2, 0, 1))
    stretched, corrected = plane.copy(), plane.copy()
    normalise(stretched, None)
    workspace = Workspace.create(pipeline.root, OPTIONS)
    try:
        workspace.envelope.estimates["preprocess"] = look(plane, None, None, OPTIONS)
        correct_tone(translate_stage(pipeline).networks[TONE], workspace, corrected)
    finally:
        workspace.remove()
    planes = {FADED: plane, STRETCHED: stretched, CORRECTED: corrected}
    return {method: pixels.transpose(1, 2, 0) for method, pixels in planes.items()}


def score(picture: FadedPicture, pixels: Pixels) -> dict[str, float]:
    """Return PSNR in dB and mean Delta E against the truth."""
    found = np.ascontiguousarray(picture.inside(pixels))
    pred, gt = (torch.from_numpy(part.copy()) / 255.0 for part in (found, picture.gt))
    distance = deltaE_ciede2000(rgb2lab(found[::2, ::2]), rgb2lab(picture.gt[::2, ::2]))
    return {"psnr_db": psnr(pred, gt), "delta_e": float(distance.mean())}


def _clean_judged_faded(root: Path, pipeline: Pipeline, every: int) -> float:
    """The share of clean photographs whose tone would be corrected by default."""
    preprocess = next(stage for stage in pipeline.stages if stage.name == "preprocess")
    judged = []
    for name in CLEAN_SETS:
        for _, pixels in read_set(root, name)[::every]:
            workspace = Workspace.create(pipeline.root, OPTIONS)
            workspace.write_plane("image", np.ascontiguousarray(pixels.transpose(2, 0, 1)))
            run_stage(preprocess, [workspace])
            judged.append(needs_tone(workspace))
            workspace.remove()
    return round(float(np.mean(judged)), 4)
