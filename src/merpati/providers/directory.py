"""The directory of mailbox providers: who takes mail for a domain, and what pace they bear.

The data is `directory.toml` beside this module, each value with its source. Recognition goes by MX
host, since domains move from one provider to another; the recipient domain is a hint only, for
reports from before the MX is known. Loaded once, frozen; all look-ups are pure.

Source: directory.toml names them; RFC 5890 (internationalised names as A-labels).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal

import msgspec

from merpati.providers.bounce_class import Cause
from merpati.providers.reaction import Reaction


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What pace a provider bears, per sending IP, over all its MX hosts (scope "site": each alone).

    message_rate: "10/s" or "600/min", None where the provider states none; rates and sizes in the
    units their names say. Only the fields `Pace` has are followed today.
    """

    connections: int
    messages_per_connection: int
    source: str
    message_rate: str | None = None
    tls: Literal["opportunistic", "required", "required without verification"] = "opportunistic"
    scope: Literal["provider", "site"] = "provider"
    idle_timeout_s: int | None = None
    failures_before_delay: int | None = None
    connections_published_max: int | None = None
    messages_per_connection_mailcom: int | None = None
    recipients_per_message: int | None = None
    size_mb: int | None = None
    ipv6: bool = True
    note: str = ""


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider's own wording and what it means. pattern: see `providers/patterns.py`.

    reaction: what pacing does about it; None for what it does about the cause everywhere.
    """

    pattern: str
    cause: Cause
    bounce_class: int
    source: str
    action: str = ""
    reaction: Reaction | None = None
    note: str = ""


class FeedbackLoop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider tells of complaints."""

    kind: Literal["none", "aggregate", "arf", "arf-like", "arf+aggregate", "broker"]
    detail: str = ""
    enrol: str = ""
    source: str = ""


class Arrival(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider asks of a sending IP that it does not know yet.

    registration: where to announce it, because unknown IPs are refused; "" where nobody need.
    most_growth: volume may grow so many times at once, None where nothing is said.
    """

    source: str
    registration: str = ""
    most_growth: float | None = None


class Mediation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a block is disputed, and what is asked there."""

    name: str
    channel: Literal["form", "email", "portal", "none"]
    address: str
    fields: list[str]
    fields_confidence: str
    address_confidence: str = ""
    alternate: str = ""
    preconditions: list[str] = []
    reply_expected: str = ""


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider, filter or blocklist.

    mx_suffixes: ".google.com" means every host below that name, and itself; the longest wins.
    domains: recipient domains that are known to be there, a hint. limits: None for a blocklist.
    requirements: what it asks of senders, as it words it.
    """

    id: str
    name: str
    kind: Literal["mailbox", "filter", "blocklist"]
    country: str
    mx_suffixes: list[str]
    domains: list[str]
    postmaster: str
    fbl: FeedbackLoop
    mediation: Mediation
    limits: Limits | None = None
    arrival: Arrival | None = None
    requirements: dict[str, Any] = {}
    reply: list[Reply] = []
    reply_lines: Literal["all", "last first"] = "all"  # where a reply of several lines is read
    hosted_business: bool = False
    mx_confidence: str = ""
    domains_note: str = ""
    used_by: list[str] = []
    zones_ip: list[str] = []
    zones_domain: list[str] = []
    zen_return_codes: str = ""
    dbl_return_codes: str = ""


class Pace(msgspec.Struct, frozen=True):
    """How fast mail may go to a provider unless it or the operator says otherwise, per sending IP.

    messages_per_minute: None for no limit.
    """

    connections: int
    messages_per_connection: int
    messages_per_minute: int | None


class _Defaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    connections: int
    connection_rate: str
    messages_per_connection: int
    message_rate: str
    idle_timeout_s: int
    tls: str
    failures_before_delay: int
    remember_broken_tls_days: int


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int
    snapshot: str
    defaults: _Defaults
    provider: list[Provider]


class Directory:
    """The providers, found by id, by MX host or by recipient domain."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Raises ValueError when the data contradicts itself or has a field nobody knows."""
        file = msgspec.convert(document, _File)
        self._by_id = {provider.id: provider for provider in file.provider}
        self._by_suffix = _unique((s, p) for p in file.provider for s in p.mx_suffixes)
        self._by_domain = _unique((d, p) for p in file.provider for d in p.domains)
        self._paces = {p.id: _pace(p.limits, file.defaults) for p in file.provider if p.limits}
        # Whoever stands behind a host nobody knows has asked for no rate.
        self.default_pace = Pace(
            file.defaults.connections, file.defaults.messages_per_connection, None
        )
        self.remember_broken_tls_days = file.defaults.remember_broken_tls_days
        if len(self._by_id) < len(file.provider):
            raise ValueError("two providers have the same id")

    def __iter__(self) -> Iterator[Provider]:
        """Iterate over all providers, in the order of the data."""
        return iter(self._by_id.values())

    def get(self, provider_id: str) -> Provider | None:
        """Return the provider of an id; None for a route or a host nobody knows."""
        return self._by_id.get(provider_id)

    def by_mx(self, host: str) -> Provider | None:
        """Return whose host this is: by the longest suffix of whole labels, or None."""
        suffix = "." + _ascii(host)
        while suffix:
            if (provider := self._by_suffix.get(suffix)) is not None:
                return provider
            dot = suffix.find(".", 1)
            suffix = suffix[dot:] if dot > 0 else ""
        return None

    def hint(self, domain: str) -> Provider | None:
        """Return who a recipient domain was last known to be with; the MX knows better."""
        return self._by_domain.get(_ascii(domain))

    @property
    def domains(self) -> Iterable[str]:
        """Return the recipient domains whose provider is known."""
        return self._by_domain.keys()

    def provider_id(self, host: str) -> str:
        """Return the id of an MX host's provider.

        A host nobody knows counts as its registrable domain, roughly: `mx.example.co.uk` as
        `example.co.uk`, so that the domains it serves share one pace.
        """
        if (provider := self.by_mx(host)) is not None:
            return provider.id
        labels = _ascii(host).split(".")
        wanted = 3 if len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3 else 2
        rolled_up = ".".join(labels[-wanted:])
        # A host named by one label must not pass for the provider of that id.
        return f"{rolled_up}." if rolled_up in self._by_id else rolled_up

    def pace(self, provider_id: str) -> Pace:
        """Return the pace to begin with; the default's for whom nobody knows."""
        return self._paces.get(provider_id, self.default_pace)

    def requires_tls(self, provider_id: str) -> bool:
        """Return whether a provider is to get no mail unencrypted."""
        provider = self._by_id.get(provider_id)
        limits = provider.limits if provider else None
        return limits is not None and limits.tls != "opportunistic"


@cache
def directory() -> Directory:
    """Return the directory, read from its file at the first call of a process."""
    text = resources.files(__package__).joinpath("directory.toml").read_text(encoding="utf-8")
    return Directory(tomllib.loads(text))


def per_minute(rate: str) -> int:
    """Read "10/s" or "600/min" as messages a minute. Raises ValueError."""
    count, _, unit = rate.partition("/")
    factor = {"s": 60, "min": 1}.get(unit)
    if factor is None or not count.isdigit() or int(count) == 0:
        raise ValueError(f"{rate!r} is no rate such as 10/s or 600/min")
    return int(count) * factor


def _pace(limits: Limits, defaults: _Defaults) -> Pace:
    rate = limits.message_rate or defaults.message_rate
    return Pace(limits.connections, limits.messages_per_connection, per_minute(rate))


def _unique(pairs: Iterator[tuple[str, Provider]]) -> dict[str, Provider]:
    found: dict[str, Provider] = {}
    for name, provider in pairs:
        if found.setdefault(name, provider) is not provider:
            raise ValueError(f"{name} is claimed by {found[name].id} and {provider.id}")
    return found


def _ascii(name: str) -> str:
    """Return a name as DNS compares it; one that is no name stays what no list holds."""
    name = name.lower().removesuffix(".")
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name
