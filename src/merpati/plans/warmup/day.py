"""The allowances of a day, decided once it has begun: for every provider that is sent to."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import date

from merpati.plans.warmup.deciding import level_for
from merpati.plans.warmup.history import LOOKS_BACK, ending_before
from merpati.plans.warmup.overrides import overridden_on
from merpati.plans.warmup.ramps import Ramp, days_by_provider, ramps_of, shared_with
from merpati.plans.warmup.targets import guessed_target, lately, targets_set
from merpati.reputation.signs import is_blocking
from merpati.sending.allowances import Level
from merpati.sending.models import SendingIp

FEW_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Decided:
    """A day's level. before: the level until then; is_unblocked: the last day's mail was taken."""

    ip: SendingIp
    level: Level
    before: int
    is_unblocked: bool


def levels_of(db: sqlite3.Connection, ip: SendingIp, today: date) -> list[Decided]:
    """Return the levels of a day that say something new.

    A provider that was not sent to on the day before, and whose level stays, has none: the engine
    goes on with the level there is, and thousands of small hosts make no rows.
    """
    ramps = ramps_of(db, ip, today - LOOKS_BACK)
    overridden = overridden_on(ip.pk, today)
    sharing = shared_with(ip)
    of_pool = days_by_provider(db, sharing, today - LOOKS_BACK)
    targets = targets_set([ip.pk])
    decided = []
    counting = {provider for provider, ramp in ramps.items() if _counts(ramp)}
    for provider in sorted(counting | set(overridden)):
        ramp = ramps.get(provider) or Ramp(ip, provider)
        history = ending_before(today, ramp.days())
        target = targets.get((ip.pk, provider))
        if target is None:
            target = guessed_target(
                lately(ramp.rows, today), lately(of_pool[provider], today), len(sharing)
            )
        allowance = level_for(history, target, overridden.get(provider))
        before, _ = ramp.in_force()
        was_sent = bool(history and history[-1].was_sent)
        if was_sent or allowance.messages_per_day != before:
            level = Level(ip.pk, provider, today, allowance.messages_per_day, allowance.reason)
            decided.append(Decided(ip, level, before, was_sent and not is_blocking(history[-1])))
    return decided


def _counts(ramp: Ramp) -> bool:
    """Return whether a provider has levels of its own: it was sent a little on some day, or paused.

    All others stay at the first allowance, which is more than they ever got.
    """
    return bool(ramp.allowances) or any(row.attempted >= FEW_ATTEMPTS for row in ramp.rows)
