"""Header fields: encoding, folding, address lists, and values that try to become headers."""

from __future__ import annotations

import base64
import email
import email.policy
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.message.dkim import relaxed_value
from merpati.message.header import (
    HeaderField,
    NamedAddress,
    address_field,
    ascii_address,
    is_address,
    is_header_name,
    mailbox_field,
    read_mailbox,
    text_field,
    token_field,
)

NASTY = st.text(st.sampled_from('ab@ ,<>"\\\t\r\né€:;()=?') | st.characters(), max_size=300)


def value_of(field: HeaderField | None) -> str:
    assert field is not None
    return field.wire.partition(": ")[2].removesuffix("\r\n")


def assert_is_one_field(field: HeaderField, name: str, longest: int = 998) -> None:
    assert field.wire.isascii()
    assert field.wire.startswith(f"{name}: ")
    assert field.wire.endswith("\r\n")
    lines = field.wire.removesuffix("\r\n").split("\r\n")
    assert not set("\r\n\0") & set("".join(lines))
    assert all(line.startswith(" ") and line.strip() for line in lines[1:])
    assert all(len(line) <= longest for line in lines)
    value = field.wire.partition(":")[2].replace("\r\n", "")
    assert field.relaxed == f"{name.lower()}:{relaxed_value(value)}\r\n"


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        ("Hello", "Subject: Hello\r\n"),
        (" Hello \t", "Subject: Hello\r\n"),
        ("a\r\nBcc: x@y", "Subject: aBcc: x@y\r\n"),
        ("a\x00\x07\x7fb", "Subject: ab\r\n"),
        ("a%0d%0aBcc: x@y", "Subject: a%0d%0aBcc: x@y\r\n"),
        ("=?utf-8?q?a=0D=0ABcc:_x?=", "Subject: =?utf-8?q?a=0D=0ABcc:_x?=\r\n"),
        ("Café", "Subject: =?UTF-8?B?Q2Fmw6k=?=\r\n"),
        ("a\u2028Bcc: x", "Subject: =?UTF-8?B?YeKAqEJjYzogeA==?=\r\n"),
    ],
)
def test_text_field(value: str, wire: str) -> None:
    """H1: no value adds a header."""
    field = text_field("Subject", value)
    assert field is not None
    assert field.wire == wire


@pytest.mark.parametrize("value", ["", "  ", "\r\n", "\t\0"])
def test_empty_value_makes_no_field(value: str) -> None:
    assert text_field("X-A", value) is None
    assert address_field("Cc", value) is None
    assert token_field("X-A", value) is None


@given(NASTY)
def test_text_field_is_one_field_that_decodes_to_the_value(value: str) -> None:
    field = text_field("Subject", value)
    if field is None:
        return
    assert_is_one_field(field, "Subject")
    if value.isascii():
        kept = "".join(char for char in value if char == "\t" or " " <= char != "\x7f")
        assert value_of(field).split() == kept.split()
    else:
        assert max(map(len, field.wire.split("\r\n"))) <= 76
        words = " ".join(line.strip() for line in value_of(field).split("\r\n"))
        for word in words.split():
            base64.b64decode(word[len("=?UTF-8?B?") : -len("?=")]).decode("utf-8")
        shown = str(make_header(decode_header(words)))
        kept = "".join(char for char in value if ord(char) not in {*range(32), 127} - {9})
        assert shown == kept.strip().encode("utf-8", "replace").decode()


@given(NASTY, NASTY)
def test_any_list_of_addresses_is_one_field(first: str, second: str) -> None:
    for value in (first, second, f"{first},{second}", f'"{first}" <{second}>'):
        if field := address_field("Reply-To", value):
            assert_is_one_field(field, "Reply-To")


@given(NASTY)
def test_any_name_is_one_field_and_survives(name: str) -> None:
    name = " ".join("".join(c for c in name if c.isprintable()).split())
    field = mailbox_field("To", NamedAddress(name, "a@example.com"))
    assert_is_one_field(field, "To")
    if "=?" not in name:
        parsed = email.message_from_string(field.wire + "\r\n", policy=email.policy.default)
        (address,) = parsed["To"].addresses
        assert address.addr_spec == "a@example.com"
        encoded = name.encode("utf-8", "replace").decode()
        assert "".join(address.display_name.split()) == "".join(encoded.split())


def test_encoded_name_is_kept() -> None:
    field = mailbox_field("To", NamedAddress("=?UTF-8?B?Wm/Dqw==?=", "a@x.example"))
    assert value_of(field) == "=?UTF-8?B?Wm/Dqw==?= <a@x.example>"


def test_long_text_is_folded() -> None:
    field = text_field("Subject", "word " * 60)
    assert field is not None
    assert_is_one_field(field, "Subject", longest=78)
    assert value_of(field).replace("\r\n", "") == ("word " * 60).strip()


@pytest.mark.parametrize("value", ["x" * 5000, "x" * 901 + " y", "é" * 3000])
def test_no_line_is_too_long_for_smtp(value: str) -> None:
    for field in (text_field("X-A", value), address_field("To", value), token_field("X-A", value)):
        assert field is not None
        assert max(map(len, field.wire.split("\r\n"))) <= 998


def test_token_is_cut_where_lines_end() -> None:
    field = token_field("X-MSFBL", "abcd" * 50)
    assert field is not None
    assert_is_one_field(field, "X-MSFBL", longest=78)
    assert "".join(value_of(field).split()) == "abcd" * 50


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        ("a@x.com", "a@x.com"),
        ("a@x.com,b@y.com", "a@x.com, b@y.com"),
        ('"Last, First" <a@x.com>, b@y.com', '"Last, First" <a@x.com>, b@y.com'),
        ("Plain Name <a@x.com>", '"Plain Name" <a@x.com>'),
        ('"Quote \\" d" <a@x.com>', '"Quote \\" d" <a@x.com>'),
        ("Zoë <a@x.com>", "=?UTF-8?B?Wm/Dqw==?= <a@x.com>"),
        ("=?UTF-8?B?Wm/Dqw==?= <a@x.com>", "=?UTF-8?B?Wm/Dqw==?= <a@x.com>"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("undisclosed-recipients:;", "undisclosed-recipients:;"),
        (",, a@x.com ,", "a@x.com"),
        ("a@x.com\r\nBcc: b@y.com", "a@x.comBcc: b@y.com"),
        ("zoë@x.com", "=?UTF-8?B?em/Dq0B4LmNvbQ==?="),
    ],
)
def test_address_list(value: str, wire: str) -> None:
    assert value_of(address_field("To", value)) == wire


def test_long_address_list_is_folded_between_addresses() -> None:
    addresses = [f"someone{number}@example.com" for number in range(20)]
    field = address_field("Cc", ",".join(addresses))
    assert field is not None
    assert_is_one_field(field, "Cc", longest=78)
    assert value_of(field).replace("\r\n", "") == ", ".join(addresses)


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("a@x", "", "a@x"),
        ("N <a@x>", "N", "a@x"),
        ('"N \\"q\\"" < a@x >', 'N "q"', "a@x"),
        ("<a@x>", "", "a@x"),
        ("a@x>", "", "a@x>"),
    ],
)
def test_read_mailbox(text: str, name: str, address: str) -> None:
    assert read_mailbox(text) == NamedAddress(name, address)


@pytest.mark.parametrize("text", ["a@x.com", "a+b=c@x-y.example", "o'hara@[192.0.2.1]", "a@x"])
def test_address_is_accepted(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            "a",
            "@x",
            "a@",
            "a@b@c",
            "a b@x",
            "a@x y",
            "a@x\r\n",
            "a@x>",
            "<a@x",
            "a@x\0",
            "é@x",
        ],
        *["a@é", "a,b@x", '"a"@x', "a@x;b", "a" * 400 + "@x", "a@x\nRCPT TO:<b@y>"],
    ],
)
def test_address_is_refused(text: str) -> None:
    """H1: nothing that could break a header or an SMTP command counts as an address."""
    assert not is_address(text)


def test_ascii_address_leaves_what_it_cannot_convert() -> None:
    assert ascii_address("a@" + "é" * 80) == "a@" + "é" * 80


@pytest.mark.parametrize("name", ["", "A B", "A:", "A\r\nB", "é", "A" * 77, "A\0"])
def test_bad_header_name(name: str) -> None:
    assert not is_header_name(name)
