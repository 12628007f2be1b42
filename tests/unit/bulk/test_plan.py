import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from photorestore.errors import UnsupportedOption
from photorestore_bulk.places import Place
from photorestore_bulk.plan import Item, items_in, items_of


@pytest.fixture
def source(photos: Path) -> Place:
    for name in ("a.jpg", "b.BMP", "notes.txt"):
        (photos / name).write_bytes(b"12")
    return Place.of(str(photos))


@pytest.fixture
def output(tmp_path: Path) -> Place:
    return Place.of(str(tmp_path / "restored"))


def csv(source: Place, text: str, **options: object) -> list[Item]:
    return list(items_of(text.encode(), "keys.csv", source, options))


def test_pictures_are_found_by_their_suffix_and_keep_their_names(source: Place, output: Place) -> None:
    items = list(items_in(source, output, {}))
    assert [(item.key, item.result) for item in items] == [("a.jpg", "a.jpg"), ("b.BMP", "b.BMP.jpg")]
    assert json.loads(items[0].options) == {"format": "jpeg", "timeout_s": 600.0}


def test_the_same_work_is_known_again_and_other_work_is_not(source: Place, output: Place) -> None:
    works = [item.work for item in items_in(source, output, {})]
    assert works == [item.work for item in items_in(source, output, {"strength": "1.0"})]
    assert not set(works) & {item.work for item in items_in(source, output, {"strength": ".5"})}
    source.write("a.jpg", b"123")
    assert [item.work == work for item, work in zip(items_in(source, output, {}), works, strict=True)] == [
        False,
        True,
    ]


def test_results_may_lie_among_the_pictures(source: Place) -> None:
    output = source.below("restored")
    output.write("a.jpg", b"1")
    assert [item.key for item in items_in(source, output, {})] == ["a.jpg", "b.BMP"]


def test_of_two_pictures_with_one_result_the_second_fails(source: Place, output: Place) -> None:
    for name in ("b.BMP.jpg", "c.bmp.jpg"):
        source.write(name, b"1")
    problems = {item.key: item.problem for item in items_in(source, output, {})}
    assert problems.pop("b.BMP.jpg") == "its result would be b.BMP.jpg, as that of b.BMP"
    assert set(problems.values()) == {""}


def test_wrong_options_of_all_end_the_run(source: Place, output: Place) -> None:
    with pytest.raises(UnsupportedOption, match="scale"):
        list(items_in(source, output, {"scale": "3"}))
    with pytest.raises(UnsupportedOption, match="scale"):
        csv(source, "key\na.jpg\n", scale="3")


def test_a_manifest_names_keys_and_options_of_each(source: Place) -> None:
    items = csv(source, 'key,scale,options\na.jpg,2,\nb.BMP,,"{""format"": ""png""}"\n', mode="gentle")
    assert [item.result for item in items] == ["a.jpg", "b.BMP.png"]
    assert [json.loads(item.options) for item in items] == [
        {"format": "jpeg", "mode": "gentle", "scale": 2, "timeout_s": 600.0},
        {"format": "png", "mode": "gentle", "timeout_s": 600.0},
    ]


def test_a_manifest_may_be_parquet(source: Place) -> None:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"key": ["a.jpg"], "scale": [4]}), sink)
    (item,) = items_of(sink.getvalue().to_pybytes(), "keys.parquet", source, {})
    assert (item.key, json.loads(item.options)["scale"]) == ("a.jpg", 4)


@pytest.mark.parametrize(
    ("row", "problem"),
    [("a.jpg,7,", "scale is 7"), ("a.jpg,,[]", "JSON object"), ("a.jpg,,{", "Expecting")],
)
def test_a_wrong_row_of_a_manifest_is_a_problem_of_its_own(source: Place, row: str, problem: str) -> None:
    (item,) = csv(source, f"key,scale,options\n{row}\n")
    assert problem in item.problem


def test_keys_that_are_not_there_are_found_out_later(source: Place) -> None:
    (item,) = csv(source, "key\nnone.jpg\n")
    assert (item.size_bytes, item.problem) == (-1, "")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("keys.csv", b"name\na.jpg\n", "has no column key; it has name"),
        ("keys.csv", b"key\na.jpg\na.jpg\n", "more than one row"),
        ("keys.parquet", b"key\n", "neither Parquet"),
    ],
)
def test_manifests_that_cannot_be_followed_are_refused(
    source: Place, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        list(items_of(content, name, source, {}))
