"""What is an address, where it is routed, and what would break a header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.sending.address import breaks_a_line, envelope_address, routing_domain, split_mailbox


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Sari@Example.NET", ("Sari@Example.NET", "example.net")),
        ("a@bücher.example", ("a@xn--bcher-kva.example", "xn--bcher-kva.example")),
        ("a..b.@docomo.example", ("a..b.@docomo.example", "docomo.example")),
        ('"a b"@x.co', None),  # composing would refuse it: better now than after the 200
        ('"a"@x.co', None),
        ("a" * 64 + "@x.co", ("a" * 64 + "@x.co", "x.co")),
        ("a" * 65 + "@x.co", None),
        ("a@" + "b" * 63 + ".co", ("a@" + "b" * 63 + ".co", "b" * 63 + ".co")),
        ("a@" + "b" * 64 + ".co", None),
        ("a@" + ".".join(["b" * 60] * 5), None),
        ("a@127.0.0.1", None),
        ("a@x.co.", None),
        ("a@-x.co", None),
        ("a@@x.co", None),
        ("a@straße.example", None),  # IDNA 2003 would make it strasse.example, another domain
        ("<a@x.co>", None),
        ("a@x.co\n", None),
        ("a b@x.co", None),
        ("", None),
        ("@x.co", None),
    ],
)
def test_an_address_is_told_from_what_is_none(text: str, found: tuple[str, str] | None) -> None:
    assert envelope_address(text) == found


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_address_can_break_an_smtp_line(local: str, domain: str) -> None:
    found = envelope_address(f"{local}@{domain}")
    if found is not None:
        assert found[0].isascii()
        assert found[0].isprintable()
        assert not set(found[1]) & set('<>\r\n @"')
        assert routing_domain(found[1]) == found[1]


@given(st.emails())
def test_ordinary_addresses_are_taken(address: str) -> None:
    local, _, domain = address.rpartition("@")
    if len(local) <= 64 and not domain.rpartition(".")[2].isdigit():
        assert envelope_address(address) == (address, domain.lower())


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (" a@x.co ", (None, "a@x.co")),
        ("<a@x.co>", (None, "a@x.co")),
        ("Sari W <a@x.co>", ("Sari W", "a@x.co")),
        (r'"W, \"S\"" <a@x.co>', ('W, "S"', "a@x.co")),
        ('"Last', (None, '"Last')),
        ("a>", (None, "a>")),
        ("", (None, "")),
    ],
)
def test_a_mailbox_is_split(text: str, parts: tuple[str | None, str]) -> None:
    assert split_mailbox(text) == parts


@pytest.mark.parametrize(
    "text",
    ["a\tb", "ünïcode 🕊", "=?utf-8?Q?caf=C3=A9?=", "=?utf-8?B?Y2Fmw6k=?=", "a=?b", "%0d%0a", ""],
)
def test_ordinary_text_breaks_no_line(text: str) -> None:
    assert not breaks_a_line(text)


@given(st.text(), st.text())
def test_every_line_end_is_seen(before: str, after: str) -> None:
    for end in ("\r", "\n", "\r\n", "\x00", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"):
        assert breaks_a_line(before + end + after)


@given(st.text())
def test_what_breaks_no_line_is_one_line(text: str) -> None:
    if not breaks_a_line(text):
        assert len(text.splitlines()) <= 1
