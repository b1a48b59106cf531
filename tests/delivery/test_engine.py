"""The engine over a real shard against scripted receivers."""

from __future__ import annotations

from pathlib import Path

import dkim

from merpati.contracts.event import EventType, Settlement
from merpati.contracts.sending_policy import SendingIp
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import key_pair, policy, worker

TWO = (
    SendingIp("127.0.0.2", "mta-2.kirim.example"),
    SendingIp("127.0.0.3", "mta-3.kirim.example"),
)


def some(count: int, domain: str = "x.example") -> list[str]:
    return [f"u{number}@{domain}" for number in range(count)]


async def test_a_batch_is_rendered_signed_and_delivered(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject(*some(40))
        events = await w.settled(40)
        await w.until(lambda: not w.waiting())
    assert sorted(received.rcpt for received in sink.received) == sorted(some(40))
    assert {event.type for event in events} == {EventType.DELIVERY}
    assert len({received.message_id for received in sink.received}) == 40
    first = sink.received[0]
    assert f"Hello {first.rcpt}".encode() in first.data
    assert first.mail.endswith("@bounces.kirim.example")
    txt = b"v=DKIM1; k=rsa; p=" + key_pair()[1].encode()
    assert dkim.verify(first.data, dnsfunc=lambda name, timeout=5: txt)
    event = events[0]
    assert event.settlement is Settlement.DELIVERED
    assert (event.sending_ip, event.provider) == ("127.0.0.2", f"route:127.0.0.1:{sink.port}")
    assert event.remote == f"[127.0.0.1]:{sink.port}"
    assert event.size_bytes == len(next(r for r in sink.received if r.rcpt == event.rcpt_to).data)


async def test_both_ips_of_a_pool_are_used_each_with_its_own_name(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port, ips=TWO)) as w:
        await w.inject(*some(10))
        await w.settled(10)
    assert {(r.peer, r.helo) for r in sink.received} == {(ip.address, ip.hostname) for ip in TWO}
    counts = [sum(r.peer == ip.address for r in sink.received) for ip in TWO]
    assert counts == [5, 5]
