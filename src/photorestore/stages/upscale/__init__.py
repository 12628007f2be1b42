"""Upscale: enlarges."""
