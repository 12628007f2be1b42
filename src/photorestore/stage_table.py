"""List the stages, one row for each; every list of stages, networks and planes is derived from it (ADR 19).

Imports only the standard library: the REST edge and `archive.sh` read this module.
"""

from __future__ import annotations

from dataclasses import replace

from photorestore.stage_row import (
    ALPHA,
    BLURRED,
    COLOURED,
    DAMAGE,
    ENLARGED,
    IMPULSES,
    MASK,
    OPACITY,
    PICTURE,
    WEATHERED,
    WIDE,
    MethodRow,
    NetworkRow,
    PlaneRow,
    StageRow,
)


def _chained(*rows: StageRow) -> tuple[StageRow, ...]:
    """Return rows with `after` filled in: by default the row above."""
    above = ("", *(row.name for row in rows))
    return tuple(
        row if row.after or not before else replace(row, after=(before,))
        for before, row in zip(above, rows, strict=False)
    )


ROWS = _chained(
    StageRow(
        name="preprocess",
        label="Read and judge the photo",
        does=(
            "reads the upload, develops raw files, sets alpha apart, judges what kind of picture it is and what is "
            "wrong with it"
        ),
        works_when="always",
        reads_estimates=False,
        networks=(
            NetworkRow(
                "preprocess_judge", "photorestore.stages.preprocess.network:JudgeNet", has_tiers=False
            ),
            NetworkRow(
                "preprocess_scene", "photorestore.stages.preprocess.scene_network:SceneTrunk", has_tiers=False
            ),
            NetworkRow(
                "preprocess_demosaic",
                "photorestore.stages.preprocess.demosaic_network:Demosaicker",
                has_tiers=False,
            ),
        ),
        borrows=("scratch_print",),
        planes=(
            PlaneRow("image", 3, sample_bytes=None, holds=PICTURE),
            PlaneRow("alpha", 1, sample_bytes=None, holds=OPACITY, needs=frozenset({ALPHA})),
            PlaneRow("hidden", 3, sample_bytes=None, needs=frozenset({ALPHA})),  # at most
            PlaneRow("wide", 3, needs=frozenset({WIDE})),
            PlaneRow("hole_mask", 1, sample_bytes=1, holds=DAMAGE, needs=frozenset({MASK})),
            PlaneRow("scene", 0),  # of the whole picture, at most 1 MB
            PlaneRow("reference", 0),  # a view of some 1,000 px, whatever the picture's size
        ),
        findings="photorestore.stages.preprocess.findings:PreprocessFindings",
        batch_size=2,  # under load, so that pictures share the cost of the hops to the stages that follow
        gpu_batch_size=2,
        max_batch_delay_ms=0,  # takes who waits already; TorchServe then takes two at most
        max_workers=2,  # decoding is one thread's work, so pictures side by side use all cores
    ),
    StageRow(
        name="denoise",
        label="Noise, grain, JPEG artefacts",
        does="removes noise, grain and JPEG artefacts",
        works_when="noise was found, or asked for",
        is_selectable=True,
        has_strength=True,
        takes_networks=True,
        networks=(
            NetworkRow("denoise", "photorestore.stages.denoise.network:DenoiseUNet"),
            NetworkRow(
                "denoise_csf",
                "photorestore.stages.denoise.shrinkage:ShrinkageCascade",
                has_tiers=False,
            ),
        ),
        planes=(
            PlaneRow("denoised", 3, holds=PICTURE),
            PlaneRow("impulses", 1, sample_bytes=1, needs=frozenset({IMPULSES})),
        ),
        findings="photorestore.stages.denoise.findings:DenoiseFindings",
        methods=(
            MethodRow("network", 3.6),
            MethodRow("l0tv", 9.7),
            MethodRow("poisson-tv", 51.0),
            MethodRow("csf", 0.8),
            MethodRow("ksvd", 18.0),
            MethodRow("kriging", 1.8),
            MethodRow("bm3d", 190.0),
            MethodRow("dip", 1400.0),
        ),
    ),
    StageRow(
        name="scratch",
        label="Look for scratches, dust, tears",
        does="tells how likely each pixel is part of a scratch, tear, fold or dust, and what of it is to be filled",
        works_when="unless a mask was given, or left out",
        after=("preprocess",),  # beside `denoise`
        is_selectable=True,
        reads_estimates=False,
        networks=(
            NetworkRow("scratch", "photorestore.stages.scratch.network:ScratchUNet"),
            NetworkRow("scratch_print", "photorestore.stages.scratch.network:ScratchUNet"),
            NetworkRow(
                "scratch_glance", "photorestore.stages.scratch.glance_network:Glance", has_tiers=False
            ),
        ),
        borrows=("preprocess_scene",),
        planes=(PlaneRow("scratch_prob", 1), PlaneRow("scratch_mask", 1, sample_bytes=1, holds=DAMAGE)),
        findings="photorestore.stages.scratch.findings:ScratchFindings",
    ),
    StageRow(
        name="deblur",
        label="Undo a blur",
        does="undoes shake, motion, defocus or softness: by a network, or by a blur that is told or estimated",
        works_when="asked for, or `psf` tells the blur",
        after=("denoise", "scratch"),
        is_selectable=True,
        has_strength=True,
        options=("psf",),
        networks=(NetworkRow("deblur", "photorestore.stages.deblur.network:DeblurUNet", has_tiers=False),),
        methods=(
            MethodRow("hqs", 47.0),
            MethodRow("hqs-csf", 4.0),
            MethodRow("wiener", 1.5),
            MethodRow("richardson-lucy", 0.7),
            MethodRow("network", 0.7),
        ),
        borrows=("denoise", "denoise_csf"),
        planes=(PlaneRow("deblurred", 3, holds=PICTURE, needs=frozenset({BLURRED})),),
        findings="photorestore.stages.deblur.findings:DeblurFindings",
        batch_size=1,  # each picture has a blur of its own
        gpu_batch_size=1,
    ),
    StageRow(
        name="weather",
        label="Take out rain, snow or haze",
        does="takes out rain and snow, by a network, or haze, by another network or by the dark channel prior",
        works_when="asked for, and there is such weather",
        is_selectable=True,
        has_strength=True,
        options=("weather_method",),
        networks=(
            NetworkRow("weather", "photorestore.stages.weather.network:WeatherUNet", has_tiers=False),
            NetworkRow(
                "weather_haze", "photorestore.stages.weather.haze_network:HazeNetwork", has_tiers=False
            ),
        ),
        methods=(MethodRow("network", 0.6), MethodRow("haze-network", 0.2), MethodRow("dark-channel", 0.3)),
        planes=(PlaneRow("cleared", 3, holds=PICTURE, needs=frozenset({WEATHERED})),),
        findings="photorestore.stages.weather.findings:WeatherFindings",
        batch_size=1,  # each picture has weather of its own
        gpu_batch_size=1,
    ),
    StageRow(
        name="translate",
        label="Fill damage, freshen faded tone",
        does="fills the damage at full resolution, with the picture's grain; lifts faded tone and colours",
        works_when="damage or fading was found, a mask was given, or asked for",
        is_selectable=True,
        has_strength=True,
        networks=(
            NetworkRow("translate", "photorestore.stages.translate.network:Translator"),
            NetworkRow(
                "translate_print", "photorestore.stages.translate.network:Translator", has_tiers=False
            ),
            NetworkRow(
                "translate_tone", "photorestore.stages.translate.tone_network:ToneNetwork", has_tiers=False
            ),
        ),
        methods=(MethodRow("network", 2.2), MethodRow("dip", 1400.0)),
        planes=(PlaneRow("translated", 3, holds=PICTURE),),
        findings="photorestore.stages.translate.findings:TranslateFindings",
    ),
    StageRow(
        name="face",
        label="Faces",
        does="finds faces, refines them and puts back what changed, unless that would change who it is",
        works_when=(
            "faces are blurred, and the picture is noisy, faded or damaged, or they are very much so, or asked for"
        ),
        is_selectable=True,
        has_strength=True,
        takes_networks=True,
        networks=(
            NetworkRow("face", "photorestore.stages.face.network:FaceUNet"),
            NetworkRow("face_detector", "photorestore.stages.face.detector:FaceDetector", has_tiers=False),
        ),
        planes=(PlaneRow("refined", 3, holds=PICTURE),),
        findings="photorestore.stages.face.findings:FaceFindings",
    ),
    StageRow(
        name="colorize",
        label="Give colours",
        does="gives a grey photograph colours, by what is usual, by a reference or by hints; its lightness stays",
        works_when="`colorize` or `hints` asks for it",
        has_strength=True,
        reads_estimates=False,
        options=("colorize", "hints"),
        networks=(
            NetworkRow("colorize", "photorestore.stages.colorize.network:ColorizeNetwork", has_tiers=False),
        ),
        borrows=("preprocess_scene",),
        planes=(
            PlaneRow("colorized", 3, holds=PICTURE, needs=frozenset({COLOURED})),
            PlaneRow("colour_confidence", 0),  # of the view, at most 64 KiB
        ),
        findings="photorestore.stages.colorize.findings:ColorizeFindings",
        batch_size=1,  # each picture has colours of its own
        gpu_batch_size=1,
    ),
    StageRow(
        name="upscale",
        label="Enlarge",
        does="super-resolution x2 and x4: one network for clean pictures, one for photographs as they come",
        works_when="`scale` is above 1",
        takes_networks=True,
        options=("scale",),
        networks=(
            NetworkRow("upscale", "photorestore.stages.upscale.network:Upscaler"),
            NetworkRow("upscale_real", "photorestore.stages.upscale.network:Upscaler"),
        ),
        methods=(MethodRow("network", 5.7), MethodRow("dip", 5600.0)),
        planes=(
            PlaneRow("upscaled", 3, holds=PICTURE, needs=frozenset({ENLARGED})),
            PlaneRow(
                "upscaled_alpha",
                1,
                sample_bytes=None,
                holds=OPACITY,
                needs=frozenset({ALPHA, ENLARGED}),
            ),
        ),
        findings="photorestore.stages.upscale.findings:UpscaleFindings",
    ),
    StageRow(
        name="deliver",
        label="Save",
        does="hands the upload back where nothing was changed, else encodes the result; writes the report",
        works_when="always",
        reads_estimates=False,
        findings="photorestore.stages.deliver.findings:DeliverFindings",
        batch_size=1,
        gpu_batch_size=1,
        max_workers=2,  # encoding is one thread's work, too
    ),
)
"""In the order of the pipeline."""

STAGE_ROWS = {row.name: row for row in ROWS}
NETWORK_ROWS = tuple(network for row in ROWS for network in row.networks)
