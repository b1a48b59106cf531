"""The policy changes while mail waits (D11)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from merpati.contracts.batch import Mailbox
from merpati.contracts.event import EventType, Settlement
from merpati.contracts.sending_policy import Account, Route
from merpati.delivery.allowance import DAY_MS
from tests.delivery.ips import ONE, OTHER, some
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import ACCOUNT, POOL, StepClock, policy, worker


async def test_mail_of_a_removed_pool_leaves_by_the_default_pool(tmp_path: Path) -> None:
    """D11."""
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject("a@x.example", pool_id=999)
        events = await w.settled(1)
    assert (events[0].ip_pool, events[0].sending_ip) == ("default", ONE.address)


async def test_mail_of_a_removed_account_fails_with_a_reason(tmp_path: Path) -> None:
    """D11."""
    async with worker(tmp_path, policy(1, accounts=[], pools=[])) as w:
        await w.inject(*some(700))
        events = await w.settled(700)
        await w.until(lambda: not w.waiting())
    assert {(e.settlement, e.bounce_class) for e in events} == {(Settlement.FAILED, 25)}


async def test_mail_of_a_suspended_account_is_held_and_says_why(tmp_path: Path) -> None:
    """D11: what is due, what was assigned and what comes later; resumed, all of it goes."""
    held = Account(ACCOUNT, 1, POOL, suspended="invoice 42 is unpaid")
    first = {"messages_per_minute": 60}
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port, **first)) as w:
        await w.inject(*some(6))
        await w.until(lambda: len(sink.received) == 2)  # the burst; the rest is assigned
        w.engine.use_policy(policy(sink.port, version=2, accounts=[held]))
        await w.inject("later@y.example")
        await w.reason("suspended: invoice 42 is unpaid")
        await w.until(lambda: w.engine.budget.used_bytes == 0)
        so_far = len(sink.received)
        assert so_far < 4
        await w.until(lambda: w.waiting() == 7 - so_far)
        w.engine.use_policy(policy(sink.port, version=3))
        await w.settled(7)
    assert Counter(r.rcpt for r in sink.received) == Counter([*some(6), "later@y.example"])


async def test_scheduled_mail_of_a_closed_account_fails_when_it_is_due(tmp_path: Path) -> None:
    """D11."""
    clock = StepClock()
    async with worker(tmp_path, policy(1), clock=clock) as w:
        await w.inject("a@x.example", due_at=clock.now() + DAY_MS)
        w.engine.use_policy(policy(1, version=2, accounts=[]))
        clock.ahead_ms = DAY_MS + 1_000
        (event,) = await w.settled(1)
    assert (event.settlement, event.bounce_class) == (Settlement.FAILED, 25)
    assert event.text == "[internal] the account is closed"


async def test_retried_mail_of_a_removed_domain_fails_with_a_reason(tmp_path: Path) -> None:
    """D11: a raw message, as SMTP brings it, too."""
    sink, clock = SmtpSink(), StepClock()
    sink.on_rcpt = lambda c, line: "451 4.7.1 not now"
    raw = b"From: hi@kirim.example\r\nSubject: x\r\n\r\nhello\r\n"
    async with sink.running(), worker(tmp_path, policy(sink.port), clock=clock) as w:
        await w.inject("a@x.example")
        await w.inject("b@x.example", raw=raw)
        await w.until(lambda: len(w.events()) == 2)
        w.engine.use_policy(policy(sink.port, version=2, keys=[]))
        clock.ahead_ms = 21 * 60_000
        events = await w.settled(2)
    assert [(e.type, e.settlement, e.attempts) for e in events[2:]] == [
        (EventType.GENERATION_FAILURE, Settlement.FAILED, 1)
    ] * 2
    assert all("the sending domain 'kirim.example' has no key" in e.text for e in events[2:])


async def test_mail_of_a_domain_without_key_fails_with_a_reason(tmp_path: Path) -> None:
    async with worker(tmp_path, policy(1, keys=[])) as w:
        await w.inject(*some(20))
        events = await w.settled(20)
    assert {(e.type, e.settlement) for e in events} == {
        (EventType.GENERATION_FAILURE, Settlement.FAILED)
    }
    assert "kirim.example" in events[0].text


async def test_a_message_that_cannot_be_made_fails_alone(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject("a@x.example", "b@x.example", text="{{#broken")
        await w.inject("c@x.example")
        events = await w.settled(3)
    assert Counter(event.settlement for event in events) == {
        Settlement.FAILED: 2,
        Settlement.DELIVERED: 1,
    }


async def test_a_batch_of_a_newer_policy_waits_for_it(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject("new@x.example", policy_version=3)
        await w.reason("version 3")
        await w.inject("old@y.example", policy_version=1)
        await w.settled(1)
        w.engine.use_policy(policy(sink.port, version=2))
        w.engine.use_policy(policy(sink.port, version=3, ips=(OTHER,)))
        await w.settled(2)
    assert [(r.rcpt, r.peer) for r in sink.received] == [
        ("old@y.example", ONE.address),
        ("new@x.example", OTHER.address),
    ]


async def test_an_older_batch_does_not_take_a_newer_one_with_it(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject("old@x.example", policy_version=1)
        await w.inject("new@x.example", policy_version=2)
        await w.settled(1)
        await w.reason("version 2")
        assert [r.rcpt for r in sink.received] == ["old@x.example"]
        w.engine.use_policy(policy(sink.port, version=2))
        await w.settled(2)


async def test_what_was_not_begun_leaves_a_removed_ip(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink:
        first = policy(sink.port, messages_per_minute=60)
        async with worker(tmp_path, first) as w:
            await w.inject(*some(6))
            await w.until(lambda: len(sink.received) == 2)  # the burst; the rest is assigned
            w.engine.use_policy(policy(sink.port, version=2, ips=(OTHER,)))
            await w.settled(6)
    assert Counter(r.peer for r in sink.received) == {ONE.address: 2, OTHER.address: 4}


async def test_a_policy_that_changes_under_load_loses_and_repeats_nothing(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject(*some(600))
        for version in range(2, 12):
            await w.until(lambda n=version: len(sink.received) > n * 40)
            ips = (ONE, OTHER) if version % 2 else (OTHER,)
            w.engine.use_policy(policy(sink.port, version=version, ips=ips))
        await w.settled(600)
        await w.until(lambda: not w.waiting())
        await w.until(lambda: w.engine.budget.used_bytes == 0)
    assert Counter(r.rcpt for r in sink.received) == Counter(some(600))


async def test_what_a_smart_host_signs_leaves_unsigned_and_only_from_own_domains(
    tmp_path: Path,
) -> None:
    async with SmtpSink().running() as sink:
        routes = [
            Route("*", "127.0.0.1", sink.port),
            Route("signs.example", "127.0.0.1", sink.port, is_signed=False),
        ]
        first = policy(sink.port, routes=routes)
        async with worker(tmp_path, first) as w:
            await w.inject("a@signs.example", "b@other.example")
            await w.settled(2)
            foreign = {"sender": Mailbox("toko@{{where}}"), "sending_domain": ""}
            await w.inject(
                "c@signs.example", substitution_data={"where": "rival.example"}, **foreign
            )
            events = await w.settled(3)
    signed = {r.rcpt: b"DKIM-Signature:" in r.data for r in sink.received}
    assert signed == {"a@signs.example": False, "b@other.example": True}
    assert events[-1].settlement is Settlement.FAILED
    assert "no key in this account" in events[-1].text
