"""Where mail for a domain goes: a static route, or what DNS says, cached by its TTL.

A lookup answers with a type: `Destination`, `Undeliverable` (the message bounces) or `Unreachable`
(it waits). Addresses that are not global are refused unless the operator allows their network
(safety.allow_private) or names the host in a route: otherwise anybody could have us connect
to our own networks with an MX record.

Source: RFC 5321 section 5.1 (MX, implicit MX), RFC 7505 (null MX), RFC 8461 (MTA-STS), RFC 7672
(DANE).
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from merpati.adapters.addresses import Network, is_allowed
from merpati.adapters.dns import (
    DnsError,
    LookupFailed,
    MailExchange,
    NameNotFound,
    NoSuchRecords,
    Resolver,
    Tlsa,
)
from merpati.contracts.sending_policy import Egress, Route, TlsMode
from merpati.delivery.host_addresses import (
    FAILURE_TTL,
    LONGEST_TTL,
    SHORTEST_TTL,
    HostAddresses,
)
from merpati.delivery.mta_sts import Policies
from merpati.delivery.ourselves import NOBODY, Ourselves
from merpati.delivery.outcome import Bounced, Reply
from merpati.delivery.protocol import Credentials
from merpati.delivery.turns import Turns
from merpati.providers.bounce_class import BounceClass
from merpati.providers.directory import directory

MOST_HOSTS = 10  # of a domain's MX hosts
MOST_CACHED = 50_000  # domains
LOOKUP_SECONDS = 20.0  # of one domain, all its hosts included
LOOKUPS_AT_ONCE = 50  # domains; one that takes longer than its turn holds up no other
LOOKUP_TURN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Host:
    """One host that takes the mail, with its addresses.

    tlsa: its TLSA records, authenticated; None where DANE says nothing of it.
    """

    name: str
    addresses: tuple[str, ...]
    tlsa: tuple[Tlsa, ...] | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a domain's mail goes: the hosts in the order to try them.

    provider: mailbox provider (`providers/directory.py`), or "route:host:port"; the limits are per
    sending IP, None where the engine's defaults hold; tls_because: who wants TLS, for people.
    is_signed: what goes there gets our DKIM signatures.
    """

    provider: str
    hosts: tuple[Host, ...]
    port: int
    is_route: bool = False
    connections: int | None = None
    messages_per_minute: int | None = None
    messages_per_connection: int | None = None
    tls: TlsMode = TlsMode.OPPORTUNISTIC
    tls_because: str = ""
    credentials: Credentials | None = None
    is_signed: bool = True
    egress: str = ""  # name of the old provider this is: no mailbox provider, so none of our limits

    @property
    def site(self) -> tuple[str, ...]:
        """Return what queues and connections may be shared by: the same hosts, met the same way."""
        user = self.credentials.username if self.credentials else ""
        dane = "dane" if self.has_dane else ""
        unsigned = "" if self.is_signed else "unsigned"
        return (self.tls, user, dane, unsigned, *(host.name for host in self.hosts))

    @property
    def has_dane(self) -> bool:
        """Return whether DANE decides about the certificates of some host."""
        return any(host.tlsa is not None for host in self.hosts)

    def tlsa_of(self, name: str) -> tuple[Tlsa, ...]:
        """Return the TLSA records that a host's certificate must match; none: any will do."""
        return next((host.tlsa for host in self.hosts if host.name == name and host.tlsa), ())

    def addresses_from(self, sending_ip: str) -> Iterator[tuple[str, str]]:
        """Yield (host name, address) of those that a sending IP can reach: of its own family."""
        is_ipv6 = ":" in sending_ip
        for host in self.hosts:
            for address in host.addresses:
                if (":" in address) is is_ipv6:
                    yield host.name, address

    def is_reached_from(self, sending_ip: str) -> bool:
        """Return whether a sending IP can reach any of the hosts."""
        return next(self.addresses_from(sending_ip), None) is not None


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """DNS says for certain that this domain takes no mail."""

    bounce: Bounced


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No way to the domain was found just now; the reason is for people."""

    reason: str


Whereto = Destination | Undeliverable | Unreachable


class RouteTable:
    """The static routes of one policy; the most specific pattern wins."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = {route.pattern.lower(): route for route in routes}

    def find(self, domain: str) -> Route | None:
        """Return the route for a recipient domain: itself, then *.parent upwards, then *."""
        if not self._routes:
            return None
        if route := self._routes.get(domain):
            return route
        parent = domain
        while "." in parent:
            parent = parent.partition(".")[2]
            if route := self._routes.get(f"*.{parent}"):
                return route
        return self._routes.get("*")


class Destinations:
    """Answers where a domain's mail goes. One loop owns it."""

    def __init__(
        self,
        resolver: Resolver,
        elapsed: Callable[[], float],
        *,
        port: int = 25,
        allow_private: Sequence[Network] = (),
        ourselves: Ourselves = NOBODY,
        open_secret: Callable[[bytes], bytes] = bytes,
        policies: Policies | None = None,
    ) -> None:
        self._resolver = resolver
        self._elapsed = elapsed
        self._port = port
        self._allow_private = tuple(allow_private)
        self._ourselves = ourselves
        self._open_secret = open_secret
        self._policies = policies
        self._hosts = HostAddresses(resolver, elapsed)
        self._turns = Turns(LOOKUPS_AT_ONCE, LOOKUP_TURN_SECONDS)
        self._routes = RouteTable(())
        self._by_address: dict[str, Whereto] = {}  # by pattern: routes that need no lookup
        self._egresses: dict[Egress, tuple[float, Whereto]] = {}
        self._cache: OrderedDict[str, tuple[float, Whereto]] = OrderedDict()

    def use_routes(self, routes: Iterable[Route]) -> None:
        """Take another policy's routes; what was looked up for other domains stays."""
        routes = tuple(routes)
        self._routes = RouteTable(routes)
        self._by_address = {
            route.pattern: self._through(route, (literal,))
            for route in routes
            if (literal := _literal(route.host)) is not None
        }
        for domain in [d for d in self._cache if d.startswith(_ROUTE_HOST) or self._routes.find(d)]:
            del self._cache[domain]

    def known(self, domain: str) -> Whereto | None:
        """Return the answer if it is at hand and fresh, else None: then ask `find`."""
        return self._at_hand(domain, self._elapsed())

    def last_known(self, domain: str) -> Whereto | None:
        """Return the last answer, fresh or not: good enough to say who takes a domain's mail."""
        return self._at_hand(domain, 0.0)

    def _at_hand(self, domain: str, fresh_at: float) -> Whereto | None:
        key = domain
        if route := self._routes.find(domain):
            if (by_address := self._by_address.get(route.pattern)) is not None:
                return by_address
            key = _route_key(route)
        cached = self._cache.get(key)
        return cached[1] if cached is not None and cached[0] > fresh_at else None

    def known_egress(self, egress: Egress) -> Whereto | None:
        """Return where an old provider is if that is at hand and fresh; else ask `find_egress`."""
        cached = self._egresses.get(egress)
        return cached[1] if cached is not None and cached[0] > self._elapsed() else None

    async def find_egress(self, egress: Egress) -> Whereto:
        """Look an old provider's host up, in bounded time, and remember the answer.

        An account names that host, so it must be a public one unless the operator allows others.
        """
        ttl = FAILURE_TTL
        try:
            async with self._turns.turn(), asyncio.timeout(LOOKUP_SECONDS):
                addresses, seconds = await self._addresses(egress.host)
                whereto, ttl = self._by_egress(egress, addresses), _bounded(seconds)
        except TimeoutError:
            whereto = Unreachable(f"DNS lookups for {egress.host} took too long")
        except (NameNotFound, NoSuchRecords):
            whereto = Unreachable(f"its host {egress.host} does not exist")
        except LookupFailed as error:
            whereto = Unreachable(str(error))
        self._egresses[egress] = (self._elapsed() + ttl, whereto)
        return whereto

    def _by_egress(self, egress: Egress, addresses: Sequence[str]) -> Whereto:
        usable = tuple(one for one in addresses if is_allowed(one, self._allow_private))
        if not usable:
            return Unreachable(
                f"its host {egress.host} has addresses that are not public "
                f"({', '.join(addresses)}); the operator allows them with safety.allow_private"
            )
        if self._ourselves.are(egress.host, usable, egress.port):
            return Unreachable(f"its host {egress.host} is this Merpati itself")
        route = Route(
            "",
            egress.host,
            egress.port,
            egress.connections,
            egress.messages_per_minute,
            egress.tls,
            egress.username,
            egress.password,
        )
        found = self._through(route, usable, f"the old provider {egress.name}")
        if isinstance(found, Destination):
            found = replace(found, provider=f"egress:{egress.name}", egress=egress.name)
        return found

    async def find(self, domain: str) -> Whereto:
        """Look a domain up, in bounded time once it has its turn, and remember the answer."""
        async with self._turns.turn():
            return await self._find(domain)

    async def _find(self, domain: str) -> Whereto:
        route = self._routes.find(domain)
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                ttl, whereto = await (self._by_route(route) if route else self._by_mx(domain))
        except TimeoutError:
            ttl, whereto = FAILURE_TTL, Unreachable(f"DNS lookups for {domain} took too long")
        except LookupFailed as error:
            ttl, whereto = FAILURE_TTL, Unreachable(str(error))
        if isinstance(whereto, Destination) and not whereto.is_route:
            whereto = await self._under_policy(domain, whereto)
            if isinstance(whereto, Unreachable):
                ttl = FAILURE_TTL
        key = _route_key(route) if route else domain
        self._cache[key] = (self._elapsed() + ttl, whereto)
        self._cache.move_to_end(key)
        if len(self._cache) > MOST_CACHED:
            self._cache.popitem(last=False)
        return whereto

    async def _by_route(self, route: Route) -> tuple[float, Whereto]:
        """A route's host may be any name the operator's machine knows, so /etc/hosts counts too."""
        try:
            found, ttl = await self._addresses(route.host)
        except (NameNotFound, NoSuchRecords, LookupFailed):
            found, ttl = await _by_system(route.host), int(SHORTEST_TTL)
        if not found:
            return FAILURE_TTL, Unreachable(f"the route's host {route.host} has no address")
        return _bounded(ttl), self._through(route, found)

    def _through(self, route: Route, addresses: tuple[str, ...], what: str = "") -> Whereto:
        """Return a relay as a destination; what: it is, if not the route."""
        what = what or f"the route for {route.pattern}"
        credentials = None
        if route.username:
            try:
                password = self._open_secret(route.password).decode()
            except ValueError:
                return Unreachable(
                    f"the password of {what} cannot be read with this instance's secret key: "
                    f"set it anew"
                )
            credentials = Credentials(route.username, password)
        return Destination(
            provider=f"{_ROUTE_HOST}{route.host}:{route.port}",
            hosts=(Host(route.host, addresses),),
            port=route.port,
            is_route=True,
            connections=route.connections,
            messages_per_minute=route.messages_per_minute,
            tls=route.tls,
            tls_because=f"{what} says so",
            credentials=credentials,
            is_signed=route.is_signed,
        )

    async def _under_policy(self, domain: str, found: Destination) -> Whereto:
        """Return what is left of a destination under the domain's own policy, if it has one."""
        if self._policies is None or found.has_dane:  # which goes first, RFC 8461 section 2
            return found
        policy = await self._policies.of(domain)
        if policy is None or not policy.is_enforced:
            return found
        hosts = tuple(host for host in found.hosts if policy.allows(host.name))
        if not hosts:
            names = ", ".join(host.name for host in found.hosts)
            return Unreachable(
                f"the MTA-STS policy of {domain} allows none of its mail hosts: {names}"
            )
        because = f"the MTA-STS policy of {domain} wants it"
        return replace(found, hosts=hosts, tls=TlsMode.VERIFY, tls_because=because)

    async def _by_mx(self, domain: str) -> tuple[float, Whereto]:
        is_authenticated = False
        try:
            answer = await self._resolver.mail_exchanges(domain)
            exchanges, ttl = answer.records, answer.ttl_seconds
            is_authenticated = answer.is_authenticated
        except NameNotFound:
            return SHORTEST_TTL, _no_such_domain(domain)
        except NoSuchRecords:
            exchanges, ttl = (MailExchange(0, domain),), int(LONGEST_TTL)  # the implicit MX
        if any(not exchange.host for exchange in exchanges):
            if len(exchanges) == 1:
                return _bounded(ttl), _null_mx(domain)
            exchanges = tuple(exchange for exchange in exchanges if exchange.host)
        ttl_found, whereto = await self._hosts_of(domain, exchanges[:MOST_HOSTS], ttl)
        if is_authenticated and isinstance(whereto, Destination):
            whereto = await self._with_dane(whereto)
        return ttl_found, whereto

    async def _with_dane(self, found: Destination) -> Destination:
        """Return a destination with its hosts' TLSA records. Raises LookupFailed: RFC 7672 2.1."""
        looked_up = await asyncio.gather(*map(self._with_tlsa, found.hosts))
        hosts = tuple(host for host in looked_up if host is not None)
        if not hosts:
            names = ", ".join(host.name for host in found.hosts)
            raise LookupFailed(f"the TLSA records of {names} cannot be looked up (DANE)")
        found = replace(found, hosts=hosts)
        if not found.has_dane:
            return found
        return replace(found, tls=TlsMode.REQUIRED, tls_because="DANE records ask for TLS")

    async def _with_tlsa(self, host: Host) -> Host | None:
        """Return a host with its TLSA records; None when nobody can say whether it has any."""
        try:
            # Where its addresses are not signed neither is the rest, RFC 7672 section 2.2.2.
            kind = "AAAA" if ":" in host.addresses[0] else "A"
            if not (await self._resolver.addresses(host.name, kind)).is_authenticated:
                return host
            answer = await self._resolver.tlsa(host.name, self._port)
        except (NameNotFound, NoSuchRecords):
            return host
        except LookupFailed:
            return None
        return replace(host, tlsa=answer.records) if answer.is_authenticated else host

    async def _hosts_of(
        self, domain: str, exchanges: Sequence[MailExchange], ttl: int
    ) -> tuple[float, Whereto]:
        # Hosts of equal preference are tried in random order: RFC 5321 section 5.1.
        exchanges = sorted(exchanges, key=lambda mx: (mx.preference, random.random()))  # noqa: S311
        found = await asyncio.gather(
            *(self._addresses(exchange.host) for exchange in exchanges), return_exceptions=True
        )
        hosts: list[tuple[int, Host]] = []
        refused: list[str] = []
        ours: MailExchange | None = None  # the best of those that are this host
        for exchange, result in zip(exchanges, found, strict=True):
            addresses: tuple[str, ...] = ()
            if isinstance(result, tuple):
                addresses, host_ttl = result
                ttl = min(ttl, host_ttl)
            elif not isinstance(result, DnsError):
                raise result
            if self._ourselves.are(exchange.host, addresses, self._port):
                ours = ours or exchange
                continue
            usable = tuple(a for a in addresses if is_allowed(a, self._allow_private))
            refused += [a for a in addresses if a not in usable]
            if usable:
                hosts.append((exchange.preference, Host(exchange.host, usable)))
        if ours is not None:
            # The others of its preference and above would only hand the mail to us.
            hosts = [(pref, host) for pref, host in hosts if pref < ours.preference]
            if not hosts:
                return FAILURE_TTL, _loops(domain, ours.host)
        if hosts:
            return _bounded(ttl), _by_provider(tuple(host for _, host in hosts), self._port)
        if refused:
            return FAILURE_TTL, Unreachable(
                f"the mail hosts of {domain} have addresses that are not public "
                f"({', '.join(refused[:3])}); if that is intended, add their network to "
                f"safety.allow_private or add a route"
            )
        return self._no_addresses(domain, exchanges, found)

    def _no_addresses(
        self, domain: str, exchanges: Sequence[MailExchange], found: Sequence[object]
    ) -> tuple[float, Whereto]:
        """Only a domain without MX and without addresses is certainly none that takes mail."""
        for result in found:
            if isinstance(result, LookupFailed):
                raise result
        if [exchange.host for exchange in exchanges] == [domain]:
            return SHORTEST_TTL, _no_such_domain(domain)
        return FAILURE_TTL, Unreachable(f"none of the mail hosts of {domain} has an address")

    async def _addresses(self, host: str) -> tuple[tuple[str, ...], int]:
        """Return addresses and their TTL. Raises DnsError."""
        if (literal := _literal(host)) is not None:
            return (literal,), int(LONGEST_TTL)
        return await self._hosts.of(host)


_ROUTE_HOST = "route:"


def _route_key(route: Route) -> str:
    return f"{_ROUTE_HOST}{route.host}:{route.port}/{route.pattern}"


def _by_provider(hosts: tuple[Host, ...], port: int) -> Destination:
    known = directory()
    provider = known.provider_id(hosts[0].name)
    pace = known.pace(provider)
    return Destination(
        provider=provider,
        hosts=hosts,
        port=port,
        connections=pace.connections,
        messages_per_minute=pace.messages_per_minute,
        messages_per_connection=pace.messages_per_connection,
        tls=TlsMode.REQUIRED if known.requires_tls(provider) else TlsMode.OPPORTUNISTIC,
        tls_because=f"{provider} requires TLS" if known.requires_tls(provider) else "",
    )


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None


async def _by_system(host: str) -> tuple[str, ...]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _bounded(ttl: float) -> float:
    return min(max(ttl, SHORTEST_TTL), LONGEST_TTL)


def _loops(domain: str, host: str) -> Unreachable:
    return Unreachable(
        f"mail for {domain} would come back to this host: its MX {host} is Merpati itself; "
        f"correct the MX record, or add a route to where the mail belongs"
    )


def _no_such_domain(domain: str) -> Undeliverable:
    text = f"[internal] Domain Lookup Failed: {domain} has no mail host"
    return Undeliverable(Bounced(BounceClass.DNS_FAILURE, Reply(554, "5.4.4", text)))


def _null_mx(domain: str) -> Undeliverable:
    text = f"[internal] {domain} accepts no mail (null MX)"
    return Undeliverable(Bounced(BounceClass.INVALID_RECIPIENT, Reply(556, "5.1.10", text)))
