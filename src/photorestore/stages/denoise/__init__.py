"""Denoise: removes noise, grain and JPEG artefacts."""
