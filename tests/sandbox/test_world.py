"""Who is played: names that Merpati recognises, records that lead there, the customer's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from merpati.adapters.dns import MailExchange, NameNotFound, Resolver, txt_records
from merpati.providers.directory import directory
from merpati.sandbox.dns_server import DnsServer
from merpati.sandbox.texts import EVERYBODY, all_texts
from merpati.sandbox.toml_reading import TomlFileError
from merpati.sandbox.world import make_world
from merpati.sandbox.zone_file import read_zone_file

FILE = """
[[domain]]
name = "Shop.example"
provider = "comcast"

[[domain]]
name = "corner.example"

[[sending_ip]]
address = "127.0.0.2"
hostname = "mta1.kirim.example"

[[record]]
name = "mp0226._domainkey.kirim.example"
type = "txt"
value = "v=DKIM1; k=rsa; p=%s"

[[record]]
name = "track.kirim.example"
type = "CNAME"
value = "mta1.kirim.example."
"""
KEY = "A" * 392


def test_each_host_is_recognised_as_its_provider() -> None:
    for host in make_world("127.0.0.20").hosts:
        known = directory().by_mx(host.name)
        assert (known.id if known else EVERYBODY) == host.provider


def test_hosts_have_addresses_in_a_row() -> None:
    addresses = [host.address for host in make_world("127.0.0.20").hosts]
    assert addresses == [f"127.0.0.{20 + n}" for n in range(len(all_texts()))]


async def test_what_a_customer_lists_is_played(tmp_path: Path) -> None:
    path = tmp_path / "zone.toml"
    path.write_text(FILE % KEY)
    world = make_world("127.0.0.20", read_zone_file(path))
    assert world.domains["shop.example"].provider == "comcast"
    assert world.domains["corner.example"] == world.domains["plain-like.test"]
    with DnsServer() as dns:
        for record in world.records:
            dns.add(record.name, record.type, record.value)
        resolver = Resolver([dns.address])
        found = await resolver.mail_exchanges("shop.example")
        assert found.records == (MailExchange(10, "sandbox.comcast.net"),)
        host = world.domains["shop.example"].address
        assert (await resolver.addresses("sandbox.comcast.net", "A")).records == (host,)
        assert (await resolver.pointers(host)).records == ("sandbox.comcast.net",)
        assert (await resolver.pointers("127.0.0.2")).records == ("mta1.kirim.example",)
        assert (await resolver.addresses("mta1.kirim.example", "A")).records == ("127.0.0.2",)
        assert (await resolver.addresses("track.kirim.example", "A")).records == ("127.0.0.2",)
        with pytest.raises(NameNotFound):
            await resolver.mail_exchanges("gmail.com")
        key = txt_records("mp0226._domainkey.kirim.example", [dns.address])
        assert key == [f"v=DKIM1; k=rsa; p={KEY}"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "[[domian]]\nname='a.example'",
            "line 1: domian: unknown table 'domian'; did you mean 'domain'?",
        ),
        (
            "[[domain]]\nnam='a.example'",
            "line 2: domain 1 nam: unknown key 'nam'; did you mean 'name'?",
        ),
        ("[[domain]]\nname='a.example'\nprovider='gogle'", "did you mean 'google'?"),
        ("[[domain]]\nname='a b'", "'a b' is no name that DNS can hold"),
        ("[domain]\nname='a.example'", r"line 1: domain: write domain as a table: \[\[domain\]\]"),
        ("[[domain]]\nname=1", "line 2: domain 1 name: expected `str`, got `int`"),
        ("[[sending_ip]]\naddress='x'\nhostname='a.example'", "'x' does not appear to be"),
        ("[[record]]\nname='a.example'\ntype='A'\nvalue='x'", "a.example A: 'x' is no such record"),
        ("[[record]]\nname='a.example'\ntype='AX'\nvalue='x'", "a.example AX"),
        ("[[", "is not valid TOML"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "zone.toml"
    path.write_text(text)
    with pytest.raises(TomlFileError, match=says) as refused:
        read_zone_file(path)
    assert str(path) in refused.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TomlFileError, match="No such file"):
        read_zone_file(tmp_path / "none.toml")
