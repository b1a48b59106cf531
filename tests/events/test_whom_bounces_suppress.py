"""From a provider's reply to the suppression list: engine, journal, recorder, bounce rule (T5).

What blames our IP, our rate or the content, and whatever a reply before RCPT says, never
suppresses; who does not exist is suppressed at once, and is not mailed again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from merpati.accounts.models import Account
from merpati.contracts.event import Event, Settlement
from merpati.events.bounce_rule import BounceRule
from merpati.events.recorder import Recorder
from merpati.sending.suppression import suppressed_among
from tests.support.control import NOW
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import ACCOUNT, QUICK, policy, worker

pytestmark = pytest.mark.django_db

ADDRESS = "sari@x.example"


@dataclass(frozen=True)
class Case:
    """A reply at one stage, and what it comes to; settlement None: the message is tried again."""

    stage: str
    reply: str
    bounce_class: int
    settlement: Settlement | None
    suppresses: bool = False


BOUNCED = Settlement.BOUNCED
CASES = {
    "unknown user": Case("rcpt", "550 5.1.1 no such user here", 10, BOUNCED, suppresses=True),
    "unknown user, after DATA": Case("dot", "550 5.1.1 user unknown", 10, BOUNCED, suppresses=True),
    "Gmail: IP": Case(
        "dot",
        "550 5.7.1 [192.0.2.1] Our system has detected that this message is likely unsolicited "
        "mail. To reduce the amount of spam sent to Gmail, this message has been blocked.",
        52,
        BOUNCED,
    ),
    "Microsoft: S3140": Case(
        "mail",
        "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your "
        "Internet service provider since part of their network is on our block list (S3140).",
        51,
        None,
    ),
    "block list": Case(
        "rcpt",
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        51,
        BOUNCED,
    ),
    "content": Case("dot", "554 5.7.1 Message rejected as spam by content filter", 52, BOUNCED),
    "attachment": Case("dot", "552 5.7.0 prohibited attachment", 53, BOUNCED),
    "too large": Case("mail", "552 5.3.4 message size exceeds fixed limit", 23, None),
    "mailbox full": Case("rcpt", "552 5.2.2 mailbox full", 22, BOUNCED),
    "too fast, said for good": Case("rcpt", "550 5.7.1 rate limit exceeded, try later", 70, None),
    "too fast": Case("rcpt", "421 4.7.0 too many messages, slow down", 70, None),
    "greylisting": Case("rcpt", "451 4.7.1 Greylisted, try again later", 70, None),
    "unknown user, for now": Case("rcpt", "450 4.1.1 user unknown", 70, None),
    "unknown user, at the banner": Case("banner", "550 5.1.1 user unknown", 50, None),
    "relaying": Case("rcpt", "550 5.7.1 relaying denied", 54, BOUNCED),
    "nothing known": Case("rcpt", "550 no", 40, BOUNCED),
}


class NoTrimmer:
    def trim(self, shard: int, seq: int) -> None:
        """Leave the journal."""


async def told(folder: Path, case: Case) -> Event:
    """Return what one message comes to that is refused as the case says."""
    sink = SmtpSink()
    setattr(sink, "banner" if case.stage == "banner" else f"on_{case.stage}", lambda *_: case.reply)
    options = replace(QUICK, patience=0)
    async with sink.running(), worker(folder, policy(sink.port), options) as w:
        await w.inject(ADDRESS)
        await w.until(w.events)
    return w.events()[0]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_only_who_does_not_exist_is_suppressed(tmp_path: Path, case: Case) -> None:
    """T5, and its family: replies that speak of the recipient, and those that do not."""
    Account.objects.create(
        pk=ACCOUNT, name="Kirim", plan="premium", service_time_zone="uk", created_at=NOW
    )
    event = asyncio.run(told(tmp_path, case))
    with Recorder(tmp_path / "events.sqlite3", tmp_path / "spool", NoTrimmer()) as recorder:
        assert recorder.step() == 2  # with the injection
    BounceRule(tmp_path / "events.sqlite3").step(NOW)
    suppressed = [bool(suppressed_among(ACCOUNT, [ADDRESS], kind)) for kind in (True, False)]
    assert (event.bounce_class, event.settlement) == (case.bounce_class, case.settlement)
    assert suppressed == [case.suppresses] * 2
