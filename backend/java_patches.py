"""Fixes for two places where TorchServe 0.12.0 loses requests, made in its class files before it starts.

1. `DagExecutor.invokeModel` queues a node's job before it sets the promise that receives the answer, so an answer that
   comes earlier is lost. Here each job creates its promise in its constructor.
2. Jobs that a worker's thread has taken while it waits for more of the batch are lost when the worker dies then
   (`WorkerThread.run`), although `BatchAggregator.sendError` would queue them again. Here it is always called.
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
    """Write patched classes of TorchServe's jar below `folder`, which must precede the jar in the class path.

    Raises:
        ValueError: the jar is not of the version that the patches are for.
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
    """Append `responsePromise = new CompletableFuture<>()` to the constructor."""
    create = NEW + job.class_(PROMISE) + DUP + INVOKESPECIAL + job.method(PROMISE, "<init>", "()V")
    field = job.field(REST_JOB, "responsePromise", f"L{PROMISE};")
    job.append("<init>", ALOAD_0 + create + PUTFIELD + field)


def _take_promise_of_job(executor: ClassFile) -> None:
    """Replace `job.setResponsePromise(respFuture)` by `respFuture = job.getResponsePromise()`."""
    promise, job = b"\x05", b"\x06"  # the numbers of the local variables
    setter = INVOKEVIRTUAL + executor.method(REST_JOB, "setResponsePromise", f"(L{PROMISE};)V")
    getter = INVOKEVIRTUAL + executor.method(REST_JOB, "getResponsePromise", f"()L{PROMISE};")
    executor.replace(ALOAD + job + ALOAD + promise + setter, ALOAD + job + getter + ASTORE + promise, times=1)


def _queue_again_what_was_not_sent(worker: ClassFile) -> None:
    """Call `aggregator.sendError(req, …)` without the condition `req != null`: without a request it queues jobs again.

    The line is in a `finally` block, which the compiler has copied to each path that leads there, seven in all.
    """
    request = GETFIELD + worker.field(WORKER_THREAD, "req", f"L{SERVE}/util/messages/BaseModelRequest;")
    aggregator = GETFIELD + worker.field(WORKER_THREAD, "aggregator", f"L{SERVE}/wlm/BatchAggregator;")
    over_the_call = b"\x00\x12"
    question = ALOAD_0 + request + IFNULL + over_the_call
    call = ALOAD_0 + aggregator + ALOAD_0 + request
    worker.replace(question + call, NOP * len(question) + call, times=7)
