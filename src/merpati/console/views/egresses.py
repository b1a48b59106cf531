"""`/old-providers`: by whom the account's mail goes that has not moved here yet."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from merpati.accounts.roles import Act, member_may
from merpati.console.access import Viewer, customer_page
from merpati.console.moving import egress_page


@customer_page
def list_all(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the account's old providers."""
    return egress_page.list_all(request, viewer.account.pk, _context(viewer))


@customer_page
def new(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Add one."""
    _check(viewer)
    return egress_page.new(request, viewer.account.pk, viewer.actor, _context(viewer))


@customer_page
def one(request: HttpRequest, viewer: Viewer, number: int) -> HttpResponse:
    """Show one, or change it."""
    if request.method == "POST":
        _check(viewer)
    return egress_page.one(request, viewer.account.pk, number, viewer.actor, _context(viewer))


@require_POST
@customer_page
def check(request: HttpRequest, viewer: Viewer, number: int) -> HttpResponse:
    """See whether one lets us in."""
    _check(viewer)
    return egress_page.check(request, viewer.account.pk, number, _context(viewer))


@require_POST
@customer_page
def remove(request: HttpRequest, viewer: Viewer, number: int) -> HttpResponse:
    """Remove one."""
    _check(viewer)
    return egress_page.remove(request, viewer.account.pk, number, viewer.actor, _context(viewer))


def _may_change(viewer: Viewer) -> bool:
    return member_may(viewer.part_in(viewer.account.pk).role, Act.SET_UP_SENDING)


def _check(viewer: Viewer) -> None:
    if not _may_change(viewer):
        raise PermissionDenied


def _context(viewer: Viewer) -> dict[str, Any]:
    return {
        "base": "/old-providers",
        "migrations": "/migrations",
        "may_change": _may_change(viewer),
    }
