"""The page of a migration, whoever looks at it: how it goes, and what is done to it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from datetime import date
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
)
from merpati.console.moving.checklist import checklist
from merpati.console.moving.refusals import REFUSALS, in_words, language
from merpati.console.moving.told import Told
from merpati.console.services import services
from merpati.events.store import reading
from merpati.plans.migration.documents import latest_decision, reason_words
from merpati.plans.migration.progress import CellProgress, progress_of
from merpati.plans.migration.report import Report, report_of
from merpati.plans.migration.stored_plan import plan_of
from merpati.plans.models import Migration, MigrationState
from merpati.reputation.migration_plan import MigrationPlan
from merpati.reputation.milestones import Milestone, milestones_of, range_words
from merpati.reputation.share_decision import SELF_HELD

_HELD_KINDS = {kind.value for kind in SELF_HELD}


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
            f"/calendar/migrations/{migration.calendar_key}.ics?language={language()}"
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
            MigrationState.DRAFT: {"start", "edit", "remove"},
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
