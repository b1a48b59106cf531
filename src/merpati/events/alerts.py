"""Alerts: what an account's people and the desk should know of now; on the console and in the log.

The only writer of `Alert`. Of one thing there is one alert while it lasts, whoever raises it again:
two clock processes, or one that looks every few seconds, do not repeat themselves.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from merpati.events.models import Alert
from merpati.reputation import share_decision

log = logging.getLogger(__name__)

KEPT = 200  # shown of an account
SUBJECT_CHARACTERS = 300


class Kind(enum.StrEnum):
    """What happened. Each kind has its sentence in the console; the comment names its facts."""

    PROVIDER_BLOCK = "provider_block"  # sending_ip, provider, blocked, attempted, see AT_GREETING
    WARMUP_STALLED = "warmup_stalled"  # sending_ip, stage
    MIGRATION_HELD = "migration_held"  # migration, pool, provider, share_kind, that kind's facts


AT_GREETING = "at_greeting"
"""A fact of a block that no attempt has met so far: connections that were refused."""


class AlertNotFound(Exception):
    """The account has no such alert."""

    message, field = "There is no such alert.", ""


_REFUSED_AT_GREETING = (
    "{provider} refuses connections from {sending_ip} before any mail: it may want to know the "
    "address first. Nothing more goes there until midnight UTC; all other providers go on."
)
_WORDS = {
    Kind.PROVIDER_BLOCK: (
        "{provider} blocks mail from {sending_ip}, and refused {blocked} of the day's {attempted} "
        "attempts for our sake. Nothing more goes there until midnight UTC; all other "
        "providers go on."
    ),
    Kind.WARMUP_STALLED: (
        "The warm-up of {sending_ip} stood at stage {stage} for ten days, so it was switched off, "
        "as SparkPost does. Send more from it, or warm it up by provider."
    ),
}


_HELD = "Migration {migration} holds itself back at {provider} (pool {pool}). {why}"


def raise_alert(
    account_id: int, kind: Kind, subject: str, facts: Mapping[str, float | str], *, now: datetime
) -> Alert | None:
    """Record that something is the matter; None when that is known and lasts.

    Belongs into the transaction of what was done about it.
    """
    with transaction.atomic():
        lasting = Alert.objects.filter(
            account_id=account_id, kind=kind, subject=subject, ended_at=None
        )
        if lasting.exists():
            return None
        alert = Alert.objects.create(
            account_id=account_id, kind=kind, subject=subject, facts=dict(facts), raised_at=now
        )
    words = " ".join(f"{name}={value}" for name, value in facts.items())
    transaction.on_commit(
        lambda: log.warning("alert id=%d account=%d kind=%s %s", alert.pk, account_id, kind, words)
    )
    return alert


def end_alert(account_id: int, kind: Kind, subject: str, *, now: datetime) -> bool:
    """Record that it is over; return whether it lasted until now."""
    with transaction.atomic():
        lasting = Alert.objects.filter(
            account_id=account_id, kind=kind, subject=subject, ended_at=None
        )
        ended = lasting.update(ended_at=now)
    if ended:
        transaction.on_commit(
            lambda: log.info("alert_ended account=%d kind=%s about=%s", account_id, kind, subject)
        )
    return bool(ended)


def what_lasts(kind: Kind) -> set[str]:
    """Return the subjects of the alerts of a kind that last."""
    return set(Alert.objects.filter(kind=kind, ended_at=None).values_list("subject", flat=True))


def end_alerts_of_migration(account_id: int, migration: int, *, now: datetime) -> None:
    """Record that whatever held a migration back is over: a person decided about all of it."""
    lasting = Alert.objects.filter(
        account_id=account_id, kind=Kind.MIGRATION_HELD, ended_at=None,
        subject__startswith=f"{migration} ",
    )  # fmt: skip
    lasting.update(ended_at=now)


def end_alerts_of_ip(account_id: int, address: str, *, now: datetime) -> None:
    """Record that whatever was the matter with a sending IP is over: it is used in another way."""
    lasting = Alert.objects.filter(account_id=account_id, ended_at=None)
    lasting.filter(Q(subject=address) | Q(subject__startswith=f"{address} ")).update(ended_at=now)


def mark_seen(account_id: int, alert_id: int, *, by: str, now: datetime) -> None:
    """Record who saw an alert first. Raises AlertNotFound."""
    found = Alert.objects.filter(account_id=account_id, pk=alert_id)
    if not found.filter(seen_at=None).update(seen_at=now, seen_by=by) and not found.exists():
        raise AlertNotFound(alert_id)


def alerts_of(account_ids: list[int] | None) -> QuerySet[Alert]:
    """Return alerts, what lasts first, then the newest; None: those of all accounts."""
    found = Alert.objects.select_related("account")
    if account_ids is not None:
        found = found.filter(account_id__in=account_ids)
    return found.order_by(F("ended_at").desc(nulls_first=True), "-id")[:KEPT]


def in_words(alert: Alert) -> str:
    """Return what happened, and what was done, in English."""
    if alert.kind == Kind.MIGRATION_HELD:
        why = share_decision.in_words(alert.facts["share_kind"], alert.facts, "en")
        return _HELD.format(why=why, **alert.facts)
    if AT_GREETING in alert.facts:
        return _REFUSED_AT_GREETING.format(**alert.facts)
    return _WORDS[Kind(alert.kind)].format(**alert.facts)


def document(alert: Alert) -> dict[str, Any]:
    """Return an alert as JSON."""
    return {
        "id": alert.pk,
        "account_id": alert.account_id,
        "kind": alert.kind,
        **alert.facts,
        "text": in_words(alert),
        "raised_at": alert.raised_at,
        "ended_at": alert.ended_at,
        "seen_at": alert.seen_at,
    }
