"""Carry a request from stage to stage: the small JSON document that travels in place of the picture.

No torch here: the REST edge imports this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from photorestore.errors import BrokenArtifact, RestorationError
from photorestore.findings import Findings, read_findings
from photorestore.logs import trace_id_of
from photorestore.options import STAGES, Options
from photorestore.records import document_of, read_record, values_of
from photorestore.source import Source

VERSION = 2

_ENCODER = json.JSONEncoder(default=values_of)


@dataclass(frozen=True, slots=True)
class Plane:
    """One `.npy` file of the workspace: CHW, `uint8` or `uint16`."""

    shape: tuple[int, int, int]
    dtype: str


@dataclass(frozen=True, slots=True)
class Trace:
    """What one stage did.

    Attributes:
        outcome: `ran`, `passed` or `failed`.
        note: one sentence: what it did, or why it passed.
        ms: wall-clock milliseconds.
        tier: of the networks that ran; None where none did.
        began: when, as Unix time in seconds; None where the stage was not timed.
    """

    outcome: str
    note: str
    ms: float
    tier: str | None = None
    began: float | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """What will be delivered, as far as an upload's header and the request decide it; see `imaging.promise`.

    Attributes:
        format: in which the picture is encoded if it is changed; one of `FORMATS`.
        own_type: the upload's media type where its own bytes are delivered if nothing is changed; else None.
        unconverted: colours of the upload that are delivered as they are, although sRGB is asked for; or None.
    """

    format: str
    own_type: str | None = None
    unconverted: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a picture was not restored, in the terms of RFC 9457.

    Attributes:
        type: stable kebab-case name, see `errors`.
        status: HTTP status.
        detail: what was expected and what was got; may be shown to the caller.
        stage: where it was found.
    """

    type: str
    status: int
    detail: str
    stage: str

    @classmethod
    def of(cls, error: RestorationError, stage: str) -> Problem:
        """Return the problem that an error of ours stands for."""
        return cls(error.type, error.status, str(error), stage)

    @classmethod
    def internal(cls, stage: str) -> Problem:
        """Return the problem for an error that is not the caller's; the log has the details."""
        return cls("internal", 500, f"the stage {stage} failed; the log has the details", stage)


@dataclass(slots=True)
class Envelope:
    """A request on its way through the stages.

    Attributes:
        workspace_id: name of the request's directory below the workspace root.
        request_id: the caller's label, for logs.
        deadline: when nobody waits for the result any more, in seconds of the monotonic clock, which all processes of
            a machine share and nobody sets.
        options: what was asked for.
        accept: the caller's `Accept` header.
        measures_all: whether the picture is measured in any case, for somebody who reads the report.
        answer: `image` (the result's bytes) or `report` (JSON; the result stays in the workspace).
        promise: decided when the upload is taken in; None before `preprocess` where a stage is asked without the edge.
        planes: by name; `stage_table` knows what each stage writes.
        current: name of the plane that holds the result so far; empty before `preprocess`.
        source: what `preprocess` read of the upload; None before it.
        estimates: what the stages found, by stage; `findings.find` gives that of one class.
        trace: what the stages did, by stage.
        problem: why the request failed, or None.
        traceparent: the trace that the request belongs to (W3C Trace Context), for logs; empty where there is none.
    """

    workspace_id: str
    request_id: str
    deadline: float
    options: Options
    accept: str = ""
    measures_all: bool = False
    answer: str = "image"
    promise: Promise | None = None
    planes: dict[str, Plane] = field(default_factory=dict)
    current: str = ""
    source: Source | None = None
    estimates: dict[str, Findings] = field(default_factory=dict)
    trace: dict[str, Trace] = field(default_factory=dict)
    problem: Problem | None = None
    traceparent: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """Return what the lines about this request are found by in all logs."""
        return {"request_id": self.request_id, "trace_id": trace_id_of(self.traceparent)}

    @property
    def is_measured(self) -> bool:
        """Return whether `preprocess` measures the picture: where nothing goes by it, only for the report."""
        return self.measures_all or self.options.reads_estimates

    def require_promise(self) -> Promise:
        """Return what will be delivered.

        Raises:
            BrokenArtifact: nobody has decided it.
        """
        if self.promise is None:
            raise BrokenArtifact("nobody has decided what will be delivered")
        return self.promise

    def to_json(self) -> bytes:
        """Return the document as UTF-8 JSON."""
        document = {
            "version": VERSION,
            **values_of(self),
            "source": {} if self.source is None else document_of(self.source),
            "estimates": {stage: document_of(found) for stage, found in self.estimates.items()},
        }
        return _ENCODER.encode(document).encode()

    @classmethod
    def from_json(cls, document: bytes | bytearray | str | Mapping[str, object]) -> Envelope:
        """Return the envelope that `to_json` made a document of; TorchServe hands JSON bodies over as dictionaries.

        Raises:
            BrokenArtifact: not an envelope of this version.
        """
        try:
            values = dict(document if isinstance(document, Mapping) else json.loads(document))
            if values.pop("version") != VERSION:
                raise ValueError("another version")
            values["options"] = Options.from_mapping(values["options"])
            values["promise"] = read_record(Promise, values["promise"]) if values["promise"] else None
            values["planes"] = {name: read_record(Plane, plane) for name, plane in values["planes"].items()}
            values["source"] = read_record(Source, values["source"]) if values["source"] else None
            values["estimates"] = {
                stage: read_findings(stage, found) for stage, found in values["estimates"].items()
            }
            values["trace"] = {stage: read_record(Trace, trace) for stage, trace in values["trace"].items()}
            values["problem"] = read_record(Problem, values["problem"]) if values["problem"] else None
            return cls(**values)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise BrokenArtifact(f"not an envelope of version {VERSION}: {error!r}") from error


def merge(parents: Sequence[Envelope]) -> Envelope:
    """Return the union of the envelopes of parallel branches.

    Planes, estimates and traces are united; `current` is that of the branch that moved it on from `image`;
    the first problem in pipeline order wins. The parents are left as they are.
    """
    moved = [parent.current for parent in parents if parent.current not in ("", "image")]
    problems = [parent.problem for parent in parents if parent.problem]
    return replace(
        parents[0],
        planes={name: plane for parent in parents for name, plane in parent.planes.items()},
        estimates={stage: found for parent in parents for stage, found in parent.estimates.items()},
        trace={stage: trace for parent in parents for stage, trace in parent.trace.items()},
        current=moved[-1] if moved else parents[0].current,
        problem=min(
            problems, key=lambda problem: (*STAGES, problem.stage).index(problem.stage), default=None
        ),
    )
