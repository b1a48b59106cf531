"""Evidence: what the traffic looked like around what a case names, and that it stays true."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from merpati.adapters.clock import SystemClock
from merpati.adapters.codec import pack
from merpati.contracts.event import EventType, Settlement
from merpati.desk.case_document import for_customer
from merpati.desk.models import Case
from merpati.events import around
from merpati.events.digest import Digest
from merpati.events.store import EventStore
from merpati.spool.shard import Shard
from tests.desk.cases import Desk, uk
from tests.spool.samples import batch
from tests.support.journal import HOUR, MINUTE, Journal, event

NOW = uk("03-10 12:00")
AT = int(NOW.timestamp() * 1000)


@pytest.fixture
def desk(tmp_path: Path, db: None) -> Desk:
    return Desk(tmp_path)


def bounce(message: int, at: int, account_id: int, **fields: Any) -> Any:
    given = {
        "settlement": Settlement.BOUNCED,
        "rcpt_to": f"u{message}@penerima.example",
        "sending_ip": "192.0.2.10",
        "provider": "Penerima",
        "code": 550,
        "enhanced": "5.7.1",
        "text": f"refused, see ticket {message}",
        "bounce_class": 51,
    }
    return event(message, EventType.BOUNCE, at=at, account_id=account_id, **(given | fields))


def fill(desk: Desk) -> None:
    """Three days of mail of the account, and a neighbour's on the same shard."""
    mine, journal = desk.account.pk, Journal()
    old = journal.inject(
        "u1@penerima.example", "u2@penerima.example", account_id=mine, campaign_id="maret",
        injected_at=AT - 72 * HOUR,
    )  # fmt: skip
    since: Any = {"injected_at": AT - 72 * HOUR, "at": AT - 71 * HOUR, "account_id": mine}
    journal.tell(bounce(old, **since), event(old + 1, **since))
    new = journal.inject("u3@lain.example", account_id=mine, injected_at=AT - 2 * HOUR)
    journal.tell(bounce(new, AT - HOUR, mine, injected_at=AT - 2 * HOUR, rcpt_to="u3@lain.example"))
    other = journal.inject("u4@penerima.example", account_id=mine + 1, injected_at=AT - 30 * MINUTE)
    journal.tell(bounce(other, AT - 20 * MINUTE, mine + 1))
    digest = Digest(desk.account.shard, 0)
    for record in journal:
        digest.take(record)
    with EventStore(desk.sources.events) as events:
        events.add([(digest, "nonce")])


def evidence(desk: Desk, kind: str, value: str) -> Any:
    case = desk.opens(NOW, links=[(kind, value)])
    (link,) = for_customer(Case.objects.get(pk=case.pk), NOW)["links"]
    assert link["value"] == value.lower()
    return link["evidence"]


def test_a_recipient_domain_shows_counts_and_refusals_with_a_reply(desk: Desk) -> None:
    fill(desk)
    found = evidence(desk, "domain", "penerima.example")
    traffic = found["traffic"]
    assert traffic["last_24_hours"] == {"counts": {}, "refusals": []}
    week = traffic["last_7_days"]
    assert week["counts"] == {"bounce": 1, "delivery": 1, "injection": 2}
    (refusal,) = week["refusals"]
    assert (refusal["bounce_class"], refusal["count"]) == (51, 1)
    assert refusal["sample"]["reply"] == "550 5.7.1 refused, see ticket 1"
    assert traffic["complete_since"] == "2026-03-03T12:00:00+00:00"
    assert found["account"]["last_7_days"]["accepted"] == 3
    assert found["account"]["last_24_hours"]["bounced"] == 1
    assert found["queues"] == []


def test_a_sending_domain_ip_and_campaign_match_their_mail(desk: Desk) -> None:
    fill(desk)
    domain = evidence(desk, "domain", "kirim.example")["traffic"]["last_7_days"]
    assert domain["counts"] == {"bounce": 2, "delivery": 1, "injection": 3}
    assert domain["refusals"][0]["count"] == 2
    assert domain["refusals"][0]["sample"]["rcpt_to"] == "u3@lain.example"  # the newest
    ip = evidence(desk, "sending_ip", "192.0.2.10")["traffic"]
    assert ip["last_24_hours"]["counts"] == {"bounce": 1}
    assert ip["last_7_days"]["counts"] == {"bounce": 2}
    campaign = evidence(desk, "campaign", "maret")["traffic"]["last_7_days"]
    assert campaign["counts"] == {"bounce": 1, "delivery": 1, "injection": 2}


def test_a_message_shows_its_events_however_old_but_nobody_elses(desk: Desk) -> None:
    fill(desk)
    name = f"{desk.account.shard:02x}{1:014x}"
    assert [e["type"] for e in evidence(desk, "message", name)["events"]] == ["bounce", "injection"]
    foreign = f"{desk.account.shard:02x}{4:014X}"
    assert evidence(desk, "message", foreign)["events"] == []


def test_evidence_says_how_far_back_it_reaches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(desk)
    monkeypatch.setattr(around, "SCANNED", 4)
    traffic = evidence(desk, "domain", "kirim.example")["traffic"]
    assert traffic["complete_since"] == "2026-03-10T10:00:00+00:00"
    assert traffic["last_7_days"]["counts"] == {"bounce": 1, "injection": 1}


def test_evidence_stays_true_when_the_events_are_gone(desk: Desk) -> None:
    fill(desk)
    before = evidence(desk, "campaign", "maret")
    desk.sources.events.unlink()
    (link,) = for_customer(Case.objects.get(), NOW)["links"]
    assert link["evidence"] == before


def test_a_broken_event_store_keeps_no_case_from_being_opened(desk: Desk) -> None:
    desk.sources.events.write_bytes(b"no database at all, but long enough to be read as one")
    with pytest.raises(sqlite3.DatabaseError), sqlite3.connect(desk.sources.events) as db:
        db.execute("SELECT * FROM event")
    found = evidence(desk, "domain", "kirim.example")
    assert "unavailable" in found


def test_what_waits_is_the_accounts_own(desk: Desk) -> None:
    mine = desk.account.pk

    async def spool() -> None:
        shard = Shard(desk.sources.spool, desk.account.shard, SystemClock(), reserve_bytes=0)
        few = ["a@sedikit.example"]
        many = ["b@penerima.example", "c@penerima.example"]
        for owner, recipients in ((mine, few), (mine, many), (mine + 16, many)):
            await shard.append(pack(batch(recipients, account_id=owner)))
        await shard.close()

    asyncio.run(spool())
    assert evidence(desk, "campaign", "maret")["queues"] == [
        {
            "recipient_domain": "penerima.example",
            "messages": 2,
            "oldest_due_at": "2026-03-02T09:00:00+00:00",
        },
        {
            "recipient_domain": "sedikit.example",
            "messages": 1,
            "oldest_due_at": "2026-03-02T09:00:00+00:00",
        },
    ]
