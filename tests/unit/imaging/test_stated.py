from xml.etree import ElementTree as ET

import pytest

from photorestore.imaging.metadata.stated import EDITED, GENERATED, with_statement

RDF = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">%s</rdf:RDF></x:xmpmeta>'


@pytest.mark.parametrize("block", [None, RDF % b"", RDF % b'<rdf:Description rdf:about=""/>'])
def test_the_statement_is_well_formed_xml(block: bytes | None) -> None:
    packet = with_statement(block, "The colours are new", is_invented=True, dropped=[])
    described = ET.fromstring(packet)[0][-1]
    assert described.get("{urn:photorestore:1.0/}Colours") == "The colours are new"
    assert GENERATED in described.attrib.values()


def test_what_the_packet_tells_of_the_source_stays() -> None:
    block = RDF % (
        b'<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        b'Iptc4xmpExt:DigitalSourceType="negativeFilm"/>'
    )
    packet = with_statement(block, "New", is_invented=False, dropped=[])
    assert packet.count(b"DigitalSourceType") == 1
    assert EDITED.encode() not in packet


def test_a_statement_is_made_once() -> None:
    once = with_statement(None, "New", is_invented=True, dropped=[])
    assert with_statement(once, "Newer", is_invented=True, dropped=[]) == once


def test_a_packet_that_takes_no_statement_goes_and_is_named() -> None:
    dropped: list[str] = []
    packet = with_statement("<x/>".encode("utf-16"), "New", is_invented=True, dropped=dropped)
    assert b"New" in packet
    assert dropped == ["xmp: cannot be told that the colours are new"]
