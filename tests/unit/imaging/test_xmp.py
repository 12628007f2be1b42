"""XMP: what of it is changed, and how long that takes."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from photorestore.imaging.metadata.change import Change
from photorestore.imaging.metadata.xmp import LONGEST, rewrite_xmp
from tests.container_pieces import busy_xmp, hostile_xmp
from tests.layouts import upright

KEPT = Change(20, 10, 20, 10)
PLACELESS = Change(20, 10, 20, 10, gps=False)
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
    assert rewrite_xmp(block, KEPT, []) == expected


@pytest.mark.parametrize(
    "block", [b"", b"no packet", b"<a>", b"\xff\xfe", hostile_xmp(100)[:40], b"<a/>" * LONGEST]
)
def test_packet_that_needs_no_change_stays_as_it_is(block: bytes) -> None:
    assert rewrite_xmp(block, KEPT, []) == block


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
    assert rewrite_xmp(block, KEPT, []) is None


@pytest.mark.parametrize(
    ("text", "encoding"), [("<a exif:GPSLatitude='1'/>", "utf-16"), ("<a b='gps'/>", "utf-8")]
)
def test_packet_that_knows_the_place_goes_where_that_is_not_wanted(text: str, encoding: str) -> None:
    block = text.encode(encoding)
    assert rewrite_xmp(block, PLACELESS, []) is None
    assert rewrite_xmp(block, KEPT, []) == block


@pytest.mark.parametrize("make", [hostile_xmp, busy_xmp, lambda length: busy_xmp(length)[:length]])
@pytest.mark.parametrize("length", [64 << 10, 256 << 10])
def test_hostile_packet_takes_time_in_proportion_to_its_length(make: Callable[..., Any], length: int) -> None:
    packet, seconds = make(length), []
    for _ in range(3):  # the least, since the collector of garbage may come between
        start = time.process_time()
        rewrite_xmp(packet, KEPT, [])
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5


def description(attributes: str, body: str = "") -> bytes:
    return f"<rdf:Description {attributes}>{body}</rdf:Description>".encode()


TURNED = {
    1: ("0.25", "0.3", "0.1", "0.2"), 2: ("0.75", "0.3", "0.1", "0.2"), 3: ("0.75", "0.7", "0.1", "0.2"),
    4: ("0.25", "0.7", "0.1", "0.2"), 5: ("0.3", "0.25", "0.2", "0.1"), 6: ("0.7", "0.25", "0.2", "0.1"),
    7: ("0.7", "0.75", "0.2", "0.1"), 8: ("0.3", "0.75", "0.2", "0.1"),
}  # fmt: skip
"""Centre and size of an area at (.25, .3) after each of the eight turns."""
FORMS = (
    '<mwg-rs:Area stArea:x="{}" stArea:y="{}" stArea:w="{}" stArea:h="{}" stArea:unit="normalized"/>',
    (
        "<mwg-rs:Area><stArea:x> {} </stArea:x><stArea:y>{}</stArea:y>"
        "<stArea:w>{}</stArea:w><stArea:h>{}</stArea:h></mwg-rs:Area>"
    ),
)


def turn(orientation: int, scale: int = 1) -> Change:
    """Of a picture of 400x200 px."""
    width, height = (200, 400) if orientation >= 5 else (400, 200)
    return Change(scale * width, scale * height, 400, 200, orientation)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scale", [1, 2])
def test_faces_are_where_they_were(orientation: int, form: str, scale: int) -> None:
    applied = '<mwg-rs:AppliedToDimensions stDim:w="{}" stDim:h="{}" stDim:unit="pixel"/>'
    change = turn(orientation, scale)
    before = description("", applied.format(400, 200) + form.format(*TURNED[1]) * 2)
    after = description(
        "", applied.format(change.width, change.height) + form.format(*TURNED[orientation]) * 2
    )
    assert rewrite_xmp(before, change, []) == after


@pytest.mark.parametrize("orientation", range(1, 9))
def test_microsofts_faces_are_where_they_were(orientation: int) -> None:
    x, y, w, h = map(float, TURNED[orientation])
    before = description('MPReg:Rectangle="0.2, 0.2, 0.1, 0.2"')
    after = description(f'MPReg:Rectangle="{x - w / 2:g}, {y - h / 2:g}, {w:g}, {h:g}"')
    assert rewrite_xmp(before, turn(orientation), []) == after


def test_faces_that_were_described_after_the_turn_stay() -> None:
    area = FORMS[0].format(*TURNED[1])
    packet = '<mwg-rs:AppliedToDimensions><rdf:Description stDim:w="{}" stDim:h="{}"/></mwg-rs:AppliedToDimensions>{}'
    before, after = (description("", packet.format(*sides, area)) for sides in ((200, 400), (400, 800)))
    assert rewrite_xmp(before, turn(6, scale=2), []) == after


def test_areas_in_pixels_are_scaled() -> None:
    before = description('stArea:x="100" stArea:y="60" stArea:d="9" stArea:unit="pixel"')
    after = description('stArea:x="280" stArea:y="200" stArea:d="18" stArea:unit="pixel"')
    assert rewrite_xmp(before, turn(6, scale=2), []) == after


@pytest.mark.parametrize("value", ["nan", "", "a", "1e999"])
def test_areas_that_are_no_numbers_stay(value: str) -> None:
    block = description(f'stArea:x="{value}" stArea:y="0.5" MPReg:Rectangle="{value},1,2"')
    assert rewrite_xmp(block, turn(6), []) == block


def test_panorama_grows_with_the_picture_and_goes_when_it_is_turned() -> None:
    told = 'GPano:ProjectionType="equirectangular" GPano:FullPanoWidthPixels="{}" GPano:CroppedAreaTopPixels="{}"'
    block = description(told.format(400, 7))
    assert rewrite_xmp(block, turn(1), []) == block
    assert rewrite_xmp(block, turn(1, scale=4), []) == description(told.format(1600, 28))
    dropped: list[str] = []
    assert rewrite_xmp(block, turn(3), dropped) == b"<rdf:Description></rdf:Description>"
    assert dropped == ["xmp: panorama: not brought up to date for a turned picture"]


@pytest.mark.parametrize(
    ("claim", "named"),
    [
        ('GCamera:MotionPhoto="1" GCamera:MicroVideoOffset="2000"', "xmp: motion video: not kept"),
        ('hdrgm:Version="1.0" hdrgm:GainMapMax="2"', "xmp: gain map: not kept"),
        ("<Container:Directory><rdf:Seq/></Container:Directory>", "xmp: further pictures: not kept"),
    ],
)
def test_claims_of_what_is_gone_go(claim: str, named: str) -> None:
    dropped: list[str] = []
    block = description("", claim) if claim.startswith("<") else description(claim)
    assert b":" not in (rewrite_xmp(block, KEPT, dropped) or b"").replace(b"rdf:Description", b"")
    assert dropped == [named]


def test_regions_of_acdsee_go_with_the_places_that_they_tell() -> None:
    block = description("", '<acdsee-rs:Regions><a acdsee-stArea:x="0.2"/></acdsee-rs:Regions>')
    assert rewrite_xmp(block, turn(1), []) == block
    for change in (turn(6), turn(1, scale=2)):
        dropped: list[str] = []
        assert rewrite_xmp(block, change, dropped) == description("")
        assert dropped == ["xmp: regions: ACDSee's are not brought up to date"]


def test_place_goes_and_the_rest_stays() -> None:
    before = description(
        'dc:a="1" exif:GPSLatitude="1,2N" geo:long="7"', "<x:GpsAltitude>3</x:GpsAltitude><dc:b>c</dc:b>"
    )
    assert rewrite_xmp(before, PLACELESS, []) == description('dc:a="1"', "<dc:b>c</dc:b>")


@pytest.mark.parametrize(
    "name",
    [
        "wgs84_pos:lat",
        "pos:long",
        "p:lng",
        "drone-dji:LRFTargetLat",
        "drone-dji:LRFTargetAbsAlt",
        "a:destLon",
    ],
)
def test_place_goes_by_whatever_name(name: str) -> None:
    before = f'dc:a="1" {name}="48.1371"', f"<{name}>48.1371</{name}><dc:b>c</dc:b>"
    assert rewrite_xmp(description(*before), PLACELESS, []) == description('dc:a="1"', "<dc:b>c</dc:b>")
    assert rewrite_xmp(description(*before), KEPT, []) == description(*before)


def test_what_only_sounds_like_a_place_stays() -> None:
    block = description(
        'crs:Flat="1" dc:salon="2" a:Colon="3"', "<rdf:Alt><dc:latest>c</dc:latest></rdf:Alt>"
    )
    assert rewrite_xmp(block, PLACELESS, []) == block


def region(boundary: str) -> str:
    return (
        f"<Iptc4xmpExt:ImageRegion><rdf:Bag><rdf:li rdf:parseType='Resource'>{boundary}"
        "<Iptc4xmpExt:rId>a</Iptc4xmpExt:rId></rdf:li></rdf:Bag></Iptc4xmpExt:ImageRegion>"
    )


def as_attributes(**told: str) -> str:
    attributes = " ".join(f'Iptc4xmpExt:rb{name}="{value}"' for name, value in told.items())
    return f"<Iptc4xmpExt:RegionBoundary {attributes}/>"


def as_elements(**told: str) -> str:
    elements = (f"<Iptc4xmpExt:rb{name}>{value}</Iptc4xmpExt:rb{name}>" for name, value in told.items())
    return f"<Iptc4xmpExt:RegionBoundary rdf:parseType='Resource'>{''.join(elements)}</Iptc4xmpExt:RegionBoundary>"


def number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


@pytest.mark.parametrize("form", [as_attributes, as_elements])
@pytest.mark.parametrize("scale", [1, 4])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_rectangles_of_iptc_are_where_they_were(
    orientation: int, scale: int, form: Callable[..., Any]
) -> None:
    change = turn(orientation, scale)
    for unit, before, after in (
        ("relative", (1, 1), (1, 1)),
        ("pixel", (400, 200), (change.width, change.height)),
    ):
        packets = []
        for sides, area in ((before, TURNED[1]), (after, TURNED[orientation])):
            x, y, w, h = (float(text) * side for text, side in zip(area, sides * 2, strict=True))
            corner = {"X": number(x - w / 2), "Y": number(y - h / 2), "W": number(w), "H": number(h)}
            packets.append(description("", region(form(Shape="rectangle", Unit=unit, **corner))))
        assert rewrite_xmp(packets[0], change, []) == packets[1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_circles_of_iptc_are_where_they_were(orientation: int) -> None:
    """Of 20 px in a picture of 400x200 px; a share is one of the picture's width."""
    change = turn(orientation, 2)
    x, y = map(float, TURNED[orientation][:2])
    circles = [("relative", "0.25", "0.3", "0.05"), ("pixel", "100", "60", "20")]
    turned = [
        ("relative", number(x), number(y), "0.1" if orientation >= 5 else "0.05"),
        ("pixel", number(x * change.width), number(y * change.height), "40"),
    ]
    before, after = (
        description(
            "",
            "".join(region(as_elements(X=x, Y=y, Rx=r, Unit=unit, Shape="circle")) for unit, x, y, r in told),
        )
        for told in (circles, turned)
    )
    assert rewrite_xmp(before, change, []) == after


def polygon(unit: str, corners: list[tuple[float, float]]) -> str:
    points = "".join(
        f"<rdf:li rdf:parseType='Resource'><Iptc4xmpExt:rbX>{number(x)}</Iptc4xmpExt:rbX>"
        f"<Iptc4xmpExt:rbY>{number(y)}</Iptc4xmpExt:rbY></rdf:li>"
        for x, y in corners
    )
    nodes = "".join(
        f'<rdf:li><rdf:Description Iptc4xmpExt:rbX="{number(x)}" Iptc4xmpExt:rbY="{number(y)}"/></rdf:li>'
        for x, y in corners
    )
    return "".join(
        region(
            f"<Iptc4xmpExt:RegionBoundary rdf:parseType='Resource'><Iptc4xmpExt:rbVertices><rdf:Seq>{vertices}"
            "</rdf:Seq></Iptc4xmpExt:rbVertices><Iptc4xmpExt:rbShape>polygon</Iptc4xmpExt:rbShape>"
            f"<Iptc4xmpExt:rbUnit>{unit}</Iptc4xmpExt:rbUnit></Iptc4xmpExt:RegionBoundary>"
        )
        for vertices in (points, nodes)
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_polygons_of_iptc_are_where_they_were(orientation: int) -> None:
    corners = [(100, 60), (140, 60), (100, 100), (0, 199)]
    marks = np.zeros((200, 400), int)
    for place, (x, y) in enumerate(corners, 1):
        marks[y, x] = place
    turned = upright(marks, orientation)
    places = [np.argwhere(turned == place)[0] for place in range(1, 5)]
    height, width = turned.shape
    for unit, before, after in (
        ("pixel", (1, 1), (3, 3)),
        ("relative", (1 / 400, 1 / 200), (1 / width, 1 / height)),
    ):
        packets = [
            description("", polygon(unit, [((x + 0.5) * across, (y + 0.5) * down) for x, y in points]))
            for points, (across, down) in ((corners, before), ([(x, y) for y, x in places], after))
        ]
        change = Change(3 * width, 3 * height, 400, 200, orientation)
        assert rewrite_xmp(packets[0], change, []) == packets[1]


@pytest.mark.parametrize(
    "boundary",
    [
        as_elements(Shape="rectangle", Unit="furlong", X="0", Y="0", W="1", H="1"),
        as_elements(Shape="rectangle", X="0", Y="0", W="1", H="1"),
        as_elements(Shape="rectangle", Unit="relative", X="0", Y="0", W="1"),
        as_elements(Shape="rectangle", Unit="relative", X="nan", Y="0", W="1", H="1"),
        as_elements(Shape="circle", Unit="relative", X="0", Y="0"),
        as_elements(Shape="star", Unit="relative", X="0", Y="0", W="1", H="1"),
        as_elements(Shape="polygon", Unit="relative", X="0", Y="0"),
        polygon("relative", [(0.5, 0.5)]).replace("rbUnit", "rbOther"),
    ],
)
def test_regions_of_iptc_that_cannot_be_moved_go_and_are_named(boundary: str) -> None:
    block = description("", region(boundary))
    assert rewrite_xmp(block, turn(1), []) == block
    for change in (turn(6), turn(1, 2)):
        dropped: list[str] = []
        assert rewrite_xmp(block, change, dropped) == description("")
        assert dropped == ["xmp: regions: IPTC's, of a kind that is not brought up to date"]


def test_a_boundary_that_is_nobodys_and_cannot_be_moved_takes_the_packet_along() -> None:
    dropped: list[str] = []
    assert rewrite_xmp(description("", as_attributes(X="0", Y="0")), turn(6), dropped) is None
    assert dropped == ["xmp: cannot be carried over"]
