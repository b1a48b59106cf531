"""Injection: the one function by which mail enters, from whichever edge it comes.

A transmission is validated once, its recipients are expanded, suppressed ones are marked by one
query for all, and one batch goes to the worker that owns the account. `inject` returns when that
batch is durable, and raises when it is not. What stands in the way of one recipient rejects that
recipient alone; what stands in the way of all refuses the transmission.

Source: sparkpost-api 3 and 4; test cases D1, D5 (durable before 2xx).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from merpati.adapters import codec
from merpati.contracts.batch import Accepted, Batch, Content, Mailbox, MessageRow
from merpati.contracts.event import InjectedRecipient, Injection
from merpati.sending.addressees import Addressee, addressees_of
from merpati.sending.buckets import bucket_of
from merpati.sending.directory import PoolEntry, SendingAccount
from merpati.sending.engagement import NEVER, tiers_of
from merpati.sending.injection_errors import AccountSuspended, FieldInvalid
from merpati.sending.language_variants import checked_language, checked_variants
from merpati.sending.local_hours import LocalPlan, plan
from merpati.sending.suppression import suppressed_among
from merpati.sending.transmission import TransmissionAccepted, TransmissionRequest
from merpati.sending.transmission_rules import (
    SCHEDULE_AHEAD,
    check_headers,
    check_sizes,
    pool_of,
    starts_at_of,
    verified_sender,
)
from merpati.spool.errors import SpoolError
from merpati.spool.message_name import name_of

log = logging.getLogger(__name__)

# We write these ourselves; the caller's are dropped, as SparkPost does (test case H3).
_OURS = frozenset({"date", "message-id", "received", "return-path", "dkim-signature", "x-msfbl"})


class Spool(Protocol):
    """What injection needs of the spool's client."""

    def append(self, shard: int, batch: Batch) -> Accepted:
        """Return once the batch is durable. Raises SpoolError."""


class LoopSpool(Protocol):
    """What injection needs of the spool's client on an event loop."""

    async def append_all(self, shard: int, batches: Sequence[Batch]) -> list[Accepted | SpoolError]:
        """Return what `Spool.append` would have of each. Raises SpoolError for all of them."""


@dataclass(frozen=True, slots=True)
class Validated:
    """A transmission that nothing stands in the way of; who is suppressed is not known yet.

    starts_at: 0 for at once; first_at: when the first message leaves, later with local hours.
    """

    request: TransmissionRequest
    account: SendingAccount
    transmission_id: str
    injected_at: int
    starts_at: int
    first_at: int
    pool: PoolEntry
    sender: Mailbox
    sending_domain: str
    addressees: Sequence[Addressee]
    content: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """A transmission that nothing stands in the way of: what the spool is to store, and where.

    answer: the edge's reply once that is durable.
    """

    shard: int
    batch: Batch
    answer: bytes

    def answered(self, accepted: Accepted) -> bytes:
        """Return the reply, now that the batch is durable."""
        if log.isEnabledFor(logging.DEBUG):
            log.debug(
                "accepted transmission=%s first_message=%s recipients=%d account=%d",
                self.batch.transmission_id,
                name_of(self.shard, accepted.base_id),
                self.batch.size,
                self.batch.account_id,
            )
        return accepted.reply if accepted.repeated else self.answer


def inject(
    request: TransmissionRequest,
    account: SendingAccount,
    spool: Spool,
    *,
    transmission_id: str,
    now: datetime,
    reply: Callable[[TransmissionAccepted], bytes],
    schedule_ahead: timedelta = SCHEDULE_AHEAD,
) -> bytes:
    """Accept a transmission durably and return the edge's reply to it.

    reply: shapes the answer; it is stored with the batch, and a request that repeats an idempotency
    key gets the very answer of the first. schedule_ahead: how far `start_time` may lie ahead.
    Raises InjectionRefused when nothing was accepted, and SpoolError (SpoolUnavailable: try again;
    IdempotencyConflict) when it could not be stored.
    """
    validated = validate(
        request,
        account,
        transmission_id=transmission_id,
        now=now,
        reply=reply,
        schedule_ahead=schedule_ahead,
    )
    (prepared,) = prepare_all([validated])
    return prepared.answered(spool.append(prepared.shard, prepared.batch))


async def inject_all(
    spool: LoopSpool, prepared: Sequence[Prepared]
) -> Sequence[bytes | SpoolError]:
    """Accept transmissions of one account durably, together.

    Returns each one's reply, or why it was not stored.
    """
    if not prepared:
        return []
    (shard,) = {one.shard for one in prepared}
    try:
        outcomes = await spool.append_all(shard, [one.batch for one in prepared])
    except SpoolError as error:
        return [error] * len(prepared)
    return [
        one.answered(outcome) if isinstance(outcome, Accepted) else outcome
        for one, outcome in zip(prepared, outcomes, strict=True)
    ]


def validate(
    request: TransmissionRequest,
    account: SendingAccount,
    *,
    transmission_id: str,
    now: datetime,
    reply: Callable[[TransmissionAccepted], bytes],
    schedule_ahead: timedelta = SCHEDULE_AHEAD,
) -> Validated:
    """Judge a transmission, as `inject` does. Raises as it."""
    if account.is_suspended:
        raise AccountSuspended
    check_headers(request)
    check_sizes(request)
    sender, sending_domain = verified_sender(request, account)
    pool = pool_of(request, account)
    injected_at = _milliseconds(now)
    starts_at = starts_at_of(request, now, schedule_ahead)
    hours = _local_plan(request, account, starts_at or injected_at)
    if hours is not None:  # it is scheduled, be it for this very moment
        starts_at = starts_at or injected_at + 1
    addressees, rejected = addressees_of(request, account, hours, starts_at or injected_at)
    moments = [addressee.due_at for addressee in addressees] if hours is not None else []
    return Validated(
        request=request,
        account=account,
        transmission_id=transmission_id,
        injected_at=injected_at,
        starts_at=starts_at,
        first_at=min(moments, default=starts_at),
        pool=pool,
        sender=sender,
        sending_domain=sending_domain,
        addressees=addressees,
        content=_content(
            request,
            account,
            transmission_id=transmission_id,
            injected_at=injected_at,
            pool=pool,
            sender=sender,
            sending_domain=sending_domain,
        ),
        answer=reply(
            TransmissionAccepted(
                transmission_id,
                len(addressees),
                rejected,
                None if hours is None else hours.told(moments),
            )
        ),
    )


def prepare_all(validated: Sequence[Validated]) -> list[Prepared]:
    """Make transmissions ready to be stored; one query tells who of an account is suppressed.

    A second one tells who engaged when, for accounts that know.
    """
    wanted: dict[tuple[int, bool], list[str]] = {}
    for one in validated:
        if not one.request.skip_suppression:
            addresses = wanted.setdefault((one.account.account_id, one.request.transactional), [])
            addresses += [addressee.recipient.rcpt_to for addressee in one.addressees]
    sources = {
        (account_id, transactional): suppressed_among(account_id, addresses, transactional)
        for (account_id, transactional), addresses in wanted.items()
    }
    tiers = _tiers(validated)
    return [
        _prepared(
            one,
            {}
            if one.request.skip_suppression
            else sources[one.account.account_id, one.request.transactional],
            tiers.get(one.account.account_id),
        )
        for one in validated
    ]


def _tiers(validated: Sequence[Validated]) -> dict[int, Mapping[str, int]]:
    """Return the tiers of who engaged, by address, for each account that knows of any."""
    wanted: dict[int, list[str]] = {}
    for one in validated:
        if one.account.knows_engagement:
            addresses = wanted.setdefault(one.account.account_id, [])
            addresses += [addressee.recipient.rcpt_to for addressee in one.addressees]
    if not wanted:
        return {}
    today = datetime.fromtimestamp(validated[0].injected_at / 1000, UTC).date()
    return {
        account_id: tiers_of(account_id, addresses, today)
        for account_id, addresses in wanted.items()
    }


def _prepared(
    one: Validated, sources: Mapping[str, str], tiers: Mapping[str, int] | None
) -> Prepared:
    """sources: of the suppression that stops an address, for those that one does.

    tiers: of who is known to have engaged; None: the account knows of nobody.
    """
    request, account, addressees = one.request, one.account, one.addressees
    suppressed = [sources.get(addressee.recipient.rcpt_to) for addressee in addressees]
    batch = Batch(
        account_id=account.account_id,
        transmission_id=one.transmission_id,
        pool_id=one.pool.pool_id,
        policy_version=account.policy_version,
        injected_at=one.injected_at,
        size=len(addressees),
        content=one.content,
        messages=_rows(account.account_id, addressees, suppressed, tiers),
        injection=codec.pack(
            Injection(
                account_id=account.account_id,
                transmission_id=one.transmission_id,
                injected_at=one.injected_at,
                ip_pool=one.pool.slug,
                friendly_from=one.sender.email,
                sending_domain=one.sending_domain,
                subject=request.subject,
                recipients=_injected(addressees, suppressed),
                campaign_id=request.campaign_id,
                transactional=request.transactional,
                metadata=request.metadata,
                recv_method=request.recv_method,
                starts_at=one.first_at,
                description=request.description,
            )
        ),
        idempotency_key=request.idempotency_key,
        fingerprint=request.fingerprint,
        reply=one.answer if request.idempotency_key is not None else b"",
        campaign_id=request.campaign_id or "",
        starts_at=one.starts_at,
    )
    return Prepared(account.shard, batch, one.answer)


def _local_plan(
    request: TransmissionRequest, account: SendingAccount, not_before: int
) -> LocalPlan | None:
    if request.local_time is None:
        return None
    moment = datetime.fromtimestamp(not_before / 1000, UTC)
    return plan(request.local_time, account.time_zone, moment, transactional=request.transactional)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _rows(
    account_id: int,
    addressees: Sequence[Addressee],
    suppressed: Sequence[str | None],
    tiers: Mapping[str, int] | None,
) -> list[MessageRow]:
    return [
        MessageRow(
            index,
            addressee.domain,
            addressee.due_at,
            addressee.packed,
            tier=0 if tiers is None else tiers.get(addressee.recipient.rcpt_to, NEVER),
            bucket=bucket_of(account_id, addressee.recipient.rcpt_to),
        )
        for index, (addressee, source) in enumerate(zip(addressees, suppressed, strict=True))
        if source is None
    ]


def _injected(
    addressees: Sequence[Addressee], suppressed: Sequence[str | None]
) -> list[InjectedRecipient]:
    return [
        InjectedRecipient(recipient.rcpt_to, recipient.metadata, recipient.tags, source)
        for recipient, source in zip(
            (addressee.recipient for addressee in addressees), suppressed, strict=True
        )
    ]


def _content(
    request: TransmissionRequest,
    account: SendingAccount,
    *,
    transmission_id: str,
    injected_at: int,
    pool: PoolEntry,
    sender: Mailbox,
    sending_domain: str,
) -> bytes:
    content = Content(
        account_id=account.account_id,
        transmission_id=transmission_id,
        injected_at=injected_at,
        pool_id=pool.pool_id,
        ip_pool=pool.slug,
        sending_domain=sending_domain,
        sender=sender,
        subject=request.subject,
        text=request.text,
        html=request.html,
        amp_html=request.amp_html,
        reply_to=request.reply_to,
        headers={name: value for name, value in request.headers.items() if not _is_ours(name)},
        attachments=list(request.attachments),
        inline_images=list(request.inline_images),
        substitution_data=request.substitution_data,
        metadata=request.metadata,
        campaign_id=request.campaign_id,
        transactional=request.transactional,
        perform_substitutions=request.perform_substitutions,
        return_path=request.return_path,
        raw=request.raw,
        skip_suppression=request.skip_suppression,
        message_key=request.message_key,
        language=checked_language(request.language),
        variants=checked_variants(request.variants) if request.variants else {},
    )
    try:
        return codec.pack(content)
    except OverflowError:
        raise FieldInvalid(
            "metadata and substitution_data: integers must fit 64 bits", field="substitution_data"
        ) from None


def _is_ours(name: str) -> bool:
    lower = name.lower()
    return lower in _OURS or lower == "mime-version" or lower.startswith("content-")
