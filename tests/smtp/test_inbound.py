"""The inbound door's two calls: which addresses are ours, and what becomes of a report."""

from __future__ import annotations

import asyncio

import pytest

from merpati.adapters.codec import unpacker
from merpati.contracts.event import JournalKind
from merpati.contracts.inbound import KEPT_BYTES, InboundMail
from merpati.message import return_path
from merpati.message.submitted import MOST_RECEIVED
from merpati.smtp.brakes import Rate
from merpati.smtp.inbound import REPORTS_AN_HOUR, Inbound
from merpati.smtp.session import Envelope
from merpati.smtp.takers import Incoming
from merpati.spool.errors import SpoolFull, SpoolUnavailable
from tests.api.conftest import SteppingClock

KEY = b"k" * 32
BOUNCES = "bounces.mta.example"
OURS = return_path.make(KEY, 9, 2, 3, BOUNCES)
REPORT = b"From: MAILER-DAEMON\r\nSubject: failed\r\n\r\nReceived: in the body\r\n"


class CollectingJournal:
    def __init__(self) -> None:
        self.kept: list[tuple[int, JournalKind, bytes]] = []
        self.failure: Exception | None = None

    async def record(self, shard: int, kind: JournalKind, payload: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        self.kept.append((shard, kind, payload))


class Door:
    def __init__(self) -> None:
        self.journal = CollectingJournal()
        self.hour = 0.0
        rate = Rate(lambda: self.hour, REPORTS_AN_HOUR, 1)
        self.inbound = Inbound(self.journal, SteppingClock(), "mta.example", BOUNCES, KEY, rate)

    def take(self, data: bytes = REPORT, msg_from: str = "", rcpt_to: str = OURS) -> str:
        envelope = Envelope(msg_from, (rcpt_to,), data, "mx.example", "ESMTP", None)
        judged = self.inbound.judge([Incoming(envelope, "192.0.2.9")])
        (reply,) = asyncio.run(self.inbound.store(judged))
        return reply

    def kept(self) -> InboundMail:
        ((shard, kind, payload),) = self.journal.kept
        assert (shard, kind) == (2, JournalKind.INBOUND)
        return unpacker(InboundMail).decode(payload)


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize("msg_from", ["", "complaints@provider.example"])
def test_a_report_is_kept_as_it_came_for_the_message_it_names(door: Door, msg_from: str) -> None:
    assert door.take(msg_from=msg_from, rcpt_to=OURS.upper()) == "250 2.0.0 OK"
    kept = door.kept()
    assert (kept.account_id, kept.message_id, kept.rcpt_to) == (9, 3, OURS.upper())
    assert (kept.msg_from, kept.peer, kept.helo) == (msg_from, "192.0.2.9", "mx.example")
    assert (kept.data, kept.size_bytes) == (REPORT, len(REPORT))


def test_of_a_large_report_the_beginning_is_kept_and_its_size(door: Door) -> None:
    data = REPORT + b"x\r\n" * KEPT_BYTES
    assert door.take(data) == "250 2.0.0 OK"
    assert (door.kept().data, door.kept().size_bytes) == (data[:KEPT_BYTES], len(data))


def test_a_report_that_goes_round_in_circles_is_refused(door: Door) -> None:
    hops = b"received: by here\r\n" * MOST_RECEIVED
    assert door.take(hops + b"Received: once more\r\n" + REPORT).startswith("554 5.4.6")
    assert door.journal.kept == []
    assert door.take(hops + REPORT) == "250 2.0.0 OK"


def test_one_message_cannot_fill_the_disk_with_its_reports(door: Door) -> None:
    """Whoever got it knows its return path; what was not stored does not count."""
    door.journal.failure = SpoolFull("below its reserve")
    door.take()
    door.journal.failure = None
    for _ in range(REPORTS_AN_HOUR):
        assert door.inbound.recipient_refusal(OURS) is None
        assert door.take() == "250 2.0.0 OK"
    for spelling in (OURS, OURS.upper(), f" {OURS}"):
        assert (door.inbound.recipient_refusal(spelling) or "").startswith("450 4.2.1")
    other = return_path.make(KEY, 9, 2, 4, BOUNCES)
    assert door.inbound.recipient_refusal(other) is None
    door.hour = 1.0
    assert door.inbound.recipient_refusal(OURS) is None


@pytest.mark.parametrize(
    ("failure", "code"),
    [(SpoolFull("below its reserve"), "452 4.3.1"), (SpoolUnavailable("no worker"), "421 4.3.0")],
)
def test_what_is_not_on_disk_is_never_250(door: Door, failure: Exception, code: str) -> None:
    """D5."""
    door.journal.failure = failure
    assert door.take().startswith(code)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        pytest.param(OURS, None, id="ours"),
        pytest.param(OURS.upper(), None, id="in capitals"),
        pytest.param("victim@example.net", "550 5.7.1", id="relaying"),
        pytest.param(
            OURS.replace(BOUNCES, "bounces.kirim.example"), None, id="a domain of their own"
        ),
        pytest.param("b0@bounces.kirim.example", "550 5.7.1", id="another name there"),
        pytest.param(f"{OURS.partition('@')[0]}%{BOUNCES}@x.example", "550 5.7.1", id="%-hack"),
        pytest.param(f"postmaster@{BOUNCES}", "550 5.1.1", id="another name"),
        pytest.param(return_path.make(b"other", 9, 2, 3, BOUNCES), "550 5.1.1", id="another key"),
        pytest.param(
            f"{OURS[:9]}{'0' if OURS[9] != '0' else '1'}{OURS[10:]}", "550 5.1.1", id="id"
        ),
        pytest.param("", "550 5.7.1", id="nobody"),
    ],
)
def test_only_return_paths_that_we_signed_are_recipients(
    door: Door, address: str, code: str | None
) -> None:
    """R1."""
    refusal = door.inbound.recipient_refusal(address)
    assert (refusal and refusal[:9]) == code
