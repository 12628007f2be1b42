"""Read what a file says of its picture (EXIF, XMP, IPTC and the rest), update it, and put it into the result."""
