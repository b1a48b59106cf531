"""`/desk/migrations`: all customers' moves, and what a TAM decides by hand at a provider."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST

from merpati.accounts.models import Account
from merpati.accounts.roles import StaffAct, staff_may
from merpati.console.access import Viewer, staff_page
from merpati.console.moving import editor, page
from merpati.console.moving.acts import ACTS
from merpati.console.moving.told import Told
from merpati.plans.migration.errors import MigrationNotFound
from merpati.plans.migration.finding import find_migration, migrations_of
from merpati.plans.models import Migration, MigrationState

BASE = "/desk/migrations"


@staff_page
def list_all(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show all accounts' migrations, or one's, the newest first."""
    wanted = request.GET.get("account", "")
    account_id = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else None
    context = {"base": BASE, "rows": list(migrations_of(account_id)), "for_desk": True}
    if account_id is not None:
        context |= {"may_change": _may(viewer), **_of_account(account_id)}
    return render(request, "console/migrations/list.html", context)


@staff_page
def new(request: HttpRequest, viewer: Viewer, account_id: int) -> HttpResponse:
    """Show the plan editor for an account, or keep what it holds."""
    account = Account.objects.filter(pk=account_id).first()
    if account is None:
        raise Http404
    _check(viewer)
    shared = _of_account(account_id)
    context = {"base": BASE, "action": shared["new"], "account": account, **shared}
    return editor.edit(request, account_id, viewer.actor, context)


@staff_page
def edit(request: HttpRequest, viewer: Viewer, number: int) -> HttpResponse:
    """Show the plan editor with a draft, or keep what it holds."""
    draft = _found(number)
    _check(viewer)
    if draft.state != MigrationState.DRAFT:
        raise Http404
    action = f"{BASE}/{number}/edit"
    shared = {"account": draft.account, **_of_account(draft.account_id)}
    context = {"base": BASE, "action": action, **shared}
    return editor.edit(request, draft.account_id, viewer.actor, context, draft)


@staff_page
def show(
    request: HttpRequest, viewer: Viewer, number: int, told: Told | None = None
) -> HttpResponse:
    """Show how a migration goes, with what a TAM may decide."""
    may = _may(viewer)
    context = {"base": BASE, "may_change": may, "may_decide": may, "for_desk": True}
    return page.show(request, _found(number), context, told)


@require_POST
@staff_page
def act(request: HttpRequest, viewer: Viewer, number: int, name: str) -> HttpResponseBase:
    """Do it, with the reason that is kept."""
    found = _found(number)
    _check(viewer)
    if name not in ACTS:
        raise Http404
    return page.act(
        request,
        found,
        name,
        viewer.actor,
        to=f"{BASE}/{number}",
        page=lambda told: show(request, number, told),
    )


def _may(viewer: Viewer) -> bool:
    return staff_may(viewer.staff_role, StaffAct.LOOK_AFTER_ACCOUNTS)


def _check(viewer: Viewer) -> None:
    if not _may(viewer):
        raise PermissionDenied


def _of_account(account_id: int) -> dict[str, str]:
    of_it = f"/desk/accounts/{account_id}"
    return {"new": f"{of_it}/migrations/new", "old_providers": f"{of_it}/old-providers"}


def _found(number: int) -> Migration:
    try:
        return find_migration(number)
    except MigrationNotFound:
        raise Http404 from None
