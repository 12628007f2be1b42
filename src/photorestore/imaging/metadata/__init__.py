"""What a file says of its picture, EXIF, XMP, IPTC and the rest: read, brought up to date, put into the result."""
