"""Static routes: recipient domains whose mail goes to a smart host instead of their MX.

They belong to the instance, not to an account. Each action is one transaction with its audit entry
and a new policy version.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from merpati.accounts import audit
from merpati.contracts.sending_policy import TlsMode
from merpati.sending import policy
from merpati.sending.domain_names import checked_domain
from merpati.sending.errors import InvalidValue, RouteExists, RouteNotFound
from merpati.sending.models import StaticRoute
from merpati.settings import HostPort, parse_host_port

if TYPE_CHECKING:  # loads the cryptography library, which most commands need not
    from merpati.adapters.crypto import SecretBox

_LARGEST = 1_000_000  # connections, messages a minute: more is a slip of the hand
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are at a smart host."""

    username: str
    sealed_password: bytes

    def __repr__(self) -> str:
        return f"Login({self.username!r}, …)"


def checked_login(username: str, password: str, box: SecretBox) -> Login:
    """Return a login with its password sealed. Raises InvalidValue."""
    if not username or len(username) > _LONGEST_NAME or not username.isprintable():
        raise InvalidValue(
            f"a user name has 1 to {_LONGEST_NAME} characters, none of them a control one", "user"
        )
    if not password:
        raise InvalidValue("the password is empty", "password")
    if "\0" in password or "\n" in password or "\r" in password:
        raise InvalidValue("a password is one line without NUL", "password")
    return Login(username, box.encrypt(password.encode()))


def checked_pattern(text: str) -> str:
    """Return a pattern as stored: `*`, a domain, or `*.domain`. Raises InvalidValue."""
    text = text.strip()
    if text == "*":
        return text
    if text.startswith("*."):
        return f"*.{checked_domain(text[2:], 'pattern')}"
    return checked_domain(text, "pattern")


def parse_target(text: str) -> HostPort:
    """Read a smart host, `HOST:PORT`, an IPv6 address in brackets. Raises InvalidValue."""
    try:
        target = parse_host_port(text.strip())
    except ValueError as error:
        raise InvalidValue(str(error), "host") from None
    if target.port == 0:
        raise InvalidValue(f"{text!r} has no port between 1 and 65535", "host")
    return target


def parse_rate(text: str) -> int:
    """Read messages a minute, `300/min` or `300`. Raises InvalidValue."""
    match = re.fullmatch(r"([0-9]{1,9})(/min)?", text.strip())
    if match is None:
        raise InvalidValue(f"{text!r} is no rate: messages a minute, 300/min", "rate")
    return int(match[1])


def add_route(
    pattern: str,
    host: str,
    port: int,
    *,
    by: str,
    now: datetime,
    connections: int | None = None,
    messages_per_minute: int | None = None,
    tls: str | None = None,
    login: Login | None = None,
    is_signed: bool = True,
    replace: bool = False,
) -> StaticRoute:
    """Add a route; host and port as `parse_target` reads them, None for no limit of its own.

    tls: a `TlsMode`; None: "verify" with a login, else "opportunistic". is_signed: False where the
    smart host signs.
    replace: put it in the place of a route of the same pattern, in one step, so that no mail goes
    another way in between. Raises InvalidValue, RouteExists.
    """
    pattern = checked_pattern(pattern)
    target = parse_target(str(HostPort(host, port)))
    check_limit(connections, "connections")
    check_limit(messages_per_minute, "rate")
    mode = checked_tls(tls, target.host, login)
    with transaction.atomic():
        if replace:
            StaticRoute.objects.filter(pattern=pattern).delete()
        try:
            with transaction.atomic():
                route = StaticRoute.objects.create(
                    pattern=pattern,
                    host=target.host,
                    port=target.port,
                    connections=connections,
                    messages_per_minute=messages_per_minute,
                    tls=mode.value,
                    username=login.username if login else "",
                    password=login.sealed_password if login else b"",
                    is_signed=is_signed,
                    created_at=now,
                )
        except IntegrityError:
            raise RouteExists(pattern) from None
        audit.record(
            "add_route",
            pattern,
            by=by,
            now=now,
            account_id=None,
            target=str(target),
            connections=connections,
            messages_per_minute=messages_per_minute,
            tls=mode.value,
            username=login.username if login else "",
            is_signed=is_signed,
            replace=replace,
        )
        policy.bump()
    return route


def remove_route(pattern: str, *, by: str, now: datetime) -> None:
    """Remove a route; what waits for it goes by the next that matches, or by MX.

    Raises InvalidValue, RouteNotFound.
    """
    pattern = checked_pattern(pattern)
    with transaction.atomic():
        deleted, _ = StaticRoute.objects.filter(pattern=pattern).delete()
        if not deleted:
            raise RouteNotFound(pattern)
        audit.record("remove_route", pattern, by=by, now=now, account_id=None)
        policy.bump()


def checked_tls(text: str | None, host: str, login: Login | None) -> TlsMode:
    """Return a TLS mode, None for what suits the login. Raises InvalidValue."""
    if text is None:
        return TlsMode.OPPORTUNISTIC if login is None else TlsMode.VERIFY
    try:
        mode = TlsMode(text)
    except ValueError:
        known = ", ".join(TlsMode)
        raise InvalidValue(f"{text!r} is no TLS mode; choose one of {known}", "tls") from None
    if login and mode in (TlsMode.NONE, TlsMode.OPPORTUNISTIC) and not _is_loopback(host):
        raise InvalidValue(
            f"with tls {mode} the password could cross the network in the clear; "
            f"choose verify, implicit or required",
            "tls",
        )
    return mode


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_limit(value: int | None, field: str) -> None:
    """Raise InvalidValue unless it is a count of connections or messages, or None."""
    if value is not None and not 1 <= value <= _LARGEST:
        raise InvalidValue(f"{field} must be between 1 and {_LARGEST:,}, or left out", field)
