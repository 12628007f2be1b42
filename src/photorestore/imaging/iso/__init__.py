"""Read what the boxes of HEIF, AVIF and JPEG 2000 say of the picture, without a decoder."""
