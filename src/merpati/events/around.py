"""What an account's traffic looked like around a domain, a sending IP, a campaign or a message.

There is no index by these: an account's shard is read backwards, at most SCANNED events of it, and
the answer says how far that reached. A message is found by its number, however old it is.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from merpati.adapters import codec
from merpati.contracts.event import Event, Injection
from merpati.events import ids
from merpati.events.digest import COLUMNS, HOUR_MS
from merpati.events.search import FlatEvent, newest_of_message
from merpati.spool.message_name import message_of_name

SCANNED = 50_000
CLASSES = 20
WINDOWS = {"last_24_hours": 24 * HOUR_MS, "last_7_days": 7 * 24 * HOUR_MS}
_LONGEST = max(WINDOWS.values())

_read_event = codec.unpacker(Event)
_read_injection = codec.unpacker(Injection)

Match = Callable[[str, Injection, Event | None], bool]
"""Whether an event belongs: its recipient's domain, its batch, the attempt (injections: None)."""


@dataclass(slots=True)
class Refusals:
    """Bounces or delays of one class. sample: the newest."""

    count: int
    sample: Event


@dataclass(slots=True)
class Window:
    """What happened in a span that ends now: events by type, refusals by bounce class."""

    counts: Counter[str] = field(default_factory=Counter)
    refusals: dict[int, Refusals] = field(default_factory=dict)

    def add(self, kind: str, event: Event | None) -> None:
        """Count an event; they come newest first."""
        self.counts[kind] += 1
        if event is None or not event.bounce_class:
            return
        known = self.refusals.get(event.bounce_class)
        if known is not None:
            known.count += 1
        elif len(self.refusals) < CLASSES:
            self.refusals[event.bounce_class] = Refusals(1, event)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Windows by name, and since when they are complete (milliseconds since the epoch, UTC)."""

    windows: dict[str, Window]
    complete_since: int


def of_domain(domain: str) -> Match:
    """Match mail from a sending domain, and mail to recipients there."""
    return lambda to, injection, _: domain in (injection.sending_domain, to)


def of_sending_ip(address: str) -> Match:
    """Match attempts from a sending IP."""
    return lambda _, __, event: event is not None and event.sending_ip == address


def of_campaign(campaign_id: str) -> Match:
    """Match mail of a campaign."""
    return lambda _, injection, __: injection.campaign_id == campaign_id


def traffic(db: sqlite3.Connection, shard: int, account_id: int, match: Match, now: int) -> Traffic:
    """Return what an account's events of the last seven days come to. Raises sqlite3.Error."""
    windows = {name: Window() for name in WINDOWS}
    since, oldest, scanned = now - _LONGEST, now, 0
    batches: dict[int, Injection] = {}
    for batch_id, account, at, kind, data, rcpt_to, packed in _backwards(db, shard):
        scanned, oldest = scanned + 1, at
        if at < since:
            break
        if account != account_id or at > now:
            continue
        batch = batches.get(batch_id)
        if batch is None:
            batch = batches[batch_id] = _read_injection.decode(packed)
        event = _read_event.decode(data) if data is not None else None
        if match(rcpt_to.rpartition("@")[2].lower(), batch, event):
            for name, length in WINDOWS.items():
                if at >= now - length:
                    windows[name].add(kind, event)
    return Traffic(windows, oldest if scanned == SCANNED and oldest > since else since)


def of_message(
    db: sqlite3.Connection, account_id: int, message_name: str, limit: int
) -> list[FlatEvent]:
    """Return an account's events of one message, the newest first; [] when it has no such one."""
    key = message_of_name(message_name)
    found = [] if key is None else newest_of_message(db, key, limit)
    return [event for event in found if event["customer_id"] == account_id]


def tallies(db: sqlite3.Connection, account_id: int, now: int) -> dict[str, dict[str, int]]:
    """Return what all of an account's mail came to, by hour of injection, for each window."""
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in COLUMNS)
    return {
        name: dict(
            zip(
                COLUMNS,
                db.execute(
                    f"SELECT {sums} FROM tally WHERE account = ? AND hour >= ?",  # noqa: S608
                    (account_id, (now - length) // HOUR_MS),
                ).fetchone(),
                strict=True,
            )
        )
        for name, length in WINDOWS.items()
    }


def as_document(found: Traffic) -> dict[str, Any]:
    """Return traffic as plain data."""
    return {
        "complete_since": _iso(found.complete_since),
        **{
            name: {
                "counts": dict(sorted(window.counts.items())),
                "refusals": [
                    _refusals(number, refusals)
                    for number, refusals in sorted(
                        window.refusals.items(), key=lambda item: -item[1].count
                    )
                ],
            }
            for name, window in found.windows.items()
        },
    }


def _refusals(number: int, refusals: Refusals) -> dict[str, Any]:
    event = refusals.sample
    return {
        "bounce_class": number,
        "count": refusals.count,
        "sample": {
            "at": _iso(event.at),
            "type": str(event.type),
            "rcpt_to": event.rcpt_to,
            "sending_ip": event.sending_ip,
            "mailbox_provider": event.provider,
            "reply": " ".join(
                word for word in (str(event.code or ""), event.enhanced, event.text) if word
            ),
        },
    }


def _backwards(
    db: sqlite3.Connection, shard: int
) -> Iterator[tuple[int, int, int, str, bytes | None, str, bytes]]:
    # The newest SCANNED events first, then their batches: another account's count too, so that a
    # busy neighbour on the shard cannot make this long.
    yield from db.execute(
        "SELECT injection.id, injection.account, e.at, e.type, e.data, message.rcpt_to,"
        " injection.data FROM (SELECT * FROM event WHERE id >= ? AND id < ?"
        " ORDER BY id DESC LIMIT ?) e CROSS JOIN message ON message.id = e.message"
        " CROSS JOIN injection ON injection.id = message.injection",
        (*ids.event_bounds(shard), SCANNED),
    )


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")
