import fcntl
import os
import socket
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from backend import command, edge, launch, management, supervisor
from backend.run_lock import holder_of, holding, only_user
from backend.settings import HOME, HOST, Ports, Settings, own_root
from gateway.command_line import parse
from photorestore.directories import default_root
from photorestore.options import STAGES
from photorestore.serving.management import WHOLE, Management, Node
from tests.edge import ENVIRONMENT


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "run").mkdir()
    return Settings(HOME, tmp_path / "run", tmp_path / "spaces", Ports.from_base(21_000))


def serve(settings: Settings) -> int:
    return command._serve(settings, 0)


def test_instance_gets_its_own_ports_and_folders(settings: Settings) -> None:
    text = launch.write_config(settings).read_text()
    properties = dict(line.split("=", 1) for line in text.splitlines())
    assert properties["inference_address"] == f"http://{HOST}:21000"
    assert properties["initial_worker_port"] == "21005"
    assert properties["model_store"] == str(HOME / "model_store")
    assert properties["disable_token_authorization"] == "true"


def test_everything_listens_on_loopback_only() -> None:
    properties = launch.read_properties(HOME)
    addresses = [value for name, value in properties.items() if name.endswith("_address")]
    assert len(addresses) == 5
    assert all("127.0.0.1" in address for address in addresses)


def test_what_runs_all_stages_is_loaded_at_every_start_and_has_one_worker() -> None:
    properties = launch.read_properties(HOME)
    assert properties["load_models"] == f"{Management('').whole_model}={WHOLE}.mar"
    assert properties["default_workers_per_model"] == "1"


def test_workers_inherit_no_python_path(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    environment = launch.environment(settings, tmp_path)
    assert "PYTHONPATH" not in environment
    assert environment["PHOTORESTORE_WORKSPACE"] == str(settings.workspace_root)


@pytest.mark.parametrize("name", ["x" * 100, "12:30"])
def test_run_directories_with_names_of_no_use_get_a_temp_dir_elsewhere(tmp_path: Path, name: str) -> None:
    assert launch.private_temp_dir(tmp_path / "x") == tmp_path / "x" / "tmp"
    chosen = launch.private_temp_dir(tmp_path / name)
    assert len(str(chosen)) < launch.LONGEST_SOCKET_PATH
    assert ":" not in str(chosen)
    chosen.rmdir()


def test_run_directory_has_one_instance(settings: Settings) -> None:
    file = settings.pid_file
    assert holder_of(file) is None
    with holding(file) as is_first, holding(file) as is_second:
        assert (is_first, is_second) == (True, False)
        assert holder_of(file) == os.getpid()
    assert holder_of(file) is None


def test_left_over_pid_files_are_nobody(settings: Settings) -> None:
    settings.pid_file.write_text("1")
    assert holder_of(settings.pid_file) is None
    with settings.pid_file.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert holder_of(settings.pid_file) == 1


def test_who_looks_at_a_lock_keeps_nobody_from_it(settings: Settings) -> None:
    with settings.pid_file.open("a") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.03, looking.close).start()
        with holding(settings.pid_file) as is_held:
            assert is_held


def test_instances_have_folders_of_pictures_of_their_own(tmp_path: Path) -> None:
    first, second = own_root(tmp_path / "a"), own_root(tmp_path / "b")
    assert first != second
    assert first.parent == default_root().parent
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert own_root(tmp_path / "link") == first


def test_an_instance_leaves_the_pictures_of_another_alone(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.workspace_root.mkdir(mode=0o700)
    with only_user(settings.workspace_root) as is_only:
        assert is_only
        assert serve(settings) == 1
    assert f"another instance uses {settings.workspace_root}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("--port-base", "0"),
        ("--port-base", "65531"),
        ("--port-base", "8080.5"),
        ("--gateway-port", "65536"),
        ("--gateway-port", "-1"),
        ("--drain-s", "nan"),
        ("--drain-s", "inf"),
        ("--drain-s", "-1"),
        ("--drain-s", "long"),
    ],
)
def test_options_that_make_no_sense_are_named_with_what_is_expected(
    words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["serve", *words])
    assert ended.value.code == 2
    option, value = words
    assert f"argument {option}: {value!r}; expected a" in capsys.readouterr().err


def test_nothing_is_ready_where_nobody_listens(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not management.is_up(settings)
    assert not any(node.is_ready for node in management.nodes(settings))
    assert command._status(settings) == 1
    assert '"ready": false' in capsys.readouterr().out


def test_ports_in_use_are_named(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((HOST, 0)) as listener:
        base = listener.getsockname()[1]
        settings = replace(settings, ports=Ports.from_base(base))
        assert serve(settings) == 1
    assert f"ports in use: [{base}" in capsys.readouterr().err


def test_nobody_else_may_read_or_write_what_is_started(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server((HOST, 0)) as listener:
        base = listener.getsockname()[1]
        run_dir = settings.run_dir / "fresh"
        words = [
            "serve",
            "--run-dir",
            run_dir,
            "--workspace-root",
            settings.workspace_root,
            "--port-base",
            base,
        ]
        subprocess.run(
            [sys.executable, "-m", "backend", *map(str, words)],
            env=ENVIRONMENT,
            check=False,
            umask=0o022,
        )
    assert "ports in use" in capfd.readouterr().err
    assert stat.S_IMODE(run_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((run_dir / "pid").stat().st_mode) == 0o600


def test_a_workspace_root_of_others_stops_the_start(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.workspace_root.mkdir()
    settings.workspace_root.chmod(0o777)
    assert serve(settings) == 1
    assert "may write to" in capsys.readouterr().err


def test_stopping_what_does_not_run_is_no_error(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command._stop(settings, 0) == 0
    assert capsys.readouterr().out == "not running\n"


def test_edge_is_part_of_the_instance_where_it_has_a_port(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        fronted = replace(settings, gateway_port=port)
        assert serve(fronted) == 1
        assert f"ports in use: [{port}]" in capsys.readouterr().err
    assert fronted.url == f"http://{HOST}:{port}/v1/restore"
    assert f"curl -sS --data-binary @old.jpg -o restored.jpg {fronted.url}" in command._usage(fronted)
    assert command._port_arguments(fronted) == ["--port-base", "21000", "--gateway-port", str(port)]
    ready = [Node(stage, 1, 1, 0) for stage in STAGES]
    assert supervisor.is_ready(settings, ready)
    assert not supervisor.is_ready(fronted, ready)  # nobody listens


def test_edge_understands_what_it_is_started_with(settings: Settings, tmp_path: Path) -> None:
    understood = parse(
        edge.options(replace(settings, gateway_port=21_006), 7.5), {edge.JOBS_VARIABLE: str(tmp_path)}
    )
    assert (understood.port, understood.drain_s, understood.jobs_dir) == (21_006, 7.5, tmp_path)
    assert understood.workspace_root == settings.workspace_root
    assert understood.management_url == "http://127.0.0.1:21001"
