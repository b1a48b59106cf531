"""Submission's two calls: who may come in, and what becomes of a message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from merpati.accounts.actions import create_account, create_api_key
from merpati.accounts.keys import KeyIdentity
from merpati.adapters import codec
from merpati.contracts.batch import Batch, Content, Recipient
from merpati.contracts.event import Injection
from merpati.sending.directory import Directory
from merpati.sending.sending_ips import add_sending_ip
from merpati.sending.transmission_id import TransmissionIds
from merpati.smtp.session import Envelope
from merpati.smtp.submission import SORRY, Submission, recipient_refusal
from merpati.smtp.takers import Incoming
from merpati.spool.errors import SpoolFull, SpoolUnavailable
from tests.api.conftest import NOW, CollectingSpool, SteppingClock
from tests.support.control import make_domain

pytestmark = pytest.mark.django_db

HEADER = "From: Acme <news@acme.example>\r\nTo: a@example.net\r\nSubject: =?utf-8?q?H=C3=A9?=\r\n"
TEXT = HEADER + "\r\nHello {{name}}\r\n"


class Door:
    """Submission on a spool that collects, with a customer logged in."""

    def __init__(self, folder: Path) -> None:
        clock = SteppingClock()
        self.spool = CollectingSpool()
        self.ids = TransmissionIds(folder, clock)
        self.submission = Submission(Directory(clock), self.spool, self.ids, clock, "mta.example")
        self.key = customer("acme", "127.0.0.2")
        customer("rival", "127.0.0.3")
        identity = self.submission.authenticate("SMTP_Injection", self.key)
        assert isinstance(identity, KeyIdentity)
        self.envelope = Envelope(
            *("x@rival.example", ("a@example.net",), TEXT.encode()), "client", "ESMTPSA", identity
        )

    def take(self, text: str = TEXT, *recipients: str, **options: Any) -> str:
        if options:
            text = f"X-MSYS-API: {json.dumps(options)}\r\n{text}"
        to = recipients or self.envelope.recipients
        changed = replace(self.envelope, data=text.encode(), recipients=to)
        judged = self.submission.judge([Incoming(changed, "192.0.2.9")])
        (reply,) = asyncio.run(self.submission.store(judged))
        return reply

    @property
    def batch(self) -> Batch:
        return self.spool.last

    @property
    def content(self) -> Content:
        return codec.unpacker(Content).decode(self.batch.content)

    @property
    def injection(self) -> Injection:
        return codec.unpacker(Injection).decode(self.batch.injection)

    @property
    def recipients(self) -> list[Recipient]:
        read = codec.unpacker(Recipient).decode
        return [read(row.recipient) for row in self.batch.messages]


def customer(name: str, address: str) -> str:
    created = create_account(name, "premium", "uk", by="test", now=NOW)
    make_domain(created.account.pk, f"{name}.example", NOW)
    add_sending_ip(created.account.pk, address, f"mta.{name}.example", by="test", now=NOW)
    return created.api_key


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    door = Door(tmp_path)
    yield door
    door.ids.close()


def test_a_message_becomes_one_batch_with_its_body_stored_once(door: Door) -> None:
    reply = door.take(TEXT, "a@example.net", "b@Example.net", "a@EXAMPLE.net")
    assert reply == f"250 2.0.0 OK {door.batch.transmission_id}"
    assert [r.rcpt_to for r in door.recipients] == ["a@example.net", "b@Example.net"]
    assert door.batch.size == 2
    raw = door.content.raw or b""
    assert raw.endswith(b"\r\n\r\nHello {{name}}\r\n")  # no template language
    assert raw.startswith(
        b"Received: from client ([192.0.2.9])\r\n by mta.example with ESMTPSA id "
    )
    assert b"rival" not in door.batch.content  # R4: MAIL FROM is replaced by a path of ours
    assert door.content.return_path is None
    assert door.injection.recv_method == "esmtp"
    assert door.injection.subject == "Hé"
    assert door.injection.friendly_from == "news@acme.example"


@pytest.mark.parametrize("domain", ["rival.example", "unknown.example", "sub.acme.example"])
def test_from_must_be_in_a_verified_domain_of_the_account(door: Door, domain: str) -> None:
    """R4."""
    reply = door.take(TEXT.replace("acme.example", domain))
    assert reply == f"550 5.7.1 Unconfigured Sending Domain <{domain}>"
    assert door.spool.batches == []


def test_the_header_of_options_is_followed_and_removed(door: Door) -> None:
    options = {"transactional": True, "ip_pool": "default", "open_tracking": False}
    reply = door.take(
        campaign_id="c1",
        metadata={"a": 1},
        tags=["t"],
        options=options,
        cc=["c@example.net", {"email": "d@example.net", "name": "Dee"}],
        bcc=["b@example.net", "c@example.net"],
        archive=["z@example.net"],
    )
    assert reply.startswith("250")
    assert [(r.rcpt_to[0], r.rcpt_type) for r in door.recipients] == [
        *[("a", ""), ("c", "cc"), ("d", "cc"), ("b", "bcc"), ("z", "archive")]
    ]
    assert all(r.tags == ["t"] for r in door.recipients)
    assert door.content.campaign_id == door.injection.campaign_id == "c1"
    assert door.content.metadata == {"a": 1}
    assert door.content.transactional
    raw = (door.content.raw or b"").decode()
    assert "X-MSYS-API" not in raw
    assert 'Cc: c@example.net, "Dee" <d@example.net>\r\n' in raw


def test_the_header_may_be_folded_and_encoded(door: Door) -> None:
    assert door.take('X-MSYS-API: {"campaign_id":\r\n "a b"}\r\n' + TEXT).startswith("250")
    assert door.content.campaign_id == "a b"
    encoded = "X-MSYS-API: =?utf-8?q?{=22campaign=5Fid=22:=22=C3=A9=22}?=\r\n"
    assert door.take(encoded + TEXT).startswith("250")
    assert door.content.campaign_id == "é"


@pytest.mark.parametrize(
    ("value", "reply"),
    [
        ("{", "550 5.6.0 JSON parsing error in X-MSYS-API"),
        ("[]", "550 5.6.0 JSON parsing error in X-MSYS-API"),
        ("[" * 100_000, "550 5.6.0 JSON parsing error in X-MSYS-API"),
        (
            '{"metadata": "x"}',
            "550 5.6.0 X-MSYS-API 'metadata' must be of type 'json object'",
        ),
        (
            '{"campaign_id": "' + "x" * 65 + '"}',
            "550 5.6.0 smtpapi_campaign_id context is limited to 64 bytes",
        ),
        ('{"tags": {}}', "550 5.6.0 X-MSYS-API 'tags' must be of type 'json array'"),
        ('{"options": {"transactional": 1}}', "550 5.6.0 X-MSYS-API 'transactional' must be"),
        ('{"options": {"ip_pool": "none"}}', "550 5.6.0 ip_pool 'none' does not exist"),
        ('{"options": {"dkim_key": "k2"}}', "550 5.6.0 X-MSYS-API 'dkim_key'"),
        ('{"cc": ["no address"]}', "550 5.6.0 X-MSYS-API 'cc'"),
        ('{"bcc": [{"email": "a@b.example", "name": "x\\r\\nBcc: y"}]}', "550 5.6.0 X-MSYS-API"),
        ('{"campaign_id": "a\\r\\nb"}', "550 5.6.0 campaign_id must not contain line breaks"),
    ],
)
def test_a_wrong_header_of_options_is_refused(door: Door, value: str, reply: str) -> None:
    folded = "\r\n ".join(value[i : i + 900] for i in range(0, len(value), 900))
    assert door.take(f"X-MSYS-API: {folded}\r\n{TEXT}").startswith(reply)
    assert door.spool.batches == []


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (SpoolFull("below its reserve"), "452 4.3.1"),
        (SpoolUnavailable("no worker"), "421 4.3.0"),
    ],
)
def test_what_is_not_on_disk_is_never_250(door: Door, failure: Exception, code: str) -> None:
    """D5."""
    door.spool.failure = failure
    assert door.take().startswith(code)


def test_only_a_key_with_the_grant_comes_in(door: Door) -> None:
    account_id = door.envelope.identity.account_id if door.envelope.identity else 0
    other = create_api_key(account_id, "api", ["transmissions/modify"], by="test", now=NOW).key
    let_in = door.submission.authenticate
    assert isinstance(let_in("SMTP_Injection:X-MSYS-SUBACCOUNT=0", door.key), KeyIdentity)
    assert let_in("SMTP_Injection", "0" * 40) == SORRY
    assert let_in("SMTP_Injection", "ü\0") == SORRY
    assert let_in("somebody", door.key) == SORRY
    assert let_in("SMTP_Injection", other) == SORRY
    refused = let_in("SMTP_Injection:X-MSYS-SUBACCOUNT=12", door.key)
    assert refused == "535 5.7.8 Subaccount 12 does not exist"


def test_recipients_are_judged_at_rcpt() -> None:
    assert recipient_refusal("a@example.net") is None
    assert recipient_refusal("a@grün.example") is None
    assert (recipient_refusal("grün@example.net") or "").startswith("553 5.6.7")
    assert (recipient_refusal("nobody") or "").startswith("553 5.1.3")
    assert (recipient_refusal('"a b"@example.net') or "").startswith("553 5.1.3")
