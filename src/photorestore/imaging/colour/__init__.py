"""Colour spaces: find those of uploads, make ICC profiles of them, convert to sRGB and back."""
