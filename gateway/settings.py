"""How the REST edge is set up: command line above environment above defaults."""

from __future__ import annotations

import argparse
import dataclasses
import ipaddress
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from photorestore.serving.management import WORKFLOW
from photorestore.workspace import default_root

PREFIX = "PHOTORESTORE_GATEWAY_"
"""Environment variables are named so: `PHOTORESTORE_GATEWAY_MAX_REQUESTS`."""
ROOT_VARIABLE = "PHOTORESTORE_WORKSPACE"
"""Shared with the backend, which must see the same folder."""
HOME = Path(__file__).resolve().parents[1]
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?|https?://\[[0-9a-f:]+\](:[0-9]+)?")
"""As browsers write it: lower case, no path, no closing slash."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """One REST edge; the help texts say what each value means.

    Raises:
        ValueError: the edge would listen beyond loopback without keys, and nobody allowed that; webhooks have hosts
            without a secret; or an origin is none.
    """

    host: Annotated[str, "address to listen on"] = "127.0.0.1"
    port: Annotated[int, "port to listen on"] = 8000
    workspace_root: Annotated[Path, "folder of pictures in work; the backend's must be the same"] = field(
        default_factory=default_root
    )
    home: Annotated[Path, "folder with model_store and weights"] = HOME
    inference_url: Annotated[str, "TorchServe's inference address"] = "http://127.0.0.1:8080"
    management_url: Annotated[str, "TorchServe's management address"] = "http://127.0.0.1:8081"
    metrics_url: Annotated[str, "TorchServe's metrics address"] = "http://127.0.0.1:8082"
    workflow: Annotated[str, "name that the workflow is registered by"] = WORKFLOW
    keys_file: Annotated[Path | None, "file of API keys; with it every request needs one"] = None
    no_keys: Annotated[bool, "listen beyond loopback without API keys"] = False
    cors_origins: Annotated[
        tuple[str, ...], "origins whose pages may call, like https://album.example, separated by commas"
    ] = ()
    max_requests: Annotated[int, "restorations in flight"] = 16
    max_pixels: Annotated[int, "pixels in flight; each takes about 36 bytes of shared memory"] = 100_000_000
    max_uploads: Annotated[int, "uploads in flight"] = 512
    max_upload_bytes: Annotated[int, "bytes of all uploads in flight together"] = 1 << 30
    upload_grace_s: Annotated[float, "seconds that an upload may take in any case"] = 10.0
    upload_bytes_s: Annotated[float, "bytes per second that an upload must bring beyond that"] = 8192.0
    max_answer_bytes: Annotated[int, "bytes of results that callers are reading; beyond, none is begun"] = (
        256 << 20
    )
    answer_grace_s: Annotated[float, "seconds that each part of an answer may take in any case"] = 10.0
    answer_bytes_s: Annotated[float, "bytes per second that callers must read beyond that"] = 32768.0
    cache_dir: Annotated[Path | None, "folder for results, which are then kept; default: none"] = None
    cache_bytes: Annotated[int, "bytes of all results kept"] = 1 << 30
    jobs_dir: Annotated[Path | None, "folder for jobs, of this edge alone; default: there are no jobs"] = None
    max_jobs: Annotated[int, "jobs at work at a time; they need places among max_requests, too"] = 2
    max_queued_jobs: Annotated[
        int, "jobs that wait; an API key with more of them than there is room left is refused"
    ] = 256
    max_queued_bytes: Annotated[int, "bytes of the uploads of all jobs that wait"] = 2 << 30
    job_tries: Annotated[int, "tries of a job whose backend fails, or whose edge dies"] = 5
    job_expiry_s: Annotated[float, "seconds after its end for which a job and its result are kept"] = 86400.0
    job_results_bytes: Annotated[int, "bytes of all results of jobs; the oldest make room"] = 4 << 30
    webhook_hosts: Annotated[
        str, "hosts (also *.DOMAIN) and networks (10.0.0.0/8) that may be told of a job's end, with commas"
    ] = ""
    webhook_secret_file: Annotated[Path | None, "file with the secret that signs webhooks"] = None
    webhook_tries: Annotated[int, "tries of a webhook"] = 6
    webhook_wait_s: Annotated[
        float, "seconds before a webhook's second try; each further wait is four times as long"
    ] = 5.0
    restarts_file: Annotated[Path | None, "file of a supervisor that counts what it starts again"] = None
    poll_s: Annotated[float, "seconds between looks at TorchServe"] = 2.0
    canary_s: Annotated[float, "seconds without a restoration after which a canary picture is sent"] = 60.0
    register_after_s: Annotated[float, "seconds after which a workflow that is missing is registered"] = 20.0
    drain_delay_s: Annotated[float, "seconds of SIGTERM's notice in /readyz before the port is closed"] = 0.0
    drain_s: Annotated[float, "seconds that requests in flight are waited for at the end"] = 120.0

    def __post_init__(self) -> None:
        if self.keys_file is None and not self.no_keys and not _is_loopback(self.host):
            raise ValueError(
                f"{self.host} is not loopback: give --keys-file, or allow everybody by --no-keys"
            )
        if bool(self.webhook_hosts) != (self.webhook_secret_file is not None):
            raise ValueError("webhooks need both --webhook-hosts and --webhook-secret-file")
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin; expected one like https://album.example:8443")


_HINTS = typing.get_type_hints(GatewaySettings, include_extras=True)


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> GatewaySettings:
    """Settings from a command line and the environment.

    Raises:
        ValueError: a variable with our prefix is unknown, or a value cannot be read.
    """
    given = vars(_parser().parse_args(arguments))
    values = {
        **_from_environment(environment),
        **{name: value for name, value in given.items() if value is not None},
    }
    return GatewaySettings(**values)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    readers = _readers()
    named = {
        name.removeprefix(PREFIX).lower(): text
        for name, text in environment.items()
        if name.startswith(PREFIX)
    }
    if unknown := sorted(named.keys() - readers.keys()):
        raise ValueError(f"unknown variables {', '.join(PREFIX + name.upper() for name in unknown)}")
    values = {name: readers[name](text) for name, text in named.items()}
    if root := environment.get(ROOT_VARIABLE):
        values.setdefault("workspace_root", Path(root))
    return values


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gateway serve",
        description="The REST edge.",
        epilog=f"Every option can be set in the environment, for example {PREFIX}MAX_REQUESTS=8.",
    )
    defaults = {option.name: option.default for option in dataclasses.fields(GatewaySettings)}
    for name, reader in _readers().items():
        shown = f" [{defaults[name]}]" if isinstance(defaults[name], str | int | float) else ""
        flag, text = "--" + name.replace("_", "-"), _HINTS[name].__metadata__[0] + shown
        if reader is _as_bool:
            parser.add_argument(flag, action="store_true", default=None, help=text)
        else:
            parser.add_argument(flag, type=reader, help=text)
    return parser


def _readers() -> dict[str, Any]:
    """What makes a value of its text, by option."""
    return {name: _reader(hint.__origin__) for name, hint in _HINTS.items()}


def _reader(hint: Any) -> Any:
    if hint is bool:
        return _as_bool
    if typing.get_origin(hint) is tuple:
        return _as_texts
    return next((part for part in typing.get_args(hint) if part is not types.NoneType), hint)


def _as_bool(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(f"{text!r}; expected true or false")
    return text.lower() in ("true", "1")


def _as_texts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
