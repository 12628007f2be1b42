"""Decoders of each format: the header at first, then pixels as planes, upright and in sRGB."""
