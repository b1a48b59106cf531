"""How a draft and the smaller wishes get into a shard's tables, inside the group's transaction.

Everything raises sqlite3.Error, and then the whole group is rolled back.
"""

from __future__ import annotations

import sqlite3

from merpati.adapters.codec import json_text
from merpati.adapters.faults import fault
from merpati.spool.draft import Draft
from merpati.spool.operations import KeepPace, MakeDue, Reserve
from merpati.spool.shapes import Grant
from merpati.spool.statements import ask, delete, insert

TRIM_ROWS = 200  # journal rows removed in one commit, at most
TRIM_BYTES = 4 << 20  # of their payloads: injection records may hold a megabyte each
DUE_ROWS = 2_000  # made due in one commit, at most
PURGE_KEYS = 500  # in one commit, at most


def write_draft(db: sqlite3.Connection, draft: Draft) -> list[int]:
    """Write a draft; return the contents whose files nobody needs after the commit."""
    if draft.contents:
        fault("spool.append.before_insert")
    _add(db, draft)
    dropped = _remove(db, draft)
    _postpone(db, draft)
    if draft.journal:  # whatever takes numbers is journalled
        new = draft.counters
        db.execute(
            "UPDATE counter SET message = ?, content = ?, queue = ?, journal = ?",
            (new.message, new.content, new.queue, new.journal),
        )
    return dropped


def reserve(db: sqlite3.Connection, wanted: Reserve) -> Grant:
    """Count attempts against the day of a sending IP at a provider; return what is granted."""
    row = db.execute(
        "SELECT day, granted FROM allowance WHERE sending_ip = ? AND provider = ?",
        (wanted.sending_ip, wanted.provider),
    ).fetchone()
    day, granted = row or (wanted.day, 0)
    if wanted.day > day:  # a clock that steps back gets no second allowance
        day, granted = wanted.day, 0
    grant = max(0, min(wanted.block, wanted.limit - granted))
    if grant:
        db.execute(
            "INSERT OR REPLACE INTO allowance VALUES (?, ?, ?, ?)",
            (wanted.sending_ip, wanted.provider, day, granted + grant),
        )
    return Grant(grant, granted + grant)


def keep_pace(db: sqlite3.Connection, wanted: KeepPace) -> None:
    """Remember a lane's pace, or forget it."""
    lane = (wanted.sending_ip, wanted.provider)
    if wanted.state is None:
        db.execute("DELETE FROM pace WHERE sending_ip = ? AND provider = ?", lane)
    else:
        db.execute("INSERT OR REPLACE INTO pace VALUES (?, ?, ?)", (*lane, wanted.state))


def make_due(db: sqlite3.Connection, wanted: MakeDue) -> int:
    """Make a step's worth of messages due now that wait for another attempt; return how many."""
    return db.execute(
        "UPDATE message SET due_at = :now WHERE id IN (SELECT id FROM message"
        " WHERE queue_id = :queue AND due_at > :now AND (attempts > 0 OR note <> '')"
        " AND (:ip = '' OR last_ip = :ip) LIMIT :limit)",
        {
            "now": wanted.now,
            "queue": wanted.queue_id,
            "ip": wanted.last_ip,
            "limit": DUE_ROWS,
        },
    ).rowcount


def trim(db: sqlite3.Connection, seq: int) -> bool:
    """Remove a step's worth of journal rows up to `seq`; return whether more are left to remove."""
    sizes = ask(
        db,
        "SELECT json_group_array(json_array(seq, length(payload))) FROM"
        " (SELECT seq, payload FROM journal WHERE seq <= ? ORDER BY seq LIMIT ?)",
        (seq, TRIM_ROWS),
    )
    last, size_bytes = 0, 0
    for row_seq, row_bytes in sizes:
        if last and size_bytes + row_bytes > TRIM_BYTES:
            break
        last, size_bytes = row_seq, size_bytes + row_bytes
    db.execute("DELETE FROM journal WHERE seq <= ?", (last,))
    fault("spool.trim.before_commit")
    (first,) = db.execute("SELECT min(seq) FROM journal").fetchone()
    return first is not None and first <= seq


def purge_keys(db: sqlite3.Connection, before: int) -> bool:
    """Remove a step's worth of idempotency keys made before a moment; return whether to go on."""
    purged = db.execute(
        "DELETE FROM idempotency WHERE created_at < ? AND id IN"
        " (SELECT id FROM idempotency ORDER BY id LIMIT ?)",
        (before, PURGE_KEYS),
    ).rowcount
    return purged == PURGE_KEYS


def _add(db: sqlite3.Connection, draft: Draft) -> None:
    queues = [
        (queue_id, key.account_id, key.pool_id, key.domain, key.tier)
        for key, queue_id in draft.new_queues.items()
    ]
    insert(db, "queue (id, account_id, pool_id, domain, tier)", queues)
    insert(
        db,
        "content (id, account_id, transmission_id, injected_at, policy_version, refs, in_file,"
        " campaign_id, starts_at)",
        draft.contents,
    )
    insert(db, "body (content_id, data)", draft.bodies)
    insert(
        db,
        "message (id, queue_id, due_at, content_id, recipient, bucket, starts_at)",
        draft.messages,
    )
    insert(db, "journal (seq, kind, base_id, payload)", draft.journal)
    insert(
        db,
        "idempotency (key, account_id, fingerprint, base_id, reply, created_at)",
        draft.keys,
        verb="INSERT OR REPLACE",  # of a key past its life that was not yet purged
    )


def _remove(db: sqlite3.Connection, draft: Draft) -> list[int]:
    if not draft.settled:
        return []
    delete(db, "message WHERE id", draft.settled)
    if still_needed := draft.still_needed():
        db.execute(
            "UPDATE content SET refs = json_extract(j.value, '$[1]') FROM json_each(?) j"
            " WHERE content.id = json_extract(j.value, '$[0]')",
            (json_text(still_needed),),
        )
    unneeded = draft.unneeded()
    delete(db, "content WHERE id", unneeded)
    delete(db, "body WHERE content_id", [one for one in unneeded if not draft.held[one].in_file])
    return [one for one in unneeded if draft.held[one].in_file]


def _postpone(db: sqlite3.Connection, draft: Draft) -> None:
    if changes := list(draft.postponements()):
        db.execute(
            "UPDATE message SET due_at = json_extract(j.value, '$[1]'),"
            " attempts = attempts + json_extract(j.value, '$[2]'),"
            " last_ip = coalesce(json_extract(j.value, '$[3]'), last_ip),"
            " note = coalesce(json_extract(j.value, '$[4]'), note),"
            " is_bound = coalesce(json_extract(j.value, '$[5]'), is_bound),"
            " starts_at = coalesce(json_extract(j.value, '$[6]'), starts_at)"
            " FROM json_each(?) j WHERE message.id = json_extract(j.value, '$[0]')",
            (json_text(changes),),
        )
