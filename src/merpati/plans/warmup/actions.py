"""What people do to a warm-up: start or end it, set a target, decide a day by hand; all audited."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import transaction

from merpati.accounts import audit
from merpati.events.alerts import end_alerts_of_ip
from merpati.plans.models import WarmupOverride, WarmupTarget
from merpati.reputation.reason import Kind, Reason
from merpati.sending.allowances import Level, replace_level
from merpati.sending.errors import InvalidValue
from merpati.sending.models import SendingIp
from merpati.sending.queue_orders import provider_id
from merpati.sending.sending_ips import choose_warmup, find_sending_ip

MOST_MESSAGES = 100_000_000
LONGEST_DAYS = 30
_REASON_CHARACTERS = 500


def start(
    account_id: int,
    address: str,
    *,
    by_stages: bool = False,
    engaged_within_days: int | None = None,
    by: str,
    now: datetime,
) -> SendingIp:
    """Warm an IP up by provider, or by SparkPost's stages. Raises InvalidValue, SendingIpNotFound.

    What it sent before counts: a ramp goes on where its history leaves it.
    """
    with transaction.atomic():
        ip = choose_warmup(
            account_id,
            address,
            by_provider=not by_stages,
            by_stages=by_stages,
            engaged_within_days=engaged_within_days,
            by=by,
            now=now,
        )
        end_alerts_of_ip(account_id, ip.address, now=now)
    return ip


def stop(account_id: int, address: str, *, by: str, now: datetime) -> SendingIp:
    """Let an IP count as warm: nothing limits it any more. Raises as `start`."""
    with transaction.atomic():
        ip = choose_warmup(account_id, address, by=by, now=now)
        end_alerts_of_ip(account_id, ip.address, now=now)
    return ip


def set_target(
    account_id: int,
    address: str,
    provider: str,
    messages_per_day: int | None,
    *,
    by: str,
    now: datetime,
) -> str:
    """Set what an IP is to carry to a provider in the end; None: guess again. Return its id.

    It counts from the next day's allowance on. Raises as `start`.
    """
    provider = _checked_provider(provider)
    if messages_per_day is not None:
        _check_messages(messages_per_day, "target")
    with transaction.atomic():
        ip = find_sending_ip(account_id, address)
        if messages_per_day is None:
            WarmupTarget.objects.filter(sending_ip=ip, provider=provider).delete()
        else:
            WarmupTarget.objects.update_or_create(
                sending_ip=ip,
                provider=provider,
                defaults={"messages_per_day": messages_per_day, "set_by": by[:200], "set_at": now},
            )
        audit.record(
            "set_warmup_target",
            f"{ip.address} {provider}",
            by=by,
            now=now,
            account_id=account_id,
            messages_per_day=messages_per_day,
        )
    return provider


def override(
    account_id: int,
    address: str,
    provider: str,
    messages: int,
    reason: str,
    *,
    days: int = 1,
    by: str,
    now: datetime,
) -> WarmupOverride:
    """Have a person's number hold at a provider, from today on, for so many days.

    It holds at once, and ends today's pause or slower pace, if there is one.
    Raises InvalidValue also when the IP does not warm up by provider; SendingIpNotFound.
    """
    provider = _checked_provider(provider)
    _check_messages(messages, "messages")
    reason = reason.strip()
    if not 0 < len(reason) <= _REASON_CHARACTERS:
        raise InvalidValue(
            f"say why, in 1 to {_REASON_CHARACTERS} characters: it is kept with the number",
            "reason",
        )
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidValue(f"an override lasts 1 to {LONGEST_DAYS} days", "days")
    today: date = now.date()
    with transaction.atomic():
        ip = find_sending_ip(account_id, address)
        if not ip.warms_by_provider:
            raise InvalidValue(
                f"{ip.address} does not warm up by provider, so nothing is limited there; begin "
                f"with: merpati warmup start {ip.address}",
                "address",
            )
        made = WarmupOverride.objects.create(
            sending_ip=ip,
            provider=provider,
            first_day=today,
            last_day=today + timedelta(days=days - 1),
            messages=messages,
            reason=reason,
            by=by[:200],
            created_at=now,
        )
        why = Reason(Kind.OVERRIDDEN, {"messages": messages})
        replace_level(Level(ip.pk, provider, today, messages, why), now=now)
        audit.record(
            "override_warmup",
            f"{ip.address} {provider}",
            by=by,
            now=now,
            account_id=account_id,
            messages=messages,
            days=days,
            reason=reason,
        )
    return made


def _checked_provider(text: str) -> str:
    provider = provider_id(text)
    if not provider:
        raise InvalidValue("name a mailbox provider, such as google, or its domain", "provider")
    return provider


def _check_messages(messages: int, field: str) -> None:
    if not 0 <= messages <= MOST_MESSAGES:
        raise InvalidValue(f"messages a day are 0 to {MOST_MESSAGES:,}, got {messages:,}", field)
