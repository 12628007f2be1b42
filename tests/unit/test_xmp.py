"""XMP: what of it is changed, and how long that takes."""

import time

import pytest

from photorestore.imaging.xmp import LONGEST, rewrite_xmp
from tests.hostile_containers import busy_xmp, hostile_xmp

PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk='of "&lt;tiff:Orientation>6"'>
 <!-- tiff:Orientation="6" -->
 <rdf:Description tiff:Orientation = "6"
   dc:title='tiff:ImageWidth="9" > ' tiff:ImageWidth='4000' exif:PixelYDimension="3000"
   tiff:Make="Müller &amp; 6"/>
 <tiff:Orientation>
     6</tiff:Orientation><exif:PixelXDimension >4000</exif:PixelXDimension><tiff:ImageLength/>7
 <xmp:Thumbnails><a><xmp:Thumbnails>/9j/</xmp:Thumbnails>tiff:Orientation="3"</a></xmp:Thumbnails >
 <xmp:ThumbnailsX><xmp:Thumbnails/></xmp:ThumbnailsX><xap:Thumbnails a="> />"/><!-- <xmp:Thumbnails> -->
</x:xmpmeta>
<?xpacket end="w"?>"""
CHANGED = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk='of "&lt;tiff:Orientation>6"'>
 <!-- tiff:Orientation="6" -->
 <rdf:Description tiff:Orientation = "1"
   dc:title='tiff:ImageWidth="9" > ' tiff:ImageWidth='20' exif:PixelYDimension="10"
   tiff:Make="Müller &amp; 6"/>
 <tiff:Orientation>
     1</tiff:Orientation><exif:PixelXDimension >20</exif:PixelXDimension><tiff:ImageLength/>7
 {}
 <xmp:ThumbnailsX></xmp:ThumbnailsX><!-- <xmp:Thumbnails> -->
</x:xmpmeta>
<?xpacket end="w"?>""".format("")


@pytest.mark.parametrize(("before", "after"), [("", ""), ("\ufeff", ""), ("\n\0 ", " \n\0\0")])
def test_orientation_sizes_and_thumbnails_change_and_nothing_else(before: str, after: str) -> None:
    block, expected = ((before + text + after).encode() for text in (PACKET, CHANGED))
    assert rewrite_xmp(block, 20, 10, gps=True) == expected


@pytest.mark.parametrize(
    "block", [b"", b"no packet", b"<a>", b"\xff\xfe", hostile_xmp(100)[:40], b"<a/>" * LONGEST]
)
def test_packet_that_needs_no_change_stays_as_it_is(block: bytes) -> None:
    assert rewrite_xmp(block, 20, 10, gps=True) == block


@pytest.mark.parametrize(
    "block",
    [
        b"<a tiff:Orientation='6'>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a tiff:Orientation='6'/>",
        b"<a tiff:Orientation='6'>\xff</a>",
        b"<?xml version='1.0' encoding='UTF-16'?><a tiff:Orientation=6/>",
        b"<a tiff:Orientation='6'/>" + b" " * LONGEST,
    ],
)
def test_packet_that_cannot_be_changed_goes(block: bytes) -> None:
    assert rewrite_xmp(block, 20, 10, gps=True) is None


@pytest.mark.parametrize("text", ["<a exif:GPSLatitude='1'/>", "<a b='gps'/>"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_packet_that_knows_the_place_goes_where_that_is_not_wanted(text: str, encoding: str) -> None:
    block = text.encode(encoding)
    assert rewrite_xmp(block, 20, 10, gps=False) is None
    assert rewrite_xmp(block, 20, 10, gps=True) == block


@pytest.mark.parametrize("make", [hostile_xmp, busy_xmp, lambda length: busy_xmp(length)[:length]])
@pytest.mark.parametrize("length", [64 << 10, 256 << 10])
def test_hostile_packet_takes_time_in_proportion_to_its_length(make, length: int) -> None:
    start = time.process_time()
    rewrite_xmp(make(length), 20, 10, gps=True)
    assert time.process_time() - start < 0.5
