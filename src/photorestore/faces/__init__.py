"""Faces in a picture: cut out upright at one size, judged, refined and put back."""
