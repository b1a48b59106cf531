"""Warm-up by provider, carried out: the clock process calls `step` every few seconds.

Soon after midnight UTC, once the recorder has stored the day before, each warming IP gets its
allowances of the day: one batch, one policy version. Within the day a provider's pace is decided
anew when more was refused than at the last look, and every half hour. All of it can be done twice,
by two clock processes or after an outage: a day has its level once, an alert lasts once, and days
that were missed went on at the level before them.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from django.db import transaction

from merpati.events.alerts import Kind as AlertKind
from merpati.events.alerts import end_alert, raise_alert, what_lasts
from merpati.events.provider_days import ProviderDay, provider_days
from merpati.events.store import reading
from merpati.plans.warmup.day import FEW_ATTEMPTS, Decided, levels_of
from merpati.plans.warmup.stages import follow_stages
from merpati.plans.warmup.within_day import Look, is_due, paces_of, turns_away
from merpati.providers.directory import directory
from merpati.reputation.reason import Kind
from merpati.sending.allowances import PaceNow, forget_before, write_allowances
from merpati.sending.models import SendingIp

log = logging.getLogger(__name__)

SETTLED_AFTER = timedelta(minutes=1)  # midnight: by then the last outcomes of the day are stored
KEPT = timedelta(days=180)  # of what was allowed, and why


class WarmUp:
    """Follows the event store for all warming IPs. For one thread; never two steps at a time."""

    def __init__(self, events_file: Path) -> None:
        self._events_file = events_file
        self._decided: dict[int, date] = {}  # sending IP: the day it has its allowances of
        self._tidied: date | None = None
        self._looks: dict[tuple[int, str], Look] = {}  # by sending IP and provider

    def step(self, now: datetime, recorded_until: datetime | None) -> None:
        """Decide what is due. recorded_until: all that happened before is in the event store.

        Raises sqlite3.Error and Django's DatabaseError when a store fails; nothing is changed then,
        and the next step tries again.
        """
        now = now.astimezone(UTC)
        today = now.date()
        begun = datetime.combine(today, time(), UTC) + SETTLED_AFTER
        ips = list(
            SendingIp.objects.filter(warms_by_provider=True).select_related("pool").order_by("id")
        )
        with reading(self._events_file) as db:
            if recorded_until is not None and recorded_until >= begun:
                self._decide_day(db, [ip for ip in ips if self._decided.get(ip.pk) != today], now)
                self._once_a_day(db, now)
            # Not before the day's level is written: a pace would keep the level of the day before.
            self._watch(db, [ip for ip in ips if self._decided.get(ip.pk) == today], now)

    def _decide_day(self, db: sqlite3.Connection, ips: Sequence[SendingIp], now: datetime) -> None:
        if not ips:
            return
        decided = {ip.pk: levels_of(db, ip, now.date()) for ip in ips}
        every = [one for of_ip in decided.values() for one in of_ip]
        with transaction.atomic():
            write_allowances([one.level for one in every], now=now)
            lasting = what_lasts(AlertKind.PROVIDER_BLOCK)
            for one in every:
                about = _about(one.ip, one.level.provider)
                if one.is_unblocked and about in lasting:
                    end_alert(one.ip.account_id, AlertKind.PROVIDER_BLOCK, about, now=now)
        for ip in ips:
            self._decided[ip.pk] = now.date()
            _log_day(ip, now.date(), decided[ip.pk])

    def _once_a_day(self, db: sqlite3.Connection, now: datetime) -> None:
        if self._tidied != now.date():
            forget_before(now.date() - KEPT)
            follow_stages(db, SendingIp.objects.filter(auto_warmup_enabled=True), now)
            self._tidied = now.date()

    def _watch(self, db: sqlite3.Connection, ips: Sequence[SendingIp], now: datetime) -> None:
        """Change the pace of what refuses more than at the last look, or was not seen lately."""
        today = now.date()
        by_address = {ip.address: ip for ip in ips}
        due: dict[int, list[ProviderDay]] = defaultdict(list)
        looks: dict[tuple[int, str], Look] = {}
        blocks: list[ProviderDay] = []
        for row in provider_days(db, by_address, today):
            cell = (by_address[row.sending_ip].pk, row.provider)
            before = self._looks.get(cell)
            if row.day == today and is_due(row, before, now):
                due[cell[0]].append(row)
                looks[cell] = Look(now, row)
                if turns_away(row, before):
                    blocks.append(row)
        paces = [pace for ip in ips if ip.pk in due for pace in paces_of(db, ip, due[ip.pk], today)]
        if paces:
            _write_paces(paces, {ip.pk: ip for ip in ips}, now)
        for row in blocks:
            facts = {"blocked": row.blocked, "attempted": row.attempted}
            if not row.blocked:
                facts["at_greeting"] = row.blocked_rests
            _alert(by_address[row.sending_ip], row.provider, facts, now)
        self._looks |= looks  # only now: what failed is looked at again


def _write_paces(paces: Sequence[PaceNow], ips: Mapping[int, SendingIp], now: datetime) -> None:
    """Keep paces, and raise an alert for each block, in one transaction."""
    with transaction.atomic():
        _, changed = write_allowances((), paces, now=now)
        for pace in changed:
            if pace.reason is not None and pace.reason.kind is Kind.STOPPED_BY_BLOCK:
                _alert(ips[pace.level.sending_ip_id], pace.level.provider, pace.reason.facts, now)
    for pace in changed:
        log.info(
            "warmup_pace ip=%s provider=%s messages_per_day=%d messages_per_hour=%s "
            "paused_until=%s reason=%s",
            ips[pace.level.sending_ip_id].address,
            pace.level.provider,
            pace.level.messages,
            pace.messages_per_hour or "even",
            pace.paused_until.isoformat() if pace.paused_until else "-",
            pace.reason.kind.value if pace.reason else "even",
        )


def _alert(ip: SendingIp, provider: str, facts: Mapping[str, int], now: datetime) -> None:
    if directory().get(provider) is None and facts["attempted"] < FEW_ATTEMPTS:
        return  # a refusal of a small host that nobody knows is no news
    told: dict[str, str | int] = {"sending_ip": ip.address, "provider": provider, **facts}
    raise_alert(ip.account_id, AlertKind.PROVIDER_BLOCK, _about(ip, provider), told, now=now)


def _about(ip: SendingIp, provider: str) -> str:
    return f"{ip.address} {provider}"


def _log_day(ip: SendingIp, today: date, decided: Sequence[Decided]) -> None:
    """Write one line for an IP and day, and one for each provider whose level changed."""
    changed = [one for one in decided if one.level.messages != one.before]
    for one in changed:
        log.info(
            "warmup_level ip=%s day=%s provider=%s before=%d messages_per_day=%d reason=%s",
            ip.address,
            today,
            one.level.provider,
            one.before,
            one.level.messages,
            one.level.reason.kind.value,
        )
    log.info(
        "warmup_step ip=%s day=%s providers=%d up=%d down=%d",
        ip.address,
        today,
        len(decided),
        sum(one.level.messages > one.before for one in changed),
        sum(one.level.messages < one.before for one in changed),
    )
