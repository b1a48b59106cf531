"""What the pages of campaigns' outlooks show, for customers and for the desk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from merpati.accounts.models import Account
from merpati.console.services import services
from merpati.events.campaign_outlook import Outlook
from merpati.events.outlook import Held, Part
from merpati.events.outlook_words import is_sure, provider_name, reason
from merpati.spool.errors import SpoolUnavailable

MOST_SHOWN = 100  # campaigns, those that are done last
MOST_PARTS = 25  # of a campaign, those that leave last
MOST_REASONS = 3  # of a campaign, beside the table of all


@dataclass(frozen=True, slots=True)
class Span:
    """When something leaves: at the earliest and the latest; None: not to be foreseen."""

    earliest_at: datetime | None
    last_at: datetime | None
    is_now: bool = False
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class PartRow:
    """One pool and provider of a campaign."""

    provider: str
    pool: str
    by_old: bool
    messages: int
    leaves: Span
    why: str


@dataclass(frozen=True, slots=True)
class Row:
    """One campaign. reasons: what holds it, the last to leave first."""

    campaign_id: str
    messages: int
    leaves: Span
    suspended: str
    on_hold: str
    reasons: list[str]
    parts: list[PartRow]
    further_parts: int


def context(account: Account) -> dict[str, Any]:
    """Return the campaigns of an account of which mail waits; trouble: it cannot be read now."""
    try:
        found = services().outlooks.all(account.pk, account.shard, services().clock.now())
    except SpoolUnavailable:
        return {"rows": [], "trouble": True}
    rows = [_row(one) for one in found[:MOST_SHOWN]]
    return {"rows": rows, "more": len(found) - len(rows)}


def _row(found: Outlook) -> Row:
    zone = timezone.get_current_timezone()
    return Row(
        found.campaign_id,
        found.messages,
        _span(found.earliest_at, found.last_at, found.now),
        found.suspended,
        found.on_hold,
        [reason(part, zone) for part in found.holding[:MOST_REASONS]],
        list(_parts(found)),
        max(0, len(found.parts) - MOST_PARTS),
    )


def _parts(found: Outlook) -> Iterator[PartRow]:
    zone = timezone.get_current_timezone()
    for part in found.parts[:MOST_PARTS]:
        yield PartRow(
            provider_name(part.queue.provider),
            found.pools.get(part.queue.pool_id, "–"),
            part.queue.by_old,
            part.messages,
            _of_part(found, part),
            reason(part, zone) if part.held is not Held.NOTHING else "",
        )


def _of_part(found: Outlook, part: Part) -> Span:
    if found.is_stopped:
        return Span(None, None)
    return _span(part.earliest_at, part.last_at, found.now)


def _span(earliest_at: int | None, last_at: int | None, now: int) -> Span:
    if last_at is None or earliest_at is None:
        return Span(_moment(earliest_at), None, is_sure=False)
    return Span(
        _moment(earliest_at), _moment(last_at), last_at <= now, is_sure(earliest_at, last_at)
    )


def _moment(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC)
