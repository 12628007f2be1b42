"""Read pictures and write them: decoding, colour, metadata, encoding."""

from photorestore.imaging.acquire import open_picture, open_to_decode
from photorestore.imaging.door import put_picture, result_array
from photorestore.imaging.encode import Outgoing, encode
from photorestore.imaging.files.sniff import LIMITS, Limits, check_enlarged
from photorestore.imaging.negotiate import CONTENT_TYPES, Needs, choose_format
from photorestore.imaging.planes import to_array, write_array
from photorestore.imaging.promise import promise

__all__ = [
    "CONTENT_TYPES",
    "LIMITS",
    "Limits",
    "Needs",
    "Outgoing",
    "check_enlarged",
    "choose_format",
    "encode",
    "open_picture",
    "open_to_decode",
    "promise",
    "put_picture",
    "result_array",
    "to_array",
    "write_array",
]
