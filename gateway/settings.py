"""Settings of the REST edge."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Annotated

from pydantic import field_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from gateway.setting_types import (
    Above0,
    AtLeast0,
    Count,
    Destinations,
    Flag,
    Folder,
    Home,
    Host,
    JobsFiles,
    JobsUrl,
    Networks,
    OptionalCount,
    OptionalFile,
    OptionalFolder,
    OptionalPath,
    Origins,
    Places,
    Port,
    PublicPath,
    Rate,
    RateStore,
    Url,
    Workflow,
    is_loopback,
)
from photorestore.directories import default_root
from photorestore.serving.management import WORKFLOW

HOME = Path(__file__).resolve().parents[1]
RULE = "rule"
"""Type of errors about several settings together; their message is complete, and names no single setting."""


@dataclass(frozen=True, slots=True, config={"validate_default": True, "str_strip_whitespace": True})
class GatewaySettings:
    """One REST edge; the help texts say what each value means.

    Raises:
        ValueError: values are out of range, the edge would listen beyond loopback with neither `keys_file` nor
            `no_keys`, or webhooks have hosts without a secret or the reverse, or there are no jobs, or records without
            files. The message lists everything.
    """

    host: Annotated[Host, "address to listen on"] = "127.0.0.1"
    port: Annotated[Port, "port to listen on"] = 8000
    workspace_root: Annotated[Folder, "folder of pictures in work; the backend's must be the same"] = field(
        default_factory=default_root
    )
    home: Annotated[Home, "folder with model_store and weights"] = HOME
    inference_url: Annotated[Url, "TorchServe's inference address"] = "http://127.0.0.1:8080"
    management_url: Annotated[Url, "TorchServe's management address"] = "http://127.0.0.1:8081"
    metrics_url: Annotated[Url, "TorchServe's metrics address"] = "http://127.0.0.1:8082"
    workflow: Annotated[Workflow, "name that the workflow is registered by"] = WORKFLOW
    keys_file: Annotated[OptionalFile, "file of API keys; with it every request needs one"] = None
    no_keys: Annotated[Flag, "listen beyond loopback without API keys"] = False
    presets_file: Annotated[OptionalFile, "TOML file with a table of options for each preset"] = None
    cors_origins: Annotated[
        Origins, "origins whose pages may call, like https://album.example, separated by commas"
    ] = ()
    public_path: Annotated[PublicPath, "path below which a proxy offers this service, like /photos"] = ""
    trusted_proxies: Annotated[
        Networks, "networks of proxies whose X-Forwarded-For and -Host are believed, like 10.0.0.0/8"
    ] = ()
    keep_alive_s: Annotated[
        Count,
        "seconds that an idle connection is kept; longer than a proxy keeps its own, or requests are lost",
    ] = 75
    max_requests: Annotated[Count, "restorations in flight"] = 16
    max_key_requests: Annotated[
        OptionalCount, "restorations in flight of one API key; default: as many as of all"
    ] = None
    max_in_turns: Annotated[Count, "restorations of each API key at work while others ask"] = 1
    key_rate: Annotated[
        Rate, "restorations that one API key may ask for, like 100/minute; default: as many as it likes"
    ] = ""
    key_rate_store: Annotated[RateStore, "where those are counted; in Redis several edges count together"] = (
        "memory://"
    )
    max_pixels: Annotated[Count, "pixels in flight; each takes about 36 bytes of shared memory"] = 100_000_000
    max_uploads: Annotated[Count, "uploads in flight"] = 512
    max_upload_bytes: Annotated[Count, "bytes of all uploads in flight together"] = 1 << 30
    upload_grace_s: Annotated[Above0, "seconds that an upload may take in any case"] = 10.0
    upload_bytes_s: Annotated[Above0, "bytes per second that an upload must bring beyond that"] = 8192.0
    max_answer_bytes: Annotated[Count, "bytes of results that callers are reading; beyond, none is begun"] = (
        256 << 20
    )
    answer_grace_s: Annotated[Above0, "seconds that each part of an answer may take in any case"] = 10.0
    answer_bytes_s: Annotated[Above0, "bytes per second that callers must read beyond that"] = 32768.0
    cache_dir: Annotated[OptionalFolder, "folder for results, which are then kept; default: none"] = None
    cache_bytes: Annotated[Count, "bytes of all results kept"] = 1 << 30
    jobs_dir: Annotated[OptionalFolder, "folder for jobs, of this edge alone; default: there are no jobs"] = (
        None
    )
    jobs_url: Annotated[
        JobsUrl, "PostgreSQL for jobs that several edges share; best set in the environment, for its password"
    ] = field(default="", repr=False)
    jobs_files: Annotated[
        JobsFiles,
        "where those edges keep uploads and results: a folder that they share, or s3://BUCKET/PREFIX",
    ] = ""
    job_lease_s: Annotated[
        Above0, "seconds without a word from an edge after which others take its jobs over"
    ] = 30.0
    max_jobs: Annotated[Count, "jobs at work at a time; they need places among max_requests, too"] = 2
    max_queued_jobs: Annotated[
        Count, "jobs that wait; an API key with more of them than there is room left is refused"
    ] = 256
    max_queued_bytes: Annotated[Count, "bytes of the uploads of all jobs that wait"] = 2 << 30
    job_tries: Annotated[Count, "tries of a job whose backend fails, or whose edge dies"] = 5
    job_expiry_s: Annotated[Above0, "seconds after its end for which a job and its result are kept"] = 86400.0
    job_results_bytes: Annotated[Count, "bytes of all results of jobs; the oldest make room"] = 4 << 30
    webhook_hosts: Annotated[
        Destinations,
        "hosts (also *.DOMAIN) and networks (10.0.0.0/8) that may be told of a job's end, with commas",
    ] = ""
    webhook_secret_file: Annotated[OptionalFile, "file with the secret that signs webhooks"] = None
    webhook_tries: Annotated[Count, "tries of a webhook"] = 6
    webhook_wait_s: Annotated[
        Above0, "seconds before a webhook's second try; each further wait is four times as long"
    ] = 5.0
    source_places: Annotated[
        Places,
        "where jobs may take pictures from: s3://BUCKET/PREFIX, gs://, and hosts as in --webhook-hosts",
    ] = ""
    result_places: Annotated[Places, "where jobs may write results to, likewise; hosts take a PUT"] = ""
    restarts_file: Annotated[OptionalPath, "file of a supervisor that counts what it starts again"] = None
    poll_s: Annotated[Above0, "seconds between looks at TorchServe"] = 2.0
    canary_s: Annotated[Above0, "seconds without a restoration after which a canary picture is sent"] = 60.0
    register_after_s: Annotated[Above0, "seconds after which a workflow that is missing is registered"] = 20.0
    drain_delay_s: Annotated[AtLeast0, "seconds of SIGTERM's notice in /readyz before the port is closed"] = (
        0.0
    )
    drain_s: Annotated[AtLeast0, "seconds that requests in flight are waited for at the end"] = 120.0

    @field_validator("no_keys")
    @classmethod
    def _has_keys_beyond_loopback(cls, no_keys: Flag, info: ValidationInfo) -> bool:
        host = info.data.get("host", "localhost")  # missing if it was invalid
        if info.data.get("keys_file", ...) is None and not no_keys and not is_loopback(host):
            raise _rule(f"{host} is not loopback: give --keys-file, or allow everybody by --no-keys")
        return no_keys

    @field_validator("jobs_files")
    @classmethod
    def _has_records_and_files(cls, files: str, info: ValidationInfo) -> str:
        if bool(files) != bool(info.data.get("jobs_url", files)):  # missing if it was invalid
            raise _rule("jobs that edges share need both --jobs-url and --jobs-files")
        return files

    @field_validator("webhook_secret_file")
    @classmethod
    def _has_hosts_and_secret(cls, secret_file: Path | None, info: ValidationInfo) -> Path | None:
        hosts = info.data.get("webhook_hosts", secret_file)  # missing if they were invalid
        if bool(hosts) != (secret_file is not None):
            raise _rule("webhooks need both --webhook-hosts and --webhook-secret-file")
        has_jobs = any(info.data.get(name, ...) for name in ("jobs_dir", "jobs_url"))  # likewise
        if secret_file is not None and not has_jobs:
            raise _rule("webhooks need --jobs-dir or --jobs-url, for they tell of the end of jobs")
        return secret_file


def _rule(text: str) -> PydanticCustomError:
    return PydanticCustomError(RULE, "{text}", {"text": text})
