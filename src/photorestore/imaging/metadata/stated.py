"""Say in XMP that a picture's colours are not its own."""

from __future__ import annotations

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's name for pictures in which a trained network invented something."""
EDITED = "http://cv.iptc.org/newscodes/digitalsourcetype/humanEdits"
"""IPTC's name for pictures that somebody changed by tools that invent nothing."""
_STATEMENT, _SOURCE_TYPE = "photorestore:Colours", "Iptc4xmpExt:DigitalSourceType"
_END = b"</rdf:RDF>"
_EMPTY = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def with_statement(block: bytes | None, text: str, *, is_invented: bool, dropped: list[str]) -> bytes:
    """Return an XMP packet that says where the colours come from.

    A packet that says so already stays, and so does what it tells of the picture's source.

    Args:
        block: the packet so far, or None.
        text: without characters that XML would have escaped.
        is_invented: whether a network invented any of them.
        dropped: gets a name if the packet so far cannot take the statement in and has to go.
    """
    if block is not None and _END not in block:
        dropped.append("xmp: cannot be told that the colours are new")
        block = None
    packet = block or _EMPTY
    if _STATEMENT.encode() in packet:
        return packet
    kind = GENERATED if is_invented else EDITED
    told = f' {_SOURCE_TYPE}="{kind}"' if _SOURCE_TYPE.encode() not in packet else ""
    ours = (
        '<rdf:Description rdf:about="" xmlns:photorestore="urn:photorestore:1.0/" '
        f'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"{told} {_STATEMENT}="{text}"/>'
    )
    before, end, after = packet.rpartition(_END)
    return before + ours.encode() + end + after
