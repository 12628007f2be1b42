"""Decode each format: first the header, then the pixels as planes, upright and in sRGB."""
