"""What the environment and the command line may say, and what is answered where they say something else."""

import dataclasses
import re
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.command_line import parse
from gateway.settings import GatewaySettings

PREFIX = "PHOTORESTORE_GATEWAY_"


def refusal_of(**values: str) -> str:
    """What is said of variables without their prefix."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the caller looks
        parse([], {PREFIX + name: value for name, value in values.items()})
    return str(caught.value)


def refusal(**values: str) -> str:
    """What is said of single variables without their prefix."""
    told = refusal_of(**values)
    assert PREFIX in told
    return told


def test_all_that_is_wrong_is_named_at_once_where_it_stands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFIX + "PORT", "0")
    monkeypatch.setenv(PREFIX + "HOST", "0.0.0.0")
    monkeypatch.setenv(PREFIX + "MAX_REQUEST", "8")
    monkeypatch.setenv(PREFIX + "WEBHOOK_HOSTS", "hooks.example")
    assert main(["serve", "--poll-s", "nan", "--max-jobs", "many", "--cache-bytes", "-1"]) == 2
    assert set(capsys.readouterr().err.splitlines()) == {
        "0.0.0.0 is not loopback: give --keys-file, or allow everybody by --no-keys",
        "webhooks need both --webhook-hosts and --webhook-secret-file",
        "PHOTORESTORE_GATEWAY_PORT is '0'; expected a whole number from 1 to 65535",
        "--poll-s is 'nan'; expected a number above 0",
        "--max-jobs is 'many'; expected a whole number of at least 1",
        "--cache-bytes is '-1'; expected a whole number of at least 1",
        "unknown variable PHOTORESTORE_GATEWAY_MAX_REQUEST",
    }


def test_numbers_that_make_no_sense_are_refused() -> None:
    for option in dataclasses.fields(GatewaySettings):
        if type(option.default) in (int, float):
            for wrong in ("-1", "nan", "inf", "-inf", "1,5", "", "twelve", "1e999"):
                told = refusal(**{option.name.upper(): wrong})
                assert re.fullmatch(
                    rf"{PREFIX}{option.name.upper()} is '{wrong}'; expected a .*number.*", told
                )
            if option.default:
                may_be_zero = option.name == "drain_s"
                assert may_be_zero or "is '0'" in refusal(**{option.name.upper(): "0"})
    assert parse([], {PREFIX + "DRAIN_S": "0"}).drain_s == 0


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("PUBLIC_PATH", "photos"),
        ("PUBLIC_PATH", "/a b"),
        ("PUBLIC_PATH", "/v1"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, proxy.example"),
        ("KEEP_ALIVE_S", "0"),
        ("PORT", "65536"),
        ("PORT", "80.5"),
        ("HOST", ""),
        ("HOST", "1.2.3.400"),
        ("HOST", "exa mple"),
        ("HOST", "http://localhost"),
        ("INFERENCE_URL", "127.0.0.1:8080"),
        ("INFERENCE_URL", "https://127.0.0.1:8080"),
        ("MANAGEMENT_URL", "http://"),
        ("MANAGEMENT_URL", "http://127.0.0.1:99999"),
        ("METRICS_URL", "http://127.0.0.1:0"),
        ("METRICS_URL", "http://exa mple"),
        ("WORKFLOW", ""),
        ("WORKFLOW", "../models"),
        ("CACHE_DIR", ""),
        ("CACHE_DIR", "/dev/null"),
        ("JOBS_DIR", "/dev/null/jobs"),
        ("JOBS_URL", "mysql://database/jobs"),
        ("JOBS_FILES", "shared/jobs"),
        ("JOBS_FILES", "s3:bucket"),
        ("KEYS_FILE", "/nowhere/keys"),
        ("KEYS_FILE", "/"),
        ("WEBHOOK_SECRET_FILE", "/nowhere/secret"),
        ("HOME", ""),
        ("HOME", "/nowhere"),
        ("NO_KEYS", "yes"),
        ("WEBHOOK_HOSTS", "10.0.0.1/8"),
        ("WEBHOOK_HOSTS", "a.example, https://b.example"),
    ],
)
def test_values_of_another_kind_are_refused(name: str, wrong: str) -> None:
    assert refusal(**{name: wrong}).startswith(f"{PREFIX}{name} is {wrong!r}; expected ")


def test_secrets_are_never_shown() -> None:
    told = refusal(
        INFERENCE_URL="http://user:hush@127.0.0.1:8080",
        METRICS_URL="http://127.0.0.1:8082/?token=hush",
        WEBHOOK_HOSTS="https://user:hush@example.org",
        CORS_ORIGINS="https://user:hush@example.org",
        JOBS_URL="postgres:/edge:hush@database/jobs",
        JOBS_FILES="s3://user:hush@bucket",
        WEBHOOK_SECRET="hush",
    )
    assert "hush" not in told
    assert len(told.splitlines()) == 7
    assert f"{PREFIX}INFERENCE_URL is not shown, for it may hold a secret; expected a URL like http" in told


def test_what_people_write_is_understood() -> None:
    settings = parse(
        ["--poll-s", ".5", "--max-requests", " 8 "],
        {
            PREFIX + "NO_KEYS": "TRUE",
            PREFIX + "HOST": "::",
            PREFIX + "MAX_JOBS": "2.0",
            PREFIX + "INFERENCE_URL": " http://[::1]:8080/ ",
            PREFIX + "WEBHOOK_HOSTS": "*.example.org, 10.0.0.0/8",
            PREFIX + "WEBHOOK_SECRET_FILE": __file__,
            PREFIX + "JOBS_DIR": "jobs",
            PREFIX + "CORS_ORIGINS": "",
        },
    )
    assert (settings.poll_s, settings.max_requests, settings.max_jobs) == (0.5, 8, 2)
    assert (settings.no_keys, settings.host, settings.inference_url) == (True, "::", "http://[::1]:8080/")
    assert (settings.webhook_secret_file, settings.cors_origins) == (Path(__file__), ())


def test_what_the_command_line_says_right_is_not_asked_of_the_environment() -> None:
    assert parse(["--port", "8123"], {PREFIX + "PORT": "nonsense"}).port == 8123


def test_the_workspace_of_both_sides_is_named_by_its_variable() -> None:
    assert parse([], {"PHOTORESTORE_WORKSPACE": ""}).workspace_root == GatewaySettings().workspace_root
    own = {"PHOTORESTORE_WORKSPACE": "/a", PREFIX + "WORKSPACE_ROOT": "/b"}
    assert parse([], own).workspace_root == Path("/b")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_beyond_loopback_keys_are_required_unless_told_otherwise(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--host", host]) == 2
    assert "not loopback" in capsys.readouterr().err
    assert GatewaySettings(host=host, no_keys=True).keys_file is None
    assert GatewaySettings(host=host, keys_file=Path(__file__)).host == host


def test_settings_come_from_the_command_line_above_the_environment() -> None:
    environment = {
        "PHOTORESTORE_GATEWAY_MAX_REQUESTS": "3",
        "PHOTORESTORE_GATEWAY_PORT": "9",
        "PHOTORESTORE_GATEWAY_NO_KEYS": "true",
        "PHOTORESTORE_WORKSPACE": "/spaces",
    }
    settings = parse(["--port", "8123", "--cache-dir", "/kept"], environment)
    assert (settings.max_requests, settings.port, settings.no_keys) == (3, 8123, True)
    assert (settings.workspace_root, settings.cache_dir) == (Path("/spaces"), Path("/kept"))
    with pytest.raises(ValueError, match=r"PHOTORESTORE_GATEWAY_MAX_REQUEST$"):
        parse([], {"PHOTORESTORE_GATEWAY_MAX_REQUEST": "3"})


def test_webhooks_need_jobs_whose_end_they_tell() -> None:
    told = refusal_of(WEBHOOK_HOSTS="a.example", WEBHOOK_SECRET_FILE=__file__)
    assert told == "webhooks need --jobs-dir or --jobs-url, for they tell of the end of jobs"


def test_jobs_that_edges_share_need_records_and_files() -> None:
    url, files = "postgresql://edge:hush@database/jobs", "s3://bucket/jobs"
    for given in ({"JOBS_URL": url}, {"JOBS_FILES": files}):
        assert refusal_of(**given) == "jobs that edges share need both --jobs-url and --jobs-files"
    settings = GatewaySettings(jobs_url=url, jobs_files=files)
    assert (settings.jobs_url, settings.jobs_files) == (url, files)
    assert "hush" not in repr(settings)
