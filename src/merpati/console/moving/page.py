"""The pages of migrations, whoever looks at them: list, editor with its preview, one plan."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext

from merpati.console.moving.acts import ACTS, DECISIONS
from merpati.console.moving.chart import (
    HEAT_ROWS,
    chart_of,
    days_so_far,
    heat_of,
    planned_days,
)
from merpati.console.moving.checklist import checklist
from merpati.console.moving.refusals import REFUSALS, in_words, language
from merpati.console.services import services
from merpati.events.store import reading
from merpati.plans.migration import actions
from merpati.plans.migration.documents import latest_decision, reason_words
from merpati.plans.migration.observed import observed_traffic
from merpati.plans.migration.progress import CellProgress, progress_of
from merpati.plans.migration.report import Report, report_of
from merpati.plans.migration.stored_plan import plan_of, pools_now
from merpati.plans.models import Migration, MigrationState
from merpati.providers.directory import directory
from merpati.reputation.migration_plan import MigrationPlan, Traffic
from merpati.reputation.milestones import Milestone, milestones_of, range_words
from merpati.reputation.planning import plan_for
from merpati.reputation.share_decision import SELF_HELD
from merpati.reputation.traffic_csv import MOST_BYTES, InvalidTraffic, Problem, ProblemKind
from merpati.reputation.traffic_csv import read_traffic as read_csv
from merpati.reputation.words import say
from merpati.sending.egresses import egresses_of

_HELD_KINDS = {kind.value for kind in SELF_HELD}
_TIME_TO_PREPARE = timedelta(days=14)
_EXAMPLE = (
    "stream,provider,messages_per_day,engaged_7d,engaged_30d,engaged_60d,engaged_90d\n"
    "receipts,gmail.com,40000,30,55,70,80\n"
    "receipts,outlook.com,15000,30,55,70,80\n"
    "news,gmail.com,180000,12,31,45,60\n"
    "news,other,60000,12,31,45,60\n"
)


@dataclass(frozen=True, slots=True)
class Told:
    """A form that was refused: why, a sentence each, and what was typed."""

    form: str
    words: Sequence[str]
    given: dict[str, Any] = field(default_factory=dict)


def show(
    request: HttpRequest, migration: Migration, context: dict[str, Any], told: Told | None = None
) -> HttpResponse:
    """Show how a migration goes. context: base, may_change, may_decide."""
    today = services().now.date()
    with reading(services().evidence.events) as db:
        every = progress_of(migration, db)
    wanted = request.GET.get("provider", "")
    cells = [one for one in every if one.cell.provider == wanted] or every
    plan = plan_of(migration, min(today, migration.starts_on))
    days = days_so_far(cells, today)
    report = report_of(every, today)
    steps = checklist(migration, plan.steps, today, for_desk=bool(context.get("for_desk")))
    context |= {
        "steps": steps,
        "waits": [line for line in steps if line.state.holds_back],
        "held": [one for one in every if _is_held(one, today)],
        "migration": migration,
        "told": told,
        "chart": chart_of(days),
        "heat": heat_of(every, today),
        "is_cut": len(every) > HEAT_ROWS,
        "cells": [(one, _words(one, today)) for one in every],
        "providers": sorted({one.cell.provider for one in every}),
        "wanted": wanted if len(cells) < len(every) else "",
        "milestones": _expectations(plan),
        "whole": range_words(plan.whole, language()),
        "report": report,
        "criteria": criteria(report),
        "today": today,
        "moved": _moved(every),
        "calendar": request.build_absolute_uri(
            f"/calendar/migrations/{migration.calendar_key}.ics"
        ),
        "acts": _acts(migration),
        "rehearsal": _rehearsal(migration) if context.get("for_desk") else "",
    }
    return render(request, "console/migrations/show.html", context, status=409 if told else 200)


def _rehearsal(migration: Migration) -> str:
    """Return the commands that play a plan, "" for one that is over."""
    if migration.state in {MigrationState.DONE, MigrationState.ROLLED_BACK}:
        return ""
    folder = shlex.quote(str(services().data_dir))
    return (
        "merpati sandbox --example > providers.toml\n"
        f"merpati rehearse {migration.pk} --data {folder} --providers providers.toml "
        "--html rehearsal.html"
    )


def act(
    request: HttpRequest,
    migration: Migration,
    name: str,
    by: str,
    *,
    to: str,
    page: Callable[[Told], HttpResponseBase],
) -> HttpResponseBase:
    """Do what a form of the page asks, and lead on; or show why not. name: of ACTS."""
    given = request.POST.dict()
    try:
        wrong = ACTS[name](migration, given, {"by": by, "now": services().now})
    except REFUSALS as error:
        wrong = in_words(error)
    if wrong:
        return page(Told(name, wrong, given))
    if name == "remove":
        to = to.rpartition("/")[0]
    messages.success(request, gettext("Done, and written down with your name."))
    return HttpResponseRedirect(to)


def new(request: HttpRequest, account_id: int, by: str, context: dict[str, Any]) -> HttpResponse:
    """Show the editor; a draft is kept by POST, a preview keeps nothing. context: base."""
    today = services().now.date()
    given = request.POST.dict() if request.method == "POST" else {}
    given.setdefault("starts_on", (today + _TIME_TO_PREPARE).isoformat())
    given.setdefault("csv", _EXAMPLE if request.method != "POST" else "")
    told, plan = None, None
    try:
        traffic = _traffic(request, account_id, given, today)
        starts_on = _first_day(given["starts_on"])
        if request.method == "POST" and "keep" in request.POST:
            made = actions.create(
                account_id,
                given.get("name", ""),
                traffic,
                starts_on,
                given.get("egress", ""),
                by=by,
                now=services().now,
            )
            messages.success(request, gettext("The plan is kept as a draft."))
            return HttpResponseRedirect(f"{context['base']}/{made.pk}")
        plan = plan_for(
            traffic, starts_on, today, directory(), pools=pools_now(account_id, traffic, starts_on)
        )
    except REFUSALS as error:
        told = Told("new", in_words(error), given)
    context |= {
        "told": told,
        "given": given,
        "egresses": list(egresses_of(account_id)),
        "today": today.isoformat(),
        **(preview(plan) if plan else {}),
    }
    is_live = request.headers.get("HX-Request") == "true"
    template = "preview" if is_live else "new"
    # A script puts the answer in only when it is no error; what is wrong stands in the page.
    status = 200 if is_live or not told else 422
    return render(request, f"console/migrations/{template}.html", context, status=status)


def preview(plan: MigrationPlan) -> dict[str, Any]:
    """Return what a page shows of a plan that is not kept."""
    return {
        "plan": plan,
        "chart": chart_of(planned_days(plan)),
        "whole": range_words(plan.whole, language()),
        "milestones": milestones_of(plan, language()),
        "notes": [say("plan_words.toml", note.value, {}, language()) for note in plan.notes],
    }


def criteria(report: Report) -> list[tuple[str, str, str, bool]]:
    """Return the findings in words: criterion, what it is, its limit, whether it is met."""
    names = {
        "all_moved": gettext("Recipients who have moved"),
        "complaints": gettext("Complaints"),
        "bounces": gettext("Hard bounces"),
        "refused": gettext("Attempts refused"),
        "old_unused": gettext("Messages by the old provider"),
    }
    nothing = gettext("nothing sent")
    return [
        (
            names[found.criterion.value],
            nothing if found.share is None else f"{100 * found.share:.4g} %",
            f"{100 * found.limit:g} %",
            found.is_met,
        )
        for found in report.findings
    ]


def _expectations(plan: MigrationPlan) -> list[Milestone]:
    steps = {step.key for step in plan.steps}
    return [one for one in milestones_of(plan, language()) if one.key not in steps]


def _is_held(one: CellProgress, today: date) -> bool:
    latest = latest_decision(one, today)
    return latest is not None and latest.kind in _HELD_KINDS


def _acts(migration: Migration) -> frozenset[str]:
    """Return what can be done to a migration in its state."""
    decisions = {"roll-back", "cut-over", *DECISIONS}
    return frozenset(
        {
            MigrationState.DRAFT: {"start", "remove"},
            MigrationState.RUNNING: {"pause", *decisions},
            MigrationState.PAUSED: {"resume", *decisions},
            MigrationState.ROLLED_BACK: {"cut-over"},
        }.get(MigrationState(migration.state), set())
    )


def _words(one: CellProgress, today: date) -> str | None:
    return reason_words(latest_decision(one, today), language())


def _moved(cells: Sequence[CellProgress]) -> str:
    volume = sum(one.cell.messages_per_day for one in cells)
    moved = sum(one.cell.messages_per_day * one.cell.share for one in cells)
    return f"{moved / volume / 100:.3g}" if volume else "0"


def _first_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        problem = Problem(0, "starts_on", ProblemKind.NOT_A_DATE, {"found": text[:40]})
        raise InvalidTraffic([problem]) from None


def _traffic(request: HttpRequest, account_id: int, given: dict[str, Any], today: date) -> Traffic:
    if given.get("source") == "observed":
        with reading(services().evidence.events) as db:
            return observed_traffic(db, account_id, today)
    file = request.FILES.get("file")
    data = file.read(MOST_BYTES + 1) if file else str(given["csv"]).encode()
    if file:
        given["csv"] = data.decode("utf-8-sig", "replace")[:MOST_BYTES]
    return read_csv(data, directory(), today)
