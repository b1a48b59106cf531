"""MTA-STS: a domain's own word that its mail comes only over verified TLS, and by which MX hosts.

A TXT record says whether there is a policy and which; the policy itself comes over https. What was
fetched holds for its `max_age`, also when record or policy cannot be had meanwhile: that is what
keeps an attacker who controls DNS from switching it off. In memory: a restart forgets it.

Source: RFC 8461.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from merpati.adapters.dns import DnsError, Resolver
from merpati.adapters.fetch import Fetcher, FetchFailed

log = logging.getLogger(__name__)

MOST_POLICIES = 20_000  # domains
MOST_BYTES = 64 << 10  # RFC 8461 section 3.3 suggests a limit of 64 KB
MOST_SECONDS_KEPT = 31_557_600  # max_age at most, section 3.2
RECORD_SECONDS, FETCH_SECONDS = 5.0, 8.0  # both within the bounds of a lookup
RETRY_SECONDS = 300.0  # before a policy that could not be fetched is tried again, section 3.3
_PATH = "/.well-known/mta-sts.txt"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a domain asks for. mode: "enforce", "testing" or "none"; mx: patterns of host names."""

    mode: str
    mx: tuple[str, ...]
    max_age: int

    @property
    def is_enforced(self) -> bool:
        """Return whether mail must keep to it."""
        return self.mode == "enforce"

    def allows(self, host: str) -> bool:
        """Return whether a host name matches: itself, or `*.` for one label, section 4.1."""
        return host in self.mx or f"*.{host.partition('.')[2]}" in self.mx


def parse_policy(data: bytes) -> Policy:
    """Return the policy in a document. Raises ValueError when it is none."""
    fields: dict[str, str] = {}
    mx: list[str] = []
    for line in data.decode().splitlines():
        name, colon, value = line.partition(":")
        if not colon:
            continue
        if name.strip() == "mx":
            mx.append(value.strip().lower().removesuffix("."))
        else:
            fields.setdefault(name.strip(), value.strip())
    mode, age = fields.get("mode", ""), fields.get("max_age", "")
    if fields.get("version") != "STSv1" or mode not in ("enforce", "testing", "none"):
        raise ValueError("no STSv1 policy with a mode")
    if not re.fullmatch(r"[0-9]{1,10}", age) or (mode != "none" and not mx):
        raise ValueError("a policy without max_age or mx")
    return Policy(mode, tuple(mx), min(int(age), MOST_SECONDS_KEPT))


def policy_id(records: tuple[str, ...]) -> str:
    """Return the id in a domain's TXT records, "" unless exactly one is of MTA-STS, section 3.1."""
    found = [record for record in records if re.match(r"v=STSv1\s*;", record)]
    match = re.search(r";\s*id=([A-Za-z0-9]{1,32})\s*(;|$)", found[0]) if len(found) == 1 else None
    return match[1] if match else ""


@dataclass(slots=True)
class _Kept:
    id: str
    policy: Policy | None  # None: could not be fetched
    until: float


class Policies:
    """The policies of recipient domains. elapsed: monotonic seconds."""

    def __init__(self, resolver: Resolver, fetcher: Fetcher, elapsed: Callable[[], float]) -> None:
        self._resolver = resolver
        self._fetcher = fetcher
        self._elapsed = elapsed
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def of(self, domain: str) -> Policy | None:
        """Return the policy in force for a domain, in bounded time, or None. Never raises."""
        kept = self._kept.get(domain)
        if kept is not None and kept.until <= self._elapsed():
            kept = None
        wanted = await self._record(domain)
        if not wanted or (kept is not None and kept.id == wanted):
            return kept.policy if kept else None
        try:
            data = await self._fetcher.get(
                f"mta-sts.{domain}", _PATH, most_bytes=MOST_BYTES, seconds=FETCH_SECONDS
            )
            policy = parse_policy(data)
        except (FetchFailed, ValueError) as error:
            log.warning("mta_sts_unusable domain=%s reason=%r", domain, str(error))
            if kept is None:
                self._keep(domain, _Kept(wanted, None, self._elapsed() + RETRY_SECONDS))
            return kept.policy if kept else None
        self._keep(domain, _Kept(wanted, policy, self._elapsed() + policy.max_age))
        return policy

    async def _record(self, domain: str) -> str:
        try:
            async with asyncio.timeout(RECORD_SECONDS):
                return policy_id((await self._resolver.texts(f"_mta-sts.{domain}")).records)
        except (DnsError, TimeoutError):
            return ""

    def _keep(self, domain: str, kept: _Kept) -> None:
        self._kept[domain] = kept
        self._kept.move_to_end(domain)
        if len(self._kept) > MOST_POLICIES:
            self._kept.popitem(last=False)
