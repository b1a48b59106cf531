"""The bounce rule: who bounced for good is suppressed, from what the recorder has stored.

Only classes that speak of the recipient count (invalid, unreadable, unsubscribed). What blames an
IP, the content or the rate, and what only expired, never suppresses. A class 10 is filed under both
types of mail, the others under the type of the message that bounced.

How far each shard was looked at changes in the transaction that makes the entries: after a kill at
any moment each bounce counts once, and an entry that was taken off again stays off.

Source: bounce-classification 1 and 2; sparkpost-api 9 and 25.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

from merpati.adapters import codec
from merpati.contracts.event import Event, EventType, Injection, Settlement
from merpati.events import ids
from merpati.events.store import Cursor, cursors, reading
from merpati.sending.models import SuppressionType
from merpati.sending.suppression import BouncedRecipient, Looked, looked_at, suppress_bounced

INVALID_RECIPIENT = 10
SUPPRESSING = frozenset({INVALID_RECIPIENT, 30, 90})  # 30: no recipient named; 90: unsubscribe
BOUNCES_PER_STEP = 2_000
KEPT_EVERY = timedelta(minutes=1)  # a position is written that made no entry

_read_event = codec.unpacker(Event).decode
_read_injection = codec.unpacker(Injection).decode

_BOUNCES = f"""
SELECT event.id, event.data, injection.data
FROM event CROSS JOIN message ON message.id = event.message
CROSS JOIN injection ON injection.id = message.injection
WHERE event.id > ? AND event.id <= ? AND event.type = '{EventType.BOUNCE}'
ORDER BY event.id LIMIT ?
"""  # noqa: S608 - our own word


class BounceRule:
    """Follows the event store. Only one in the whole service may step, one step at a time."""

    def __init__(self, events_file: Path) -> None:
        self._events_file = events_file
        self._looked: dict[int, Looked] | None = None
        self._kept_at: datetime | None = None

    def step(self, now: datetime) -> int:
        """Suppress whom new bounces name; return how many entries that made.

        Not all at once if there are many: step again. Raises sqlite3.Error and Django's
        DatabaseError when a store fails; nothing is changed then, and the next step tries again.
        """
        known = looked_at() if self._looked is None else self._looked
        found: list[BouncedRecipient] = []
        looked = dict(known)
        with reading(self._events_file) as db:
            for shard, cursor in cursors(db).items():
                bounced, looked[shard] = _look(db, shard, cursor, known.get(shard))
                found += bounced
        made = 0
        if found or (looked != known and self._is_time(now)):
            made = suppress_bounced(found, looked, now=now)
            self._kept_at = now
        self._looked = looked
        return made

    def _is_time(self, now: datetime) -> bool:
        return self._kept_at is None or now - self._kept_at >= KEPT_EVERY


def _look(
    db: sqlite3.Connection, shard: int, cursor: Cursor, before: Looked | None
) -> tuple[list[BouncedRecipient], Looked]:
    """Return the next bounces of a shard that suppress, and how far was looked."""
    # A shard file that was replaced counts anew; what is above its cursor is of the old file.
    last = ids.event_id(shard, cursor.seq + 1, 0) - 1
    is_same = before is not None and before.nonce == cursor.nonce
    after = before.event if before is not None and is_same else ids.first_event_id(shard)
    if after >= last:
        return [], before or Looked(cursor.nonce, after)
    rows = db.execute(_BOUNCES, (after, last, BOUNCES_PER_STEP)).fetchall()
    if len(rows) == BOUNCES_PER_STEP:
        last = rows[-1][0]
    judged = (_judge(event, injection) for _, event, injection in rows)
    return [one for one in judged if one is not None], Looked(cursor.nonce, last)


def _judge(data: bytes, injection: bytes) -> BouncedRecipient | None:
    event = _read_event(data)
    if event.settlement is not Settlement.BOUNCED or event.bounce_class not in SUPPRESSING:
        return None
    words = (str(event.code or ""), event.enhanced, event.text)
    return BouncedRecipient(
        account_id=event.account_id,
        recipient=event.rcpt_to,
        types=_types(event.bounce_class, injection),
        description=" ".join(word for word in words if word),
    )


def _types(bounce_class: int, injection: bytes) -> tuple[SuppressionType, ...]:
    if bounce_class == INVALID_RECIPIENT:
        return tuple(SuppressionType)
    if _read_injection(injection).transactional:
        return (SuppressionType.TRANSACTIONAL,)
    return (SuppressionType.NON_TRANSACTIONAL,)
