"""What journal records become in the event store, and that nothing is counted twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from merpati.adapters.codec import DecodeError, pack
from merpati.contracts.event import EventType, InjectedRecipient, JournalKind, Settlement
from merpati.events.digest import COLUMNS, Digest, tallies_of
from merpati.events.store import EventStore, reading, stored
from merpati.spool.message_name import message_key
from merpati.spool.shapes import JournalRow
from tests.support.journal import HOUR, NINE_O_CLOCK, Journal, event

SHARD = 3
NONCE = "0badcafe"
HOUR_NINE = NINE_O_CLOCK // HOUR


def digest_of(records: Iterable[JournalRow], after: int = 0) -> Digest:
    digest = Digest(SHARD, after)
    for record in records:
        digest.take(record)
    return digest


def counts(**wanted: int) -> list[int]:
    return [wanted.get(column, 0) for column in COLUMNS]


def add(path: Path, digest: Digest) -> None:
    with EventStore(path) as store:
        store.add([(digest, NONCE)])


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


@pytest.fixture
def journal() -> Journal:
    """Return three messages: one delivered after a delay, one bounced, one still waiting."""
    journal = Journal()
    base = journal.inject("a@x.example", "b@x.example", "c@x.example")
    journal.tell(event(base, EventType.DELAY, code=451))
    journal.tell(
        event(base), event(base + 1, EventType.BOUNCE, settlement=Settlement.BOUNCED, code=550)
    )
    return journal


def test_every_column_of_the_balance_but_waiting_is_tallied() -> None:
    journal = Journal()
    base = journal.inject(*(f"u{n}@x.example" for n in range(7)))
    journal.tell(
        *(
            event(base + n, EventType.BOUNCE, settlement=settlement)
            for n, settlement in enumerate(Settlement)
        )
    )
    once = dict.fromkeys((str(settlement) for settlement in Settlement), 1)
    assert digest_of(journal).tallies == {(1, HOUR_NINE): counts(accepted=7, **once)}


def test_outcomes_count_for_the_hour_of_injection_not_of_the_event() -> None:
    journal = Journal()
    base = journal.inject("a@x.example", injected_at=NINE_O_CLOCK + HOUR - 1)
    journal.tell(event(base, injected_at=NINE_O_CLOCK + HOUR - 1, at=NINE_O_CLOCK + 5 * HOUR))
    assert digest_of(journal).tallies == {(1, HOUR_NINE): counts(accepted=1, delivered=1)}


def test_a_suppressed_recipient_is_accepted_and_settled_at_once() -> None:
    """sparkpost-api 9: `injection`, then `bounce` of class 25."""
    journal = Journal()
    base = journal.inject(
        "a@x.example", InjectedRecipient("b@x.example", suppressed_by="Bounce Rule")
    )
    digest = digest_of(journal)
    assert digest.tallies == {(1, HOUR_NINE): counts(accepted=2, suppressed=1)}
    key = message_key(SHARD, base + 1)
    assert [kind for _, message, _, kind, _ in digest.events if message == key] == [
        "injection",
        "bounce",
    ]
    assert len({number for number, *_ in digest.events}) == 3


def test_the_balance_folds_what_the_recorder_would_store(journal: Journal) -> None:
    assert tallies_of(journal) == digest_of(journal).tallies


def test_records_taken_before_add_nothing(journal: Journal) -> None:
    whole = digest_of(journal)
    again = digest_of([*journal, *journal])
    assert again.tallies == whole.tallies
    assert again.events == whole.events
    rest = digest_of(journal, after=whole.last_seq)
    assert (rest.events, rest.messages, rest.tallies) == ([], [], {})


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"\xc1", id="no msgpack"),
        pytest.param(
            pack([["bounce", 1, 1, 1, "7000", 1, "a@x.example", "vanished"]]),
            id="an outcome without a column",
        ),
    ],
)
def test_a_record_that_cannot_be_read_is_refused(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        digest_of([JournalRow(1, int(JournalKind.EVENTS), 0, payload)])


def test_stored_in_steps_or_at_once_is_the_same(journal: Journal, tmp_path: Path) -> None:
    add(tmp_path / "once", digest_of(journal))
    for number, record in enumerate(journal):
        add(tmp_path / "steps", digest_of([record], after=number))
    for table in ("injection", "message", "event", "tally", "cursor"):
        query = f"SELECT * FROM {table} ORDER BY 1, 2"
        found = rows(tmp_path / "steps", query)
        assert found == rows(tmp_path / "once", query)
        assert found


def test_a_step_that_fails_leaves_cursor_and_tallies_as_they_were(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.sqlite3"
    first, *others = journal
    add(path, digest_of([first]))

    def fail(point: str) -> None:
        if point == "events.store.before_commit":
            raise OSError(5, point)

    with monkeypatch.context() as patch:
        patch.setattr("merpati.events.store.fault", fail)
        with pytest.raises(OSError, match="before_commit"):
            add(path, digest_of(others, after=1))
    with reading(path) as db:
        cursor, tallies = stored(db, SHARD)
    assert (cursor.seq, tallies) == (1, {(1, HOUR_NINE): counts(accepted=3)})
    add(path, digest_of(others, after=1))
    with reading(path) as db:
        assert stored(db, SHARD)[1] == digest_of(journal).tallies


def test_shards_keep_their_messages_apart(tmp_path: Path) -> None:
    """Two shards give the same ids; the store must not mix them up."""
    path = tmp_path / "events.sqlite3"
    for shard in (0, 15):
        journal = Journal()
        journal.tell(event(journal.inject("a@x.example")))
        digest = Digest(shard, 0)
        for record in journal:
            digest.take(record)
        add(path, digest)
    assert rows(path, "SELECT count(*) FROM event") == [(4,)]
    assert rows(path, "SELECT count(*) FROM message") == [(2,)]


def test_a_store_that_is_not_there_reads_as_empty(tmp_path: Path) -> None:
    with reading(tmp_path / "events.sqlite3") as db:
        assert stored(db, SHARD) == ((0, ""), {})
    assert list(tmp_path.iterdir()) == []


def test_what_is_stored_survives_a_power_cut(tmp_path: Path) -> None:
    """The journal is trimmed on our word, so our word must be on the disk."""
    with EventStore(tmp_path / "events.sqlite3") as store:
        assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    with EventStore(path):
        pass
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(sqlite3.DatabaseError, match="layout 99"):
        EventStore(path)
