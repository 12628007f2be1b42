"""HEIF, AVIF and JPEG 2000: what their boxes say of the picture, read without a decoder."""
