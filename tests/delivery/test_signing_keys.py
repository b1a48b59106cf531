"""Which keys sign: the active ones of the moment a message leaves, one signature each."""

from __future__ import annotations

import functools
from pathlib import Path

import dkim
import pytest

from merpati.adapters.crypto import KeyPair, make_ed25519_key, make_rsa_key
from merpati.adapters.signing import BadPrivateKey, Ed25519Signer
from merpati.contracts.event import EventType
from merpati.contracts.sending_policy import DkimKey
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import ACCOUNT, DOMAIN, StepClock, key_pair, policy, worker

MINUTE_MS = 60_000
RAW = b"From: hi@kirim.example\r\nSubject: raw\r\n\r\n.one dot\r\n"


@functools.cache
def pairs() -> dict[str, KeyPair]:
    return {"s1": KeyPair(*key_pair()), "s2": make_rsa_key(), "e1": make_ed25519_key()}


def key(selector: str) -> DkimKey:
    algorithm = "ed25519" if selector.startswith("e") else "rsa"
    private = pairs()[selector].private_pem
    return DkimKey(ACCOUNT, DOMAIN, DOMAIN, selector, private, algorithm)


def records(name: bytes, timeout: int = 5) -> bytes:
    """Return the DNS record of each key, as dkimpy asks for it."""
    selector = name.decode().partition(".")[0]
    kind = "ed25519" if selector.startswith("e") else "rsa"
    return f"v=DKIM1; k={kind}; h=sha256; p={pairs()[selector].public}".encode()


def signatures(data: bytes) -> list[tuple[str, bool]]:
    """Return the selector of each signature, from above, and whether dkimpy verifies it."""
    message = dkim.DKIM(data)
    fields = [value for name, value in message.headers if name.lower() == b"dkim-signature"]
    return [
        (field.split(b"s=")[1].split(b";")[0].decode(), _verifies(message, index))
        for index, field in enumerate(fields)
    ]


def _verifies(message: dkim.DKIM, index: int) -> bool:
    try:
        return bool(message.verify(index, dnsfunc=records))
    except dkim.DKIMException:
        return False


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (["s1"], [("s1", True)]),
        (["s1", "e1"], [("s1", True), ("e1", True)]),
        (["e1"], [("e1", True)]),
    ],
)
@pytest.mark.parametrize("raw", [None, RAW])
async def test_each_active_key_signs(
    tmp_path: Path, keys: list[str], found: list[tuple[str, bool]], raw: bytes | None
) -> None:
    first = lambda port: policy(port, keys=[key(one) for one in keys])  # noqa: E731
    async with SmtpSink().running() as sink, worker(tmp_path, first(sink.port)) as w:
        await w.inject("a@x.example", raw=raw)
        await w.settled(1)
    (received,) = sink.received
    data = received.data.replace(b"\r\n..", b"\r\n.")
    assert signatures(data) == found
    tampered = data.replace(b"one dot", b"two dots").replace(b"Hello", b"Hallo")
    assert not any(is_good for _, is_good in signatures(tampered))


async def test_mail_that_waits_is_signed_with_the_key_that_is_active_when_it_leaves(
    tmp_path: Path,
) -> None:
    sink, clock = SmtpSink(), StepClock()
    sink.on_rcpt = lambda c, line: "451 4.7.1 not now"
    async with sink.running():
        first = policy(sink.port, keys=[key("s1")])
        async with worker(tmp_path, first, clock=clock) as w:
            await w.inject("a@x.example")
            await w.until(w.events)
            assert w.events()[0].type is EventType.DELAY
            sink.on_rcpt = lambda c, line: "250 2.1.5 ok"
            w.engine.use_policy(policy(sink.port, version=2, keys=[key("s2")]))
            clock.ahead_ms = 21 * MINUTE_MS
            await w.settled(1)
    assert signatures(sink.received[0].data) == [("s2", True)]


def test_an_rsa_key_is_no_ed25519_key() -> None:
    with pytest.raises(BadPrivateKey, match="expected an Ed25519 key, got"):
        Ed25519Signer(key_pair()[0])
