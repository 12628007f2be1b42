"""TorchServe's class files, edited. What the edits do is seen in tests/e2e/test_faults.py."""

import zipfile
from pathlib import Path

import pytest

from backend import launch
from backend.classfile import ALOAD_0, NOP, RETURN, ClassFile
from backend.java_patches import REST_JOB, SERVE, WORKER_THREAD, write_patched_classes

JAR = launch.server_jar()


def read_class(name: str, jar: Path = JAR) -> bytes:
    with zipfile.ZipFile(jar) as archive:
        return archive.read(f"{name}.class")


def test_a_class_without_an_edit_stays_as_it_is() -> None:
    with zipfile.ZipFile(JAR) as archive:
        names = [name for name in archive.namelist() if name.startswith(SERVE) and name.endswith(".class")]
        assert len(names) > 200
        assert [name for name in names if ClassFile(data := archive.read(name)).to_bytes() != data] == []


def test_constants_that_are_there_are_used_again() -> None:
    original = read_class(WORKER_THREAD)
    edited = ClassFile(original)
    references = [edited.class_(WORKER_THREAD), edited.field(WORKER_THREAD, "port", "I")]
    assert edited.to_bytes() == original
    references += [edited.class_("some/Other"), edited.method("some/Other", "name", "()V")]
    assert len(set(references)) == 4
    again = ClassFile(edited.to_bytes())
    assert again.method("some/Other", "name", "()V") == references[3]
    assert again.to_bytes() == edited.to_bytes()


def test_code_can_be_appended_again_and_again() -> None:
    edited = ClassFile(read_class(REST_JOB))
    edited.append("<init>", NOP)
    once = edited.to_bytes()
    edited.append("<init>", ALOAD_0 + NOP)
    assert len(edited.to_bytes()) == len(once) + 2
    assert NOP + ALOAD_0 + NOP + RETURN in edited.to_bytes()
    assert ClassFile(edited.to_bytes()).to_bytes() == edited.to_bytes()


@pytest.mark.parametrize("method", ["none", "getResponsePromise"])
def test_methods_that_do_not_end_with_a_return_are_refused(method: str) -> None:
    with pytest.raises(ValueError, match=method):
        ClassFile(read_class(REST_JOB)).append(method, NOP)


def test_another_torchserve_is_refused(tmp_path: Path) -> None:
    write_patched_classes(JAR, tmp_path / "once")
    other = tmp_path / "other.jar"
    with zipfile.ZipFile(other, "w") as archive:
        for file in (tmp_path / "once").rglob("*.class"):
            archive.write(file, file.relative_to(tmp_path / "once"))
    with pytest.raises(ValueError, match="0 places to edit, not 1"):
        write_patched_classes(other, tmp_path / "twice")


def test_only_what_is_patched_is_written(tmp_path: Path) -> None:
    write_patched_classes(JAR, tmp_path)
    written = {str(file.relative_to(tmp_path).with_suffix("")): file for file in tmp_path.rglob("*.*")}
    grown = {name: file.stat().st_size - len(read_class(name)) for name, file in written.items()}
    assert len(grown) == 3
    assert grown[WORKER_THREAD] == 0
    assert all(0 <= size < 100 for size in grown.values())
