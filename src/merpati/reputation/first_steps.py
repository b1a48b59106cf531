"""What has to be done by hand before the first message of a migration, and after the last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from merpati.providers.directory import Directory, Provider
from merpati.reputation.migration_plan import Pool, Step, StepKind, Traffic

_BEFORE = timedelta(days=7)  # providers answer within days, DNS and feedback loops settle
_KEEP_DAYS = 30  # complaints, bounces and unsubscriptions of the old provider's mail still come


def first_steps(
    traffic: Traffic, pools: Sequence[Pool], starts_on: date, providers: Directory
) -> Iterator[Step]:
    """Yield what comes before the first day, in the order in which it is best done."""
    due_on = starts_on - _BEFORE
    yield Step(StepKind.OLD_PROVIDER, due_on, {})
    for pool in pools:
        yield Step(StepKind.POOL, due_on, {"pool": pool.name, "ips": pool.ips}, pool.name)
    yield Step(StepKind.PTR, due_on, {})
    yield Step(StepKind.SPF_DKIM, due_on, {})
    yield Step(StepKind.SUPPRESSIONS, starts_on, {})
    yield Step(StepKind.ENGAGEMENT, starts_on, {})
    concerned = [known for name in traffic.providers if (known := providers.get(name))]
    for provider in concerned:
        if provider.arrival and provider.arrival.registration:
            yield _step(StepKind.REGISTER, due_on, provider, provider.arrival.registration)
    for provider in concerned:
        if provider.fbl.enrol:
            yield _step(StepKind.FEEDBACK_LOOP, starts_on, provider, provider.fbl.enrol)


def last_step(whole_on: date) -> Step:
    """Return what is left to do once all mail is sent from here."""
    due_on = whole_on + timedelta(days=_KEEP_DAYS)
    return Step(StepKind.KEEP_OLD, due_on, {"days": _KEEP_DAYS})


def _step(kind: StepKind, due_on: date, provider: Provider, where: str) -> Step:
    return Step(kind, due_on, {"provider": provider.name, "where": where}, provider.id)
