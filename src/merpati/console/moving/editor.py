"""The plan editor, whoever uses it: traffic in, a preview that is made anew, a draft kept."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext

from merpati.console.moving.chart import chart_of, planned_days
from merpati.console.moving.refusals import REFUSALS, in_words, language
from merpati.console.moving.told import Told
from merpati.console.services import services
from merpati.contracts.sending_policy import OnBlock, OnOldFailure, OnSpent
from merpati.events.store import reading
from merpati.plans.migration import actions
from merpati.plans.migration.deciding import AS_USUAL, Ways
from merpati.plans.migration.observed import observed_traffic
from merpati.plans.migration.stored_plan import pools_now
from merpati.plans.migration.stored_traffic import traffic_of
from merpati.plans.models import Migration
from merpati.providers.directory import directory
from merpati.reputation.migration_plan import MigrationPlan, Traffic
from merpati.reputation.milestones import milestones_of, range_words
from merpati.reputation.planning import plan_for
from merpati.reputation.traffic_csv import MOST_BYTES, InvalidTraffic, Problem, ProblemKind
from merpati.reputation.traffic_csv import read_traffic as read_csv
from merpati.reputation.traffic_table import written
from merpati.reputation.words import say
from merpati.sending.egresses import egresses_of

_TIME_TO_PREPARE = timedelta(days=14)
_EXAMPLE = (
    "stream,provider,messages_per_day,engaged_7d,engaged_30d,engaged_60d,engaged_90d\n"
    "receipts,gmail.com,40000,30,55,70,80\n"
    "receipts,outlook.com,15000,30,55,70,80\n"
    "news,gmail.com,180000,12,31,45,60\n"
    "news,other,60000,12,31,45,60\n"
)


def edit(
    request: HttpRequest,
    account_id: int,
    by: str,
    context: dict[str, Any],
    draft: Migration | None = None,
) -> HttpResponse:
    """Show the editor; a draft is kept by POST, a preview keeps nothing.

    context: base, of the plans' pages; action, of this one; old_providers. draft: None for a new
    plan.
    """
    now = services().now
    today = now.date()
    given = request.POST.dict() if request.method == "POST" else _given(draft, today)
    given.setdefault("csv", "")
    given.setdefault("starts_on", (today + _TIME_TO_PREPARE).isoformat())
    told, plan = None, None
    try:
        traffic = _traffic(request, account_id, given, today)
        starts_on = _first_day(given["starts_on"])
        if request.method == "POST" and "keep" in request.POST:
            named = (given.get("name", ""), traffic, starts_on, given.get("egress", ""))
            as_said: dict[str, Any] = {"ways": _ways(given), "by": by, "now": now}
            kept = (
                actions.create(account_id, *named, **as_said)
                if draft is None
                else actions.change_draft(draft, *named, **as_said)
            )
            messages.success(request, gettext("The plan is kept as a draft."))
            return HttpResponseRedirect(f"{context['base']}/{kept.pk}")
        plan = plan_for(
            traffic, starts_on, today, directory(), pools=pools_now(account_id, traffic, starts_on)
        )
    except REFUSALS as error:
        told = Told("new", in_words(error), given)
    context |= {
        "told": told,
        "given": given,
        "draft": draft,
        "ways": _choices(given),
        "egresses": list(egresses_of(account_id)),
        "today": today.isoformat(),
        **(preview(plan) if plan else {}),
    }
    is_live = request.headers.get("HX-Request") == "true"
    template = "preview" if is_live else "new"
    # A script puts the answer in only when it is no error; what is wrong stands in the page.
    status = 422 if told and not is_live and request.method == "POST" else 200
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


def _given(draft: Migration | None, today: date) -> dict[str, str]:
    """Return what the form holds at first."""
    if draft is None:
        return {"csv": _EXAMPLE}
    return {
        "csv": written(traffic_of(draft.traffic)),
        "name": draft.name,
        "egress": draft.egress.name if draft.egress else "",
        "starts_on": max(draft.starts_on, today).isoformat(),
        "on_spent": draft.on_spent,
        "on_block": draft.on_block,
        "when_old_fails": draft.when_old_fails,
    }


def _ways(given: dict[str, str]) -> Ways:
    try:
        return Ways(
            OnSpent(given.get("on_spent") or AS_USUAL.on_spent),
            OnBlock(given.get("on_block") or AS_USUAL.on_block),
            OnOldFailure(given.get("when_old_fails") or AS_USUAL.when_old_fails),
        )
    except ValueError:  # no form of ours says that
        return AS_USUAL


def _choices(given: dict[str, str]) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    """Return name, label, what is chosen, and the choices with their words, of each obstacle."""
    old = gettext("it goes by the old provider")
    every = [
        (
            "on_spent",
            gettext("When a day's allowance is spent, mail that has moved:"),
            AS_USUAL.on_spent.value,
            [
                (OnSpent.OLD.value, old),
                (OnSpent.WAIT.value, gettext("it waits for tomorrow")),
                (OnSpent.POOL.value, gettext("it goes by the pool's other IPs")),
            ],
        ),
        (
            "on_block",
            gettext("When a provider blocked it:"),
            AS_USUAL.on_block.value,
            [
                (OnBlock.WAIT.value, gettext("it waits for the IP that was refused")),
                (OnBlock.OLD.value, old),
            ],
        ),
        (
            "when_old_fails",
            gettext("When the old provider takes no mail, its part:"),
            AS_USUAL.when_old_fails.value,
            [
                (OnOldFailure.WAIT.value, gettext("it waits")),
                (OnOldFailure.MOVE.value, gettext("it moves, within the allowances")),
            ],
        ),
    ]
    return [(name, label, given.get(name) or usual, ways) for name, label, usual, ways in every]


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
