"""Where a request comes from, a proxy of ours before us: the first address that is none of ours.

Each proxy adds the address it heard from at the right end of `X-Forwarded-For`. What stands left of
the first one that is not ours anybody may have written, so that it counts for nothing.

Source: RFC 7239 5.2 and 8.1 (the same rules, for `Forwarded`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_WITH_PORT = re.compile(r"\[([0-9a-fA-F:.]+)\](?::\d+)?|([0-9.]+):\d+")


def client_address(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Return whose request it is: the peer's, unless trusted proxies say from whom they had it.

    peer: who is connected; forwarded: the header, "" when there is none. An entry that is no
    address ends the search: what is left of it is not believed.
    """
    at = _address(peer)
    if at is None or not _is_in(at, trusted):
        return peer
    for entry in reversed(forwarded.split(",")):
        found = _address(entry.strip())
        if found is None:
            break
        at = found
        if not _is_in(at, trusted):
            break
    return str(at)


def real_addresses(get_response: Callable[[HttpRequest], HttpResponse]) -> object:
    """Put the client's address where everything behind looks for it: brake, sessions, mail."""

    def middleware(request: HttpRequest) -> HttpResponse:
        trusted = settings.CONSOLE_TRUSTED_PROXIES
        if trusted:
            request.META["REMOTE_ADDR"] = client_address(
                request.META.get("REMOTE_ADDR", ""),
                request.META.get("HTTP_X_FORWARDED_FOR", ""),
                trusted,
            )
        return get_response(request)

    return middleware


def _address(text: str) -> _Address | None:
    with_port = _WITH_PORT.fullmatch(text)
    try:
        found = ipaddress.ip_address((with_port[1] or with_port[2]) if with_port else text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _is_in(address: _Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
