"""Searching the event store: the newest events, or those that came after a position.

Events come out flat, with SparkPost's field names (sparkpost-api 15.2) as far as the engine knows
their values. A field without a value is left out, except `rcpt_meta` and `rcpt_tags`.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from merpati.adapters import codec
from merpati.contracts.event import Event, EventType, Injection
from merpati.events import ids
from merpati.spool.message_name import message_name

FlatEvent = dict[str, Any]

Positions = dict[int, int]
"""shard → number of the last event seen."""

_read_event = codec.unpacker(Event)
_read_injection = codec.unpacker(Injection)
_read_own = codec.unpacker(tuple[dict[str, Any], list[str]])

_COLUMNS = (
    "event.id, event.message, event.at, event.type, event.data, "
    "message.rcpt_to, message.own, injection.data"
)
# Three ways through the tables; CROSS JOIN has SQLite keep the order of the loops.
_FROM_EVENTS = """
FROM event CROSS JOIN message ON message.id = event.message
CROSS JOIN injection ON injection.id = message.injection
"""
_FROM_RECIPIENT = """
FROM message CROSS JOIN injection ON injection.id = message.injection
CROSS JOIN event ON event.message = message.id
"""
_FROM_TRANSMISSION = """
FROM injection CROSS JOIN message ON message.id >= injection.first_message
  AND message.id < injection.first_message + injection.messages
CROSS JOIN event ON event.message = message.id
"""

_ADDRESS = re.compile(r"[^\s<>@]+@[^\s<>@,;:]+")
_IPV4 = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
_REMOTE = re.compile(r"\[([^\]]+)\](?::\d+)?$")  # host[address]:port


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events; None: any. Recipients compare without regard to case."""

    account_id: int | None = None
    type: str | None = None
    recipient: str | None = None
    transmission_id: str | None = None

    @property
    def _way(self) -> str:
        if self.recipient is not None:
            return _FROM_RECIPIENT
        return _FROM_TRANSMISSION if self.transmission_id is not None else _FROM_EVENTS

    def _conditions(self) -> tuple[str, list[Any]]:
        parts = [
            ("injection.account = ?", self.account_id),
            ("event.type = ?", self.type),
            ("message.rcpt_to = ? COLLATE NOCASE", self.recipient),
            ("injection.transmission = ?", self.transmission_id),
        ]
        given = [(text, value) for text, value in parts if value is not None]
        return " AND ".join(["1", *(text for text, _ in given)]), [value for _, value in given]

    def newest(self, db: sqlite3.Connection, limit: int) -> list[FlatEvent]:
        """Return the newest `limit` events, the newest first."""
        condition, values = self._conditions()
        if self._way is not _FROM_EVENTS:
            rows = db.execute(
                f"SELECT {_COLUMNS} {self._way} WHERE {condition} "
                "ORDER BY event.at DESC, event.id DESC LIMIT ?",
                [*values, limit],
            ).fetchall()
            return [_flat(row) for row in rows]
        # A shard's events are stored in the order of their numbers: no index by time is needed.
        rows = [
            row
            for shard in positions(db)
            for row in db.execute(
                f"SELECT {_COLUMNS} {self._way} "
                f"WHERE event.id >= ? AND event.id < ? AND {condition} "
                "ORDER BY event.id DESC LIMIT ?",
                [*ids.event_bounds(shard), *values, limit],
            )
        ]
        rows.sort(key=lambda row: (row[2], row[0]), reverse=True)
        return [_flat(row) for row in rows[:limit]]

    def after(
        self, db: sqlite3.Connection, seen: Positions, limit: int
    ) -> tuple[list[FlatEvent], Positions]:
        """Return events stored after `seen`, oldest first, at most `limit` a shard; and how far.

        A shard that `seen` does not name is read from its beginning.
        """
        condition, values = self._conditions()
        now_seen, rows = dict(seen), []
        for shard, last in positions(db).items():
            first, end = ids.event_bounds(shard)
            found = db.execute(
                f"SELECT {_COLUMNS} {_FROM_EVENTS} "
                f"WHERE event.id > ? AND event.id < ? AND {condition} ORDER BY event.id LIMIT ?",
                [seen.get(shard, first - 1), end, *values, limit],
            ).fetchall()
            now_seen[shard] = found[-1][0] if len(found) == limit else last
            rows += found
        rows.sort(key=lambda row: (row[2], row[0]))
        return [_flat(row) for row in rows], now_seen


def positions(db: sqlite3.Connection) -> Positions:
    """Return how far the store goes now, for `Wanted.after`."""
    found = {}
    for (shard,) in db.execute("SELECT shard FROM cursor ORDER BY shard").fetchall():
        (last,) = db.execute(
            "SELECT max(id) FROM event WHERE id >= ? AND id < ?", ids.event_bounds(shard)
        ).fetchone()
        found[shard] = ids.first_event_id(shard) if last is None else last
    return found


def newest_of_message(db: sqlite3.Connection, key: int, limit: int) -> list[FlatEvent]:
    """Return the newest events of one message, by its number, the newest first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} {_FROM_RECIPIENT} WHERE message.id = ? "
        "ORDER BY event.at DESC, event.id DESC LIMIT ?",
        (key, limit),
    )
    return [_flat(row) for row in rows]


def _flat(row: tuple[int, int, int, str, bytes | None, str, bytes | None, bytes]) -> FlatEvent:
    event_id, message, at, kind, data, rcpt_to, own, injection_data = row
    injection = _read_injection.decode(injection_data)
    metadata, tags = _read_own.decode(own) if own else ({}, [])
    domain = rcpt_to.rpartition("@")[2].lower()
    flat: FlatEvent = {
        "type": kind,
        "event_id": str(event_id),
        "timestamp": _iso(at),
        "customer_id": injection.account_id,
        "subaccount_id": 0,
        "message_id": message_name(message),
        "transmission_id": injection.transmission_id,
        "campaign_id": injection.campaign_id,
        "template_id": f"template_{injection.transmission_id}",
        "template_version": "0",
        "friendly_from": injection.friendly_from,
        "sending_domain": injection.sending_domain,
        "subject": injection.subject,
        "ip_pool": injection.ip_pool,
        "rcpt_to": rcpt_to.lower(),
        "raw_rcpt_to": rcpt_to,
        "rcpt_hash": hashlib.sha1(rcpt_to.lower().encode(), usedforsecurity=False).hexdigest(),
        "recipient_domain": domain,
        "routing_domain": domain,
        "rcpt_meta": injection.metadata | metadata,
        "rcpt_tags": tags,
        "transactional": "1" if injection.transactional else None,
        "recv_method": injection.recv_method,
        "injection_time": _iso(injection.injected_at),
    }
    if data is not None:
        flat |= _of_attempt(_read_event.decode(data))
    return {name: value for name, value in flat.items() if value is not None and value != ""}


def _of_attempt(event: Event) -> FlatEvent:
    """Return the fields that only an event of the engine has."""
    remote = _REMOTE.search(event.remote)
    words = (str(event.code or ""), event.enhanced, event.text)
    raw_reason = " ".join(word for word in words if word)
    failed = event.type != EventType.DELIVERY
    return {
        "ip_pool": event.ip_pool,
        "sending_ip": event.sending_ip,
        "egress": event.egress,
        "mailbox_provider": event.provider,
        "ip_address": remote[1] if remote else None,
        "delv_method": "esmtp" if event.remote else None,
        "num_retries": str(event.attempts),
        "msg_size": str(event.size_bytes) if event.size_bytes else None,
        "queue_time": None if event.type == EventType.BOUNCE else str(event.at - event.injected_at),
        "outbound_tls": ("1" if event.tls else "0") if event.remote else None,
        "bounce_class": str(event.bounce_class) if event.bounce_class else None,
        "error_code": str(event.code) if failed and event.code else None,
        "raw_reason": raw_reason if failed else None,
        "reason": generalised(raw_reason) if failed else None,
    }


def generalised(text: str) -> str:
    """Return a provider's words with addresses and IPs made equal, so that alike reasons group."""
    return _IPV4.sub("a.b.c.d", _ADDRESS.sub("...@...", text))


def _iso(at: int) -> str:
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"
