"""Records of jobs as rows of a table: the longer queries, and the conversion both ways."""

from __future__ import annotations

import json

from gateway.jobs.database import Row
from gateway.jobs.records import ENDED, STATES, Outcome, Record, Webhook, Work
from photorestore.methods import DIP

ENDED_SQL = ", ".join(f"'{state}'" for state in ENDED)
_GIVEN = (
    *("id", "owner", "idempotency_key", "fingerprint", "work", "upload_bytes", "pixels", "state", "created"),
    *("webhook_url", "webhook_state"),
)
INSERT = f"INSERT INTO jobs ({', '.join(_GIVEN)}) VALUES ({', '.join(f':{name}' for name in _GIVEN)})"  # noqa: S608
"""Inserts the values of `to_row`."""
NEXT = """
SELECT jobs.* FROM jobs LEFT JOIN turns ON turns.owner = jobs.owner
WHERE state = 'queued' AND due <= :now AND (pixels IS NULL OR pixels NOT BETWEEN :free AND :all)
    AND (:long = 1 OR work NOT LIKE :longs)
ORDER BY coalesce(turn, 0), created LIMIT 1
"""
"""Finds the job to begin next."""
LONGS = f'%_method": "{DIP}"%'
"""What the options of work that takes minutes are like; see `long_work`."""
PAGE = f"""
SELECT * FROM jobs WHERE owner = :owner AND state IN ({", ".join(f"'{state}'" for state in STATES)})
    AND (:state = '' OR state = :state) AND (created, id) < (:created, :id)
ORDER BY created DESC, id DESC LIMIT :most
"""  # noqa: S608
"""Finds an owner's jobs that were created before another one, the latest first."""
BEYOND = """
SELECT * FROM (
    SELECT *, sum(result_bytes) OVER (ORDER BY ended DESC, id) AS total FROM jobs WHERE result_bytes > 0
) AS kept WHERE total > :limit
"""
"""Finds the jobs whose results, oldest first, must go to keep all results within a limit in bytes."""
TO_TELL = f"""
SELECT * FROM (
    SELECT *, row_number() OVER (PARTITION BY owner ORDER BY webhook_due) AS place FROM jobs
    WHERE webhook_state = 'pending' AND webhook_due <= :now AND state IN ({ENDED_SQL})
) AS due_now WHERE place <= :most ORDER BY webhook_due
"""  # noqa: S608
"""Finds the webhooks that are due, up to a number for each owner."""
_SAME = (
    *("id", "owner", "idempotency_key", "fingerprint", "state", "created", "started", "ended", "expires"),
    *("due", "tries", "holder", "held"),
)


def to_row(record: Record) -> dict[str, object]:
    """Return the columns of a new job by name."""
    return {
        "id": record.id,
        "owner": record.owner,
        "idempotency_key": record.idempotency_key,
        "fingerprint": record.fingerprint,
        "work": json.dumps(record.work.to_mapping()),
        "upload_bytes": record.work.upload_bytes,
        "pixels": record.work.pixels,
        "state": record.state,
        "created": record.created,
        "webhook_url": None if record.webhook is None else record.webhook.url,
        "webhook_state": None if record.webhook is None else record.webhook.state,
    }


def from_row(row: Row) -> Record:
    """Return the job in a row that has all columns."""
    outcome, problem, progress = (
        None if row[name] is None else json.loads(row[name]) for name in ("outcome", "problem", "progress")
    )
    return Record(
        **{name: row[name] for name in _SAME},
        work=Work.from_mapping(json.loads(row["work"])),
        outcome=None if outcome is None else Outcome.from_mapping(outcome),
        has_result=row["result_bytes"] > 0,
        problem=problem,
        progress=progress or {},
        webhook=_webhook(row),
    )


def _webhook(row: Row) -> Webhook | None:
    if row["webhook_url"] is None:
        return None
    names = ("url", "state", "tries", "due", "error")
    return Webhook(**{name: row[f"webhook_{name}"] for name in names})
