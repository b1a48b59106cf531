"""The pages of warm-up, for customers and for the desk: what the templates get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import Http404
from django.utils.translation import get_language, gettext

from merpati.console.provider_names import provider_name
from merpati.console.services import services
from merpati.console.warmup.chart import Chart, chart_of
from merpati.plans.warmup.overview import ShownDay, ShownIp, ShownProvider, overview
from merpati.reputation.reason import Kind, Reason
from merpati.reputation.reason_words import in_words
from merpati.sending.errors import SendingError
from merpati.sending.models import SendingIp
from merpati.sending.sending_ips import find_sending_ip, sending_ips_of

CHARTS = 12  # providers with most mail; the others stand in a table

_TROUBLE = frozenset((Kind.STOPPED_BY_BLOCK, Kind.BLOCKED))


@dataclass(frozen=True, slots=True)
class ProviderCard:
    """A provider as a page shows it; rows: its days, the newest first, with reasons in words."""

    shown: ShownProvider
    name: str
    chart: Chart
    state: str
    look: str
    reason: str
    rows: list[tuple[ShownDay, str]]


def ip_context(account_id: int, address: str) -> dict[str, Any]:
    """Return the context of one IP's page. Raises Http404 for an address of somebody else's."""
    ip = ip_of(account_id, address)
    (shown,) = overview(services().evidence.events, [ip], services().now)
    cards = [_card(one) for one in shown.providers]
    return {"ip": ip, "cards": cards[:CHARTS], "others": cards[CHARTS:]}


def list_context(account_id: int) -> dict[str, Any]:
    """Return the context of the list of an account's IPs."""
    ips = list(sending_ips_of(account_id))
    return {
        "rows": [_row(one) for one in overview(services().evidence.events, ips, services().now)]
    }


def ip_of(account_id: int, address: str) -> SendingIp:
    """Return an account's IP. Raises Http404."""
    try:
        return find_sending_ip(account_id, address)
    except SendingError:
        raise Http404 from None


def _row(shown: ShownIp) -> dict[str, Any]:
    ip = shown.ip
    days = [one.today for one in shown.providers]
    paused = [provider_name(one.provider) for one in shown.providers if one.paused_until]
    return {
        "ip": ip,
        "sent": sum(day.sent for day in days),
        "refused": sum(day.refused for day in days),
        "paused": ", ".join(paused),
    }


def _card(shown: ShownProvider) -> ProviderCard:
    state, look = _state(shown)
    rows = [
        (day, _words(day.pace_reason or day.reason))
        for day in reversed(shown.days)
        if day.sent or day.reason
    ]
    return ProviderCard(
        shown,
        provider_name(shown.provider),
        chart_of(shown.days),
        state,
        look,
        _words(shown.reason),
        rows,
    )


def _state(shown: ShownProvider) -> tuple[str, str]:
    """Return a provider's state in a word, and the look of its badge."""
    kind = shown.reason.kind
    if shown.paused_until is not None:
        blocked = kind in _TROUBLE
        return (gettext("blocked"), "bad") if blocked else (gettext("paused today"), "warn")
    if shown.override is not None:
        return gettext("decided by hand"), "internal"
    if shown.messages_per_hour is not None:
        return gettext("slowed"), "warn"
    if kind is Kind.TARGET:
        return gettext("target reached"), "good"
    if kind in {Kind.GROWING, Kind.FEELING, Kind.FIRST_DAY}:
        return gettext("growing"), "accent"
    return gettext("holding"), ""


def _words(reason: Reason | None) -> str:
    if reason is None:
        return ""
    return in_words(reason, "id" if (get_language() or "").startswith("id") else "en")
