"""Preprocess: reads the upload and judges the picture."""
