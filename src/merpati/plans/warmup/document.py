"""A warm-up as JSON: for `merpati warmup status --json` and the API."""

from __future__ import annotations

from typing import Any

from merpati.plans.warmup.overview import ShownDay, ShownIp, ShownProvider
from merpati.reputation.reason import Reason
from merpati.reputation.reason_words import in_words
from merpati.sending.models import SendingIp


def ip_document(shown: ShownIp, *, names_people: bool) -> dict[str, Any]:
    """Return an IP with its providers. names_people: also who of the operator's decided."""
    providers = [_provider(one, names_people) for one in shown.providers]
    return {**settings_document(shown.ip), "providers": providers}


def settings_document(ip: SendingIp) -> dict[str, Any]:
    """Return how an IP warms up."""
    return {
        "external_ip": ip.address,
        "account_id": ip.account_id,
        "ip_pool": ip.pool.slug,
        "by_provider": ip.warms_by_provider,
        "by_stages": ip.auto_warmup_enabled,
        "stage": ip.auto_warmup_stage if ip.auto_warmup_enabled else None,
        "engaged_within_days": ip.engaged_within_days,
    }


def _provider(shown: ShownProvider, names_people: bool) -> dict[str, Any]:
    override = shown.override
    return {
        "provider": shown.provider,
        "messages": shown.messages,
        "messages_per_hour": shown.messages_per_hour,
        "paused_until": shown.paused_until,
        "target": shown.target,
        "reason": _reason(shown.reason),
        "override": {
            "messages": override.messages,
            "until": override.last_day.isoformat(),
            "reason": override.reason,
            **({"by": override.by} if names_people else {}),
        }
        if override
        else None,
        "days": [_day(day) for day in shown.days if day.sent or day.reason],
    }


def _day(day: ShownDay) -> dict[str, Any]:
    return {
        "day": day.day.isoformat(),
        "allowance": day.allowance,
        "sent": day.sent,
        "delivered": day.delivered,
        "refused": day.refused,
        "reason": _reason(day.reason),
        "pace_reason": _reason(day.pace_reason),
    }


def _reason(reason: Reason | None) -> dict[str, Any] | None:
    if reason is None:
        return None
    return {"kind": reason.kind.value, **reason.facts, "text": in_words(reason, "en")}
