"""What the command line understands, in this process."""

from pathlib import Path

import pytest
from photorestore_client.arguments import make_parser
from photorestore_client.bulk import canonical, count_pixels
from photorestore_client.command import _is_one_file, main
from photorestore_client.errors import BadPicture, Busy, Denied, Unreachable
from photorestore_client.given import (
    CANNOT_WRITE,
    DONE,
    NO_SERVICE,
    SOME_FAILED,
    USAGE,
    api_key_of,
    exit_code_of,
    options_of,
)
from photorestore_client.ledger import CannotWriteError
from photorestore_client.plan import format_of

from tests.client_command import make_picture
from tests.edge_double import Edge


def options_in(*words: str) -> dict[str, object]:
    given = make_parser().parse_args(["a.jpg", "-o", "b.jpg", *words])
    return dict(options_of(given, "jpeg"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["--stages", "denoise, face,"], {"stages": ["denoise", "face"]}),
        (["--stages", ""], {"stages": []}),
        (["--strength", ".5"], {"strength": 0.5}),
        (["--strength", "denoise:0.5, face:0"], {"strength": {"denoise": 0.5, "face": 0.0}}),
        (["--sigma-255", "12.5", "--normalise"], {"sigma_255": 12.5, "normalise": True}),
        (["--scale", "2", "--tier", "fast", "--quality", "80"], {"scale": 2, "tier": "fast", "quality": 80}),
        (
            ["--mode", "gentle", "--metadata", "no-gps", "--colour", "source", "--timeout", "30"],
            {"mode": "gentle", "metadata": "no-gps", "colour": "source", "timeout": 30.0},
        ),
    ],
)
def test_what_is_not_said_is_left_to_the_service(words: list[str], expected: dict[str, object]) -> None:
    assert options_in(*words) == {**expected, "format": "jpeg"}


@pytest.mark.parametrize(
    "words",
    [
        ["--jobs", "0"],
        ["--jobs", "1.5"],
        ["--count", "-1"],
        ["--patience", "0"],
        ["--patience", "nan"],
        ["--patience", "inf"],
        ["--every", "-2"],
        ["--every", "inf"],
        ["--strength", "much"],
        ["--strength", "face:"],
        ["--scale", "2.5"],
        ["--mode", "wild"],
        ["--format", "bmp"],
    ],
)
def test_values_that_mean_nothing_are_wrong_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        options_in(*words)
    assert ended.value.code == USAGE
    assert f"argument {words[0]}" in capsys.readouterr().err.replace("-j/", "")


def test_where_the_service_listens_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_parser().parse_args([]).url == "http://127.0.0.1:8000"
    monkeypatch.setenv("PHOTORESTORE_URL", "http://album:80")
    assert make_parser().parse_args([]).url == "http://album:80"
    assert make_parser().parse_args(["--url", "http://other"]).url == "http://other"


def test_the_key_comes_from_its_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PHOTORESTORE_API_KEY", raising=False)
    (tmp_path / "key").write_text(" of the file\n")
    parse = make_parser().parse_args
    assert api_key_of(parse([])) is None
    assert api_key_of(parse(["--api-key-file", str(tmp_path / "key")])) == "of the file"
    monkeypatch.setenv("PHOTORESTORE_API_KEY", "of the environment")
    assert api_key_of(parse([])) == "of the environment"
    assert api_key_of(parse(["--api-key-file", str(tmp_path / "key")])) == "of the file"
    monkeypatch.setenv("PHOTORESTORE_API_KEY", "")
    assert api_key_of(parse([])) is None


@pytest.mark.parametrize(
    ("inputs", "output", "is_one"),
    [
        (["a.png"], "b.png", True),
        (["a.png"], "b/", False),
        (["a.png"], "folder", False),
        (["folder"], "b.png", False),
        (["a.png", "c.png"], "b.png", False),
    ],
)
def test_one_file_becomes_one_file_unless_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: list[str], output: str, is_one: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    assert _is_one_file(make_parser().parse_args([*inputs, "-o", output])) == is_one


@pytest.mark.parametrize(
    ("name", "image_format"),
    [("a.jpg", "jpeg"), ("a.JPE", "jpeg"), ("a.tif", "tiff"), ("a.b.webp", "webp"), ("a.avif", "avif")],
)
def test_a_name_says_its_format(name: str, image_format: str) -> None:
    assert format_of(Path(name)) == image_format


@pytest.mark.parametrize("name", ["a", "a.bmp", "a.jpg.part", ".jpg"])
def test_a_name_that_says_no_format_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="use --format"):
        format_of(Path(name))


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([], DONE),
        ([BadPicture({"status": 422})], SOME_FAILED),
        ([BadPicture({"status": 422}), Unreachable("gone")], NO_SERVICE),
        ([Busy({"status": 429})], NO_SERVICE),
        ([Denied({"status": 401})], NO_SERVICE),
        ([Unreachable("gone"), CannotWriteError("full")], CANNOT_WRITE),
    ],
)
def test_the_exit_code_tells_the_gravest_of_what_went_wrong(errors: list[Exception], code: int) -> None:
    assert exit_code_of(errors) == code


def test_options_of_equal_results_are_equal_as_json() -> None:
    assert canonical({"scale": 2, "format": "png"}) == canonical({"format": "png", "scale": 2, "timeout": 9})
    assert canonical({"stages": ("a", "b")}) == canonical({"stages": ["a", "b"], "tier": None})
    assert canonical({"stages": ()}) != canonical({}), "no stage works, or all as they like"


def test_a_picture_of_a_blur_counts_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "blur.png"
    file.write_bytes(b"a")
    before = canonical({"psf": file})
    assert canonical({"psf": b"a"}) == before != canonical({"psf": b"b"})
    file.write_bytes(b"b")
    assert canonical({"psf": file}) != before
    given = make_parser().parse_args(["restore", "--psf", str(file)])
    assert given.psf == file
    assert make_parser().parse_args(["restore", "--psf", "estimate"]).psf == "estimate"


def test_pixels_are_counted_from_a_head_alone() -> None:
    whole = make_picture(0)
    assert count_pixels(whole[:100]) == count_pixels(whole) > 0
    assert count_pixels(b"no picture") == count_pixels(b"") == 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(make_picture(0))
    return tmp_path / "a.png"


def test_a_dry_run_of_one_file_writes_nothing(
    edge: Edge, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "b.jpg"
    assert main([str(file), "-o", str(target), "--dry-run", "--url", edge.url]) == DONE
    assert capsys.readouterr().out == f"restore {file} -> {target}\n"
    assert not target.exists()
    assert main([str(tmp_path / "none.png"), "-o", str(target), "--dry-run", "--url", edge.url]) == USAGE


def test_a_target_that_is_there_is_replaced_only_if_that_is_said_and_never_the_source(
    edge: Edge, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "b.png"
    target.write_bytes(b"mine")
    words = [str(file), "-o", str(target), "--url", edge.url]
    assert main(words) == USAGE
    assert "is there already" in capsys.readouterr().err
    assert target.read_bytes() == b"mine"
    assert main([*words, "--overwrite"]) == DONE
    assert target.read_bytes() != b"mine"
    before = file.read_bytes()
    assert main([str(file), "-o", str(file), "--overwrite", "--url", edge.url]) == USAGE
    assert file.read_bytes() == before


def test_one_file_that_cannot_be_written_is_another_code(
    edge: Edge, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in the way").touch()
    target = tmp_path / "in the way" / "b.png"
    assert main([str(file), "-o", str(target), "--url", edge.url]) == CANNOT_WRITE
    assert "in the way" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--watch-throughput", "a.png"], "takes no INPUT"),
        ([], "name a picture or a folder"),
        (["a.png"], "say with -o"),
        (["a.png", "b.png", "-o", "c/", "--mask", "m.png"], "--mask is for one picture"),
        (["a.png", "b.png", "-o", "c/", "--confidence", "m.png"], "--confidence is for one picture"),
        (["a.png", "-o", "b.png", "--confidence", "m.png"], "--confidence is of new colours"),
    ],
)
def test_arguments_that_do_not_fit_together_are_wrong_usage(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == USAGE
    assert told in capsys.readouterr().err
