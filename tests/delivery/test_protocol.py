"""Reading replies and writing envelopes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.delivery.outcome import Reply
from merpati.delivery.protocol import (
    MAX_LINE_BYTES,
    Capabilities,
    ProtocolViolation,
    RawReply,
    ReplyReader,
    capabilities_of,
    is_writable,
    mail_command,
    rcpt_command,
    reply_of,
)

WIRE = b"220 hi\r\n250-one\r\n250-two\r\n250 three\r\n354\r\n550 5.1.1 no\r\n"
READ: list[RawReply] = [(220, b"hi"), (250, b"one\ntwo\nthree"), (354, b""), (550, b"5.1.1 no")]


@given(st.lists(st.integers(0, len(WIRE)), max_size=8))
def test_replies_do_not_depend_on_how_the_stream_is_cut(cuts: list[int]) -> None:
    reader, found, start = ReplyReader(), [], 0
    for cut in [*sorted(cuts), len(WIRE)]:
        found += reader.feed(WIRE[start:cut])
        start = cut
    assert found == READ


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reader = ReplyReader()
    try:
        replies = reader.feed(data)
    except ProtocolViolation:
        return
    for code, text in replies:
        assert 200 <= code < 600
        assert b"\r" not in text
        reply_of((code, text))


def test_memory_for_one_line_is_bounded() -> None:
    reader = ReplyReader()
    with pytest.raises(ProtocolViolation, match="more than"):
        for _ in range(MAX_LINE_BYTES):
            reader.feed(b"250 and so on ")


@pytest.mark.parametrize(
    ("raw", "reply"),
    [
        ((250, b"2.0.0 ok"), Reply(250, "2.0.0", "ok")),
        ((250, b"ok 2.0.0"), Reply(250, None, "ok 2.0.0")),
        ((250, b"2.0.0"), Reply(250, "2.0.0", "")),
        ((250, b"2.0.0.1 ok"), Reply(250, None, "2.0.0.1 ok")),
        ((550, b"5.7.1 a\n5.7.1 b"), Reply(550, "5.7.1", "a\nb")),
        ((550, b"5.7.1 a\nb"), Reply(550, "5.7.1", "a\nb")),
        ((550, b"\xff"), Reply(550, None, "�")),
        ((550, b"3.1.1 odd"), Reply(550, None, "3.1.1 odd")),
    ],
)
def test_enhanced_codes_are_taken_off(raw: RawReply, reply: Reply) -> None:
    assert reply_of(raw) == reply


def test_capabilities() -> None:
    text = b"mx.example\npipelining\nSIZE 1000\nSMTPUTF8\n8BITMIME\nAUTH PLAIN"
    assert capabilities_of(text) == Capabilities(
        True, True, 1000, True, True, auth=frozenset({b"PLAIN"})
    )
    assert capabilities_of(b"PIPELINING") == Capabilities()  # the first line is a greeting
    assert capabilities_of(b"x\nSIZE") == Capabilities(size=True)
    assert capabilities_of(b"x\nSIZE many") == Capabilities(size=True)


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example>\r\nDATA",
        "a b@c.example",
        "a@b.example\n",
        "a\0@b",
        "a<b>@c",
        "\ud800@b",
        "é\u2028@b",
    ],
)
def test_no_address_can_carry_a_command(address: str) -> None:
    assert not is_writable(address)


@pytest.mark.parametrize("address", ["a@b.example", '"a b"@c.example', "grün@b.example", ""])
def test_addresses_that_can_be_written(address: str) -> None:
    assert is_writable(address)


@given(st.text(max_size=40))
def test_what_can_be_written_is_one_line(address: str) -> None:
    if is_writable(address):
        line = rcpt_command(address)
        assert line.count(b"\r") == line.count(b"\n") == 1
        assert line.count(b">") == 1


def test_mail_says_what_was_offered() -> None:
    assert mail_command("a@b", 7, Capabilities(), False) == b"MAIL FROM:<a@b>\r\n"
    offered = Capabilities(size=True, smtputf8=True)
    assert mail_command("a@b", 7, offered, True) == b"MAIL FROM:<a@b> SIZE=7 SMTPUTF8\r\n"
