"""Records of jobs as rows of a table: the schema, the longer queries, and the conversion both ways."""

from __future__ import annotations

import json
import sqlite3

from gateway.jobs.records import ENDED, Outcome, Record, Webhook, Work

ENDED_SQL = ", ".join(f"'{state}'" for state in ENDED)
JOBS = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    idempotency_key TEXT,
    fingerprint TEXT NOT NULL,
    work TEXT NOT NULL,
    upload_bytes INTEGER NOT NULL,
    state TEXT NOT NULL,
    created REAL NOT NULL,
    started REAL,
    ended REAL,
    expires REAL,
    due REAL NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    outcome TEXT,
    result_bytes INTEGER NOT NULL DEFAULT 0,
    problem TEXT,
    webhook_url TEXT,
    webhook_state TEXT,
    webhook_tries INTEGER NOT NULL DEFAULT 0,
    webhook_due REAL NOT NULL DEFAULT 0,
    webhook_error TEXT NOT NULL DEFAULT '',
    UNIQUE (owner, idempotency_key)
);
CREATE INDEX jobs_by_state ON jobs (state, created);
CREATE INDEX webhooks_to_send ON jobs (webhook_due) WHERE webhook_state = 'pending';
"""
LATEST_BEGUN = """
CREATE TABLE turns (owner TEXT PRIMARY KEY, turn INTEGER NOT NULL);
CREATE TRIGGER begun AFTER UPDATE OF state ON jobs WHEN new.state = 'running' BEGIN
    INSERT OR REPLACE INTO turns VALUES (new.owner, (SELECT coalesce(max(turn), 0) + 1 FROM turns));
END;
"""
"""For each owner, when a job of theirs was last begun, as a running number over all owners' jobs."""
VERSIONS = (JOBS, LATEST_BEGUN)
"""What each version of the schema adds; SQLite's `user_version` says how many of them a file has."""
_GIVEN = (
    *("id", "owner", "idempotency_key", "fingerprint", "work", "upload_bytes", "state", "created"),
    *("webhook_url", "webhook_state"),
)
INSERT = f"INSERT INTO jobs ({', '.join(_GIVEN)}) VALUES ({', '.join(f':{name}' for name in _GIVEN)})"  # noqa: S608
"""Inserts the values of `to_row`."""
NEXT = """
SELECT jobs.* FROM jobs LEFT JOIN turns USING (owner)
WHERE state = 'queued' AND due <= :now AND CASE WHEN json_valid(work)
    THEN coalesce(json_extract(work, '$.pixels') NOT BETWEEN :free AND :all, 1)
    ELSE 1
END
ORDER BY turn, created LIMIT 1
"""
"""Finds the job to begin next. One whose `work` cannot be read has no known size, and counts as fitting."""
BEYOND = """
SELECT id FROM (
    SELECT id, sum(result_bytes) OVER (ORDER BY ended DESC, id) AS total FROM jobs WHERE result_bytes > 0
) WHERE total > ?
"""
"""Finds the jobs whose results, oldest first, must go to keep all results within a limit in bytes."""
TO_TELL = f"""
SELECT * FROM (
    SELECT *, row_number() OVER (PARTITION BY owner ORDER BY webhook_due) AS place FROM jobs
    WHERE webhook_state = 'pending' AND webhook_due <= ? AND state IN ({ENDED_SQL})
) WHERE place <= ? ORDER BY webhook_due
"""  # noqa: S608
"""Finds the webhooks that are due, up to a number for each owner."""
_SAME = (
    *("id", "owner", "idempotency_key", "fingerprint", "state", "created", "started", "ended", "expires"),
    *("due", "tries"),
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
        "state": record.state,
        "created": record.created,
        "webhook_url": None if record.webhook is None else record.webhook.url,
        "webhook_state": None if record.webhook is None else record.webhook.state,
    }


def from_row(row: sqlite3.Row) -> Record:
    """Return the job in a row that has all columns."""
    outcome, problem = (
        None if row[name] is None else json.loads(row[name]) for name in ("outcome", "problem")
    )
    return Record(
        **{name: row[name] for name in _SAME},
        work=Work.from_mapping(json.loads(row["work"])),
        outcome=None if outcome is None else Outcome(**outcome),
        has_result=row["result_bytes"] > 0,
        problem=problem,
        webhook=_webhook(row),
    )


def _webhook(row: sqlite3.Row) -> Webhook | None:
    if row["webhook_url"] is None:
        return None
    names = ("url", "state", "tries", "due", "error")
    return Webhook(**{name: row[f"webhook_{name}"] for name in names})
