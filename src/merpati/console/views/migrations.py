"""`/migrations`: a customer's move from the old provider, planned, watched and steered."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST

from merpati.accounts.roles import Act, member_may
from merpati.console.access import Viewer, customer_page
from merpati.console.moving import editor, page
from merpati.console.moving.acts import ACTS, DECISIONS
from merpati.console.moving.told import Told
from merpati.plans.migration.errors import MigrationNotFound
from merpati.plans.migration.finding import find_migration, migrations_of
from merpati.plans.models import Migration, MigrationState

BASE = "/migrations"


@customer_page
def list_all(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the account's migrations, the newest first."""
    context = {
        "base": BASE,
        "new": f"{BASE}/new",
        "old_providers": "/old-providers",
        "rows": list(migrations_of(viewer.account.pk)),
        "may_change": _may_change(viewer),
    }
    return render(request, "console/migrations/list.html", context)


@customer_page
def new(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the plan editor, or keep what it holds."""
    _check(viewer)
    context = {"base": BASE, "action": f"{BASE}/new", "old_providers": "/old-providers"}
    return editor.edit(request, viewer.account.pk, viewer.actor, context)


@customer_page
def edit(request: HttpRequest, viewer: Viewer, number: int) -> HttpResponse:
    """Show the plan editor with a draft, or keep what it holds."""
    draft = _found(viewer, number)
    _check(viewer)
    if draft.state != MigrationState.DRAFT:
        raise Http404
    action = f"{BASE}/{number}/edit"
    context = {"base": BASE, "action": action, "old_providers": "/old-providers"}
    return editor.edit(request, viewer.account.pk, viewer.actor, context, draft)


@customer_page
def show(
    request: HttpRequest, viewer: Viewer, number: int, told: Told | None = None
) -> HttpResponse:
    """Show how a migration goes."""
    context = {"base": BASE, "may_change": _may_change(viewer), "may_decide": False}
    return page.show(request, _found(viewer, number), context, told)


@require_POST
@customer_page
def act(request: HttpRequest, viewer: Viewer, number: int, name: str) -> HttpResponseBase:
    """Start, pause, resume, roll back, cut over or remove."""
    found = _found(viewer, number)
    _check(viewer)
    if name not in ACTS or name in DECISIONS:
        raise Http404
    return page.act(
        request,
        found,
        name,
        viewer.actor,
        to=f"{BASE}/{number}",
        page=lambda told: show(request, number, told),
    )


def _may_change(viewer: Viewer) -> bool:
    return member_may(viewer.part_in(viewer.account.pk).role, Act.SET_UP_SENDING)


def _check(viewer: Viewer) -> None:
    if not _may_change(viewer):
        raise PermissionDenied


def _found(viewer: Viewer, number: int) -> Migration:
    try:
        return find_migration(number, viewer.account.pk)
    except MigrationNotFound:
        raise Http404 from None
