"""Mail that moves from an old provider to our IPs: who goes which way, and what if one is closed.

Two receivers on loopback: a mailbox provider (by a route), and the old provider's relay.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.contracts.event import EventType, Settlement
from merpati.contracts.sending_policy import (
    Egress,
    Migration,
    OnBlock,
    OnOldFailure,
    OnSpent,
    Pool,
    ProviderAllowance,
    SendingIp,
    SendingPolicy,
    Share,
    TlsMode,
)
from merpati.delivery import aside
from merpati.delivery.allowance import DAY_MS
from merpati.delivery.reasons import NotEngaged, Spent, instead
from merpati.delivery.retry import HOUR_MS, MINUTE_MS
from merpati.delivery.split import split_of
from tests.support.smtp_sink import CLOSE, Connection, SmtpSink
from tests.support.worker import ACCOUNT, NOON, POOL, QUICK, StepClock, Worker, policy, worker

WARM = SendingIp("127.0.0.2", "mta-2.kirim.example")
OTHER = SendingIp("127.0.0.3", "mta-3.kirim.example")
WARMING = SendingIp("127.0.0.2", "mta-2.kirim.example", messages_per_day=2)
LOOPBACK = replace(QUICK, allow_private=(ipaddress.ip_network("127.0.0.0/8"),), patience=1)
SECRET = "old-secret-42"
REFUSES = "the old provider SparkPost takes no mail: the user name or password is refused"
BLOCKED = "550 5.7.1 mail from your IP is blocked, see our policy on unsolicited mail"


@dataclass
class Place:
    """Both receivers, and the policy between them."""

    ours: SmtpSink
    old: SmtpSink

    def policy(
        self,
        share: int,
        version: int = 1,
        ips: tuple[SendingIp, ...] = (WARM,),
        overflow: tuple[SendingIp, ...] = (),
        password: str = SECRET,
        **changes: Any,
    ) -> SendingPolicy:
        pools = [Pool(POOL, ACCOUNT, "default", list(ips), 12 if overflow else None)]
        if overflow:
            pools.append(Pool(12, ACCOUNT, "spare", list(overflow)))
        relay = Egress(
            *(7, ACCOUNT, "SparkPost", "127.0.0.1", self.old.port),
            tls=TlsMode.NONE,
            username="kirim",
            password=password.encode(),
        )
        migration = Migration(ACCOUNT, POOL, 7, [Share("", share)], **changes)
        found = policy(self.ours.port, version=version, pools=pools)
        return msgspec.structs.replace(found, egresses=[relay], migrations=[migration])

    @property
    def sent(self) -> tuple[set[str], set[str]]:
        """Return who was reached by us, and by the old provider."""
        return {r.rcpt for r in self.ours.received}, {r.rcpt for r in self.old.received}


@contextlib.asynccontextmanager
async def place() -> AsyncIterator[Place]:
    ours, old = SmtpSink(), SmtpSink()
    old.users["kirim"] = SECRET
    async with ours.running(), old.running():
        yield Place(ours, old)


def people(count: int) -> tuple[list[str], list[int]]:
    """Return addresses with buckets evenly over all 10,000."""
    return [f"u{n}@x.example" for n in range(count)], [n * 10_000 // count for n in range(count)]


async def inject(w: Worker, count: int, **changes: Any) -> None:
    addresses, buckets = people(count)
    await w.inject(*addresses, buckets=buckets, **changes)


async def test_a_share_goes_our_way_and_a_recipient_who_moved_stays_moved(tmp_path: Path) -> None:
    async with place() as there, worker(tmp_path, there.policy(3_000), LOOPBACK) as w:
        await inject(w, 200)
        events = await w.settled(200)
        ours, old = there.sent
        assert (len(ours), len(old)) == (60, 140)
        by_old = [event for event in events if event.egress]
        assert {(e.egress, e.sending_ip, e.provider) for e in by_old} == {
            ("SparkPost", "", f"route:127.0.0.1:{there.ours.port}")
        }
        assert {e.rcpt_to for e in by_old} == old
        assert {e.sending_ip for e in events if not e.egress} == {WARM.address}
        assert b"DKIM-Signature" in there.old.received[0].data
        w.engine.use_policy(there.policy(5_000, version=2))
        await inject(w, 200)
        await w.settled(400)
        after, _ = there.sent
        assert len(after) == 100
        assert ours < after


@pytest.mark.parametrize(
    ("on_spent", "reached", "reason"),
    [
        (OnSpent.OLD, 10, ""),
        (OnSpent.WAIT, 7, "waits for tomorrow's allowance: 2 of 2 used (127.0.0.2)"),
        (OnSpent.POOL, 10, ""),
    ],
)
async def test_mail_above_the_allowance_goes_as_the_migration_says(
    tmp_path: Path, on_spent: OnSpent, reached: int, reason: str
) -> None:
    """Half of ten are ours, and two a day may go: three are above."""
    async with place() as there:
        first = there.policy(5_000, ips=(WARMING,), overflow=(OTHER,), on_spent=on_spent)
        clock = StepClock()
        async with worker(tmp_path, first, LOOPBACK, clock) as w:
            await inject(w, 10)
            await w.settled(reached)
            _, old = there.sent
            peers = [r.peer for r in there.ours.received]
            assert peers.count(WARMING.address) == 2
            assert peers.count(OTHER.address) == (3 if on_spent is OnSpent.POOL else 0)
            assert len(old) == (8 if on_spent is OnSpent.OLD else 5)
            if reason:
                await w.until_said(reason)
                clock.ahead_ms += DAY_MS
                await w.settled(9)  # tomorrow two more
                assert len(there.old.received) == 5


@pytest.mark.parametrize("per_hour", [None, 1])
async def test_mail_above_an_allowance_by_provider_does_not_wait_for_the_days_end(
    tmp_path: Path, per_hour: int | None
) -> None:
    """It goes over the whole day, so it is never spent before midnight."""
    async with place() as there:
        provider = f"route:127.0.0.1:{there.ours.port}"
        today = NOON // DAY_MS
        slow = msgspec.structs.replace(
            WARM, allowances=[ProviderAllowance(provider, today, 40, per_hour)]
        )
        async with worker(tmp_path, there.policy(5_000, ips=(slow,)), LOOPBACK) as w:
            await inject(w, 200)
            above = 100 - (40 if per_hour is None else 13)  # by midnight, twelve hours from now
            await w.until(lambda: len(there.old.received) >= 100 + above)
            await w.until(lambda: len(there.ours.received) >= 1)
            assert len(there.old.received) == 100 + above


async def test_when_the_old_way_fails_too_mail_waits_and_never_floods_the_cold_ip(
    tmp_path: Path,
) -> None:
    """M4: two may go from the warming IP; the rest is the old provider's, which refuses us."""
    async with place() as there:
        first = there.policy(10_000, ips=(WARMING,), on_spent=OnSpent.OLD, password="wrong")
        async with worker(tmp_path, first, LOOPBACK) as w:
            await inject(w, 20)
            await w.until_said(REFUSES)
            await w.until(lambda: len(there.ours.received) >= 2)
            assert [r.peer for r in there.ours.received] == [WARMING.address] * 2
            assert not there.old.received
            w.engine.use_policy(there.policy(10_000, 2, (WARMING,), on_spent=OnSpent.OLD))
            w.clock.ahead_ms += HOUR_MS
            await w.settled(20)
            assert (len(there.ours.received), len(there.old.received)) == (2, 18)


@pytest.mark.parametrize("when_old_fails", list(OnOldFailure))
async def test_when_the_old_provider_refuses_the_password_mail_waits_or_moves(
    tmp_path: Path, when_old_fails: OnOldFailure, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with place() as there:
        first = there.policy(5_000, password="wrong-42", when_old_fails=when_old_fails)
        async with worker(tmp_path, first, LOOPBACK) as w:
            await inject(w, 40)
            await w.settled(20)  # ours are not held up
            await w.until_said(REFUSES)
            if when_old_fails is OnOldFailure.MOVE:
                # Those whose failed attempt told the story wait for the next one.
                await w.until(lambda: len({event.rcpt_to for event in w.events()}) == 40)
                await w.until(lambda: len(there.ours.received) > 30)
            else:
                assert len(there.ours.received) == 20
            delays = [event for event in w.events() if event.type is EventType.DELAY]
            assert all(event.egress == "SparkPost" for event in delays)
            assert not there.old.received
    assert "wrong-42" not in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("step", ["on_mail", "on_rcpt"])
@pytest.mark.parametrize("on_block", list(OnBlock))
async def test_refused_mail_never_moves_to_another_of_our_ips(
    tmp_path: Path, on_block: OnBlock, step: str
) -> None:
    """Nor does a refusal for good end it, as it ends the mail of an account that moves nothing."""
    async with (
        place() as there,
        worker(tmp_path, there.policy(10_000, ips=(WARM, OTHER), on_block=on_block), LOOPBACK) as w,
    ):
        blocking = lambda c, line: BLOCKED if c.peer == WARM.address else "250 ok"  # noqa: E731
        setattr(there.ours, step, blocking)
        await inject(w, 8)
        await w.until(lambda: len([e for e in w.events() if e.type is EventType.DELAY]) == 4)
        refused = {e.rcpt_to for e in w.events() if e.type is EventType.DELAY}
        w.clock.ahead_ms += 20 * MINUTE_MS
        if on_block is OnBlock.OLD:
            await w.settled(8)
            assert {r.rcpt for r in there.old.received} == refused
        else:
            w.clock.ahead_ms += HOUR_MS
            await w.until(lambda: len(there.ours.received) == 4)
            assert not there.old.received
        assert not refused & {r.rcpt for r in there.ours.received}


async def test_a_paused_migration_lets_nobody_s_mail_wait_for_an_allowance(tmp_path: Path) -> None:
    async with place() as there:
        first = there.policy(
            10_000, ips=(WARMING,), on_spent=OnSpent.WAIT, paused="gate: complaints"
        )
        async with worker(tmp_path, first, LOOPBACK) as w:
            await inject(w, 6)
            await w.settled(6)
            assert (len(there.ours.received), len(there.old.received)) == (2, 4)


async def test_what_the_old_provider_defers_is_bound_to_no_ip_of_ours(tmp_path: Path) -> None:
    async with place() as there, worker(tmp_path, there.policy(0), LOOPBACK) as w:
        there.old.on_rcpt = lambda c, line: BLOCKED.replace("550", "450")
        await inject(w, 3)
        await w.until(lambda: len(w.events()) == 3)
        w.engine.use_policy(there.policy(10_000, version=2))
        w.clock.ahead_ms += 20 * MINUTE_MS
        events = await w.settled(3)
        assert len(there.ours.received) == 3
        assert [e.egress for e in events] == ["SparkPost"] * 3 + [""] * 3


async def test_an_old_provider_that_vanishes_half_way_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    async with place() as there:
        async with worker(tmp_path, there.policy(5_000), LOOPBACK) as w:
            there.old.on_rcpt = lambda c, line: CLOSE if c.messages else "250 ok"
            await inject(w, 40)
            await w.until(lambda: len(there.ours.received) == 20)
            await w.until(lambda: there.old.received)
            there.old.on_rcpt = lambda c, line: "250 ok"
            while w.waiting():
                w.clock.ahead_ms += 5 * MINUTE_MS  # what was deferred meanwhile is due later still
                await asyncio.sleep(0.05)
        assert sorted(r.rcpt for r in there.old.received) == sorted(
            address for address, bucket in zip(*people(40), strict=True) if bucket >= 5_000
        )


@contextlib.asynccontextmanager
async def _in_trouble(there: Place, at: str) -> AsyncIterator[None]:
    """Have the old provider fall silent or vanish, while the block lasts; "login", "dot", …"""
    lasts, old = asyncio.Event(), there.old
    log_in, take_data = old._authenticate, old._take_data

    async def silent_login(c: Connection, line: str) -> str:
        await lasts.wait()
        return await log_in(c, line)

    async def silent_dot(c: Connection) -> bool:
        while await c.reader.readline() not in {b".\r\n", b""}:
            pass
        await lasts.wait()
        return False

    async def broken_data(c: Connection) -> bool:
        await c.reader.readline()
        raise ConnectionResetError

    match at:
        case "login":
            old._authenticate = silent_login  # type: ignore[method-assign]
        case "dot":
            old._take_data = silent_dot  # type: ignore[method-assign]
        case "half a message":
            old._take_data = broken_data  # type: ignore[method-assign]
        case _:
            old.on_dot = lambda c, line: CLOSE
    try:
        yield
    finally:
        lasts.set()
        old._authenticate = log_in  # type: ignore[method-assign]
        old._take_data = take_data  # type: ignore[method-assign]
        old.on_dot = lambda c, line: "250 2.0.0 ok"


@pytest.mark.parametrize("at", ["login", "dot", "half a message", "no answer to the dot"])
async def test_an_old_provider_that_falls_silent_or_vanishes_holds_up_nobody_else(
    tmp_path: Path, at: str
) -> None:
    """Its part waits and says why, ours goes on; once it is back all of it arrives."""
    impatient = replace(QUICK.timeouts, ehlo=0.3, dot=0.3)
    options = replace(LOOPBACK, timeouts=impatient)
    async with place() as there, worker(tmp_path, there.policy(5_000), options) as w:
        async with _in_trouble(there, at):
            await inject(w, 20)
            await w.until(lambda: len(there.ours.received) == 10)
            await w.until_said("the old provider SparkPost")
            await w.until(lambda: w.waiting() == 10)
            assert not there.old.received
            assert not any(e.settlement is Settlement.BOUNCED for e in w.events())
        while w.waiting():
            w.clock.ahead_ms += 5 * MINUTE_MS
            await asyncio.sleep(0.05)
        ours, old = there.sent
    assert (len(ours), len(old)) == (10, 10)
    assert len(there.ours.received) == 10
    assert len({r.message_id for r in there.old.received}) == len(there.old.received) == 10


async def test_one_side_that_stands_still_does_not_stop_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far more waits than is kept aside in memory: it waits on disk, in nobody's way."""
    monkeypatch.setattr(aside, "MOST_ASIDE", 3)
    async with place() as there:
        first = there.policy(9_000, ips=(WARMING,), on_spent=OnSpent.WAIT)
        async with worker(tmp_path, first, LOOPBACK) as w:
            await inject(w, 200)
            await w.until(lambda: len(there.old.received) == 20)
            assert len(there.ours.received) <= 2
            await w.until_said("waits for tomorrow's allowance: 2 of 2 used")
            await w.until(lambda: w.waiting() == 178)


async def test_mail_does_not_wait_because_the_old_provider_is_the_slower_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is more than memory keeps for it waits in the feed, not on disk for minutes."""
    monkeypatch.setattr(aside, "MOST_ASIDE", 3)
    async with place() as there, worker(tmp_path, there.policy(5_000), LOOPBACK) as w:
        await inject(w, 200)
        await w.until(lambda: len(there.ours.received) + len(there.old.received) == 200)


async def test_what_is_kept_for_a_side_that_stands_still_can_be_cancelled(tmp_path: Path) -> None:
    async with (
        place() as there,
        worker(tmp_path, there.policy(5_000, password="wrong"), LOOPBACK) as w,
    ):
        await inject(w, 20, campaign_id="spring")
        await w.until(lambda: len(there.ours.received) == 10)
        await w.until_said(REFUSES)
        await w.shard.cancel(ACCOUNT, "spring")
        events = await w.settled(20)
    assert sum(e.settlement is Settlement.CANCELLED for e in events) == 10


async def test_an_account_cannot_name_an_internal_host_as_its_old_provider(tmp_path: Path) -> None:
    async with place() as there, worker(tmp_path, there.policy(0), QUICK) as w:
        await inject(w, 1)
        await w.until_said("its host 127.0.0.1 has addresses that are not public")
        assert not there.old.connections


MIGRATION = Migration(ACCOUNT, POOL, 7, [Share("google", 4_000), Share("", 100)])
RELAY = Egress(7, ACCOUNT, "SparkPost", "smtp.old.example", 587)


def test_a_provider_s_own_share_goes_before_that_of_all_others() -> None:
    assert split_of(MIGRATION, RELAY, "google").share == 4_000
    assert split_of(MIGRATION, RELAY, "yahoo").share == 100
    nobody = Migration(ACCOUNT, POOL, 7, [Share("google", 4_000)])
    assert split_of(nobody, RELAY, "yahoo").share == 0


@given(
    st.integers(0, 9_999),
    *(st.booleans() for _ in range(3)),
    st.sampled_from(OnSpent),
    st.sampled_from(OnBlock),
    st.sampled_from(OnOldFailure),
)
def test_refused_mail_goes_as_on_block_says_whatever_else_holds(
    bucket: int,
    is_refused: bool,
    is_spent: bool,
    has_old_failed: bool,
    on_spent: OnSpent,
    on_block: OnBlock,
    when_old_fails: OnOldFailure,
) -> None:
    migration = Migration(ACCOUNT, POOL, 7, [Share("", 5_000)], on_spent, on_block, when_old_fails)
    goes_old = split_of(migration, RELAY, "google").goes_old(
        bucket, is_refused=is_refused, is_spent=is_spent, has_old_failed=has_old_failed
    )
    if is_refused:
        assert goes_old == (on_block is OnBlock.OLD)
    elif bucket < 5_000:
        assert goes_old == (is_spent and on_spent is OnSpent.OLD)
    else:
        assert goes_old == (not has_old_failed or when_old_fails is OnOldFailure.WAIT)


def test_each_side_of_a_split_shows_what_it_waits_for() -> None:
    """Words for people; `merpati queue` shows them."""
    spent = Spent(("192.0.2.10",), "google", 500, 100, NOON + HOUR_MS)
    assert instead(spent, "SparkPost", NOON) == (
        "goes by the old provider SparkPost until tomorrow's allowance at Gmail: "
        "500 of 500 used (192.0.2.10)"
    )
    barred = NotEngaged(("192.0.2.10",))
    assert instead(barred, "SparkPost", NOON).startswith("goes by the old provider SparkPost: ")
