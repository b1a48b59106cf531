"""Submission: a customer's own message becomes a transmission, over SMTP instead of HTTP.

`authenticate` and `judge` use Django's database, so they run in threads, never on the loop; `store`
hands over to the worker and waits for it there. The refusals of injection get their SMTP replies in
one place, at the end.

MAIL FROM may be any address: it is replaced by a return path of ours, so that bounces come here.

Source: sparkpost-api 24; test cases D1, D5, H3, R4.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import DatabaseError

from merpati.accounts.keys import KeyIdentity
from merpati.accounts.trusted_networks import TrustedNetworks
from merpati.adapters.clock import Clock
from merpati.contracts.batch import Mailbox, Recipient
from merpati.control.thread_connection import look_after_connection
from merpati.message.header import NamedAddress
from merpati.message.submitted import MessageRefused, date_text, finished, read_submitted
from merpati.sending.address import envelope_address
from merpati.sending.directory import Directory
from merpati.sending.injection import (
    LoopSpool,
    Prepared,
    Validated,
    inject_all,
    prepare_all,
    validate,
)
from merpati.sending.injection_errors import (
    AccountSuspended,
    InjectionRefused,
    NoValidRecipient,
    SenderUnverified,
)
from merpati.sending.transmission import TransmissionAccepted, TransmissionRequest
from merpati.sending.transmission_id import TransmissionIds
from merpati.smtp.msys_options import MsysOptions, OptionsRefused, read_options
from merpati.smtp.session import Envelope
from merpati.smtp.takers import INTERNAL_ERROR, Incoming
from merpati.spool.errors import SpoolError, SpoolFull

log = logging.getLogger(__name__)

USER = "SMTP_Injection"
GRANT = "smtp/inject"
SORRY = "535 5.7.8 Sorry."
_SUBACCOUNT = "X-MSYS-SUBACCOUNT="


@dataclass(frozen=True, slots=True)
class Submission:
    """What a process needs to take mail from customers; a `takers.Taker`.

    Any thread may call, but `store` is for the loop. hostname: names us in Received.
    """

    directory: Directory
    spool: LoopSpool
    transmission_ids: TransmissionIds
    clock: Clock
    hostname: str

    def authenticate(self, user: str, password: str) -> KeyIdentity | str:
        """Return who this is, or the reply that refuses it."""
        name, _, subaccount = user.partition(":")
        if name != USER or (subaccount and not subaccount.startswith(_SUBACCOUNT)):
            return SORRY
        try:
            look_after_connection()
            identity = self.directory.identity(password)
        except DatabaseError:
            log.exception("authentication_failed")
            return "454 4.7.0 Temporary authentication failure"
        if identity is None or GRANT not in identity.grants:
            return SORRY
        if subaccount.removeprefix(_SUBACCOUNT).strip("0"):
            return f"535 5.7.8 Subaccount {subaccount[len(_SUBACCOUNT) :][:20]} does not exist"
        return identity

    def trusted_networks(self) -> TrustedNetworks | None:
        """Return whose clients need no password; None when that cannot be read just now."""
        try:
            look_after_connection()
            return self.directory.trusted_networks()
        except DatabaseError:
            log.exception("trusted_networks_unreadable effect=as_before")
            return None

    def judge(self, messages: Sequence[Incoming]) -> list[Prepared | str]:
        """Return messages made ready to be stored, or the replies that refuse them."""
        look_after_connection()
        validated = [self._judged(*message) for message in messages]
        prepared = iter(prepare_all([one for one in validated if isinstance(one, Validated)]))
        return [one if isinstance(one, str) else next(prepared) for one in validated]

    async def store(self, judged: Sequence[Prepared | str]) -> list[str]:
        """Store what is ready durably, each for itself; return the replies.

        What came together shares a write, an fsync and a wait.
        """
        stored = iter(
            await inject_all(self.spool, [one for one in judged if isinstance(one, Prepared)])
        )
        return [one if isinstance(one, str) else self._reply(one, next(stored)) for one in judged]

    def _judged(self, envelope: Envelope, peer: str) -> Validated | str:
        """Return a message that can be taken, or the reply that refuses it."""
        transmission_id = self.transmission_ids.next()
        try:
            return self._validated(envelope, peer, transmission_id)
        except (OptionsRefused, MessageRefused, InjectionRefused) as refused:
            return _reply_to(refused)
        except Exception:  # one that we cannot handle must not cost the others of its group
            log.exception("submission_failed transmission=%s", transmission_id)
            return INTERNAL_ERROR

    def _reply(self, prepared: Prepared, outcome: bytes | SpoolError) -> str:
        if isinstance(outcome, bytes):
            return outcome.decode()
        log.warning("not_stored transmission=%s reason=%s", prepared.batch.transmission_id, outcome)
        if isinstance(outcome, SpoolFull):
            return "452 4.3.1 No room to store the message: try again later"
        return f"421 4.3.0 {self.hostname} The message could not be stored: try again later"

    def _validated(self, envelope: Envelope, peer: str, transmission_id: str) -> Validated:
        assert envelope.identity is not None  # noqa: S101 - the session demands AUTH
        account = self.directory.account(envelope.identity.account_id)
        message = read_submitted(envelope.data)
        options = read_options(message.options)
        sender = envelope_address(message.sender.address)
        if sender is None:
            raise MessageRefused("From must hold exactly one address")
        now = self.clock.now()
        raw = finished(
            message,
            received=_received(envelope, peer, self.hostname, transmission_id, now // 1000),
            message_id=f"{transmission_id}@{sender[1]}",
            injected_at=now,
            cc=_each_once(options.cc),
        )
        request = TransmissionRequest(
            sender=Mailbox(sender[0]),
            subject=message.subject,
            recipients=_recipients(envelope.recipients, options),
            metadata=options.metadata,
            campaign_id=options.campaign_id,
            ip_pool=options.ip_pool,
            transactional=options.transactional,
            skip_suppression=options.skip_suppression,
            raw=raw,
            recv_method="esmtp",
        )
        return validate(
            request,
            account,
            transmission_id=transmission_id,
            now=datetime.fromtimestamp(now / 1000, UTC),
            reply=_accepted,
        )


def _accepted(accepted: TransmissionAccepted) -> bytes:
    """Return the 250. Raises NoValidRecipient unless all recipients were accepted.

    A client that hears 250 believes that for each of them.
    """
    if accepted.rejected:
        raise NoValidRecipient(accepted.rejected)
    return f"250 2.0.0 OK {accepted.transmission_id}".encode()


def _recipients(envelope: Iterable[str], options: MsysOptions) -> list[Recipient]:
    """Return one recipient an address; of two that are the same the first counts."""
    shown = {_matched(mailbox.address) for mailbox in options.cc}
    wanted = [(address, "cc" if _matched(address) in shown else "") for address in envelope]
    copies = (("cc", options.cc), ("bcc", options.bcc), ("archive", options.archive))
    wanted += [(mailbox.address, kind) for kind, mailboxes in copies for mailbox in mailboxes]
    by_address: dict[str, Recipient] = {}
    for address, kind in wanted:
        recipient = Recipient(address, tags=list(options.tags), rcpt_type=kind)
        by_address.setdefault(_matched(address), recipient)
    return list(by_address.values())


def _each_once(mailboxes: Iterable[NamedAddress]) -> list[NamedAddress]:
    by_address: dict[str, NamedAddress] = {}
    for mailbox in mailboxes:
        by_address.setdefault(_matched(mailbox.address), mailbox)
    return list(by_address.values())


def _matched(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def _received(
    envelope: Envelope, peer: str, hostname: str, transmission_id: str, seconds: int
) -> str:
    """Return the trace field of RFC 5321 4.4; no `for`, which would show other recipients."""
    literal = f"IPv6:{peer}" if ":" in peer else peer
    return (
        f"from {envelope.helo} ([{literal}])\r\n by {hostname} with {envelope.protocol}"
        f" id {transmission_id};\r\n {date_text(seconds)}"
    )


def _reply_to(refused: OptionsRefused | MessageRefused | InjectionRefused) -> str:
    """Return the reply that a refusal stands for: the one place that maps them."""
    if isinstance(refused, OptionsRefused):
        return refused.reply
    if isinstance(refused, MessageRefused):
        return f"{'554 5.4.6' if refused.is_loop else '550 5.6.0'} {refused.reason}"
    message = " ".join(refused.message.split())[:400]
    match refused:
        case SenderUnverified():
            return f"550 5.7.1 Unconfigured Sending Domain <{refused.domain}>"
        case AccountSuspended():
            return f"550 5.7.1 {message}"
        case NoValidRecipient():
            reasons = [rejected.reason for rejected in refused.rejected]
            return f"550 5.1.3 {' '.join((reasons or [message])[0].split())[:400]}"
        case _:
            return f"550 5.6.0 {message}"


def recipient_refusal(address: str) -> str | None:
    """Return the refusal of an address that no mail can be sent to, or None (at RCPT)."""
    if envelope_address(address) is not None:
        return None
    if not address.isascii() and envelope_address("x" + address[address.rfind("@") :]) is not None:
        return "553 5.6.7 Local parts beyond ASCII cannot be sent to yet"
    return "553 5.1.3 This is no address that mail can be sent to"
