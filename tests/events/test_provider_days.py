"""What warm-up knows of each sending IP and provider: counted by day, once, from what was said."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from merpati.contracts.event import Event, EventType, LaneRest, Settlement
from merpati.events.digest import Digest
from merpati.events.provider_days import ProviderDay, old_way, provider_days
from merpati.events.store import EventStore, reading
from tests.support.journal import HOUR, NINE_O_CLOCK, Journal, event

IP, SUNDAY = "192.0.2.1", date(2026, 11, 22)
BOUNCED = Settlement.BOUNCED


def said(kind: EventType, code: int, bounce_class: int, **fields: Any) -> Event:
    given: dict[str, Any] = {"sending_ip": IP, "provider": "gmail", "code": code}
    return event(1, kind, bounce_class=bounce_class, **(given | fields))


DELIVERED = said(EventType.DELIVERY, 250, 0)


def days_after(path: Path, *steps: list[Event | LaneRest], **wanted: Any) -> list[ProviderDay]:
    """Store events in steps of the recorder; return the rows there are then."""
    journal, last = Journal(), 0
    with EventStore(path) as store:
        for events in steps:
            journal.tell(*(event for event in events if isinstance(event, Event)))
            for rest in events:
                if isinstance(rest, LaneRest):
                    journal.rest(rest)
            digest = Digest(3, last)
            for record in journal:
                digest.take(record)
            store.add([(digest, "nonce")])
            last = digest.last_seq
    with reading(path) as db:
        return list(provider_days(db, [IP], **({"since": SUNDAY} | wanted)))


def test_mail_by_an_old_provider_counts_for_its_account_and_pool(tmp_path: Path) -> None:
    fields = {"sending_ip": "", "egress": "old", "ip_pool": "news"}
    by_old = said(EventType.DELIVERY, 250, 0, **fields)
    path = tmp_path / "events.sqlite3"
    assert days_after(path, [DELIVERED, by_old, by_old])[0].delivered == 1
    with reading(path) as db:
        (row,) = provider_days(db, [old_way(by_old.account_id, "news")], SUNDAY)
    assert (row.provider, row.offered, row.delivered) == ("gmail", 2, 2)


@pytest.mark.parametrize(
    ("answer", "column"),
    [
        pytest.param(DELIVERED, "delivered", id="taken"),
        pytest.param(said(EventType.DELAY, 421, 70), "deferred", id="later"),
        pytest.param(said(EventType.DELAY, 421, 51), "deferred", id="a 4yz that blames our IP"),
        pytest.param(said(EventType.DELAY, 451, 1), "deferred", id="a 4yz nobody knows"),
        pytest.param(said(EventType.DELAY, 554, 51), "blocked", id="a 5yz before RCPT"),
        pytest.param(said(EventType.BOUNCE, 550, 50, settlement=BOUNCED), "blocked", id="class 50"),
        pytest.param(said(EventType.BOUNCE, 550, 54, settlement=BOUNCED), "blocked", id="class 54"),
        pytest.param(
            said(EventType.BOUNCE, 550, 10, settlement=BOUNCED), "hard_bounced", id="unknown user"
        ),
        pytest.param(said(EventType.DELAY, 452, 22), None, id="mailbox full, for now"),
        pytest.param(said(EventType.DELAY, 450, 70, cause="greylist"), None, id="greylisting"),
        pytest.param(said(EventType.DELAY, 450, 70, cause="rate"), "deferred", id="too fast"),
        pytest.param(said(EventType.BOUNCE, 552, 22, settlement=BOUNCED), None, id="mailbox full"),
        pytest.param(
            said(EventType.BOUNCE, 554, 24, settlement=Settlement.EXPIRED), None, id="expired"
        ),
    ],
)
def test_an_answer_counts_as_what_it_says_of_us(
    tmp_path: Path, answer: Event, column: str | None
) -> None:
    (row,) = days_after(tmp_path / "events", [answer])
    counts = {
        name: getattr(row, name) for name in ("delivered", "deferred", "blocked", "hard_bounced")
    }
    wanted = dict.fromkeys(counts, 0) | ({column: 1} if column else {})
    assert (row.attempted, row.offered, counts) == (1, 1, wanted)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(said(EventType.DELAY, 0, 40), id="no answer came"),
        pytest.param(said(EventType.DELIVERY, 250, 0, sending_ip=""), id="not by an IP of ours"),
    ],
)
def test_only_what_was_answered_to_our_ip_counts(tmp_path: Path, other: Event) -> None:
    assert days_after(tmp_path / "events", [other]) == []


def test_retries_are_attempts_but_offer_nothing_new(tmp_path: Path) -> None:
    again = said(EventType.DELIVERY, 250, 0, attempts=1)
    (row,) = days_after(tmp_path / "events", [said(EventType.DELAY, 421, 70), again])
    assert (row.offered, row.attempted, row.delivered, row.deferred) == (1, 2, 1, 1)


@pytest.mark.parametrize(
    ("code", "bounce_class", "column"),
    [(554, 51, "blocked_rests"), (421, 51, "deferred_rests"), (550, 70, "deferred_rests")],
)
def test_a_refusal_that_let_the_ip_rest_counts_without_any_attempt(
    tmp_path: Path, code: int, bounce_class: int, column: str
) -> None:
    rest = LaneRest(NINE_O_CLOCK, IP, "gmail", code, bounce_class)
    (row,) = days_after(tmp_path / "events", [rest], [rest])
    counts = dict(zip(row._fields[3:], row[3:], strict=True))
    assert counts == dict.fromkeys(counts, 0) | {column: 2}
    assert row.rests == 2


def test_an_attempt_that_let_the_ip_rest_counts_as_both(tmp_path: Path) -> None:
    block = said(EventType.DELAY, 554, 51, rests=True)
    later = said(EventType.DELAY, 421, 51, rests=True)
    (row,) = days_after(tmp_path / "events", [block, later])
    assert (row.attempted, row.blocked, row.deferred) == (2, 1, 1)
    assert (row.blocked_rests, row.deferred_rests) == (1, 1)


def test_steps_add_up_by_provider_and_utc_day(tmp_path: Path) -> None:
    before_midnight = NINE_O_CLOCK + 15 * HOUR - 1
    days = days_after(
        tmp_path / "events",
        [DELIVERED, said(EventType.DELIVERY, 250, 0, provider="yahoo")],
        [DELIVERED, said(EventType.DELIVERY, 250, 0, at=before_midnight)],
        [said(EventType.DELIVERY, 250, 0, at=before_midnight + 1)],
    )
    assert [(row.day.day, row.provider, row.delivered) for row in days] == [
        (22, "gmail", 3),
        (22, "yahoo", 1),
        (23, "gmail", 1),
    ]


def test_days_are_read_from_a_day_on_and_of_the_providers_asked_for(tmp_path: Path) -> None:
    tomorrow = said(EventType.DELIVERY, 250, 0, provider="yahoo", at=NINE_O_CLOCK + 24 * HOUR)
    steps = [[DELIVERED, tomorrow]]
    path = tmp_path / "events"
    assert [row.provider for row in days_after(path, *steps, since=date(2026, 11, 23))] == ["yahoo"]
    with reading(path) as db:
        assert [row.provider for row in provider_days(db, [IP], SUNDAY, ["gmail"])] == ["gmail"]


def test_a_store_of_layout_2_is_brought_up_and_reads_as_empty_until_then(tmp_path: Path) -> None:
    path = tmp_path / "events"
    EventStore(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE provider_day; PRAGMA user_version = 2")
    with reading(path) as db:
        assert list(provider_days(db, [IP], SUNDAY)) == []
    assert len(days_after(path, [DELIVERED])) == 1


def test_a_store_of_layout_3_keeps_its_days_and_reads_whole_until_then(tmp_path: Path) -> None:
    path = tmp_path / "events"
    days_after(path, [DELIVERED])
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "ALTER TABLE provider_day DROP COLUMN deferred_rests;"
            "ALTER TABLE provider_day DROP COLUMN blocked_rests; PRAGMA user_version = 3"
        )
    with reading(path) as db:
        (before,) = provider_days(db, [IP], SUNDAY)
    EventStore(path).close()
    with reading(path) as db:
        (after,) = provider_days(db, [IP], SUNDAY)
    assert (before.delivered, before.rests) == (1, 0)
    assert after == before
