"""Static routes: recipient domains whose mail goes to a smart host instead of their MX.

They belong to the instance, not to an account. Each action is one transaction with its audit entry
and a new policy version.
"""

from __future__ import annotations

import re
from datetime import datetime

from django.db import IntegrityError, transaction

from merpati.accounts import audit
from merpati.sending import policy
from merpati.sending.domain_names import checked_domain
from merpati.sending.errors import InvalidValue, RouteExists, RouteNotFound
from merpati.sending.models import StaticRoute
from merpati.settings import HostPort, parse_host_port

_LARGEST = 1_000_000  # connections, messages a minute: more is a slip of the hand


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
    replace: bool = False,
) -> StaticRoute:
    """Add a route; host and port as `parse_target` reads them, None for no limit of its own.

    replace: put it in the place of a route of the same pattern, in one step, so that no mail goes
    another way in between. Raises InvalidValue, RouteExists.
    """
    pattern = checked_pattern(pattern)
    target = parse_target(str(HostPort(host, port)))
    _check_limit(connections, "connections")
    _check_limit(messages_per_minute, "rate")
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


def _check_limit(value: int | None, field: str) -> None:
    if value is not None and not 1 <= value <= _LARGEST:
        raise InvalidValue(f"{field} must be between 1 and {_LARGEST:,}, or left out", field)
