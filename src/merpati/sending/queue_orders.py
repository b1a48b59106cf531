"""Orders to the queues: mail that waits, or a sending IP that takes no more, until a moment.

Every order has an end, a week ahead at most, so that nothing stays paused because somebody forgot.
Those that are over count nowhere, and go when the next is given. Each action is one transaction
with its audit entry and a new policy version, which the workers follow within two seconds.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from merpati.accounts import audit
from merpati.providers.directory import directory
from merpati.sending import policy
from merpati.sending.errors import InvalidValue, SendingIpNotFound
from merpati.sending.models import QueueOrder, SendingIp
from merpati.sending.pools import find_pool

LONGEST = timedelta(days=7)
_UNITS = {"min": 60, "m": 60, "h": 3_600, "d": 86_400}
_REASON_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Subject:
    """Which mail: of an account, from one of its pools, to a provider, or by one sending IP.

    None and "" stand for all.
    """

    account_id: int | None = None
    pool_id: int | None = None
    provider: str = ""
    sending_ip: str = ""

    @property
    def is_everything(self) -> bool:
        """Return whether nothing is left out."""
        return self == Subject()


def subject_of(
    account_id: int | None, pool: str | None, provider: str | None, sending_ip: str | None
) -> Subject:
    """Return a subject as people name it; provider: its id, its domain, or the MX hosts' domain.

    Raises InvalidValue, PoolNotFound, SendingIpNotFound.
    """
    if pool is not None and account_id is None:
        raise InvalidValue("a pool is named with its account: --account A --pool P", "pool")
    pool_id = find_pool(account_id, pool).pk if account_id is not None and pool else None
    if sending_ip:
        found = SendingIp.objects.filter(address=sending_ip).first()
        if found is None or account_id not in (None, found.account_id):
            raise SendingIpNotFound(sending_ip)
        account_id = found.account_id
    return Subject(account_id, pool_id, provider_id(provider or ""), sending_ip or "")


def provider_id(text: str) -> str:
    """Return the id under which queues know a provider. Raises InvalidValue for no name of one."""
    text = text.strip().lower()
    if not text or text.startswith("route:") or directory().get(text) is not None:
        return text
    if (hinted := directory().hint(text)) is not None:
        return hinted.id
    if "." in text:
        return text
    close = difflib.get_close_matches(text, [one.id for one in directory()], n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise InvalidValue(
        f"there is no provider {text!r}{hint} (merpati queue names them; a domain will do)",
        "provider",
    )


def unknown_provider(provider: str) -> str:
    """Return what to say of a provider that nobody has heard of, "" of a known one.

    It may be right all the same: hosts that the directory does not know count by their domain.
    """
    known = directory()
    if not provider or provider.startswith("route:") or known.get(provider) is not None:
        return ""
    names = [*known.domains, *(one.id for one in known)]
    close = difflib.get_close_matches(provider, names, n=3)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return (
        f"no mailbox provider known here is called {provider}; this holds for mail to hosts below"
        f" that domain alone.{hint}"
    )


def parse_duration(text: str) -> timedelta:
    """Read "30min", "2h" or "1d", a minute to a week. Raises InvalidValue."""
    match = re.fullmatch(r"([0-9]{1,6})(min|m|h|d)", text.strip().lower())
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= LONGEST.total_seconds():
        raise InvalidValue(f"{text!r} is no duration such as 30min, 2h or 1d, up to 7d", "for")
    return timedelta(seconds=seconds)


def give_order(
    subject: Subject,
    until: datetime,
    reason: str,
    *,
    by: str,
    now: datetime,
    drains: bool = False,
    by_account: bool = False,
) -> QueueOrder:
    """Have mail wait until a moment; the same subject's former order gives way.

    drains: said of a sending IP that takes nothing new. Raises InvalidValue.
    """
    if not now < until <= now + LONGEST:
        raise InvalidValue("an order ends within seven days from now", "for")
    if len(reason) > _REASON_CHARACTERS:
        raise InvalidValue(f"a reason has at most {_REASON_CHARACTERS} characters", "reason")
    with transaction.atomic():
        QueueOrder.objects.filter(until_at__lte=now).delete()
        for former in orders_in_force(now):
            if former.by_account == by_account and _subject(former) == subject:
                former.delete()
        order = QueueOrder.objects.create(
            account_id=subject.account_id,
            pool_id=subject.pool_id,
            provider=subject.provider,
            sending_ip=subject.sending_ip,
            drains=drains,
            by_account=by_account,
            by=by,
            reason=reason,
            created_at=now,
            until_at=until,
        )
        _record("drain_sending_ip" if drains else "pause_queue", order, by=by, now=now)
        policy.bump()
    return order


def end_orders(subject: Subject, *, by: str, now: datetime, by_account: bool) -> list[QueueOrder]:
    """End what is in force within a subject; return it. by_account: only the account's own."""
    with transaction.atomic():
        orders = [order for order in orders_in_force(now) if _covers(subject, order)]
        if by_account:
            orders = [order for order in orders if order.by_account]
        for order in orders:
            _record("resume_queue", order, by=by, now=now)
            order.delete()
        if orders:
            policy.bump()
    return orders


def orders_in_force(now: datetime) -> Sequence[QueueOrder]:
    """Return all orders that are not over, the oldest first."""
    return list(QueueOrder.objects.filter(until_at__gt=now).order_by("id"))


def record_retry(subject: Subject, *, lifts: bool, by: str, now: datetime) -> None:
    """Keep who had deferred mail tried again at once."""
    with transaction.atomic():
        audit.record(
            "retry_queue",
            subject.provider or "all mail",
            by=by,
            now=now,
            account_id=subject.account_id,
            pool_id=subject.pool_id,
            sending_ip=subject.sending_ip,
            lifts=lifts,
        )


def _subject(order: QueueOrder) -> Subject:
    return Subject(order.account_id, order.pool_id, order.provider, order.sending_ip)


def _covers(subject: Subject, order: QueueOrder) -> bool:
    return (
        subject.account_id in (None, order.account_id)
        and subject.pool_id in (None, order.pool_id)
        and subject.provider in ("", order.provider)
        and subject.sending_ip in ("", order.sending_ip)
    )


def _record(action: str, order: QueueOrder, *, by: str, now: datetime) -> None:
    audit.record(
        action,
        order.sending_ip or order.provider or "all mail",
        by=by,
        now=now,
        account_id=order.account_id,
        pool_id=order.pool_id,
        provider=order.provider,
        sending_ip=order.sending_ip,
        until=order.until_at.isoformat(timespec="seconds"),
        reason=order.reason,
    )
