"""The file in which a customer describes mailbox providers to rehearse against.

`providers_example.toml` beside us is such a file, and says what each key means;
`merpati sandbox --example` prints it.
"""

from __future__ import annotations

import ipaddress
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec

from merpati.message.header import is_address
from merpati.reputation.provider_model import Growth, Temper
from merpati.sandbox.texts import EVERYBODY
from merpati.sandbox.toml_reading import TomlText, Wrong
from merpati.sandbox.zone_file import check_name, check_provider, must
from merpati.settings import parse_host_port

MOST_PROVIDERS = 100
MOST_HOSTS = 20
NAME_CHARACTERS = 60

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Days = Annotated[int, msgspec.Meta(ge=1, le=365)]
PerDay = Annotated[float, msgspec.Meta(ge=1, le=1e9)]
Factor = Annotated[float, msgspec.Meta(ge=1, le=100)]


class PlayedProvider(msgspec.Struct, frozen=True, kw_only=True):
    """One provider; what each key means stands in the example file.

    like: whose MX names and words it has, an id of the provider directory. The first keys are how
    it tolerates a sending IP, as in `reputation.provider_model.Temper`.
    """

    name: str
    like: str = EVERYBODY
    domains: Annotated[list[str], msgspec.Meta(min_length=1, max_length=100)]
    hosts: Annotated[int, msgspec.Meta(ge=1, le=MOST_HOSTS)] = 1

    start_per_day: PerDay = 500.0
    growth_per_day: Factor = 1.7
    growth: Growth = Growth.EARNED
    needed_use: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    window_days: Days = 3
    softness: Share = 0.2
    block_at: Factor = 2.0
    block_days: Annotated[float, msgspec.Meta(gt=0, le=60)] = 1.0
    block_cost: Share = 0.7
    strain_cost: Share = 0.9
    patience: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.2
    strain_stops_growth: bool = True
    complaint_limit: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.003
    complaint_cost: Share = 0.7
    background_deferral: Share = 0.002
    noise: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    bucket_hours: Annotated[float, msgspec.Meta(gt=0, le=24)] | None = None
    judges_after_midnight: bool = False
    memory_days: Days = 30

    greylist_minutes: Annotated[float, msgspec.Meta(ge=0, le=1_440)] = 0.0
    registered_ips: list[str] | None = None
    blocklists: list[str] = []

    unknown_user_share: Share = 0.004
    complaint_share: Share = 0.0003
    complaint_hours: Annotated[float, msgspec.Meta(ge=0, le=240)] = 6.0
    feedback_loop: bool = True
    open_share: Share = 0.25
    click_share: Share = 0.03
    scanner_share: Share = 0.05

    @property
    def temper(self) -> Temper:
        """Return how it tolerates, as the model has it."""
        given = {
            name: getattr(self, name) for name in Temper.__slots__ if name in self.__struct_fields__
        }
        return Temper(
            **given,
            is_slow=self.judges_after_midnight,
            reports_complaints=self.feedback_loop,
        )


class PlayedBlocklist(msgspec.Struct, frozen=True, kw_only=True):
    """A blocklist over DNS. complaints: in a day, that have an IP listed for `listed_hours`."""

    zone: str
    listed: list[str] = []
    complaints: Annotated[int, msgspec.Meta(ge=1)] | None = None
    listed_hours: Annotated[float, msgspec.Meta(gt=0, le=8_760)] = 24.0


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """Where complaints are reported to. to: an address; "": the return path of the mail."""

    smtp: str
    to: str = ""


class People(msgspec.Struct, frozen=True, kw_only=True):
    """Whose links people and scanners follow. hosts: "host" or "host:port"; no others ever."""

    hosts: list[str] = []


class ProvidersFile(msgspec.Struct, frozen=True):
    """All of the file."""

    provider: Annotated[list[PlayedProvider], msgspec.Meta(min_length=1, max_length=MOST_PROVIDERS)]
    blocklist: list[PlayedBlocklist] = []
    feedback: Feedback | None = None
    people: People = People()

    def of_domain(self, domain: str) -> PlayedProvider | None:
        """Return who takes a domain's mail."""
        return next((one for one in self.provider if domain in one.domains), None)


_TABLES: dict[str, type[msgspec.Struct]] = {
    "provider": PlayedProvider,
    "blocklist": PlayedBlocklist,
    "feedback": Feedback,
    "people": People,
}


def example() -> str:
    """Return a file to begin with."""
    file = resources.files(__package__).joinpath("providers_example.toml")
    return file.read_text(encoding="utf-8")


def read_providers_file(path: Path) -> ProvidersFile:
    """Return what a file says. Raises TomlFileError, which names line and field."""
    text = TomlText(path)
    if "provider" not in text.document:
        raise text.error(
            Wrong("the file describes no provider: add one as in --example", "provider")
        )
    file = text.read(ProvidersFile, _TABLES)
    try:
        _check(file)
    except Wrong as wrong:
        raise text.error(wrong) from None
    return file


def _check(file: ProvidersFile) -> None:
    """Raise Wrong for what contradicts itself or means nothing."""
    names: dict[str, int] = {}
    domains: dict[str, str] = {}
    likes: dict[str, str] = {}
    for row, one in enumerate(file.provider):
        must(_check_words, one.name, "provider", row, "name")
        first = names.setdefault(one.name.lower(), row)
        if first != row:
            words = f"there is a provider {one.name!r} already (provider {first + 1})"
            raise Wrong(words, "provider", row, "name")
        must(check_provider, one.like, "provider", row, "like")
        if (other := likes.setdefault(one.like, one.name)) != one.name:
            words = f"{other!r} is {one.like!r} already: each needs MX names of its own"
            raise Wrong(words, "provider", row, "like")
        for domain in one.domains:
            must(check_name, domain, "provider", row, "domains")
            if domain.lower() in domains:
                other = domains[domain.lower()]
                words = "stands there" if other == one.name else f"is taken by {other!r}"
                raise Wrong(f"{domain} {words} already", "provider", row, "domains")
            domains[domain.lower()] = one.name
        for ip in one.registered_ips or ():
            must(ipaddress.ip_address, ip, "provider", row, "registered_ips")
    _check_blocklists(file)
    _check_people(file)


def _check_blocklists(file: ProvidersFile) -> None:
    zones = [one.zone for one in file.blocklist]
    for row, one in enumerate(file.provider):
        for zone in one.blocklists:
            if zone not in zones:
                words = f"there is no blocklist {zone!r}: describe it under [[blocklist]]"
                raise Wrong(words, "provider", row, "blocklists")
    for row, blocklist in enumerate(file.blocklist):
        for ip in blocklist.listed:
            must(ipaddress.ip_address, ip, "blocklist", row, "listed")
        must(check_name, blocklist.zone, "blocklist", row, "zone")
        if zones.index(blocklist.zone) != row:
            raise Wrong(
                f"there is a blocklist {blocklist.zone!r} already", "blocklist", row, "zone"
            )


def _check_people(file: ProvidersFile) -> None:
    if file.feedback is not None:
        must(parse_host_port, file.feedback.smtp, "feedback", None, "smtp")
        if file.feedback.to and not is_address(file.feedback.to):
            words = f"{file.feedback.to!r} is no email address; leave it out for the return path"
            raise Wrong(words, "feedback", None, "to")
    for host in file.people.hosts:
        must(_check_host, host, "people", None, "hosts")


def _check_words(name: str) -> None:
    """Raise ValueError for a name that tables and reports cannot show."""
    if not name.strip() or len(name) > NAME_CHARACTERS or not name.isprintable():
        raise ValueError(f"a name has 1 to {NAME_CHARACTERS} printable characters")


def _check_host(text: str) -> None:
    """Raise ValueError unless it is a host, or host:port."""
    parse_host_port(text, default_port=80)
    if "/" in text:
        raise ValueError(f"{text!r} is no host: write it without http:// and path")
