"""How far a transmission is: what was said of it at injection, what waits, what was cancelled.

Exact like the balance, from the same three places: the event store, the journal records that it
lacks, and the shard, which holds what waits.

Source: sparkpost-api 3 (calls) and 3.5 (states, the time to delete).
"""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from merpati.adapters import codec
from merpati.contracts.event import Event, Injection, JournalKind, Settlement
from merpati.events.store import NOTHING_STORED, cursors, reading
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.message_name import message_key
from merpati.spool.reading import ShardSnapshot, snapshot
from merpati.spool.shapes import Cancellation

DELETABLE_MS = 660_000  # so long before its moment at the latest
MOST_LISTED = 1_000
MOST_UNSTORED_BYTES = 64 << 20  # of journal records read for one question
ATTEMPTS = 50  # as in `balance.py`
_RECORDS = 256  # read from a journal at a time

_read_injection = codec.unpacker(Injection).decode
_read_events = codec.unpacker(list[Event]).decode
_read_event = codec.unpacker(Event).decode

_SETTLED_OTHERWISE = """
SELECT data FROM event WHERE message >= ? AND message < ?
AND type IN ('bounce', 'generation_failure')
"""


class State(enum.StrEnum):
    """SparkPost's words for how far a transmission is."""

    SUBMITTED = "submitted"
    GENERATING = "Generating"
    SUCCESS = "Success"
    CANCELED = "Canceled"


@dataclass(frozen=True, slots=True)
class Transmission:
    """One transmission. injection: as accepted; its recipients may be left out."""

    injection: Injection
    recipients: int
    waiting: int
    failed: int  # could not be made
    cancelled: int
    is_being_cancelled: bool = False  # asked for, and not done whole

    @property
    def starts_at(self) -> int:
        """When it is, or was, due: milliseconds since the epoch."""
        return self.injection.starts_at or self.injection.injected_at

    def state(self, now: int) -> State:
        """Return how far it is. now: milliseconds since the epoch."""
        if self.cancelled or self.is_being_cancelled:
            return State.CANCELED
        if not self.waiting:
            return State.SUCCESS
        return State.SUBMITTED if now < self.starts_at else State.GENERATING

    def is_too_close(self, now: int) -> bool:
        """Return whether it begins too soon to be deleted."""
        return self.starts_at - now < DELETABLE_MS


class Transmissions:
    """The transmissions of all accounts, for any thread; shard: that of the account.

    Both methods raise SpoolUnavailable when the files cannot be read.
    """

    def __init__(self, events_file: Path, spool: Path) -> None:
        self._events_file = events_file
        self._spool = spool

    def find(self, account_id: int, shard: int, transmission_id: str) -> Transmission | None:
        """Return one of an account's transmissions, None when it has no such one."""
        with self._looking(shard) as look:
            return look.find(account_id, transmission_id)

    def unfinished(
        self, account_id: int, shard: int, campaign_id: str | None = None
    ) -> list[Transmission]:
        """Return an account's transmissions of which mail waits, the newest first.

        campaign_id: only those of that campaign. At most MOST_LISTED.
        """
        with self._looking(shard) as look:
            if look.spool is None:
                return []
            waiting = look.spool.transmissions(account_id, campaign_id, MOST_LISTED)
            found = (look.find(account_id, transmission_id) for transmission_id in waiting)
            return [one for one in found if one is not None]

    @contextmanager
    def _looking(self, shard: int) -> Iterator[_Look]:
        try:
            for _ in range(ATTEMPTS):
                # The store first: what it lacks must still be in the journal then.
                with reading(self._events_file) as db:
                    cursor = cursors(db).get(shard, NOTHING_STORED)
                    with snapshot(self._spool, shard) as spool:
                        is_same = spool is None or cursor.nonce in {"", spool.nonce}
                        after = cursor.seq if is_same else 0
                        if spool is None or spool.trimmed_seq <= after:
                            yield _Look(db, spool, shard, after)
                            return
        except (sqlite3.Error, OSError, codec.DecodeError) as error:
            raise SpoolUnavailable(f"transmissions cannot be read: {error}") from error
        raise SpoolUnavailable("the recorder was faster than the reading each time")


class _Place(NamedTuple):
    """Where a transmission's messages stand in its shard."""

    injection: Injection
    first: int
    recipients: int


class _Look:
    """One moment of the event store and of a shard. after: the last journal record stored."""

    def __init__(
        self, db: sqlite3.Connection, spool: ShardSnapshot | None, shard: int, after: int
    ) -> None:
        self.spool = spool
        self._db = db
        self._base = message_key(shard, 0)
        self._cancellations = spool.cancellations() if spool is not None else []
        # What the journal tells beyond the store.
        self._injected: dict[str, _Place] = {}
        self._ended: list[Event] = []  # without a delivery
        if spool is not None:
            self._read_journal(spool, after)

    def find(self, account_id: int, transmission_id: str) -> Transmission | None:
        """Return one of an account's transmissions, None when it has no such one."""
        place = self._stored(transmission_id) or self._injected.get(transmission_id)
        if place is None or place.injection.account_id != account_id:
            return None
        first, end = place.first, place.first + place.recipients
        settled = [event.settlement for event in self._ended if first <= event.message_id < end]
        bounds = (self._base + first, self._base + end)
        settled += [
            _read_event(data).settlement for (data,) in self._db.execute(_SETTLED_OTHERWISE, bounds)
        ]
        return Transmission(
            injection=place.injection,
            recipients=place.recipients,
            waiting=self.spool.waiting_among(first, end) if self.spool is not None else 0,
            failed=settled.count(Settlement.FAILED),
            cancelled=settled.count(Settlement.CANCELLED),
            is_being_cancelled=any(_covers(wanted, place) for wanted in self._cancellations),
        )

    def _stored(self, transmission_id: str) -> _Place | None:
        row = self._db.execute(
            "SELECT first_message, messages, data FROM injection WHERE transmission = ?",
            (transmission_id,),
        ).fetchone()
        return None if row is None else _Place(_read_injection(row[2]), row[0] - self._base, row[1])

    def _read_journal(self, spool: ShardSnapshot, after: int) -> None:
        size_bytes = 0
        while rows := spool.journal_after(after, _RECORDS):
            for row in rows:
                size_bytes += len(row.payload)
                if row.kind == JournalKind.INJECTION:
                    injection = _read_injection(row.payload)
                    self._injected[injection.transmission_id] = _Place(
                        injection, row.base_id, len(injection.recipients)
                    )
                elif row.kind == JournalKind.EVENTS:
                    self._ended += [
                        event
                        for event in _read_events(row.payload)
                        if event.settlement not in {None, Settlement.DELIVERED}
                    ]
            if size_bytes > MOST_UNSTORED_BYTES:
                raise SpoolUnavailable("the recorder is too far behind to tell")
            after = rows[-1].seq


def _covers(wanted: Cancellation, place: _Place) -> bool:
    injection = place.injection
    if wanted.account_id != injection.account_id or place.first >= wanted.before_id:
        return False
    if wanted.transmission_id:
        return wanted.transmission_id == injection.transmission_id
    return wanted.campaign_id == injection.campaign_id
