"""The outbox, sent: Merpati's own mail goes through the one injection, as any account's mail does.

It is sent from `desk.support_address`, whose domain must be a verified one of the account that
`desk.account` names. A mail is marked once the spool holds it. Killed between the two it is handed
over again with the same idempotency key and the spool answers as before: no mail is lost and none
is doubled (unless nobody tries again for a day, as long as the spool remembers keys).

What is wrong with one mail fails that mail; what is wrong with account or spool keeps all waiting,
at most three days: nobody wants last week's news.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import transaction

from merpati.accounts.actions import find_account
from merpati.accounts.errors import AccountsError
from merpati.adapters.clock import Clock
from merpati.contracts.batch import Attachment, Mailbox, Recipient
from merpati.sending.directory import Directory, SendingAccount
from merpati.sending.errors import SendingError
from merpati.sending.injection import Spool, inject
from merpati.sending.injection_errors import (
    AccountSuspended,
    InjectionRefused,
    PoolUnknown,
    PoolWithoutIps,
    SenderUnverified,
)
from merpati.sending.models import OutboxMail
from merpati.sending.transmission import TransmissionAccepted, TransmissionRequest
from merpati.settings import DeskSettings
from merpati.spool.errors import SpoolError

log = logging.getLogger(__name__)

STEP = 100  # mails
WAITS_AT_MOST = timedelta(days=3)
KEPT = timedelta(days=30)  # and so long a key is known
CAMPAIGN = "desk"  # by which the account's events and searches tell it from other mail
_OF_THE_ACCOUNT = (AccountSuspended, PoolUnknown, PoolWithoutIps, SenderUnverified)


@dataclass(slots=True)
class Outbox:
    """Sends what waits; for one thread at a time.

    next_id: hands out transmission ids; trouble: why all waits, "" while it flows.
    """

    settings: DeskSettings
    spool: Spool
    directory: Directory
    next_id: Callable[[], str]
    clock: Clock
    trouble: str = field(default="", init=False)

    def step(self) -> int:
        """Send what waits, oldest first; return how many mails the spool took."""
        now = datetime.fromtimestamp(self.clock.now() / 1000, UTC)
        waiting = OutboxMail.objects.filter(sent_at=None, failed_at=None).order_by("pk")
        found = list(waiting.prefetch_related("files")[:STEP])
        trouble, sent = "", 0
        try:
            if found:
                account = sending_account(self.settings, self.directory)
                for mail in found:
                    sent += self._send(mail, account, now)
        except (OwnMailHeld, SpoolError, *_OF_THE_ACCOUNT) as error:
            trouble = str(error)
            waiting.filter(created_at__lt=now - WAITS_AT_MOST).update(
                failed_at=now, trouble=f"waited {WAITS_AT_MOST.days} days: {trouble}"[:500]
            )
        if trouble != self.trouble:
            self.trouble = trouble
            if trouble:
                log.warning("own_mail_waits reason=%r", trouble)
            else:
                log.info("own_mail_flows")
        return sent

    def _send(self, mail: OutboxMail, account: SendingAccount, now: datetime) -> bool:
        """Hand a mail over. Raises what keeps all of them waiting."""
        transmission_id = self.next_id()
        try:
            answer = inject(
                self._request(mail),
                account,
                self.spool,
                transmission_id=transmission_id,
                now=now,
                reply=lambda accepted: _reply(accepted, transmission_id),
            )
        except _OF_THE_ACCOUNT:
            raise
        except InjectionRefused as refused:
            log.warning("own_mail_failed key=%r reason=%r", mail.key, refused.message)
            mail.failed_at, mail.trouble = now, refused.message[:500]
        else:
            mail.sent_at, mail.transmission_id = now, answer.decode()
        with transaction.atomic():
            mail.save(update_fields=["sent_at", "failed_at", "trouble", "transmission_id"])
            mail.files.all().delete()
        return mail.sent_at is not None

    def _request(self, mail: OutboxMail) -> TransmissionRequest:
        return TransmissionRequest(
            sender=Mailbox(self.settings.support_address, mail.from_name or None),
            subject=mail.subject,
            recipients=[Recipient(mail.to_email, name=mail.to_name or None)],
            text=mail.text,
            html=mail.html or None,
            reply_to=mail.reply_to or None,
            headers=mail.headers,
            attachments=[
                Attachment(file.name, file.type, bytes(file.data)) for file in mail.files.all()
            ],
            campaign_id=CAMPAIGN,
            transactional=True,
            perform_substitutions=False,
            idempotency_key=f"own-mail {mail.key}",
            message_key=mail.message_key,
        )


def sending_account(desk: DeskSettings, directory: Directory) -> SendingAccount:
    """Return the account that own mail is sent from. Raises OwnMailHeld, with the remedy."""
    if not (desk.account and desk.support_address):
        raise OwnMailHeld(
            "desk.account and desk.support_address are not both set: set them in merpati.toml",
            "desk.account" if desk.support_address else "desk.support_address",
        )
    try:
        account = directory.account(find_account(desk.account).pk)
    except AccountsError as error:
        raise OwnMailHeld(f"desk.account: {error.message}", "desk.account") from None
    domain = desk.support_address.rpartition("@")[2]
    if domain not in account.verified_domains:
        raise OwnMailHeld(
            f"{domain} of desk.support_address is no verified domain of account {desk.account}: "
            f"merpati domain add {domain} --account {desk.account!r}, publish its records, then "
            f"merpati domain verify {domain}",
            "desk.support_address",
        )
    pool = account.pool(None)
    if account.is_suspended or pool is None or not pool.has_ips:
        raise OwnMailHeld(
            f"account {desk.account} cannot send: it is suspended, closed or has no sending IP in "
            "its default pool",
            "desk.account",
        )
    return account


class OwnMailHeld(SendingError):
    """Own mail cannot be sent as things are set; `field` is the setting."""


def _reply(accepted: TransmissionAccepted, transmission_id: str) -> bytes:
    assert not accepted.rejected  # noqa: S101 - of one recipient: then inject had refused it all
    return transmission_id.encode()


def forget_old(now: datetime) -> None:
    """Remove what was sent or failed long ago."""
    OutboxMail.objects.filter(created_at__lt=now - KEPT).exclude(
        sent_at=None, failed_at=None
    ).delete()


@dataclass(frozen=True, slots=True)
class OutboxState:
    """How the outbox is. held: why nothing of it can be sent, "" while it can."""

    held: str
    waiting: int
    oldest_at: datetime | None  # of those that wait
    failed: int  # in the last day


def outbox_state(desk: DeskSettings, directory: Directory, now: datetime) -> OutboxState:
    """Return how the outbox is, for the doctor."""
    try:
        sending_account(desk, directory)
        held = ""
    except OwnMailHeld as error:
        held = error.message
    waiting = OutboxMail.objects.filter(sent_at=None, failed_at=None)
    oldest = waiting.order_by("pk").first()
    return OutboxState(
        held,
        waiting.count(),
        oldest.created_at if oldest else None,
        OutboxMail.objects.filter(failed_at__gt=now - timedelta(days=1)).count(),
    )
