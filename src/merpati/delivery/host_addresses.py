"""Addresses of mail hosts: thousands of domains share the hosts of a few providers.

So each host is looked up once while its answer is fresh, also when all ask at the same moment.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from merpati.adapters.dns import DnsError, NoSuchRecords, Resolver

MOST_HOSTS = 20_000
SHORTEST_TTL, LONGEST_TTL = 60.0, 3_600.0  # seconds that an answer is kept
FAILURE_TTL = 15.0  # seconds that a failed lookup is kept


@dataclass(slots=True)
class _Host:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    found: tuple[str, ...] | DnsError = ()
    until: float = float("-inf")  # monotonic seconds


class HostAddresses:
    """Looks hosts up and remembers what was found. elapsed: monotonic seconds."""

    def __init__(self, resolver: Resolver, elapsed: Callable[[], float]) -> None:
        self._resolver = resolver
        self._elapsed = elapsed
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    async def of(self, name: str) -> tuple[tuple[str, ...], int]:
        """Return a host's addresses, IPv4 first since few have IPv6 reputation, and their TTL.

        Raises DnsError.
        """
        host = self._hosts.setdefault(name, _Host())
        self._hosts.move_to_end(name)
        if len(self._hosts) > MOST_HOSTS:
            self._hosts.popitem(last=False)
        if host.until <= self._elapsed():
            async with host.lock:  # whoever comes second finds what the first one found
                if host.until <= self._elapsed():
                    host.found, ttl = await self._look_up(name)
                    host.until = self._elapsed() + ttl
        if isinstance(host.found, DnsError):
            raise host.found.with_traceback(None)
        return host.found, int(host.until - self._elapsed())

    async def _look_up(self, name: str) -> tuple[tuple[str, ...] | DnsError, float]:
        answers = await asyncio.gather(
            self._resolver.addresses(name, "A"),
            self._resolver.addresses(name, "AAAA"),
            return_exceptions=True,
        )
        found: list[str] = []
        errors: list[DnsError] = []
        ttl = LONGEST_TTL
        for answer in answers:
            if isinstance(answer, DnsError):
                errors.append(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found += answer.records
                ttl = min(ttl, answer.ttl_seconds)
        if found:
            return tuple(found), max(ttl, SHORTEST_TTL)
        # A failure says less than "no such records": it decides, so that doubt defers.
        error = next((e for e in errors if not isinstance(e, NoSuchRecords)), errors[0])
        return error, FAILURE_TTL
