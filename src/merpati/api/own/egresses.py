"""`/api/merpati/v1/egresses`: the account's old providers, by which mail goes that has not moved.

A password is written, sealed, and never given back.
"""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpResponse

from merpati.api.call import Call, no_content, results
from merpati.api.errors import refusal
from merpati.api.services import services
from merpati.contracts.sending_policy import TlsMode
from merpati.sending import egresses
from merpati.sending.egress_document import egress_document, found_document
from merpati.sending.errors import CheckBusy, EgressNotFound
from merpati.sending.models import Egress
from merpati.sending.routes import Login, checked_login


class _Login(msgspec.Struct, forbid_unknown_fields=True):
    user: str
    password: str


class _New(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    host: str
    port: int = 587
    tls: TlsMode | None = None  # None: "verify" with a login, else "opportunistic"
    login: _Login | None = None
    connections: int = egresses.CONNECTIONS
    messages_per_minute: int | None = None


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays; null ends it."""

    host: str | msgspec.UnsetType = msgspec.UNSET
    port: int | msgspec.UnsetType = msgspec.UNSET
    tls: TlsMode | msgspec.UnsetType = msgspec.UNSET
    login: _Login | msgspec.UnsetType | None = msgspec.UNSET
    connections: int | msgspec.UnsetType = msgspec.UNSET
    messages_per_minute: int | msgspec.UnsetType | None = msgspec.UNSET


def list_all(call: Call) -> HttpResponse:
    """Return the account's old providers by name, each with what its last check found."""
    return results([egress_document(row) for row in egresses.egresses_of(call.account_id)])


def show(call: Call, name: str) -> HttpResponse:
    """Return one of them."""
    return results(egress_document(_found(call, name)))


def add(call: Call) -> HttpResponse:
    """Add one; no mail goes there before a migration."""
    wanted = call.json(_New)
    added = egresses.add_egress(
        call.account_id,
        wanted.name,
        wanted.host,
        wanted.port,
        tls=wanted.tls.value if wanted.tls else None,
        login=_login(wanted.login),
        connections=wanted.connections,
        messages_per_minute=wanted.messages_per_minute,
        by=call.actor,
        now=call.now,
    )
    return results(egress_document(added), 201)


def change(call: Call, name: str) -> HttpResponse:
    """Change what is named, also while mail goes there."""
    wanted, row = call.json(_Change), _found(call, name)
    keeps = wanted.login is msgspec.UNSET
    has_login = bool(row.username) if keeps else wanted.login is not None
    tls = row.tls if has_login == bool(row.username) else None
    changed = egresses.change_egress(
        call.account_id,
        row.name,
        _or(wanted.host, row.host),
        _or(wanted.port, row.port),
        tls=_or(wanted.tls, tls),
        login="kept" if wanted.login is msgspec.UNSET else _login(wanted.login),
        connections=_or(wanted.connections, row.connections),
        messages_per_minute=_or(wanted.messages_per_minute, row.messages_per_minute),
        by=call.actor,
        now=call.now,
    )
    return results(egress_document(changed))


def remove(call: Call, name: str) -> HttpResponse:
    """Remove one by which no migration sends any more."""
    row = _found(call, name)
    egresses.remove_egress(call.account_id, row.name, by=call.actor, now=call.now)
    return no_content()


def check(call: Call, name: str) -> HttpResponse:
    """Connect and log in as mail would, send nothing, and say what came of it."""
    row = _found(call, name)
    try:
        found = services().outside.check(row, services().secret_box)
    except CheckBusy as error:
        again = {"Retry-After": "60"}
        raise refusal(503, error.message, problem="unavailable", headers=again) from None
    egresses.note_check(row, found, now=call.now)
    return results(found_document(row, found))


def _found(call: Call, name: str) -> Egress:
    try:
        return egresses.find_egress(call.account_id, name)
    except EgressNotFound as error:
        message = f"There is no egress {error.name[:100]!r} in this account."
        raise refusal(404, message, problem="not-found") from None


def _login(given: _Login | None) -> Login | None:
    return checked_login(given.user, given.password, services().secret_box) if given else None


def _or(value: Any, kept: Any) -> Any:
    return kept if value is msgspec.UNSET else value
