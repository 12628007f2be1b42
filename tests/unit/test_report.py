import json
from dataclasses import replace

import pytest

from photorestore.envelope import Trace
from photorestore.records import document_of, read_record
from photorestore.report import Report
from photorestore.stages.scratch.findings import ScratchFindings
from photorestore.stages.translate.findings import TranslateFindings
from tests.handed_on import REPORT


def test_a_report_survives_a_round_trip() -> None:
    report = replace(
        REPORT,
        estimates={"scratch": {"coverage": 0.5}, "deliver": {"content_type": "image/png", "bytes": 9}},
        trace={
            "denoise": Trace("ran", "noise removed", 1.5, "fast"),
            "face": Trace("passed", "none found", 2.0),
        },
        dropped=("alpha: jpeg has none",),
    )
    document = json.loads(json.dumps(document_of(report)))
    assert read_record(Report, document) == report
    assert "tier" not in document["trace"]["face"]


def test_what_a_stage_found_is_asked_by_its_class() -> None:
    report = replace(REPORT, estimates={"scratch": {"coverage": 0.5}})
    assert report.find(ScratchFindings) == ScratchFindings(0.5)
    assert report.find(TranslateFindings) is None


def test_what_another_version_found_is_handed_on_but_not_understood() -> None:
    report = read_record(Report, document_of(replace(REPORT, estimates={"older": {"any": 1}})))
    assert report.estimates == {"older": {"any": 1}}
    with pytest.raises(ValueError, match="no stage older"):
        report.find(ScratchFindings)
