"""`/api/merpati/v1/migrations`: moving the account's mail from its old provider.

A plan is made of a CSV, or of what was sent lately; a preview keeps nothing. What is decided by
hand (hold, release, raise, roll-back) needs a reason, which is kept with who did it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response

from merpati.adapters import codec
from merpati.api.calendar_feed import language_of
from merpati.api.call import Call, json_response
from merpati.api.errors import ApiError, ErrorItem
from merpati.api.services import services
from merpati.contracts.sending_policy import OnBlock, OnOldFailure, OnSpent
from merpati.events.store import reading
from merpati.plans.migration import actions
from merpati.plans.migration.deciding import Ways
from merpati.plans.migration.documents import (
    migration_document,
    progress_document,
    report_document,
)
from merpati.plans.migration.feed import feed
from merpati.plans.migration.finding import find_by_calendar_key, find_migration, migrations_of
from merpati.plans.migration.observed import observed_traffic
from merpati.plans.migration.progress import CellProgress, progress_of
from merpati.plans.migration.report import report_of
from merpati.plans.migration.steps import states_of, steps_document
from merpati.plans.migration.stored_plan import plan_of, pools_now, steps_now
from merpati.plans.models import Migration
from merpati.providers.directory import directory
from merpati.reputation.migration_plan import Traffic
from merpati.reputation.milestones import milestones_of
from merpati.reputation.plan_document import plan_document
from merpati.reputation.planning import plan_for
from merpati.reputation.traffic_csv import InvalidTraffic, read_traffic

TIME_TO_PREPARE = timedelta(days=14)  # before the first day, unless one is given
_CALENDAR_AGE = "private, max-age=3600"


class _Traffic(msgspec.Struct, forbid_unknown_fields=True):
    csv: str | None = None  # None: what was sent lately
    starts_on: date | None = None


class _Wanted(_Traffic, kw_only=True, forbid_unknown_fields=True):
    name: str
    egress: str
    on_spent: OnSpent = OnSpent.OLD
    on_block: OnBlock = OnBlock.WAIT
    when_old_fails: OnOldFailure = OnOldFailure.WAIT


class _Tick(msgspec.Struct, forbid_unknown_fields=True):
    step: str
    note: str = ""


class _Act(msgspec.Struct, forbid_unknown_fields=True):
    reason: str = ""
    provider: str = ""
    ip_pool: str = ""
    share_percent: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0.0
    even_if_not_all: bool = False


def list_all(call: Call) -> HttpResponse:
    """Return the account's migrations, the newest first."""
    return _answer([migration_document(row) for row in migrations_of(call.account_id)])


def show(call: Call, number: str) -> HttpResponse:
    """Return a migration with its progress by provider and day."""
    found = find_migration(int(number), call.account_id)
    progress = progress_document(_progress(found), call.now.date())
    return _answer(migration_document(found) | {"steps": _steps(found), "providers": progress})


def report(call: Call, number: str) -> HttpResponse:
    """Return the cut-over report."""
    found = find_migration(int(number), call.account_id)
    return _answer(report_document(report_of(_progress(found), call.now.date())))


def preview(call: Call) -> HttpResponse:
    """Make a plan and keep nothing."""
    wanted, today = call.json(_Traffic), call.now.date()
    starts_on = wanted.starts_on or today + TIME_TO_PREPARE
    try:
        traffic = _traffic(call, wanted)
        pools = pools_now(call.account_id, traffic, starts_on)
        made = plan_for(traffic, starts_on, today, directory(), pools=pools)
    except InvalidTraffic as error:
        raise _invalid(error) from None
    return _answer(plan_document(made))


def create(call: Call) -> HttpResponse:
    """Keep a plan as a draft; it moves no mail yet."""
    wanted = call.json(_Wanted)
    try:
        made = actions.create(call.account_id, *_named(call, wanted), **_as_said(call, wanted))
    except InvalidTraffic as error:
        raise _invalid(error) from None
    return _answer(migration_document(made), 201)


def change(call: Call, number: str) -> HttpResponse:
    """Plan a draft anew, of all that is given."""
    found, wanted = find_migration(int(number), call.account_id), call.json(_Wanted)
    try:
        changed = actions.change_draft(found, *_named(call, wanted), **_as_said(call, wanted))
    except InvalidTraffic as error:
        raise _invalid(error) from None
    return _answer(migration_document(changed))


def _named(call: Call, wanted: _Wanted) -> tuple[str, Traffic, date, str]:
    starts_on = wanted.starts_on or call.now.date() + TIME_TO_PREPARE
    return wanted.name, _traffic(call, wanted), starts_on, wanted.egress


def _as_said(call: Call, wanted: _Wanted) -> dict[str, Any]:
    ways = Ways(wanted.on_spent, wanted.on_block, wanted.when_old_fails)
    return {"ways": ways, "by": call.actor, "now": call.now}


def calendar(request: HttpRequest, key: str) -> HttpResponse:
    """Answer with the milestones' feed to whoever knows its key; calendars send no API key."""
    found, language = find_by_calendar_key(key), language_of(request)
    today = datetime.fromtimestamp(services().clock.now() / 1000, UTC).date()
    plan = plan_of(found, min(today, found.starts_on))
    response = HttpResponse(
        feed(found, milestones_of(plan, language)), content_type="text/calendar; charset=utf-8"
    )
    response["ETag"] = etag = f'"{found.pk}-{found.version}-{language}"'
    response["Cache-Control"] = _CALENDAR_AGE
    return get_conditional_response(request, etag=etag, response=response) or response


def tick(call: Call, number: str) -> HttpResponse:
    """Record that a step is done by hand, or gone without."""
    found, wanted = find_migration(int(number), call.account_id), call.json(_Tick)
    actions.tick(found, wanted.step, wanted.note, by=call.actor, now=call.now)
    return _answer(_steps(found))


def untick(call: Call, number: str) -> HttpResponse:
    """Record that a step is not done after all."""
    found, wanted = find_migration(int(number), call.account_id), call.json(_Tick)
    actions.untick(found, wanted.step, by=call.actor, now=call.now)
    return _answer(_steps(found))


def check_ptr(call: Call, number: str) -> HttpResponse:
    """Ask DNS for the sending IPs' PTR records; all right, that step is done."""
    found = find_migration(int(number), call.account_id)
    looked = actions.check_names(found, services().outside, by=call.actor, now=call.now)
    names = [
        {"external_ip": ip.address, "hostname": ip.hostname, "verdict": verdict.value}
        for ip, verdict in looked
    ]
    return _answer({"sending_ips": names, "steps": _steps(found)})


def _steps(found: Migration) -> list[dict[str, Any]]:
    return steps_document(states_of(found, steps_now(found)))


def _start(found: Migration, _: _Act, by: dict[str, Any]) -> None:
    actions.start(found, **by)


def _pause(found: Migration, act: _Act, by: dict[str, Any]) -> None:
    actions.pause(found, act.reason, **by)


def _resume(found: Migration, _: _Act, by: dict[str, Any]) -> None:
    actions.resume(found, **by)


def _hold(found: Migration, act: _Act, by: dict[str, Any]) -> None:
    actions.hold(found, act.provider, act.reason, pool=act.ip_pool, **by)


def _release(found: Migration, act: _Act, by: dict[str, Any]) -> None:
    actions.release(found, act.provider, act.reason, pool=act.ip_pool, **by)


def _raise(found: Migration, act: _Act, by: dict[str, Any]) -> None:
    share = round(100 * act.share_percent)
    actions.raise_share(found, act.provider, share, act.reason, pool=act.ip_pool, **by)


def _roll_back(found: Migration, act: _Act, by: dict[str, Any]) -> None:
    share = round(100 * act.share_percent)
    actions.roll_back(found, act.reason, provider=act.provider, pool=act.ip_pool, share=share, **by)


def _cut_over(found: Migration, act: _Act, by: dict[str, Any]) -> None:
    actions.cut_over(found, even_if_not_all=act.even_if_not_all, **by)


def _acting(act: Callable[[Migration, _Act, dict[str, Any]], None]) -> Callable[..., HttpResponse]:
    """Return the operation that does this to a migration, and answers with it as it is then."""

    def operation(call: Call, number: str) -> HttpResponse:
        found = find_migration(int(number), call.account_id)
        wanted = call.json(_Act) if call.header("CONTENT_LENGTH") not in {"", "0"} else _Act()
        act(found, wanted, {"by": call.actor, "now": call.now})
        return _answer(migration_document(find_migration(found.pk, call.account_id)))

    return operation


ACTS = {
    "tick": tick,
    "untick": untick,
    "check-ptr": check_ptr,
    "start": _acting(_start),
    "pause": _acting(_pause),
    "resume": _acting(_resume),
    "hold": _acting(_hold),
    "release": _acting(_release),
    "raise": _acting(_raise),
    "roll-back": _acting(_roll_back),
    "cut-over": _acting(_cut_over),
}


def _progress(found: Migration) -> list[CellProgress]:
    with reading(services().evidence.events) as db:
        return progress_of(found, db)


def _traffic(call: Call, wanted: _Traffic) -> Traffic:
    today = call.now.date()
    if wanted.csv is not None:
        return read_traffic(wanted.csv.encode(), directory(), today)
    with reading(services().evidence.events) as db:
        return observed_traffic(db, call.account_id, today)


def _invalid(error: InvalidTraffic) -> ApiError:
    """Return a refusal that names each line and column."""
    return ApiError(
        422,
        [
            ErrorItem(problem.in_words("en"), pointer="/csv" if problem.line else "/starts_on")
            for problem in error.problems
        ],
    )


def _answer(value: object, status: int = 200) -> HttpResponse:
    return json_response(codec.json_bytes({"results": value}), status)
