"""Messages that their sender wrote: read, stored, composed, and verified by dkimpy."""

from __future__ import annotations

import email
import email.policy

import dkim
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merpati.contracts.batch import Content, Mailbox, Recipient
from merpati.message.compose import Composed, Stamp
from merpati.message.header import NamedAddress
from merpati.message.raw import compile_raw, compose_raw
from merpati.message.submitted import MessageRefused, finished, read_submitted
from tests.message.test_compose import CONTENT, PUBLIC, SIGNER, STAMP

PLAIN = b"From: News <news@example.com>\r\nTo: a@example.net\r\nSubject: Hi\r\n\r\nHello\r\n"


def stored(data: bytes, *cc: NamedAddress) -> bytes:
    return finished(
        read_submitted(data),
        received="from a ([192.0.2.1])\r\n by mta.example with ESMTPSA id 1; now",
        message_id="1@example.com",
        injected_at=1_790_000_000_123,
        cc=cc,
    )


def sent(data: bytes, rcpt_type: str = "", stamp: Stamp = STAMP) -> Composed:
    content: Content = msgspec.structs.replace(
        CONTENT, raw=stored(data), sender=Mailbox("news@example.com")
    )
    recipient = Recipient("sari@example.net", rcpt_type=rcpt_type)
    return compose_raw(compile_raw(content), recipient, stamp, SIGNER)


def unstuffed(composed: Composed) -> bytes:
    return (b"\r\n" + composed.data).replace(b"\r\n.", b"\r\n")[2:]


def is_signed(data: bytes) -> bool:
    return bool(dkim.verify(data, dnsfunc=lambda name, timeout=5: b"v=DKIM1; k=rsa; p=" + PUBLIC))


def test_the_body_arrives_byte_for_byte_and_signed() -> None:
    body = b".dot\r\n..\r\nGr\xc3\xbc\xc3\x9fe  \t \r\n \r\n\xff\r\n\r\n\r\n"
    composed = sent(PLAIN.replace(b"Hello\r\n", body))
    data = unstuffed(composed)
    assert data.endswith(b"\r\n\r\n" + body)
    assert is_signed(data)
    assert composed.is_8bit
    assert not sent(PLAIN).is_8bit
    assert composed.size_bytes == len(composed.data)
    assert b"\r\n.dot" not in composed.data


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("ab .\t\xe9", max_size=8), max_size=6))
def test_any_body_arrives_as_it_came(lines: list[str]) -> None:
    body = "".join(line + "\r\n" for line in lines).encode("latin-1")
    data = unstuffed(sent(PLAIN.replace(b"Hello\r\n", body)))
    assert data.partition(b"\r\n\r\n")[2] == body
    assert is_signed(data)


def test_two_attempts_are_the_same_bytes() -> None:
    assert sent(PLAIN).data == sent(PLAIN).data


def test_what_must_not_leave_is_taken_out_and_the_rest_stays() -> None:
    """H3."""
    own = b"Bcc: x@y.z\r\nResent-Bcc: x@y.z\r\nReturn-Path: <x@y.z>\r\nX-MSYS-API: {\r\n }\r\n"
    own += b"DKIM-Signature: v=1; d=evil.example;\r\n b=abc\r\nX-MSFBL: fake\r\nx-own:  kept\r\n"
    message = email.message_from_bytes(unstuffed(sent(own + PLAIN)), policy=email.policy.default)
    for name in ("Bcc", "Resent-Bcc", "Return-Path", "X-MSYS-API"):
        assert name not in message
    assert len(message.get_all("DKIM-Signature", [])) == 1
    assert message["X-MSFBL"] == STAMP.fbl_token
    assert message["x-own"] == "kept"
    assert message.get_all("Received", [])[0].startswith("from a ([192.0.2.1])")


def test_a_line_end_in_an_encoded_word_adds_no_header() -> None:
    """H1: it stays encoded on its way, and is blanks where the subject is shown."""
    evil = b"Subject: =?utf-8?q?a=0D=0ABcc:_x@y.example?=\r\n"
    data = PLAIN.replace(b"Subject: Hi\r\n", evil)
    assert read_submitted(data).subject == "a  Bcc: x@y.example"
    assert evil in sent(data).data
    assert email.message_from_bytes(sent(data).data)["Bcc"] is None


def test_date_and_message_id_are_added_only_where_missing() -> None:
    added = email.message_from_bytes(stored(PLAIN))
    assert added["Message-ID"] == "<1@example.com>"
    assert added["Date"] == "Mon, 21 Sep 2026 14:13:20 +0000"
    own = email.message_from_bytes(stored(b"Date: today\r\nMessage-Id: <mine@x>\r\n" + PLAIN))
    assert own.get_all("Date") == ["today"]
    assert own.get_all("Message-ID") == ["<mine@x>"]


def test_only_a_bcc_recipient_sees_itself() -> None:
    assert email.message_from_bytes(sent(PLAIN, "bcc").data)["Bcc"] == "sari@example.net"
    for kind in ("", "cc", "archive"):
        assert "Bcc" not in email.message_from_bytes(sent(PLAIN, kind).data)


def test_cc_shows_all_and_hides_no_second_address_in_a_name() -> None:
    named = NamedAddress("Doe, Jane <x@evil.example>", "jane@example.net")
    data = stored(b"Cc: old@example.net\r\n" + PLAIN, named, NamedAddress("", "b@example.net"))
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert [address.addr_spec for address in message["Cc"].addresses] == [
        *["old@example.net", "jane@example.net", "b@example.net"]
    ]


def test_a_header_beyond_ascii_is_encoded() -> None:
    data = stored(PLAIN.replace(b"Subject: Hi", "Subject: Grüße".encode()))
    assert data.partition(b"\r\n\r\n")[0].isascii()
    assert email.message_from_bytes(data, policy=email.policy.default)["Subject"] == "Grüße"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\r\nHello\r\n", "no From"),
        (b"To: a@b.example\r\n\r\n", "no From"),
        (b"From: a@b.example\r\nFrom: c@d.example\r\n\r\n", "occurs 2 times"),
        (PLAIN.replace(b"To:", b"Subject:"), "subject occurs 2 times"),
        (b"From: a@b.example, c@d.example\r\n\r\n", "exactly one"),
        (b"From: <a@good.example> <b@evil.example>\r\n\r\n", "exactly one"),
        (b"From: nobody\r\n\r\n", "exactly one"),
        (b"From : a@b.example\r\n\r\n", "is none"),
        (b" folded first\r\nFrom: a@b.example\r\n\r\n", "is none"),
        (b"From: a@b.example\r\nX: \x01\r\n\r\n", "control characters"),
        (b"From: a@b.example\r\nX: \xff\r\n\r\n", "neither ASCII nor UTF-8"),
        (b"From: a@b.example\r\nContent-Type: a/b; name=\xc3\xbc\r\n\r\n", "must be ASCII"),
        (b"Received: x\r\n" * 101 + PLAIN, "round in circles"),
        (b"X: y\r\n" * 60_000 + PLAIN, "more than 256 KB"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_a_reason(data: bytes, words: str) -> None:
    with pytest.raises(MessageRefused, match=words):
        read_submitted(data)


@settings(max_examples=100, deadline=1_000)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """F1 (short)."""
    lines = data.replace(b"\r", b"").replace(b"\n", b"\r\n")
    for tried in (lines, PLAIN.replace(b"Subject: Hi", b"Subject: " + lines)):
        try:
            message = read_submitted(tried + b"\r\n")
        except MessageRefused:
            continue
        assert all(field.wire.isascii() for field in message.fields)
