"""Which pictures are restored, and where their results go."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from photorestore_client.plan import RESULT_SUFFIXES, plan

OUT = Path("/results")


def results(inputs: list[Path], image_format: str = "jpeg", output: Path = OUT) -> dict[str, str]:
    """The results' places by the sources' names."""
    return {work.source.name: work.result.as_posix() for work in plan(inputs, output, image_format).works}


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("name", "image_format", "result"),
    [
        ("a.jpg", "jpeg", "a.jpg"),
        ("a.JPEG", "jpeg", "a.JPEG"),
        ("a.png", "jpeg", "a.png.jpg"),
        ("a.jpg", "png", "a.jpg.png"),
        ("a.tif", "tiff", "a.tif"),
        ("a.TIFF", "tiff", "a.TIFF"),
        ("a.webp", "avif", "a.webp.avif"),
        ("no suffix", "webp", "no suffix.webp"),
        (".hidden", "png", ".hidden.png"),
        ("two.dots.bmp", "png", "two.dots.bmp.png"),
    ],
)
def test_a_result_keeps_its_sources_name(tmp_path: Path, name: str, image_format: str, result: str) -> None:
    source = touch(tmp_path, name) / name
    assert results([source], image_format) == {name: result}


def test_of_a_folder_only_pictures_are_taken_and_nothing_hidden_or_linked(tmp_path: Path) -> None:
    photos = touch(
        tmp_path / "photos",
        *(
            "b.jpg",
            "a.HEIC",
            "notes.txt",
            ".c.jpg",
            "d.jpg.part",
            "sub/e.png",
            "sub/.f/g.png",
            ".trash/h.png",
        ),
    )
    touch(tmp_path / "elsewhere", "i.png")
    (photos / "link").symlink_to(tmp_path / "elsewhere")
    (photos / "linked.png").symlink_to(tmp_path / "elsewhere" / "i.png")
    works = plan([photos], OUT, "png").works
    assert [work.result.as_posix() for work in works] == [
        "a.HEIC.png", "b.jpg.png", "linked.png", "sub/e.png",
    ]  # fmt: skip


def test_a_file_that_is_named_may_have_any_name(tmp_path: Path) -> None:
    touch(tmp_path, "scan.raw", ".hidden.png")
    assert results([tmp_path / "scan.raw", tmp_path / ".hidden.png"], "png") == {
        "scan.raw": "scan.raw.png", ".hidden.png": ".hidden.png",
    }  # fmt: skip


def test_of_several_inputs_the_folders_names_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "1931/a.png", "1932/a.png", "b.png")
    inputs = [tmp_path / "1931", tmp_path / "1932", tmp_path / "b.png"]
    assert [work.result.as_posix() for work in plan(inputs, OUT, "png").works] == [
        "1931/a.png",
        "1932/a.png",
        "b.png",
    ]
    monkeypatch.chdir(tmp_path / "1931")
    assert [work.result.as_posix() for work in plan([Path(), Path("../1932")], OUT, "png").works] == [
        "1931/a.png", "1932/a.png",
    ]  # fmt: skip
    assert results([Path()], "png") == {"a.png": "a.png"}


@pytest.mark.parametrize("output", ["photos/restored", "photos/sub/../restored", "link"])
def test_results_inside_the_sources_are_left_out_however_their_folder_is_called(
    tmp_path: Path, output: str
) -> None:
    photos = touch(tmp_path / "photos", "a.png", "restored/a.png", "sub/b.png")
    (tmp_path / "link").symlink_to(photos / "restored")
    assert results([photos], "png", tmp_path / output) == {"a.png": "a.png", "b.png": "sub/b.png"}


def refusals(inputs: list[Path], output: Path, image_format: str) -> dict[str, str]:
    """Why pictures are not restored, by their names."""
    left_out = plan(inputs, output, image_format).left_out
    return {entry.path.name: entry.why for entry in left_out if entry.has_failed}


def test_of_two_sources_of_one_result_the_second_one_fails(tmp_path: Path) -> None:
    touch(tmp_path, "1/a.png", "2/a.png")
    inputs = [tmp_path / "1/a.png", tmp_path / "2/a.png"]
    assert refusals(inputs, OUT, "png") == {
        "a.png": f"its result would be /results/a.png, as that of {inputs[0]}"
    }
    assert results(inputs, "png") == {"a.png": "a.png"}
    touch(tmp_path / "3", "a.bmp", "a.bmp.jpg")
    assert len(results([tmp_path / "3"])) == len(refusals([tmp_path / "3"], OUT, "jpeg")) == 1


def test_a_result_that_would_replace_any_source_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b/a.png")
    (tmp_path / "link").symlink_to(tmp_path)
    for output in (tmp_path, tmp_path / "link"):
        why = refusals([tmp_path / "a.png"], output, "png")["a.png"]
        assert why == f"its result would replace {output / 'a.png'}"
    with pytest.raises(ValueError, match="results need a folder of their own"):
        plan([tmp_path / "b"], tmp_path / "b", "png")


def test_an_input_that_is_missing_is_an_error_and_a_folder_that_cannot_be_read_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        plan([tmp_path / "none"], OUT, "png")

    def refused(folder: object) -> None:
        raise PermissionError(13, "not yours", str(folder))

    monkeypatch.setattr(os, "scandir", refused)
    photos = touch(tmp_path / "photos", "a.png")
    assert refusals([photos], OUT, "png") == {"photos": "cannot be read: not yours"}


names = st.text("ab.", min_size=1, max_size=3).filter(lambda name: not name.startswith("."))
places = st.lists(st.sampled_from(["x", "y"]), max_size=2)
suffixes = st.sampled_from([".png", ".jpg", ".bmp", ".JPG"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sources=st.lists(st.tuples(places, names, suffixes), max_size=6),
    image_format=st.sampled_from(sorted(RESULT_SUFFIXES)),
)
def test_results_lie_as_their_sources_do_and_no_two_are_one(
    tmp_path_factory: pytest.TempPathFactory, sources: list[tuple[list[str], str, str]], image_format: str
) -> None:
    folder = tmp_path_factory.mktemp("photos")
    for place, name, suffix in sources:
        touch(folder, "/".join([*place, name + suffix]))
    works = plan([folder], OUT, image_format).works
    assert len({work.result for work in works}) == len(works)
    for work in works:
        assert work.result.parent == work.source.relative_to(folder).parent
        assert work.result.name.startswith(work.source.name)
        assert work.result.suffix.lower() in RESULT_SUFFIXES[image_format]
