"""The pages of old providers, whoever looks at them: all of an account's, and one with its form."""

from __future__ import annotations

from typing import Any, Literal

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext

from merpati.console.moving.egress_words import (
    REFUSALS,
    found_words,
    in_words,
    state_of,
    tls_modes,
)
from merpati.console.services import services
from merpati.contracts.sending_policy import TlsMode
from merpati.sending import egresses
from merpati.sending.errors import SendingError
from merpati.sending.models import Egress
from merpati.sending.routes import Login, checked_login

_PORT = 587


def list_all(request: HttpRequest, account_id: int, context: dict[str, Any]) -> HttpResponse:
    """Show an account's old providers. context: base, migrations, may_change."""
    rows = [(row, *state_of(row)) for row in egresses.egresses_of(account_id)]
    return render(request, "console/egresses/list.html", context | {"rows": rows})


def new(request: HttpRequest, account_id: int, by: str, context: dict[str, Any]) -> HttpResponse:
    """Show an empty form, or add what it holds."""
    if request.method != "POST":
        usual = {"port": _PORT, "tls": TlsMode.VERIFY.value, "connections": egresses.CONNECTIONS}
        return _form(request, context | {"given": usual})
    given = request.POST.dict()
    try:
        added = egresses.add_egress(
            account_id,
            given.get("name", ""),
            by=by,
            now=services().now,
            login=_login(given),
            **_shared(given),
        )
    except REFUSALS as error:
        return _form(request, context | {"given": given}, error)
    messages.success(request, gettext("It is kept. Check now whether it lets us in."))
    return HttpResponseRedirect(f"{context['base']}/{added.pk}")


def one(
    request: HttpRequest, account_id: int, number: int, by: str, context: dict[str, Any]
) -> HttpResponse:
    """Show an old provider and what its last check found, or change it."""
    row = find(account_id, number)
    if request.method != "POST":
        return _page(request, row, context)
    given = request.POST.dict()
    try:
        egresses.change_egress(
            account_id, row.name, by=by, now=services().now, login=_login_of(given, row),
            **_shared(given),
        )  # fmt: skip
    except REFUSALS as error:
        return _page(request, row, context | {"given": given}, error)
    messages.success(request, gettext("Changed. Check now whether it lets us in."))
    return HttpResponseRedirect(f"{context['base']}/{row.pk}")


def check(
    request: HttpRequest, account_id: int, number: int, context: dict[str, Any]
) -> HttpResponse:
    """Connect as mail would, send nothing, keep what came of it and lead back to it."""
    row = find(account_id, number)
    try:
        found = services().outside.check(row, services().secret_box)
    except REFUSALS as error:
        return _page(request, row, context, error)
    egresses.note_check(row, found, now=services().now)
    return HttpResponseRedirect(f"{context['base']}/{row.pk}")


def remove(
    request: HttpRequest, account_id: int, number: int, by: str, context: dict[str, Any]
) -> HttpResponse:
    """Remove an old provider that no migration needs."""
    row = find(account_id, number)
    try:
        egresses.remove_egress(account_id, row.name, by=by, now=services().now)
    except REFUSALS as error:
        return _page(request, row, context, error)
    messages.success(request, gettext("Removed."))
    return HttpResponseRedirect(context["base"])


def find(account_id: int, number: int) -> Egress:
    """Return one of the account's old providers. Raises Http404."""
    row = egresses.egresses_of(account_id).filter(pk=number).first()
    if row is None:
        raise Http404
    return row


def _page(
    request: HttpRequest, row: Egress, context: dict[str, Any], error: SendingError | None = None
) -> HttpResponse:
    given = {
        "host": row.host,
        "port": row.port,
        "tls": row.tls,
        "user": row.username,
        "connections": row.connections,
        "messages_per_minute": row.messages_per_minute or "",
    }
    state, look = state_of(row)
    context = {"given": given} | context
    context |= {"row": row, "state": state, "look": look, "found": found_words(row)}
    return _form(request, context, error)


def _form(
    request: HttpRequest, context: dict[str, Any], error: SendingError | None = None
) -> HttpResponse:
    context |= {"modes": tls_modes(), "told": in_words(error) if error else ""}
    return render(request, "console/egresses/one.html", context, status=422 if error else 200)


def _login(given: dict[str, str]) -> Login | None:
    """Return the login of a form, None without a user."""
    user = given.get("user", "").strip()
    if not user:
        return None
    return checked_login(user, given.get("password", ""), services().secret_box)


def _login_of(given: dict[str, str], row: Egress) -> Login | Literal["kept"] | None:
    """Return the login of a form; a password left empty is the one that is kept."""
    is_kept = given.get("user", "").strip() == row.username and not given.get("password")
    return "kept" if is_kept else _login(given)


def _shared(given: dict[str, str]) -> dict[str, Any]:
    rate = given.get("messages_per_minute", "").strip()
    connections = given.get("connections", "").strip()
    return {
        "host": given.get("host", "").strip(),
        "port": _number(given.get("port", "")),
        "tls": given.get("tls") or None,
        "connections": _number(connections) if connections else egresses.CONNECTIONS,
        "messages_per_minute": _number(rate) if rate else None,
    }


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
