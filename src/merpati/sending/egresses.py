"""Egresses: an account's old provider, by which mail goes that has not moved here yet.

An SMTP relay with a login, like a static route's smart host, but of one account. Each action is
one transaction with its audit entry and a new policy version.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from merpati.accounts import audit
from merpati.sending import policy
from merpati.sending.egress_check import Found
from merpati.sending.errors import EgressExists, EgressInUse, EgressNotFound, InvalidValue
from merpati.sending.models import Egress
from merpati.sending.routes import Login, check_limit, checked_tls, parse_target
from merpati.settings import HostPort

CONNECTIONS = 5  # at once, of each worker, unless said otherwise
MOST = 20  # of an account: each is part of everybody's policy
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


def egresses_of(account_id: int) -> QuerySet[Egress]:
    """Return an account's egresses, by name."""
    return Egress.objects.filter(account_id=account_id).order_by("name")


def find_egress(account_id: int, name: str) -> Egress:
    """Return one of the account's egresses. Raises EgressNotFound."""
    egress = egresses_of(account_id).filter(name=name.strip().lower()).first()
    if egress is None:
        raise EgressNotFound(name)
    return egress


def add_egress(
    account_id: int,
    name: str,
    host: str,
    port: int,
    *,
    by: str,
    now: datetime,
    tls: str | None = None,
    login: Login | None = None,
    connections: int = CONNECTIONS,
    messages_per_minute: int | None = None,
) -> Egress:
    """Add an egress; host and port as `routes.parse_target` reads them, tls as `add_route` does.

    Raises InvalidValue, EgressExists.
    """
    name = _checked_name(name)
    target = parse_target(str(HostPort(host, port)))
    check_limit(connections, "connections")
    check_limit(messages_per_minute, "rate")
    mode = checked_tls(tls, target.host, login)
    with transaction.atomic():
        if egresses_of(account_id).count() >= MOST:
            raise InvalidValue(f"an account has at most {MOST} old providers; remove one", "name")
        try:
            with transaction.atomic():
                egress = Egress.objects.create(
                    account_id=account_id,
                    name=name,
                    host=target.host,
                    port=target.port,
                    tls=mode.value,
                    username=login.username if login else "",
                    password=login.sealed_password if login else b"",
                    connections=connections,
                    messages_per_minute=messages_per_minute,
                    created_at=now,
                )
        except IntegrityError:
            raise EgressExists(name) from None
        audit.record(
            "add_egress",
            name,
            by=by,
            now=now,
            account_id=account_id,
            target=str(target),
            tls=mode.value,
            username=login.username if login else "",
            connections=connections,
            messages_per_minute=messages_per_minute,
        )
        policy.bump()
    return egress


def change_egress(
    account_id: int,
    name: str,
    host: str,
    port: int,
    *,
    by: str,
    now: datetime,
    tls: str | None = None,
    login: Login | Literal["kept"] | None = "kept",
    connections: int = CONNECTIONS,
    messages_per_minute: int | None = None,
) -> Egress:
    """Change where an egress is and how mail goes there, also while it does; as `add_egress`.

    login: "kept" for the one it has, which holds only for the host it was given for: whoever may
    change the host need not know the password. Raises EgressNotFound, InvalidValue.
    """
    target = parse_target(str(HostPort(host, port)))
    check_limit(connections, "connections")
    check_limit(messages_per_minute, "rate")
    with transaction.atomic():
        egress = find_egress(account_id, name)
        if login == "kept":
            login = Login(egress.username, bytes(egress.password)) if egress.username else None
            if login and (egress.host, egress.port) != (target.host, target.port):
                raise InvalidValue(
                    f"give the password again: the one that is kept is for {egress.host}",
                    "password",
                )
        egress.host, egress.port = target.host, target.port
        egress.tls = checked_tls(tls, target.host, login).value
        egress.username = login.username if login else ""
        egress.password = login.sealed_password if login else b""
        egress.connections, egress.messages_per_minute = connections, messages_per_minute
        egress.checked_at, egress.trouble, egress.trouble_detail = None, "", ""
        egress.save()
        audit.record(
            "change_egress",
            egress.name,
            by=by,
            now=now,
            account_id=account_id,
            target=str(target),
            tls=egress.tls,
            username=egress.username,
            connections=connections,
            messages_per_minute=messages_per_minute,
        )
        policy.bump()
    return egress


def note_check(egress: Egress, found: Found, *, now: datetime) -> None:
    """Keep what a check found, unless the egress was changed meanwhile."""
    same = {"host": egress.host, "port": egress.port, "password": bytes(egress.password)}
    egress.checked_at, egress.is_slow = now, found.is_slow
    egress.trouble = found.kind.value if found.kind else ""
    egress.trouble_detail = found.detail
    Egress.objects.filter(pk=egress.pk, **same).update(
        checked_at=now,
        trouble=egress.trouble,
        trouble_detail=egress.trouble_detail,
        is_slow=egress.is_slow,
    )


def remove_egress(account_id: int, name: str, *, by: str, now: datetime) -> None:
    """Remove an egress by which no mail goes any more. Raises EgressNotFound, EgressInUse."""
    with transaction.atomic():
        egress = find_egress(account_id, name)
        if egress.splits.exists():
            raise EgressInUse(egress.name)
        egress.delete()
        audit.record("remove_egress", egress.name, by=by, now=now, account_id=account_id)
        policy.bump()


def _checked_name(text: str) -> str:
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise InvalidValue(
            f"{text[:100]!r} is no name: 1 to 100 letters, digits, dots, hyphens and underscores",
            "name",
        )
    return name
