"""Who takes mail for a domain: recognition by MX host, hints by domain, the pace to begin with."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

import msgspec
import pytest

from merpati.providers.directory import Directory, Pace, Provider, directory, per_minute

PROVIDERS = list(directory())
SUFFIXES = [(provider, suffix) for provider in PROVIDERS for suffix in provider.mx_suffixes]
DOMAINS = [(provider, domain) for provider in PROVIDERS for domain in provider.domains]


def document() -> dict[str, Any]:
    text = resources.files("merpati.providers").joinpath("directory.toml").read_text("utf-8")
    return tomllib.loads(text)


def test_the_data_is_whole() -> None:
    assert len(PROVIDERS) == 38
    assert len(SUFFIXES) == 72
    for provider in PROVIDERS:
        assert (provider.limits is None) == (provider.kind == "blocklist"), provider.id
        assert (provider.mx_suffixes == []) == (provider.kind == "blocklist"), provider.id
        assert all(reply.source for reply in provider.reply), provider.id
        assert provider.limits is None or provider.limits.source, provider.id


@pytest.mark.parametrize(("provider", "suffix"), SUFFIXES, ids=lambda v: getattr(v, "id", v))
def test_each_provider_is_known_by_its_mx_hosts(provider: Provider, suffix: str) -> None:
    found = directory()
    for host in (f"mx1{suffix}", f"a.b-1{suffix}.", f"MX{suffix.upper()}", suffix[1:]):
        assert found.by_mx(host) is provider, host
        assert found.provider_id(host) == provider.id


@pytest.mark.parametrize(("provider", "suffix"), SUFFIXES, ids=lambda v: getattr(v, "id", v))
def test_lookalike_hosts_are_not_taken_for_a_provider(provider: Provider, suffix: str) -> None:
    found = directory()
    for host in (f"mx{suffix}.evil.example", f"evil{suffix[1:]}", f"mx{suffix}-evil.example"):
        assert found.by_mx(host) is not provider, host


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        pytest.param("gmail-smtp-in.l.google.com", "google", id="Gmail"),
        pytest.param("a-b.olc.protection.outlook.com", "outlook-consumer", id="longest wins"),
        pytest.param("a-b.mail.protection.outlook.com", "microsoft365", id="its business sister"),
        pytest.param("mx.yahoo.co.jp", "yahoo-japan", id="another Yahoo"),
        pytest.param("google.com.evil.example", "evil.example", id="lookalike in front"),
        pytest.param("notgoogle.com", "notgoogle.com", id="lookalike without a dot"),
        pytest.param("google", "google.", id="one label is no id"),
        pytest.param("", "", id="nothing"),
        pytest.param("mx1.mail.example.de", "example.de", id="rolled up"),
        pytest.param("mx.example.co.uk", "example.co.uk", id="rolled up below co.uk"),
        pytest.param("mx.büro.example", "xn--bro-hoa.example", id="international"),
        pytest.param("mx.gооgle.com", "xn--ggle-55da.com", id="Cyrillic о"),
        pytest.param("mx." + "ü" * 70 + ".example", "ü" * 70 + ".example", id="no name at all"),
    ],
)
def test_provider_of_a_host(host: str, provider: str) -> None:
    assert directory().provider_id(host) == provider


@pytest.mark.parametrize(("provider", "domain"), DOMAINS, ids=lambda v: getattr(v, "id", v))
def test_domains_hint_at_their_provider(provider: Provider, domain: str) -> None:
    assert directory().hint(domain.upper() + ".") is provider


@pytest.mark.parametrize("domain", ["gmail.com.evil.example", "x.gmail.com", "gmаil.com", "", "."])
def test_other_domains_hint_at_nobody(domain: str) -> None:
    assert directory().hint(domain) is None


@pytest.mark.parametrize(
    ("provider_id", "pace"),
    [
        ("google", Pace(5, 50, 6_000)),
        ("apple", Pace(10, 5, 6_000)),
        ("yahoo-japan", Pace(2, 20, 600)),
        ("comcast", Pace(25, 1_000, 6_000)),
        ("example.de", Pace(10, 100, None)),
        ("cloudmark", Pace(10, 100, None)),
    ],
)
def test_pace_to_begin_with(provider_id: str, pace: Pace) -> None:
    assert directory().pace(provider_id) == pace


def test_a_suffix_that_two_providers_claim_is_refused() -> None:
    data = document()
    data["provider"][1]["mx_suffixes"].append(".google.com")
    with pytest.raises(ValueError, match=r"\.google\.com is claimed by google and outlook"):
        Directory(data)


def test_a_field_nobody_knows_is_refused() -> None:
    data = document()
    data["provider"][0]["mx_sufixes"] = []
    with pytest.raises(msgspec.ValidationError, match="mx_sufixes"):
        Directory(data)


def test_an_id_given_twice_is_refused() -> None:
    data = document()
    twin = data["provider"][0] | {"mx_suffixes": [], "domains": []}
    with pytest.raises(ValueError, match="same id"):
        Directory(data | {"provider": [*data["provider"], twin]})


@pytest.mark.parametrize(("rate", "count"), [("10/s", 600), ("600/min", 600), ("1/min", 1)])
def test_rates(rate: str, count: int) -> None:
    assert per_minute(rate) == count


@pytest.mark.parametrize("rate", ["", "10", "10/h", "0/s", "-1/s", "x/s", "1.5/s"])
def test_no_rate(rate: str) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        per_minute(rate)
