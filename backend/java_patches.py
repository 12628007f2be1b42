"""Two places where TorchServe 0.12.0 loses requests for ever, mended in its class files before it starts.

A node's job is queued before the receipt of its answer is set up (`DagExecutor.invokeModel`), so an answer that comes
sooner goes nowhere. Here a job has its receipt from birth. And jobs that a worker's thread has taken while it waits for
more of the batch are forgotten when the worker dies in that time (`WorkerThread.run`), although there is code that
queues them again (`BatchAggregator.sendError`). Here it is reached.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from backend.classfile import (
    ALOAD,
    ALOAD_0,
    ASTORE,
    DUP,
    GETFIELD,
    IFNULL,
    INVOKESPECIAL,
    INVOKEVIRTUAL,
    NEW,
    NOP,
    PUTFIELD,
    ClassFile,
)

SERVE = "org/pytorch/serve"
REST_JOB = f"{SERVE}/job/RestJob"
DAG_EXECUTOR = f"{SERVE}/ensemble/DagExecutor"
WORKER_THREAD = f"{SERVE}/wlm/WorkerThread"
PROMISE = "java/util/concurrent/CompletableFuture"


def write_patched_classes(jar: Path, folder: Path) -> None:
    """Write the patched classes of TorchServe's jar below `folder`, which goes before the jar in the class path.

    Raises:
        ValueError: this is not the TorchServe that the patches are for.
    """
    patches = {
        REST_JOB: _create_promise,
        DAG_EXECUTOR: _take_promise_of_job,
        WORKER_THREAD: _queue_again_what_was_not_sent,
    }
    with zipfile.ZipFile(jar) as archive:
        for name, patch in patches.items():
            edited = ClassFile(archive.read(f"{name}.class"))
            try:
                patch(edited)
            except ValueError as error:
                raise ValueError(f"{jar} is not of TorchServe 0.12.0: {name}: {error}") from error
            file = folder / f"{name}.class"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(edited.to_bytes())


def _create_promise(job: ClassFile) -> None:
    """The constructor ends with `responsePromise = new CompletableFuture<>()`."""
    create = NEW + job.class_(PROMISE) + DUP + INVOKESPECIAL + job.method(PROMISE, "<init>", "()V")
    field = job.field(REST_JOB, "responsePromise", f"L{PROMISE};")
    job.append("<init>", ALOAD_0 + create + PUTFIELD + field)


def _take_promise_of_job(executor: ClassFile) -> None:
    """`job.setResponsePromise(respFuture)` becomes `respFuture = job.getResponsePromise()`."""
    promise, job = b"\x05", b"\x06"  # the numbers of the local variables
    setter = INVOKEVIRTUAL + executor.method(REST_JOB, "setResponsePromise", f"(L{PROMISE};)V")
    getter = INVOKEVIRTUAL + executor.method(REST_JOB, "getResponsePromise", f"()L{PROMISE};")
    executor.replace(ALOAD + job + ALOAD + promise + setter, ALOAD + job + getter + ASTORE + promise, times=1)


def _queue_again_what_was_not_sent(worker: ClassFile) -> None:
    """`if (req != null) aggregator.sendError(req, …)` no longer asks: without a request that queues jobs again.

    It stands in a `finally`, which the compiler has written out for each way that leads there.
    """
    request = GETFIELD + worker.field(WORKER_THREAD, "req", f"L{SERVE}/util/messages/BaseModelRequest;")
    aggregator = GETFIELD + worker.field(WORKER_THREAD, "aggregator", f"L{SERVE}/wlm/BatchAggregator;")
    over_the_call = b"\x00\x12"
    question = ALOAD_0 + request + IFNULL + over_the_call
    call = ALOAD_0 + aggregator + ALOAD_0 + request
    worker.replace(question + call, NOP * len(question) + call, times=7)
