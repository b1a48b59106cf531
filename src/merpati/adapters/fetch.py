"""Fetching a document over https from a host that somebody else named; through aiohttp.

Guarded: own resolver, which refuses addresses that are not public (the host cannot be an address
itself), no redirects, certificate verified, bounded in time and size, no proxy and no cookies.
"""

from __future__ import annotations

import errno
import functools
import ipaddress
import socket
import ssl
from collections.abc import Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from merpati.adapters.addresses import Network, is_allowed
from merpati.adapters.dns import DnsError, Resolver


class FetchFailed(Exception):
    """Nothing usable came; the text says why, without what the host answered."""


class Fetcher:
    """Fetches for one process. allow_private: networks that may be reached although not public.

    authorities: PEM file of authorities trusted besides the system's, "" for none; port: of https.
    """

    def __init__(
        self,
        resolver: Resolver,
        allow_private: Sequence[Network] = (),
        authorities: str = "",
        port: int = 443,
    ) -> None:
        self._resolver = _GuardedResolver(resolver, allow_private)
        self._authorities = authorities
        self._port = port

    @functools.cached_property
    def _context(self) -> ssl.SSLContext:
        """Made at the first fetch: to read the system's authorities takes 50 ms."""
        context = ssl.create_default_context()
        if self._authorities:
            context.load_verify_locations(self._authorities)
        return context

    async def get(self, host: str, path: str, *, most_bytes: int, seconds: float) -> bytes:
        """Return the text/plain document at https://host/path. Raises FetchFailed."""
        if _is_address(host):
            raise FetchFailed(f"{host} is an address")  # aiohttp would not ask the resolver
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(resolver=self._resolver, ssl=self._context),
                    timeout=aiohttp.ClientTimeout(total=seconds),
                    cookie_jar=aiohttp.DummyCookieJar(),
                ) as client,
                client.get(f"https://{host}:{self._port}{path}", allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    raise FetchFailed(f"{host} answered {answer.status}")
                if answer.content_type != "text/plain":
                    raise FetchFailed(f"{host} sent no text/plain")
                data = bytearray()
                async for chunk in answer.content.iter_any():
                    data += chunk
                    if len(data) > most_bytes:
                        raise FetchFailed(f"{host} sent more than {most_bytes} bytes")
                return bytes(data)
        except TimeoutError:
            raise FetchFailed(f"{host} took longer than {seconds:.0f} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchFailed(f"{host}: {error}") from None


class _GuardedResolver(AbstractResolver):
    def __init__(self, resolver: Resolver, allow_private: Sequence[Network]) -> None:
        self._resolver = resolver
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found: list[ResolveResult] = []
        refused = 0
        for record_type, kind in (("A", socket.AF_INET), ("AAAA", socket.AF_INET6)):
            if family not in (socket.AF_UNSPEC, kind):
                continue
            try:
                addresses = (await self._resolver.addresses(host, record_type)).records
            except DnsError:
                continue
            for address in addresses:
                if is_allowed(address, self._allow_private):
                    found.append(_result(host, address, port, kind))
                else:
                    refused += 1
        if not found:
            words = "no public address" if refused else "no address"
            raise OSError(errno.EHOSTUNREACH, f"{host} has {words}")
        return found

    async def close(self) -> None:
        return


def _result(host: str, address: str, port: int, family: socket.AddressFamily) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=family,
        proto=0,
        flags=socket.AI_NUMERICHOST,
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
