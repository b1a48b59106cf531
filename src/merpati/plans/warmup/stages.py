"""SparkPost's stages, for IPs that follow them: one step a day at most, and the end when stalled.

Stages concern an IP as a whole, so the days of all providers are added up.
Source: SparkPost, "Automated IP Warmup" (rules: `reputation/sparkpost_stages.py`).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.db import transaction

from merpati.events.alerts import Kind, raise_alert
from merpati.events.provider_days import ProviderDay, provider_days
from merpati.plans.warmup.history import idle, whole_ip
from merpati.reputation.history import Day
from merpati.reputation.sparkpost_stages import FINISHED, is_stalled, stage_after
from merpati.sending.models import SendingIp
from merpati.sending.sending_ips import follow_stage

log = logging.getLogger(__name__)

ACTOR = "service:warm-up"


def follow_stages(db: sqlite3.Connection, ips: Iterable[SendingIp], now: datetime) -> None:
    """Move each IP on that filled its stage on a day before today, and end what is stalled."""
    today = now.date()
    for ip in ips:
        stage, since = ip.auto_warmup_stage, ip.auto_warmup_stage_on
        if stage is None or stage == FINISHED:
            continue
        if since is None:  # from before its day was kept: it counts from today
            SendingIp.objects.filter(pk=ip.pk, auto_warmup_stage_on=None).update(
                auto_warmup_stage_on=today
            )
        elif since < today:
            _follow(ip, stage, _days(provider_days(db, [ip.address], since), since, today), now)


def _follow(ip: SendingIp, stage: int, days: list[Day], now: datetime) -> None:
    if stage_after(days, stage) > stage:
        if follow_stage(ip, stage + 1, by=ACTOR, now=now):
            log.info("warmup_stage ip=%s stage=%d", ip.address, stage + 1)
    elif is_stalled(days, ip.engaged_within_days is not None, stage):
        _end(ip, stage, now)


def _end(ip: SendingIp, stage: int, now: datetime) -> None:
    with transaction.atomic():
        if not follow_stage(ip, stage, is_enabled=False, by=ACTOR, now=now):
            return
        facts: dict[str, str | int] = {"sending_ip": ip.address, "stage": stage}
        raise_alert(ip.account_id, Kind.WARMUP_STALLED, ip.address, facts, now=now)
    log.info("warmup_stage ip=%s stage=%d ended=stalled", ip.address, stage)


def _days(rows: Iterable[ProviderDay], since: date, today: date) -> list[Day]:
    """Return every day on which the stage stood, over all providers."""
    sent = whole_ip(rows)
    all_days = (since + timedelta(days=n) for n in range((today - since).days))
    return [sent.get(day, idle(day, 0)) for day in all_days]
