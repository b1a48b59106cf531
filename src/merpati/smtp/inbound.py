"""The inbound door: reports to our return paths go into the journal, the desk's mail into its drop.

It relays nothing: an address that is neither a return path signed by this instance nor the desk's
(`desk_door.py`) gets 550. What is signed may stand in any domain, since a transmission may name one
of its account's (`return_path`). Reports come from anybody with any sender (a DSN has none, a
complaint has one), so what they say counts only for the message whose return path they name; they
are kept unread here.

A message takes one return path: which shard keeps it is then one question with one answer, and 250
means that it did. Test cases D5, R1.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from merpati.adapters.clock import Clock
from merpati.adapters.codec import pack
from merpati.contracts.event import JournalKind
from merpati.contracts.inbound import KEPT_BYTES, InboundMail
from merpati.message import return_path
from merpati.message.submitted import MOST_RECEIVED, split_message
from merpati.smtp.brakes import Rate
from merpati.smtp.desk_door import DeskDoor
from merpati.smtp.session import Envelope
from merpati.smtp.takers import Incoming
from merpati.spool.errors import SpoolError, SpoolFull

log = logging.getLogger(__name__)

RECIPIENTS = 1
REPORTS_AN_HOUR = 20  # about one message
_RECEIVED = re.compile(rb"^Received:", re.IGNORECASE | re.MULTILINE)


class Journal(Protocol):
    """What takes reports; `spool.client.LoopSpoolClient` is one."""

    async def record(self, shard: int, kind: JournalKind, payload: bytes) -> None:
        """Return once the payload is durable. Raises SpoolError."""


class Report(NamedTuple):
    """A report made ready to be stored. payload: msgpack of InboundMail."""

    path: return_path.ReturnPath
    payload: bytes


@dataclass(frozen=True, slots=True)
class Inbound:
    """What a process needs to take reports; a `takers.Taker`.

    bounce_domain: of return paths where a transmission names no other, lower case; key: the one
    that signs them; reports: how many are kept about one message, since whoever got it knows its
    return path and could fill the disk; desk: None where it takes no mail.
    """

    journal: Journal
    clock: Clock
    hostname: str
    bounce_domain: str
    key: bytes
    reports: Rate
    desk: DeskDoor | None = None

    def recipient_refusal(self, address: str) -> str | None:
        """Return the refusal of an address, None for a return path or the desk (at RCPT)."""
        if self.desk is not None and self.desk.takes(address):
            return None
        path = return_path.read(self.key, address)
        if path is None:
            if self.desk is not None and (refusal := self.desk.refusal(address)):
                return refusal
            is_ours = address.rpartition("@")[2].lower() == self.bounce_domain
            return "550 5.1.1 No such return path here" if is_ours else "550 5.7.1 Relaying denied"
        if self.reports.is_spent(str(path)):
            return "450 4.2.1 Too many reports about this message: try again later"
        return None

    def judge(self, messages: Sequence[Incoming]) -> list[Report | str]:
        """Return reports made ready to be stored, and the replies to all else.

        Those are refusals, and for the desk's mail that it is on disk: writing it takes a thread.
        """
        return [self._judged(*message) for message in messages]

    async def store(self, judged: Sequence[Report | str]) -> list[str]:
        """Store reports durably and return the replies: 250 only when it is on disk."""
        return await asyncio.gather(*map(self._stored, judged))

    def _judged(self, envelope: Envelope, peer: str) -> Report | str:
        (rcpt_to,) = envelope.recipients
        if len(_RECEIVED.findall(split_message(envelope.data)[0])) > MOST_RECEIVED:
            return "554 5.4.6 Too many hops: this message goes round in circles"
        if self.desk is not None and self.desk.takes(rcpt_to):
            return self.desk.take(envelope, peer)
        path = return_path.read(self.key, rcpt_to)
        if path is None:
            return "550 5.1.1 No such return path here"
        mail = InboundMail(
            account_id=path.account_id,
            message_id=path.message_id,
            received_at=self.clock.now(),
            rcpt_to=rcpt_to,
            msg_from=envelope.msg_from,
            peer=peer,
            helo=envelope.helo,
            size_bytes=len(envelope.data),
            data=envelope.data[:KEPT_BYTES],
        )
        return Report(path, pack(mail))

    async def _stored(self, report: Report | str) -> str:
        if isinstance(report, str):
            return report
        path = report.path
        try:
            await self.journal.record(path.shard, JournalKind.INBOUND, report.payload)
        except SpoolFull:
            return "452 4.3.1 No room to store the message: try again later"
        except SpoolError as error:
            log.warning("report_not_stored shard=%d reason=%s", path.shard, error)
            return f"421 4.3.0 {self.hostname} The message could not be stored: try again later"
        self.reports.count(str(path))
        return "250 2.0.0 OK"
