"""Searching events: SparkPost's names and types, filters, order, and following."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from merpati.contracts.event import EventType, InjectedRecipient, Settlement
from merpati.events.digest import Digest
from merpati.events.search import FlatEvent, Wanted, generalised, positions
from merpati.events.store import EventStore, reading
from tests.support.journal import MINUTE, NINE_O_CLOCK, Journal, event


def store(path: Path, shard: int, journal: Journal, after: int = 0) -> None:
    digest = Digest(shard, after)
    for record in journal:
        digest.take(record)
    with EventStore(path) as events:
        events.add([(digest, "nonce")])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a store with two accounts on two shards."""
    journal = Journal()
    base = journal.inject(
        InjectedRecipient("Sari@Penerima.example", {"order": "42"}, ["vip"]),
        InjectedRecipient("budi@penerima.example", suppressed_by="Spam Complaint"),
        campaign_id="januari",
        transactional=True,
        metadata={"order": "0", "shop": "kirim"},
    )
    journal.tell(
        event(
            base,
            EventType.BOUNCE,
            settlement=Settlement.BOUNCED,
            rcpt_to="Sari@Penerima.example",
            at=NINE_O_CLOCK + 2 * MINUTE,
            ip_pool="default",
            sending_ip="192.0.2.10",
            provider="Penerima",
            remote="mx.penerima.example[198.51.100.7]:25",
            code=550,
            enhanced="5.1.1",
            text="<sari@penerima.example> user unknown, seen from 192.0.2.10",
            bounce_class=10,
            attempts=2,
            size_bytes=2048,
        )
    )
    store(tmp_path / "e", 1, journal)
    other = Journal()
    base = other.inject("x@y.example", account_id=2, transmission_id="8000")
    sent = {"account_id": 2, "transmission_id": "8000", "rcpt_to": "x@y.example"}
    other.tell(event(base, at=NINE_O_CLOCK + MINUTE, remote="[::1]:25", tls=True, **sent))
    store(tmp_path / "e", 2, other)
    return tmp_path / "e"


def newest(path: Path, limit: int = 100, **wanted: Any) -> list[FlatEvent]:
    with reading(path) as db:
        return Wanted(**wanted).newest(db, limit)


def test_a_bounce_has_sparkposts_fields(path: Path) -> None:
    """sparkpost-api 15.2: digits as strings, but the account as a number in search."""
    (bounce,) = newest(path, type="bounce", recipient="sari@penerima.example")
    event_id, message_id = bounce.pop("event_id"), bounce.pop("message_id")
    assert event_id.isdigit()
    assert message_id == "0100000000000001"
    assert bounce == {
        "type": "bounce",
        "timestamp": "2026-11-22T09:02:00.000Z",
        "customer_id": 1,
        "subaccount_id": 0,
        "transmission_id": "7000",
        "campaign_id": "januari",
        "template_id": "template_7000",
        "template_version": "0",
        "friendly_from": "toko@kirim.example",
        "sending_domain": "kirim.example",
        "sending_ip": "192.0.2.10",
        "ip_pool": "default",
        "ip_address": "198.51.100.7",
        "mailbox_provider": "Penerima",
        "rcpt_to": "sari@penerima.example",
        "raw_rcpt_to": "Sari@Penerima.example",
        "rcpt_hash": "a8c4a811e9a0b4b848f2f0a7a243ac3c73e4e368",
        "recipient_domain": "penerima.example",
        "routing_domain": "penerima.example",
        "rcpt_meta": {"order": "42", "shop": "kirim"},
        "rcpt_tags": ["vip"],
        "transactional": "1",
        "recv_method": "rest",
        "delv_method": "esmtp",
        "subject": "Pesanan 42",
        "injection_time": "2026-11-22T09:00:00.000Z",
        "msg_size": "2048",
        "num_retries": "2",
        "outbound_tls": "0",
        "bounce_class": "10",
        "error_code": "550",
        "raw_reason": "550 5.1.1 <sari@penerima.example> user unknown, seen from 192.0.2.10",
        "reason": "550 5.1.1 <...@...> user unknown, seen from a.b.c.d",
    }


def test_a_delivery_has_a_queue_time_and_no_reason(path: Path) -> None:
    (delivery,) = newest(path, type="delivery")
    assert delivery["queue_time"] == str(MINUTE)
    assert delivery["outbound_tls"] == "1"
    assert delivery["ip_address"] == "::1"
    assert delivery.keys().isdisjoint({"reason", "raw_reason", "error_code", "bounce_class"})


def test_fields_without_a_value_are_left_out_but_metadata_and_tags(path: Path) -> None:
    (injected,) = newest(path, type="injection", account_id=2)
    assert (injected["rcpt_meta"], injected["rcpt_tags"]) == ({}, [])
    assert injected.keys().isdisjoint({"campaign_id", "transactional", "sending_ip", "msg_size"})


def test_a_suppressed_recipient_bounces_with_the_reason(path: Path) -> None:
    (bounce,) = newest(path, type="bounce", recipient="BUDI@penerima.example")
    assert (bounce["bounce_class"], bounce["error_code"]) == ("25", "554")
    assert bounce["raw_reason"] == (
        "554 5.7.1 recipient address was suppressed due to customer policy (Spam Complaint)"
    )


def test_the_newest_come_first_over_all_shards(path: Path) -> None:
    found = newest(path)
    stamps = [e["timestamp"] for e in found]
    assert len(found) == 6
    assert stamps == sorted(stamps, reverse=True)
    assert [e["event_id"] for e in newest(path, limit=2)] == [e["event_id"] for e in found[:2]]


@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [
        pytest.param({"account_id": 2}, ["delivery", "injection"], id="account"),
        pytest.param({"transmission_id": "8000"}, ["delivery", "injection"], id="transmission"),
        pytest.param({"recipient": "X@Y.example"}, ["delivery", "injection"], id="recipient"),
        pytest.param({"recipient": "x@y.example", "account_id": 1}, [], id="another account"),
        pytest.param({"transmission_id": "7000", "type": "delivery"}, [], id="another type"),
        pytest.param({"recipient": "nobody@y.example"}, [], id="nobody"),
    ],
)
def test_filters(path: Path, wanted: dict[str, Any], kinds: list[str]) -> None:
    assert [e["type"] for e in newest(path, **wanted)] == kinds


def test_following_shows_each_event_once(path: Path) -> None:
    wanted = Wanted()
    with reading(path) as db:
        seen = positions(db)
        assert wanted.after(db, seen, 10) == ([], seen)
    journal = Journal()
    base = journal.inject("a@x.example", "b@x.example", "c@x.example")
    journal.tell(event(base), event(base + 1), event(base + 2))
    store(path, 7, journal)  # a shard nobody had seen
    shown = []
    for _ in range(4):
        with reading(path) as db:
            found, seen = wanted.after(db, seen, 2)
        shown += found
    assert len({e["event_id"] for e in shown}) == len(shown) == 6


def test_reasons_that_differ_in_addresses_group() -> None:
    texts = ["550 <a@x.example> from 192.0.2.1 no", "550 <b@y.example> from 203.0.113.9 no"]
    assert len({generalised(text) for text in texts}) == 1
